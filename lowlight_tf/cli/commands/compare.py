"""`lowlight-tf compare`: models x images -> an HTML report, and its numbers."""

import argparse
import contextlib
import functools
import tempfile
from pathlib import Path

from lowlight_tf import checks
from lowlight_tf.checks import UsageError
from lowlight_tf.cli.commands import report
from lowlight_tf.cli.console import Problems, ProgressBar, warn
from lowlight_tf.cli.options import add_flag, command_line, split_names
from lowlight_tf.cli.selection import read_named_pairs
from lowlight_tf.fileio import atomic_write

HELP = "compare models on images and write an HTML report with numbers, plots and sliders"

METRICS_WITH_TARGETS = ("psnr", "ssim", "lpips", "niqe")
METRICS_WITHOUT_TARGETS = ("niqe", "loe", "brightness")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of the command."""
    add = functools.partial(add_flag, parser)
    parser.add_argument(
        "data",
        metavar="DATA",
        help="folder with low/ and high/, or of images without targets, a .zip of one, or name of "
        "a data set; for two cameras a folder with visible/ and infrared/; for RAW files one with "
        "raw/, high/ and ratios.json or with short/ and long/",
    )
    add(
        "--models",
        nargs="+",
        required=True,
        help="shipped names, baselines (clahe, lime, ...), .tflite files, run folders, or `input` "
        "for the unchanged image",
    )
    add("--data-root", type=Path, default=Path("."), help="folder that holds the data set")
    add("--split", help="as of `lowlight-tf evaluate`")
    add(
        "--metrics",
        nargs="+",
        help=f"names of the catalog (default: {' '.join(METRICS_WITH_TARGETS)}; without targets "
        f"{' '.join(METRICS_WITHOUT_TARGETS)}; for two cameras as `lowlight-tf evaluate`)",
    )
    add("--protocol", nargs="+", help="as of `lowlight-tf evaluate`")
    add(
        "--output",
        type=Path,
        default=Path("comparison.html"),
        help="report to write; the numbers go next to it, as .csv and .md",
    )
    add(
        "--curves",
        former=("--runs",),
        nargs="+",
        type=Path,
        default=[],
        help="run folders whose training curves are shown too",
    )
    add("--width", type=int, default=640, help="largest width of the images shown (pixels)")
    add(
        "--max-images",
        former=("--pictures",),
        type=int,
        default=40,
        help="how many images are shown at most; all are measured",
    )
    add("--threads", type=int, default=2, help="processor threads of a .tflite file")


def run(args: argparse.Namespace) -> int:
    """Measure, write the report; return 0, or 1 if an image is damaged or a model failed on it."""
    checks.check_min("width", args.width, 16)
    checks.check_min("max_images", args.max_images, 0)
    if args.output.suffix.lower() not in (".html", ".htm"):
        raise UsageError(f"--output must end in .html. Received: {args.output}.")
    checks.check_file_in_dir("--output", args.output)
    with tempfile.TemporaryDirectory(prefix="lowlight-tf-") as workdir:
        return _run(args, Path(workdir))


def _run(args: argparse.Namespace, workdir: Path) -> int:
    from lowlight_tf.catalog import METRICS
    from lowlight_tf.evaluation import evaluator, scene_overlap
    from lowlight_tf.evaluation.comparison import tables
    from lowlight_tf.evaluation.comparison.comparison import compare
    from lowlight_tf.evaluation.comparison.html_report import html_report
    from lowlight_tf.evaluation.tasks import evaluation_of
    from lowlight_tf.legacy_names import PROTOCOLS

    models = args.models = split_names("models", args.models)
    protocols = split_names("protocol", args.protocol) if args.protocol else []
    protocols = [PROTOCOLS.get(name, name) for name in protocols]
    metrics = split_names("metrics", args.metrics) if args.metrics else []
    metrics = [METRICS.canonical(name) for name in metrics]
    engines = evaluator.load_models(models, threads=args.threads)
    contracts = [engine.contract for engine in engines.values()]
    inputs = {name for metric in metrics for name in METRICS.find(metric).inputs}
    (workdir / "raw").mkdir()
    problems = Problems(args.command)
    data, pairs = read_named_pairs(
        args.data,
        args,
        evaluation_of(*contracts, metric_inputs=inputs),
        with_targets="target" in inputs,
        workdir=workdir / "raw",
        report=problems.report,
    )
    task = evaluation_of(*contracts)
    if not metrics:
        has_targets = all(pair.target for pair in pairs)
        own = METRICS_WITH_TARGETS if has_targets else METRICS_WITHOUT_TARGETS
        is_fusion = any(contract.task == "fuse" for contract in contracts)
        metrics = list(task.metrics if is_fusion else own)
    protocols = protocols or list(dict.fromkeys(map(task.default_protocol, contracts)))
    pairs = evaluator.keep_measurable(
        engines.values(), pairs, metrics=metrics, protocols=protocols, report=problems.report
    )
    args.metrics, args.protocol = metrics, protocols  # for the command line to repeat
    for line in scene_overlap.find_shared_scenes(models, engines, [args.data]):
        warn(args.command, line)
    curves = _draw_curves([Path(model) for model in models], args.curves, workdir / "curves.svg")

    with ProgressBar(len(models) * len(pairs)) as bar:
        comparison = compare(
            models,
            engines,
            pairs,
            metrics=metrics,
            protocols=protocols,
            data=data,
            threads=args.threads,
            width=args.width,
            max_images=args.max_images,
            progress=functools.partial(_show_progress, bar, list(engines), len(pairs)),
        )
    command = command_line(args, positional=("data",))
    output, csv, markdown = (
        args.output.with_suffix(s) for s in (args.output.suffix, ".csv", ".md")
    )
    html = html_report(
        comparison,
        command=command,
        facts=_describe_machine(command),
        curves=curves,
        number_files=(csv.name, markdown.name),
    )
    _write_all(
        {
            output: html,
            csv: tables.as_csv(comparison),
            markdown: tables.markdown_report(comparison, command=command),
        }
    )
    print(tables.summary_table(comparison), end="")
    print(f"{output}: the report; {csv.name}, {markdown.name}: its numbers")
    for model, name, reason in comparison.failures:
        warn(args.command, f"{model}, {name}: {reason}")
    return 1 if comparison.failures or problems else 0


def _draw_curves(models: list[Path], named: list[Path], drawing: Path) -> dict[str, bytes]:
    """Return caption -> SVG of the curves of the runs among the models, and of those named."""
    for run in named:
        checks.check_dir("curves", run)
    runs = list(dict.fromkeys([*named, *(m for m in models if (m / "history.csv").is_file())]))
    if not runs:
        return {}

    from lowlight_tf.training.history import History, draw_curves

    names = report.run_labels(runs)
    histories = [History.load(run / "history.csv") for run in runs]
    draw_curves(dict(zip(names, histories, strict=True)), drawing)
    captions = (
        f"{name}: {report.describe_best(history, report.monitor_of(run))}"
        for name, history, run in zip(names, histories, runs, strict=True)
    )
    return {"; ".join(captions): drawing.read_bytes()}


def _show_progress(
    bar: ProgressBar, names: list[str], count: int, name: str, fraction: float
) -> None:
    bar.show(count * (names.index(name) + fraction), name)


def _describe_machine(command: str) -> str:
    """Return the machine and the versions that made the numbers, in a line."""
    from lowlight_tf.evaluation.results import provenance
    from lowlight_tf.runtime.benchmark import system_info

    facts = {**system_info(), **provenance(command)["versions"]}
    return ", ".join(f"{name} {value}" for name, value in facts.items())


def _write_all(texts: dict[Path, str]) -> None:
    """Write files, none of them unless all could be written."""
    try:
        with contextlib.ExitStack() as parts:
            for path, text in texts.items():
                part = parts.enter_context(atomic_write(path))
                part.write_text(text, encoding="utf-8", errors="surrogateescape")
    except OSError as error:
        raise UsageError(f"{error.filename} cannot be written: {error.strerror}.") from None
