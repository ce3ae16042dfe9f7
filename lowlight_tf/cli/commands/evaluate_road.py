"""`lowlight-tf evaluate --suite road`: how models behave on night drives and well-lit images."""

import argparse
import shlex
import sys
from typing import Any

from lowlight_tf import checks
from lowlight_tf.checks import UsageError
from lowlight_tf.cli.options import add_flag


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what only suites take."""
    add_flag(
        parser,
        "--suite",
        choices=("road",),
        help="measure a fixed set of behaviors instead of --data: `road` looks below --data-root "
        "for camvid/image, video, night_drive and exposures, and takes what is there",
    )


def run(args: argparse.Namespace) -> int:
    """Measure each model, print the table and what its columns are; return 0.

    Raises:
        UsageError: If no model is named, one is not for low light, or there is no data.
    """
    from lowlight_tf.evaluation import evaluator
    from lowlight_tf.evaluation.road.road_data import RoadData, find_road_data
    from lowlight_tf.evaluation.road.suite import COLUMNS, measure_road, table
    from lowlight_tf.fileio import write_json, write_text

    if not args.model:
        raise UsageError("Pass --model to say what to measure.")
    data = find_road_data(args.data_root)
    if data == RoadData():
        raise UsageError(
            "`data_root` must hold some of camvid/image, video, night_drive, exposures. "
            f"Received: {args.data_root}."
        )
    engines = evaluator.load_models(args.model, threads=args.threads)
    for name, engine in engines.items():
        _check_enhancer(name, engine)
    for flag, path in {"--json": args.json, "--markdown": args.markdown}.items():
        if path:
            checks.check_file_in_dir(flag, path)
    rows = {}
    for name, engine in engines.items():

        def progress(stage: str, model: str = name) -> None:
            print(f"{model}: {stage}", file=sys.stderr)

        rows[name] = measure_road(engine, data, progress=progress)
    text = table(rows)
    definitions = "".join(f"- `{column}`: {what}\n" for column, what in COLUMNS.items())
    print(text)
    command = shlex.join(
        [
            "lowlight-tf",
            "evaluate",
            "--suite",
            "road",
            "--model",
            *args.model,
            "--data-root",
            str(args.data_root),
        ]
    )
    if args.json:
        write_json(args.json, {"command": command, "rows": rows})
    if args.markdown:
        write_text(args.markdown, f"{text}\n{definitions}\n    {command}\n")
    return 0


def _check_enhancer(name: str, engine: Any) -> None:
    if engine.contract.task != "enhance":
        raise UsageError(
            f"The suite measures models that enhance one color image. Received: {name}, which "
            f"takes {', '.join(port.name for port in engine.contract.inputs)}."
        )
