"""`lowlight-tf ladder`: a trained run in every kind of file, and the table of what each costs."""

import argparse
import dataclasses
import shlex
import tempfile
from pathlib import Path

from lowlight_tf import checks

HELP = "write a run as every kind of .tflite file, and the table of what each costs and saves"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    add = parser.add_argument
    add("run", type=Path, help="run folder, as `lowlight-tf train` writes it")
    add("--size", required=True, help="HEIGHTxWIDTH that the files take (pixels)")
    add("--quantize", default="all", help="some rungs, by commas; see the table for their names")
    add("--data", help="pictures to measure on, as for evaluate (default: the run's validation)")
    add("--data-root", type=Path, default=Path("."), help="folder that holds the dataset")
    add("--split", help="which pairs: of a dataset, or a folder's subfolder (val if absent)")
    add(
        "--metrics",
        help="names of the catalog, by commas (default: psnr,ssim,lpips; of a net that fuses two "
        "cameras what it was validated by)",
    )
    add(
        "--protocol",
        help="plain, gt_mean, luma or seed; of RAW files sid or half_resolution (default: plain; "
        "of RAW files that of the model's size)",
    )
    add("--qat-steps", type=int, default=300, help="steps of quantization-aware training")
    add("--prune-steps", type=int, default=600, help="steps of pruning")
    add("--sparsity", type=float, default=0.5, help="share of the weights that pruning takes")
    add("--teacher", type=float, default=0.0, help="weight of the float net as a teacher, 0 to 1")
    add("--calibration", type=Path, help="folder of dark pictures to take ranges from")
    add("--name", help="what files and cards call the net (its model if absent)")
    add("--threads", type=int, default=2, help="processor threads")
    add("--runs", type=int, default=50, help="frames to time of each file")
    add("--no-delegate", action="store_true", help="do not show the files to the GPU delegate")
    add("--output", type=Path, help="folder to write into (RUN/ladder if absent)")


def run(args: argparse.Namespace) -> int:
    """Make, measure, write the table; return 0 if every rung was made, else 1."""
    with tempfile.TemporaryDirectory(prefix="lowlight-tf-") as room:
        return _run(args, Path(room))


def _run(args: argparse.Namespace, room: Path) -> int:
    from lowlight_tf.cli.options import image_size, split_names
    from lowlight_tf.cli.selection import own_pairs, read_named_pairs

    size = image_size(args.size)
    checks.check_dir("run", args.run)

    from lowlight_tf.catalog import METRICS, MODELS
    from lowlight_tf.config import Recipe
    from lowlight_tf.evaluation.evaluator import FUSION_METRICS
    from lowlight_tf.evaluation.raw_protocol import default_protocol
    from lowlight_tf.export import quantization_sweep
    from lowlight_tf.export.variants import VARIANTS, FineTuneConfig, VariantBuilder
    from lowlight_tf.fileio import write_json, write_text
    from lowlight_tf.legacy_names import QUANTIZATIONS
    from lowlight_tf.metrics import fidelity
    from lowlight_tf.runtime import benchmark
    from lowlight_tf.training.composite_loss import CompositeLoss
    from lowlight_tf.training.data import read_split_pairs

    rungs = (
        VARIANTS
        if args.quantize == "all"
        else [QUANTIZATIONS.get(name, name) for name in split_names("quantize", args.quantize)]
    )
    for rung in rungs:
        checks.check_choice("quantize", rung, VARIANTS)
    recipe = Recipe.load(args.run / "recipe.toml")
    contract = MODELS.find(recipe.model).contract
    args.metrics = args.metrics or (
        ",".join(FUSION_METRICS) if contract.is_fusion else "psnr,ssim,lpips"
    )
    args.protocol = args.protocol or default_protocol(contract)
    metrics = split_names("metrics", args.metrics)
    for metric in metrics:
        METRICS.find(metric)  # what is not there is said before anything is made
    fidelity.check_protocol(args.protocol)
    checks.check_min("threads", args.threads, 1)
    checks.check_min("runs", args.runs, 1)
    if args.data:
        against = not all(METRICS.find(metric).no_reference for metric in metrics)
        raws = room if contract.is_raw else None
        data, pairs = read_named_pairs(args.data, args, against, contract.is_fusion, raws)
    else:
        data, pairs = f"{args.run.resolve().name} validation", own_pairs(args.run)
    objective = CompositeLoss(recipe.losses)
    listed = args.run / "pairs_training.json"
    lesson = FineTuneConfig(
        pairs=read_split_pairs(listed) if listed.is_file() else (),
        loss_fn=lambda images: objective.total(objective(images)),
        qat_steps=args.qat_steps,
        prune_steps=args.prune_steps,
        sparsity=args.sparsity,
        teacher=args.teacher,
    )
    maker = VariantBuilder(
        args.run, size=size, fine_tuning=lesson, name=args.name, calibration_folder=args.calibration
    )

    output = args.output or args.run / "ladder"
    output.mkdir(parents=True, exist_ok=True)
    made = []
    for rung in quantization_sweep.sweep(
        maker,
        rungs,
        output,
        pairs,
        metrics=metrics,
        protocol=args.protocol,
        threads=args.threads,
        runs=args.runs,
        check_delegate=not args.no_delegate,
    ):
        print(f"{rung.name}: {rung.reason or rung.path}", flush=True)
        made.append(rung)

    table = quantization_sweep.markdown_table(made, args.protocol)
    print(table, end="")
    command = shlex.join(_command(args))
    write_text(output / "ladder.md", f"{table}\n`{command}`\n")
    write_json(
        output / "ladder.json",
        {
            "command": command,
            "machine": benchmark.system_info(),
            "size": list(size),
            "data": data,
            "pictures": len(pairs),
            "protocol": args.protocol,
            "threads": args.threads,
            "rungs": [
                {**dataclasses.asdict(rung), "path": rung.path and rung.path.name} for rung in made
            ],
        },
    )
    print(f"{output}/ladder.md, ladder.json: the table, and every number")
    return 1 if any(rung.reason for rung in made) else 0


def _command(args: argparse.Namespace) -> list[str]:
    """Return the words that make the same files and numbers."""
    words = ["lowlight-tf", "ladder", str(args.run)]
    for name, value in vars(args).items():
        if name in ("command", "run_command", "run", "output") or value in (None, False):
            continue
        words += [f"--{name.replace('_', '-')}", *([] if value is True else [str(value)])]
    return words
