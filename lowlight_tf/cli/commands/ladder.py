"""`lowlight-tf ladder` or `sweep`: every variant of a trained run, and a table of their costs."""

import argparse
import dataclasses
import tempfile
from pathlib import Path

from lowlight_tf import checks
from lowlight_tf.cli.console import Problems

HELP = "write every variant of a run as a .tflite file, and a table of size, accuracy and speed"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    add = parser.add_argument
    add("run", type=Path, help="run folder, as `lowlight-tf train` writes it")
    add(
        "--size",
        required=True,
        metavar="HEIGHTxWIDTH",
        help="input size of the files (pixels)",
    )
    add(
        "--quantize",
        nargs="+",
        default=["all"],
        metavar="VARIANT",
        help="variants, separated by spaces or commas: float32, float16, dynamic_range, int8, "
        "int16x8, int8_qat, float16_pruned, int8_pruned (default: all)",
    )
    add("--data", help="images to measure on, as for evaluate (default: the run's validation)")
    add("--data-root", type=Path, default=Path("."), help="folder that holds the data set")
    add("--split", help="split of the data set, or subfolder of the folder (default: val)")
    add(
        "--metrics",
        nargs="+",
        metavar="METRIC",
        help="metrics, separated by spaces or commas (default: psnr ssim lpips; of a fusion model "
        "those of its validation)",
    )
    add(
        "--protocol",
        help="plain, gt_mean, luma or unit_range; of RAW files sid or half_resolution (default: "
        "plain; of RAW files that of the model's size)",
    )
    add("--qat-steps", type=int, default=300, help="steps of quantization-aware training")
    add("--prune-steps", type=int, default=600, help="steps of pruning")
    add("--sparsity", type=float, default=0.5, help="fraction of the weights that are pruned")
    add("--teacher", type=float, default=0.0, help="weight of the float model as teacher, 0 to 1")
    add("--calibration", type=Path, help="folder of low-light images to calibrate with")
    add("--name", help="name of the model in files and cards (default: its architecture)")
    add("--threads", type=int, default=2, help="processor threads")
    add("--runs", type=int, default=50, help="frames to time of each file")
    add("--no-delegate", action="store_true", help="do not run the files on the GPU delegate")
    add("--output", type=Path, help="folder to write into (default: RUN/ladder)")


def run(args: argparse.Namespace) -> int:
    """Build, measure, write the table; return 0 if every variant was built, else 1."""
    with tempfile.TemporaryDirectory(prefix="lowlight-tf-") as workdir:
        return _run(args, Path(workdir))


def _run(args: argparse.Namespace, workdir: Path) -> int:
    from lowlight_tf.cli.options import command_line, image_size, split_names
    from lowlight_tf.cli.selection import read_named_pairs, validation_pairs

    size = image_size(args.size)
    checks.check_dir("run", args.run)

    from lowlight_tf.catalog import METRICS, MODELS
    from lowlight_tf.config import Recipe
    from lowlight_tf.evaluation.tasks import evaluation_of
    from lowlight_tf.export import quantization_sweep
    from lowlight_tf.export.variants import VARIANTS, FineTuneConfig, VariantBuilder
    from lowlight_tf.fileio import write_json, write_text
    from lowlight_tf.legacy_names import PROTOCOLS, QUANTIZATIONS
    from lowlight_tf.metrics import fidelity
    from lowlight_tf.runtime import benchmark
    from lowlight_tf.training.composite_loss import CompositeLoss
    from lowlight_tf.training.data import read_split_pairs

    variants = [QUANTIZATIONS.get(name, name) for name in split_names("quantize", args.quantize)]
    variants = list(VARIANTS) if variants == ["all"] else variants
    for variant in variants:
        checks.check_choice("quantize", variant, VARIANTS)
    recipe = Recipe.load(args.run / "recipe.toml")
    contract = MODELS.find(recipe.model).contract
    task = evaluation_of(contract)
    if args.metrics is None:
        args.metrics = [*task.metrics] if contract.task == "fuse" else ["psnr", "ssim", "lpips"]
    metrics = [METRICS.canonical(name) for name in split_names("metrics", args.metrics)]
    for metric in metrics:
        METRICS.find(metric)  # raises UsageError before anything is built
    protocol = args.protocol or task.default_protocol(contract)
    args.protocol = protocol = PROTOCOLS.get(protocol, protocol)
    fidelity.check_protocol(protocol)
    checks.check_min("threads", args.threads, 1)
    checks.check_min("runs", args.runs, 1)
    problems = Problems(args.command)
    if args.data:
        with_targets = not all(METRICS.find(metric).no_reference for metric in metrics)
        data, pairs = read_named_pairs(
            args.data,
            args,
            task,
            with_targets=with_targets,
            workdir=workdir,
            report=problems.report,
        )
    else:
        data, pairs = f"{args.run.resolve().name} validation", validation_pairs(args.run)
    loss = CompositeLoss(recipe.losses)
    training_pairs = args.run / "pairs_training.json"
    fine_tuning = FineTuneConfig(
        pairs=read_split_pairs(training_pairs) if training_pairs.is_file() else (),
        loss_fn=lambda images: loss.total(loss(images)),
        qat_steps=args.qat_steps,
        prune_steps=args.prune_steps,
        sparsity=args.sparsity,
        teacher=args.teacher,
    )
    builder = VariantBuilder(
        args.run,
        size=size,
        fine_tuning=fine_tuning,
        name=args.name,
        calibration_folder=args.calibration,
    )

    output = args.output or args.run / "ladder"
    output.mkdir(parents=True, exist_ok=True)
    results = []
    for result in quantization_sweep.sweep(
        builder,
        variants,
        output,
        pairs,
        metrics=metrics,
        protocol=protocol,
        threads=args.threads,
        runs=args.runs,
        check_delegate=not args.no_delegate,
    ):
        print(f"{result.name}: {result.reason or result.path}", flush=True)
        results.append(result)

    table = quantization_sweep.markdown_table(results, protocol)
    print(table, end="")
    command = command_line(args, positional=["run"], omit=["output"])
    write_text(output / "ladder.md", f"{table}\n`{command}`\n")
    write_json(
        output / "ladder.json",
        {
            "command": command,
            "machine": benchmark.system_info(),
            "size": list(size),
            "data": data,
            "images": len(pairs),
            "protocol": protocol,
            "threads": args.threads,
            "variants": [
                {**dataclasses.asdict(result), "path": result.path and result.path.name}
                for result in results
            ],
        },
    )
    print(f"{output}/ladder.md, ladder.json: the table, and all results")
    return 1 if problems or any(result.reason for result in results) else 0
