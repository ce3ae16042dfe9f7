"""`lowlight-tf compare`: models x pictures -> one page to look at, and its numbers."""

import argparse
import contextlib
import functools
import shlex
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from lowlight_tf import checks
from lowlight_tf.checks import UsageError
from lowlight_tf.cli.commands import report
from lowlight_tf.cli.console import ProgressBar
from lowlight_tf.cli.options import split_names
from lowlight_tf.cli.selection import named_pairs
from lowlight_tf.fileio import atomic_write

if TYPE_CHECKING:
    from lowlight_tf.datasets.pairing import Pair
    from lowlight_tf.runtime.engine import Engine

HELP = "lay models beside each other: one page with numbers, plots and sliders"

AGAINST, ALONE = "psnr,ssim,lpips,niqe", "niqe,loe,brightness"
"""What is measured of pictures with targets, and of those without."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    add = parser.add_argument
    add(
        "data",
        metavar="DATA",
        help="folder with low/ and high/, or of pictures without targets, a .zip of one, or name "
        "of a dataset; for two cameras a folder with visible/ and infrared/; for RAW files one "
        "with raw/, high/ and ratios.json or with short/ and long/",
    )
    add(
        "--models",
        required=True,
        help="by commas: shipped names, baselines (clahe, lime, ...), .tflite files, run folders, "
        "or `input` for the dark picture itself",
    )
    add("--data-root", type=Path, default=Path("."), help="folder that holds the dataset")
    add("--split", help="as of `lowlight-tf evaluate`")
    add(
        "--metrics",
        help=f"names of the catalog, by commas (default: {AGAINST}; without targets {ALONE}; for "
        "two cameras as `lowlight-tf evaluate`)",
    )
    add("--protocol", help="as of `lowlight-tf evaluate`")
    add(
        "--output",
        type=Path,
        default=Path("comparison.html"),
        help="page to write; the numbers go beside it, as .csv and .md",
    )
    add("--runs", nargs="+", type=Path, default=[], help="run folders whose curves are shown too")
    add("--width", type=int, default=640, help="up to which pictures are shown (pixels)")
    add("--pictures", type=int, default=40, help="how many are shown at most; all are measured")
    add("--threads", type=int, default=2, help="processor threads of a .tflite file")


def run(args: argparse.Namespace) -> int:
    """Measure, write the page; return 0, or 1 if a model failed on a picture."""
    checks.check_min("width", args.width, 16)
    checks.check_min("pictures", args.pictures, 0)
    output = args.output
    if output.suffix.lower() not in (".html", ".htm"):
        raise UsageError(f"--output must end in .html. Received: {output}.")
    checks.check_file_in_dir("--output", output)
    with tempfile.TemporaryDirectory(prefix="lowlight-tf-") as room:
        return _run(args, Path(room))


def _run(args: argparse.Namespace, room: Path) -> int:
    from lowlight_tf.evaluation import evaluator, raw_protocol, scene_overlap
    from lowlight_tf.evaluation.comparison import tables
    from lowlight_tf.evaluation.comparison.comparison import compare
    from lowlight_tf.evaluation.comparison.html_report import html_report

    models = split_names("models", args.models)
    protocols = split_names("protocol", args.protocol) if args.protocol else []
    engines = evaluator.load_models(models, threads=args.threads)
    data, pairs = _pairs(args, engines, room)
    if args.metrics is None:
        fusing = any(engine.contract.is_fusion for engine in engines.values())
        against = all(pair.target for pair in pairs)
        args.metrics = (
            ",".join(evaluator.FUSION_METRICS) if fusing else AGAINST if against else ALONE
        )
    if not protocols:
        own = (raw_protocol.default_protocol(engine.contract) for engine in engines.values())
        protocols = list(dict.fromkeys(own))
        args.protocol = ",".join(protocols)
    for line in scene_overlap.shared_scene_warnings(models, engines, [args.data]):
        print(f"lowlight-tf compare: {line}", file=sys.stderr)
    curves = _curves([Path(model) for model in models], args.runs, room / "curves.svg")

    with ProgressBar(len(models) * len(pairs)) as bar:
        found = compare(
            models,
            engines,
            pairs,
            metrics=split_names("metrics", args.metrics),
            protocols=protocols,
            data=data,
            threads=args.threads,
            width=args.width,
            shown=args.pictures,
            progress=functools.partial(_show, bar, list(engines), len(pairs)),
        )
    command, output = _command(args), args.output
    numbers = output.with_suffix(".csv"), output.with_suffix(".md")
    shown = html_report(
        found,
        command=command,
        facts=_facts(command),
        curves=curves,
        beside=(numbers[0].name, numbers[1].name),
    )
    written = tables.as_csv(found), tables.markdown_report(found, command=command)
    _write(dict(zip((output, *numbers), (shown, *written), strict=True)))
    print(tables.summary_table(found), end="")
    print(f"{output}: everything to look at; {numbers[0].name}, {numbers[1].name}: its numbers")
    for model, name, reason in found.failures:
        print(f"lowlight-tf compare: {model}, {name}: {reason}", file=sys.stderr)
    return 1 if found.failures else 0


def _pairs(
    args: argparse.Namespace, engines: dict[str, "Engine"], room: Path
) -> tuple[str, list["Pair"]]:
    """Return what to call the pairs, and the pairs: with infrared pictures where that is needed."""
    from lowlight_tf.catalog import METRICS

    contracts = [engine.contract for engine in engines.values()]
    metrics = split_names("metrics", args.metrics) if args.metrics else []
    taken = {name for metric in metrics for name in METRICS.find(metric).inputs}
    cameras = "infrared" in taken or any(contract.is_fusion for contract in contracts)
    (room / "raw").mkdir()
    raws = room / "raw" if contracts[0].is_raw else None
    return named_pairs(args.data, args, "target" in taken, cameras, raws)


def _curves(models: list[Path], named: list[Path], drawing: Path) -> dict[str, bytes]:
    """Draw the curves of the runs among the models, and of those that are named."""
    for place in named:
        checks.check_dir("runs", place)
    runs = list(dict.fromkeys([*named, *(m for m in models if (m / "history.csv").is_file())]))
    if not runs:
        return {}

    from lowlight_tf.training.history import History, draw_curves

    names = report.names(runs)
    histories = [History.load(place / "history.csv") for place in runs]
    draw_curves(dict(zip(names, histories, strict=True)), drawing)
    told = (
        f"{name}: {report.best(history, report.judge_of(place))}"
        for name, history, place in zip(names, histories, runs, strict=True)
    )
    return {"; ".join(told): drawing.read_bytes()}


def _show(bar: ProgressBar, names: list[str], count: int, name: str, share: float) -> None:
    bar.show(count * (names.index(name) + share), name)


def _facts(command: str) -> str:
    """Return on what machine and by what versions the numbers were made, in a line."""
    from lowlight_tf.evaluation.results import provenance
    from lowlight_tf.runtime.benchmark import system_info

    facts = {**system_info(), **provenance(command)["versions"]}
    return ", ".join(f"{name} {value}" for name, value in facts.items())


def _write(texts: dict[Path, str]) -> None:
    """Write files, none of them unless all could be written."""
    try:
        with contextlib.ExitStack() as parts:
            for path, text in texts.items():
                parts.enter_context(atomic_write(path)).write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{error.filename} cannot be written: {error.strerror}.") from None


def _command(args: argparse.Namespace) -> str:
    """Return the line that makes the same page, however this one was called."""
    words = ["lowlight-tf", "compare", args.data, "--models", args.models]
    words += ["--data-root", str(args.data_root)] if args.data_root != Path(".") else []
    words += ["--split", args.split] if args.split else []
    words += ["--metrics", args.metrics, "--protocol", args.protocol]
    words += ["--runs", *map(str, args.runs)] if args.runs else []
    flags = ("width", "pictures", "threads", "output")
    return shlex.join(
        [*words, *(w for flag in flags for w in (f"--{flag}", str(getattr(args, flag))))]
    )
