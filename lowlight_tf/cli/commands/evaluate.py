"""`lowlight-tf evaluate`: models x images x metrics -> a table, JSON, and a contact sheet."""

import argparse
import dataclasses
import functools
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lowlight_tf import checks
from lowlight_tf.checks import UsageError
from lowlight_tf.cli.commands import evaluate_detection, evaluate_road
from lowlight_tf.cli.console import Problems, ProgressBar, warn
from lowlight_tf.cli.options import add_flag, command_line, split_names
from lowlight_tf.cli.selection import select_pairs
from lowlight_tf.legacy_names import PROTOCOLS

if TYPE_CHECKING:
    from lowlight_tf.evaluation.results import Results

CONTACT_SHEET_ROWS = 8
CONTACT_SHEET_HEIGHT_PX = {True: 160, False: 270}  # with a column of targets, or without
INPUT_MODELS = "input", "visible", "infrared"  # models that return a column of the sheet anyway

HELP = "measure enhanced images, against their targets or without"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of the command."""
    add = functools.partial(add_flag, parser)
    add(
        "--task",
        choices=("quality", "detection"),
        default="quality",
        help="measure the images themselves, or what a detector finds in them",
    )
    add(
        "--model",
        nargs="+",
        default=[],
        help="shipped names, baselines (average, visible, ...), .tflite files, run folders, or "
        "`input` for the unchanged image",
    )
    add("--checkpoint-dir", type=Path, metavar="RUN", help="as --model RUN --json RUN/results.json")
    add(
        "--data",
        nargs="+",
        default=[],
        help="folders with low/ and high/, a .zip of one, or names of data sets; for metrics that "
        "need no target, folders of images too; for two cameras, folders with visible/ and "
        "infrared/; for RAW files, folders with raw/, high/ and ratios.json or with short/ and "
        "long/, or photographs, of which RAW files are made (default: the validation pairs of the "
        "one run folder)",
    )
    add("--data-root", type=Path, default=Path("."), help="folder that holds the data sets")
    add(
        "--split",
        help="which pairs: of a data set, or a folder's subfolder "
        "(default: of a data set val, of a folder test or else val; where there is none, all)",
    )
    add(
        "--metrics",
        nargs="+",
        help="names of the catalog (default: psnr ssim; where a model fuses two cameras: entropy "
        "mutual_information standard_deviation scd vif)",
    )
    add(
        "--protocol",
        nargs="+",
        help="plain, gt_mean, luma, unit_range; of RAW files sid, half_resolution: one or more "
        "(default: plain; of RAW files that of the model's size)",
    )
    add("--json", type=Path, help="file to write all numbers into")
    add("--markdown", type=Path, help="file to write the table into")
    add(
        "--contact-sheet",
        former=("--sheet",),
        type=Path,
        help="image to write: input, result and target of some pairs",
    )
    add(
        "--per-image",
        former=("--each",),
        action="store_true",
        help="print the numbers of every image too",
    )
    add("--threads", type=int, default=2, help="processor threads of a .tflite file")
    evaluate_detection.add_arguments(parser)
    evaluate_road.add_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Evaluate, print the table, write what is asked for; return 0, or 1 if an image failed."""
    if args.task == "detection":
        return evaluate_detection.run(args)
    if args.suite:
        return evaluate_road.run(args)
    models = [*args.model, *([str(args.checkpoint_dir)] if args.checkpoint_dir else [])]
    models = list(dict.fromkeys(models))
    if not models:
        raise UsageError("No model is named. Pass --model or --checkpoint-dir.")
    with tempfile.TemporaryDirectory(prefix="lowlight-tf-") as workdir:
        return _run(args, models, Path(workdir))


