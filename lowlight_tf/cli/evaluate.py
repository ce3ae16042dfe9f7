"""`lowlight-tf evaluate`: models x pairs x metrics -> a table, and JSON."""

import argparse
import dataclasses
import shlex
from pathlib import Path

from lowlight_tf import checks
from lowlight_tf.checks import UsageError
from lowlight_tf.cli.progress import Bar
from lowlight_tf.registry import nearest

SHEET = 4  # rows of a contact sheet

HELP = "measure how near enhanced pictures come to their targets"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    add = parser.add_argument
    add(
        "--model",
        nargs="+",
        default=[],
        help="shipped names, .tflite files, run folders, or `input` for the dark picture itself",
    )
    add("--checkpoint-dir", type=Path, metavar="RUN", help="as --model RUN --json RUN/results.json")
    add(
        "--data",
        help="folder with low/ and high/, or the name of a dataset "
        "(default: what the one run folder was validated with)",
    )
    add("--data-root", type=Path, default=Path("."), help="folder that holds the dataset")
    add("--split", default="val", help="which pairs: of a dataset, or a folder's subfolder")
    add("--metrics", default="psnr,ssim", help="names of the catalog, by commas")
    add("--protocol", default="plain", help="plain, gt_mean, luma: one or more, by commas")
    add("--json", type=Path, help="file to write all numbers into")
    add("--markdown", type=Path, help="file to write the table into")
    add("--sheet", type=Path, help="picture to write: before, after and target of up to four")
    add("--each", action="store_true", help="print every picture's numbers too")
    add("--threads", type=int, default=2, help="processor threads of a .tflite file")


def run(args: argparse.Namespace) -> int:
    """Evaluate, print the table, write what is asked for; return 0."""
    models = [*args.model, *([str(args.checkpoint_dir)] if args.checkpoint_dir else [])]
    if not models:
        raise UsageError("Pass --model or --checkpoint-dir to say what to evaluate.")
    metrics, protocols = _words("metrics", args.metrics), _words("protocol", args.protocol)

    from lowlight_tf.catalog import METRICS
    from lowlight_tf.evaluation import evaluate, report
    from lowlight_tf.evaluation.sheet import contact_sheet
    from lowlight_tf.imaging import files
    from lowlight_tf.metrics import fidelity
    from lowlight_tf.runtime.engine import open_engine

    # All that can be wrong is said before the first picture is enhanced.
    for metric in metrics:
        METRICS.find(metric)
    for protocol in protocols:
        fidelity.check(protocol)
    if args.checkpoint_dir:
        checks.folder("checkpoint_dir", args.checkpoint_dir)
    pairs, data = _pairs(args, models)
    engines = [
        evaluate.Unchanged() if model == "input" else open_engine(model, threads=args.threads)
        for model in models
    ]
    json = args.json
    if json is None and args.checkpoint_dir:
        json = args.checkpoint_dir / "results.json"
    for path in filter(None, (json, args.markdown, args.sheet)):
        if path.is_dir() or not path.parent.is_dir():
            raise UsageError(
                f"Results must go into a file of an existing folder. Received: {path}."
            )

    results = []
    for model, engine in zip(models, engines, strict=True):
        alike = [other.name for other in engines].count(engine.name) > 1
        name = model if alike else engine.name
        with Bar(len(pairs)) as bar:
            measured = evaluate.measure(
                engine,
                pairs,
                metrics=metrics,
                protocols=protocols,
                data=data,
                progress=lambda share, bar=bar, name=name: bar.show(share * len(pairs), name),
            )
        results += [dataclasses.replace(one, model=name) for one in measured]

    if args.each:
        print(report.each(results))
    print(report.table(results), end="")
    command = _command(args)
    if json:
        evaluate.save(json, results, command=command)
        print(f"{json}: every number, and how it was made")
    if args.markdown:
        report.save(args.markdown, results, command=command)
    if args.sheet:
        files.write(args.sheet, contact_sheet(engines, pairs[:: -(-len(pairs) // SHEET)]))
    return 0


def _pairs(args: argparse.Namespace, models: list[str]) -> tuple[list, str]:
    """Return the pairs that the flags name, and what to call them."""
    from lowlight_tf.datasets import card, pairing

    if args.data is None:
        runs = [Path(model) for model in models if Path(model).is_dir()]
        if len(runs) != 1:
            raise UsageError(
                "Pass --data: a folder with low/ and high/, or a dataset's name. Only one run "
                f"folder brings pairs of its own. Received: {len(runs)} run folders."
            )
        return _own_pairs(runs[0]), f"{runs[0].resolve().name} validation"
    folder = Path(args.data)
    if folder.is_dir():
        split = folder / args.split
        return pairing.pair_folder(split if split.is_dir() else folder), args.data
    if folder.suffix == ".toml" or args.data in card.names():
        return card.find(args.data).pairs(args.data_root, args.split), f"{args.data} {args.split}"
    raise UsageError(
        "`data` must be a folder with low/ and high/, or the name of a dataset: "
        f"{nearest(args.data, card.names())}. Received: {args.data} (no such folder or dataset)."
    )


def _own_pairs(run: Path) -> list:
    from lowlight_tf.training.material import read_pairs

    path = run / "pairs_validation.json"
    if not path.is_file():
        raise UsageError(
            f"{run} names no validation pairs: no {path.name} in it. Pass the folder that "
            "`lowlight-tf train` wrote, or --data."
        )
    return read_pairs(path)


def _words(name: str, text: str) -> list[str]:
    words = [word.strip() for word in text.split(",") if word.strip()]
    if not words:
        raise UsageError(f"`{name}` must name at least one, by commas. Received: {text!r}.")
    return list(dict.fromkeys(words))


def _command(args: argparse.Namespace) -> str:
    """Return the line that makes the same numbers, however this one was called."""
    words = ["lowlight-tf", "evaluate"]
    if args.model:
        words += ["--model", *args.model]
    if args.checkpoint_dir:
        words += ["--checkpoint-dir", str(args.checkpoint_dir)]
    if args.data:
        words += ["--data", args.data, "--data-root", str(args.data_root), "--split", args.split]
    return shlex.join([*words, "--metrics", args.metrics, "--protocol", args.protocol])
