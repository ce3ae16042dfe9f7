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
from lowlight_tf.cli import evaluate_detection
from lowlight_tf.cli.progress import Bar
from lowlight_tf.registry import nearest

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
    protocols = words_of("protocol", args.protocol) if args.protocol else []

    from lowlight_tf.catalog import METRICS
    from lowlight_tf.evaluation import evaluate, exposure, overlap, report, results
    from lowlight_tf.imaging import files
    from lowlight_tf.metrics import fidelity

    # All that can be wrong is said before the first picture is enhanced.
    for protocol in protocols:
        fidelity.check(protocol)
    if args.checkpoint_dir:
        checks.folder("checkpoint_dir", args.checkpoint_dir)
    engines = evaluate.opened(models, threads=args.threads)
    contracts = [engine.contract for engine in engines.values()]
    fusing = any(contract.fuses for contract in contracts)
    if not protocols:
        protocols = list(dict.fromkeys(map(exposure.own_protocol, contracts)))
        args.protocol = ",".join(protocols)
    if args.metrics is None:
        args.metrics = ",".join(evaluate.FUSION if fusing else ("psnr", "ssim"))
    metrics = words_of("metrics", args.metrics)
    taken = {name for metric in metrics for name in METRICS.find(metric).takes}
    raws = room if contracts[0].develops else None
    sets = _sets(args, models, "target" in taken, fusing or "infrared" in taken, raws)
    for pairs in sets.values():
        for engine in engines.values():
            evaluate.check(engine, pairs, metrics=metrics, protocols=protocols)
    json = args.json
    if json is None and args.checkpoint_dir:
        json = args.checkpoint_dir / "results.json"
    for flag, path in {"--json": json, "--markdown": args.markdown, "--sheet": args.sheet}.items():
        if path:
            checks.file_of_folder(flag, path)
    for line in overlap.overlaps(models, engines, args.data):
        print(f"lowlight-tf evaluate: {line}", file=sys.stderr)

    made = []
    for name, engine in engines.items():
        for data, pairs in sets.items():
            with Bar(len(pairs)) as bar:
                measured = evaluate.measure(
                    engine,
                    pairs,
                    metrics=metrics,
                    protocols=protocols,
                    data=data,
                    progress=functools.partial(_show, bar, len(pairs), name),
                )
            made += [dataclasses.replace(one, model=name) for one in measured]

    if args.each:
        print(report.each(made))
    print(report.table(made), end="")
    command = _command(args)
    if json:
        results.save(json, made, command=command)
        print(f"{json}: every number, and how it was made")
    if args.markdown:
        report.save(args.markdown, made, command=command)
    if args.sheet:
        files.write(args.sheet, _sheet(engines, sets, made))
        print(f"{args.sheet}: some of the pictures")
    return 0


def _show(bar: Bar, count: int, name: str, share: float) -> None:
    bar.show(share * count, name)


