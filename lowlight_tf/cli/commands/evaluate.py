"""`lowlight-tf evaluate`: models x pictures x metrics -> a table, JSON, and a contact sheet."""

import argparse
import dataclasses
import functools
import shlex
import sys
import tempfile
from pathlib import Path
from typing import Any

from lowlight_tf import checks
from lowlight_tf.checks import UsageError
from lowlight_tf.cli.commands import evaluate_detection
from lowlight_tf.cli.console import ProgressBar
from lowlight_tf.cli.options import split_names
from lowlight_tf.cli.selection import select_pairs

SHEET = 8  # rows of a contact sheet
HEIGHT = {True: 160, False: 270}  # pixels of its pictures, with a column of targets or without
SOURCES = "input", "visible", "infrared"  # models that give back what stands there anyway

HELP = "measure enhanced pictures, against their targets or alone"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    add = parser.add_argument
    add(
        "--task",
        choices=("quality", "detection"),
        default="quality",
        help="measure the pictures themselves, or what a detector finds in them",
    )
    add(
        "--model",
        nargs="+",
        default=[],
        help="shipped names, baselines (average, visible, ...), .tflite files, run folders, or "
        "`input` for the dark picture itself",
    )
    add("--checkpoint-dir", type=Path, metavar="RUN", help="as --model RUN --json RUN/results.json")
    add(
        "--data",
        nargs="+",
        default=[],
        help="folders with low/ and high/, a .zip of one, or names of datasets; for metrics that "
        "need no target, folders of pictures too; for two cameras, folders with visible/ and "
        "infrared/; for RAW files, folders with raw/, high/ and ratios.json or with short/ and "
        "long/, or photographs, of which RAW files are made (default: what the one run folder was "
        "validated with)",
    )
    add("--data-root", type=Path, default=Path("."), help="folder that holds the dataset")
    add(
        "--split",
        help="which pairs: of a dataset, or a folder's subfolder "
        "(default: of a dataset val, of a folder test or else val; where there is none, all)",
    )
    add(
        "--metrics",
        help="names of the catalog, by commas (default: psnr,ssim; where a model fuses two "
        "cameras: entropy,mutual_information,standard_deviation,scd,vif)",
    )
    add(
        "--protocol",
        help="plain, gt_mean, luma, seed; of RAW files sid, half_resolution: one or more, by "
        "commas (default: plain; of RAW files that of the model's size)",
    )
    add("--json", type=Path, help="file to write all numbers into")
    add("--markdown", type=Path, help="file to write the table into")
    add("--sheet", type=Path, help="picture to write: before, after and target of some")
    add("--each", action="store_true", help="print every picture's numbers too")
    add("--threads", type=int, default=2, help="processor threads of a .tflite file")
    evaluate_detection.add_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Evaluate, print the table, write what is asked for; return 0."""
    if args.task == "detection":
        return evaluate_detection.run(args)
    models = [*args.model, *([str(args.checkpoint_dir)] if args.checkpoint_dir else [])]
    models = list(dict.fromkeys(models))
    if not models:
        raise UsageError("Pass --model or --checkpoint-dir to say what to evaluate.")
    with tempfile.TemporaryDirectory(prefix="lowlight-tf-") as room:
        return _run(args, models, Path(room))


def _run(args: argparse.Namespace, models: list[str], room: Path) -> int:
    from lowlight_tf.catalog import METRICS
    from lowlight_tf.evaluation import (
        evaluator,
        raw_protocol,
        results,
        results_table,
        scene_overlap,
    )
    from lowlight_tf.imaging import image_io
    from lowlight_tf.legacy_names import PROTOCOLS
    from lowlight_tf.metrics import fidelity

    protocols = split_names("protocol", args.protocol) if args.protocol else []
    protocols = [PROTOCOLS.get(name, name) for name in protocols]
    # All that can be wrong is said before the first picture is enhanced.
    for protocol in protocols:
        fidelity.check_protocol(protocol)
    if args.checkpoint_dir:
        checks.check_dir("checkpoint_dir", args.checkpoint_dir)
    engines = evaluator.load_models(models, threads=args.threads)
    contracts = [engine.contract for engine in engines.values()]
    fusing = any(contract.is_fusion for contract in contracts)
    if not protocols:
        protocols = list(dict.fromkeys(map(raw_protocol.default_protocol, contracts)))
        args.protocol = ",".join(protocols)
    if args.metrics is None:
        args.metrics = ",".join(evaluator.FUSION_METRICS if fusing else ("psnr", "ssim"))
    metrics = [METRICS.canonical(name) for name in split_names("metrics", args.metrics)]
    taken = {name for metric in metrics for name in METRICS.find(metric).inputs}
    raws = room if contracts[0].is_raw else None
    sets = select_pairs(args, models, "target" in taken, fusing or "infrared" in taken, raws)
    for pairs in sets.values():
        for engine in engines.values():
            evaluator.check_evaluation(engine, pairs, metrics=metrics, protocols=protocols)
    json = args.json
    if json is None and args.checkpoint_dir:
        json = args.checkpoint_dir / "results.json"
    for flag, path in {"--json": json, "--markdown": args.markdown, "--sheet": args.sheet}.items():
        if path:
            checks.check_file_in_dir(flag, path)
    for line in scene_overlap.shared_scene_warnings(models, engines, args.data):
        print(f"lowlight-tf evaluate: {line}", file=sys.stderr)

    made = []
    for name, engine in engines.items():
        for data, pairs in sets.items():
            with ProgressBar(len(pairs)) as bar:
                measured = evaluator.evaluate_pairs(
                    engine,
                    pairs,
                    metrics=metrics,
                    protocols=protocols,
                    data=data,
                    progress=functools.partial(_show, bar, len(pairs), name),
                )
            made += [dataclasses.replace(one, model=name) for one in measured]

    if args.each:
        print(results_table.per_image_table(made))
    print(results_table.results_table(made), end="")
    command = _command(args)
    if json:
        results.save(json, made, command=command)
        print(f"{json}: every number, and how it was made")
    if args.markdown:
        results_table.save(args.markdown, made, command=command)
    if args.sheet:
        image_io.write_float_rgb(args.sheet, _sheet(engines, sets, made))
        print(f"{args.sheet}: some of the pictures")
    return 0


def _show(bar: ProgressBar, count: int, name: str, share: float) -> None:
    bar.show(share * count, name)


def _sheet(engines: dict[str, Any], sets: dict[str, list], results: list) -> Any:
    """Return pictures spread over the sets, with the numbers that were measured of each."""
    from lowlight_tf.evaluation import results_table
    from lowlight_tf.evaluation.comparison.contact_sheet import contact_sheet, inputs_of

    measured = {}  # of several protocols the first
    for one in results:
        measured.setdefault((one.model, one.data), one)
    columns = [name for name in engines if name not in SOURCES]
    chosen = [engines[name] for name in columns]
    heads = ("visible", "infrared") if "infrared" in inputs_of(chosen) else ("input",)
    shown, captions = [], []
    for data, pairs in sets.items():
        step = -(-len(pairs) * len(sets) // SHEET)
        for index in range(0, len(pairs), step):
            row = [measured.get((name, data)) for name in (*heads, *columns)]
            shown.append(pairs[index])
            captions.append(
                [results_table.caption(one.scores[index]) if one else "" for one in row]
            )
    height = HEIGHT[any(pair.target for pair in shown)]
    return contact_sheet(chosen, shown, captions=captions, height=height)


def _command(args: argparse.Namespace) -> str:
    """Return the line that makes the same numbers, however this one was called."""
    words = ["lowlight-tf", "evaluate"]
    if args.model:
        words += ["--model", *args.model]
    if args.checkpoint_dir:
        words += ["--checkpoint-dir", str(args.checkpoint_dir)]
    if args.data:
        words += ["--data", *args.data, "--data-root", str(args.data_root)]
    if args.split:
        words += ["--split", args.split]
    return shlex.join([*words, "--metrics", args.metrics, "--protocol", args.protocol])