def _run(args: argparse.Namespace, models: list[str], workdir: Path) -> int:
    from lowlight_tf.catalog import METRICS
    from lowlight_tf.evaluation import evaluator, results, results_table, scene_overlap
    from lowlight_tf.evaluation.tasks import evaluation_of
    from lowlight_tf.imaging import image_io
    from lowlight_tf.metrics import fidelity

    problems = Problems(args.command)
    # Everything that can be wrong is reported before the first image is enhanced.
    protocols = split_names("protocol", args.protocol) if args.protocol else []
    protocols = [PROTOCOLS.get(name, name) for name in protocols]
    for protocol in protocols:
        fidelity.check_protocol(protocol)
    if args.checkpoint_dir:
        checks.check_dir("checkpoint_dir", args.checkpoint_dir)
    engines = evaluator.load_models(models, threads=args.threads)
    contracts = [engine.contract for engine in engines.values()]
    table_task = evaluation_of(*contracts)
    protocols = protocols or list(dict.fromkeys(map(table_task.default_protocol, contracts)))
    metrics = split_names("metrics", args.metrics or table_task.metrics)
    metrics = [METRICS.canonical(name) for name in metrics]
    args.protocol, args.metrics = protocols, metrics  # for the command line to repeat
    inputs = {name for metric in metrics for name in METRICS.find(metric).inputs}
    sets = select_pairs(
        args,
        models,
        evaluation_of(*contracts, metric_inputs=inputs),
        with_targets="target" in inputs,
        workdir=workdir,
        report=problems.report,
    )
    sets = {
        data: evaluator.keep_measurable(
            engines.values(), pairs, metrics=metrics, protocols=protocols, report=problems.report
        )
        for data, pairs in sets.items()
    }
    json = args.json
    if json is None and args.checkpoint_dir:
        json = args.checkpoint_dir / "results.json"
    paths = {"--json": json, "--markdown": args.markdown, "--contact-sheet": args.contact_sheet}
    for flag, path in paths.items():
        if path:
            checks.check_file_in_dir(flag, path)
    for line in scene_overlap.find_shared_scenes(models, engines, args.data):
        warn(args.command, line)

    found = _measure(engines, sets, args, problems)
    measured = {(result.data, score.name) for result in found for score in result.scores}
    sets = {
        data: [pair for pair in pairs if (data, pair.name) in measured]
        for data, pairs in sets.items()
    }
    if args.per_image:
        print(results_table.per_image_table(found))
    print(results_table.results_table(found), end="")
    of_detection = ("task", "labels", "detector", "reference_detector", "exposure", "night_crf")
    outputs = ("json", "markdown", "contact_sheet", "per_image")
    command = command_line(args, omit=(*of_detection, *outputs))
    if json:
        results.save(json, found, command=command)
        print(f"{json}: every number, and how it was made")
    if args.markdown:
        results_table.save(args.markdown, found, command=command)
    if args.contact_sheet:
        sheet = _draw_contact_sheet(engines, sets, found)
        image_io.write_float_rgb(args.contact_sheet, sheet)
        print(f"{args.contact_sheet}: some of the images")
    return 1 if problems else 0


def _measure(
    engines: dict[str, Any], sets: dict[str, list], args: argparse.Namespace, problems: Problems
) -> "list[Results]":
    """Return the results of each model on each set, of the images that none of them fails on."""
    from lowlight_tf.evaluation import evaluator

    found, failed = [], {data: {} for data in sets}
    for name, engine in engines.items():
        for data, pairs in sets.items():
            reasons: dict[str, str] = {}
            with ProgressBar(len(pairs)) as bar:
                results = evaluator.evaluate_pairs(
                    engine,
                    pairs,
                    metrics=args.metrics,
                    protocols=args.protocol,
                    data=data,
                    progress=functools.partial(_show_progress, bar, len(pairs), name),
                    failed=reasons,
                )
            if len(reasons) == len(pairs):
                raise UsageError(next(iter(reasons.values())))
            for pair, reason in reasons.items():
                problems.report(f"{name}, {pair} is left out: {reason}")
            failed[data] |= reasons
            found += [dataclasses.replace(result, model=name) for result in results]
    for data, pairs in sets.items():
        if len(failed[data]) == len(pairs):
            raise UsageError(f"No image of {data} could be measured with all models.")
    return [
        dataclasses.replace(
            result,
            scores=tuple(one for one in result.scores if one.name not in failed[result.data]),
        )
        for result in found
    ]


def _show_progress(bar: ProgressBar, count: int, name: str, fraction: float) -> None:
    bar.show(fraction * count, name)


def _draw_contact_sheet(engines: dict[str, Any], sets: dict[str, list], results: list) -> Any:
    """Return images spread over the sets, with their numbers as captions."""
    from lowlight_tf.evaluation import results_table
    from lowlight_tf.evaluation.comparison.contact_sheet import contact_sheet
    from lowlight_tf.evaluation.tasks import evaluation_of

    first_protocol: dict[tuple[str, str], Any] = {}
    for result in results:
        first_protocol.setdefault((result.model, result.data), result)
    columns = [name for name in engines if name not in INPUT_MODELS]
    task = evaluation_of(*(engines[name].contract for name in columns))
    inputs = ["input" if name == "low" else name for name in task.preview_columns]
    rows, captions = [], []
    for data, pairs in sets.items():
        step = -(-len(pairs) * len(sets) // CONTACT_SHEET_ROWS)
        for index in range(0, len(pairs), step):
            found = [first_protocol.get((name, data)) for name in (*inputs, *columns)]
            rows.append(pairs[index])
            captions.append(
                [results_table.caption(each.scores[index]) if each else "" for each in found]
            )
    height = CONTACT_SHEET_HEIGHT_PX[any(pair.target for pair in rows)]
    engines = [engines[name] for name in columns]
    return contact_sheet(engines, rows, captions=captions, height=height)