def _sheet(engines: dict[str, Any], sets: dict[str, list], results: list) -> Any:
    """Return pictures spread over the sets, with the numbers that were measured of each."""
    from lowlight_tf.evaluation import report
    from lowlight_tf.evaluation.sheet import contact_sheet, given_to

    measured = {}  # of several protocols the first
    for one in results:
        measured.setdefault((one.model, one.data), one)
    columns = [name for name in engines if name not in SOURCES]
    chosen = [engines[name] for name in columns]
    heads = ("visible", "infrared") if "infrared" in given_to(chosen) else ("input",)
    shown, captions = [], []
    for data, pairs in sets.items():
        step = -(-len(pairs) * len(sets) // SHEET)
        for index in range(0, len(pairs), step):
            row = [measured.get((name, data)) for name in (*heads, *columns)]
            shown.append(pairs[index])
            captions.append([report.caption(one.scores[index]) if one else "" for one in row])
    height = HEIGHT[any(pair.target for pair in shown)]
    return contact_sheet(chosen, shown, captions=captions, height=height)


def _sets(
    args: argparse.Namespace, models: list[str], against: bool, cameras: bool, raws: Path | None
) -> dict[str, list]:
    """Return the pairs that the flags name, by what to call them."""
    if args.data:
        return dict(named_pairs(data, args, against, cameras, raws) for data in args.data)
    runs = [Path(model) for model in models if Path(model).is_dir()]
    if len(runs) != 1:
        raise UsageError(
            "Pass --data: a folder with low/ and high/, or a dataset's name. Only one run "
            f"folder brings pairs of its own. Received: {len(runs)} run folders."
        )
    return {f"{runs[0].resolve().name} validation": own_pairs(runs[0])}


def named_pairs(
    data: str,
    args: argparse.Namespace,
    against: bool,
    cameras: bool = False,
    raws: Path | None = None,
) -> tuple[str, list]:
    """Return what to call the pairs of a folder or dataset, and the pairs.

    Args:
        data: A folder, or the name of a dataset.
        args: Its `split` and `data_root` are read.
        against: Whether targets are needed.
        cameras: Whether infrared pictures are needed.
        raws: Where RAW files are made of photographs, if RAW files are needed.
    """
    from lowlight_tf.datasets import card, pairing
    from lowlight_tf.datasets.folder import JUDGE, opened, part_of

    path = Path(data)
    if path.is_dir() or (path.is_file() and path.suffix != ".toml"):
        whole = opened(path)
        place = part_of(whole, (args.split,) if args.split else JUDGE)
        name = data if place == whole else f"{data} {place.name}"
        if raws:
            return _raw_pairs(name, place, raws, args.command)
        if cameras:
            return name, pairing.fusion_folder(place)
        if against or ((place / "low").is_dir() and (place / "high").is_dir()):
            return name, pairing.pair_folder(place)
        return name, pairing.dark_folder(place)
    if path.suffix == ".toml" or data in card.names():
        known = card.find(data)
        split = args.split or ("val" if "val" in known.splits else next(iter(known.splits)))
        pairs = known.pairs(args.data_root, split)
        return _as_raw(f"{data} {split}", pairs, raws) if raws else (f"{data} {split}", pairs)
    raise UsageError(
        "`data` must be a folder with low/ and high/, or with test/{low,high}, a .zip of one, or "
        f"the name of a dataset: {nearest(data, card.names())}. Received: {data} (no such folder "
        "or dataset)."
    )


def _raw_pairs(name: str, place: Path, room: Path, command: str) -> tuple[str, list]:
    """Return the RAW pairs of a folder; of one of photographs those that are made of them."""
    from lowlight_tf.datasets import exposures, pairing

    if not any((place / side).is_dir() for side in (exposures.PORT, "short")):
        return _as_raw(name, pairing.day_folder(place), room)
    pairs, lone = exposures.raw_folder(place)
    known, wrong = [], [f"{path} has no partner." for path in lone]
    for pair in pairs:
        try:
            exposures.ratio(pair)
        except UsageError as error:
            wrong.append(str(error))
        else:
            known.append(pair)
    if not known:
        raise UsageError(wrong[-1])
    for line in wrong:
        print(f"lowlight-tf {command}: {line}", file=sys.stderr)
    return name, known


def _as_raw(name: str, pairs: list, room: Path) -> tuple[str, list]:
    """Return RAW pairs: these, or such as `lowlight-tf train` makes of photographs (seed 1)."""
    from lowlight_tf.datasets import exposures
    from lowlight_tf.datasets.synthetic_raw import synthetic_raw

    if all(exposures.PORT in pair.inputs for pair in pairs):
        return name, pairs
    return f"{name} as RAW", synthetic_raw(pairs, room / str(len(list(room.iterdir()))))


def own_pairs(run: Path) -> list:
    """Return the pairs that a run was validated with."""
    from lowlight_tf.training.material import read_pairs

    path = run / "pairs_validation.json"
    if not path.is_file():
        raise UsageError(
            f"{run} names no validation pairs: no {path.name} in it. Pass the folder that "
            "`lowlight-tf train` wrote, or --data."
        )
    return read_pairs(path)


def words_of(name: str, text: str) -> list[str]:
    """Return the words that a flag names by commas."""
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
        words += ["--data", *args.data, "--data-root", str(args.data_root)]
    if args.split:
        words += ["--split", args.split]
    return shlex.join([*words, "--metrics", args.metrics, "--protocol", args.protocol])
