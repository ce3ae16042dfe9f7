"""`lowlight-tf evaluate --task detection`: what a detector finds before and after."""

import argparse
import functools
import shlex
from pathlib import Path
from typing import Any

from lowlight_tf import checks
from lowlight_tf.checks import UsageError
from lowlight_tf.cli.console import ProgressBar

SOURCES = "input", "visible", "infrared"  # no models here: their rows are always shown


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what only detection takes."""
    add = parser.add_argument_group("--task detection").add_argument
    add(
        "--labels",
        type=Path,
        help="VOC folder, COCO .json, boxes.json, or folder of ExDark's .txt files or of CamVid's "
        "class maps (default: what lies beside the pictures, as Annotations/, boxes.json or "
        "label/)",
    )
    add("--detector", default="nanodet_g", help="who looks: a shipped name, or a .tflite file")
    add(
        "--judge",
        help="another detector, whose finds in the inputs the first one's are compared with: "
        "agreement, not accuracy",
    )
    add("--darken", type=float, metavar="SHARE", help="take the visible pictures with less light")


def run(args: argparse.Namespace) -> int:
    """Look at the inputs and at what each model makes of them, print the table; return 0."""
    from lowlight_tf.evaluation.detection import detection_metrics
    from lowlight_tf.evaluation.detection.detector import load_detector

    # All that can be wrong is said before the first picture is looked at.
    if args.sheet or args.each:
        raise UsageError("--sheet and --each go with --task quality. Leave them out.")
    if args.darken is not None:
        checks.check_positive("darken", args.darken)
    models = [*args.model, *([str(args.checkpoint_dir)] if args.checkpoint_dir else [])]
    engines = _engines(list(dict.fromkeys(models)), args.threads)
    detector = load_detector(args.detector, threads=args.threads)
    judge = load_detector(args.judge, threads=args.threads) if args.judge else None
    if args.labels and len(args.data) > 1:
        raise UsageError("--labels belong to one --data. Pass one, or lay labels beside each.")
    sets = {}
    for data in args.data:
        name, pairs = _pairs(data, args)
        detection_metrics.check_detection(engines, pairs)
        sets[name] = _labelled(pairs, args, detector)
    if not sets:
        raise UsageError("Pass --data: a folder of pictures, or a dataset's name.")
    for flag, path in {"--json": args.json, "--markdown": args.markdown}.items():
        if path:
            checks.check_file_in_dir(flag, path)

    rows = []
    for name, (pairs, labels) in sets.items():
        with ProgressBar(len(pairs)) as bar:
            rows += detection_metrics.evaluate_detection(
                engines,
                pairs,
                detector=detector,
                labels=labels,
                reference_detector=judge,
                exposure=args.darken,
                data=name,
                progress=functools.partial(_show, bar, len(pairs), name),
            )

    print(detection_metrics.detection_table(rows), end="")
    command = _command(args)
    if args.json:
        detection_metrics.save_detection(args.json, rows, command=command)
        print(f"{args.json}: every number, and how it was made")
    if args.markdown:
        detection_metrics.save_table(args.markdown, rows, command=command)
    return 0


def _show(bar: ProgressBar, count: int, name: str, share: float) -> None:
    bar.show(share * count, name)


def _engines(models: list[str], threads: int) -> dict[str, Any]:
    """Return the models, by short names where these tell them apart."""
    from lowlight_tf.runtime.loading import load_model

    models = [model for model in models if model not in SOURCES]
    opened = {model: load_model(model, threads=threads) for model in models}
    short = [engine.name for engine in opened.values()]
    return {
        model if short.count(engine.name) > 1 else engine.name: engine
        for model, engine in opened.items()
    }


def _pairs(data: str, args: argparse.Namespace) -> tuple[str, list]:
    """Return what to call the pictures of a folder or dataset, and the pairs."""
    from lowlight_tf.cli.selection import named_pairs
    from lowlight_tf.datasets import pairing
    from lowlight_tf.datasets.folder import EVAL_DIRS, extract_if_archive, split_dir

    path = Path(data)
    if path.is_dir() or (path.is_file() and path.suffix != ".toml"):
        whole = extract_if_archive(path)
        place = split_dir(whole, (args.split,) if args.split else EVAL_DIRS)
        name = data if place == whole else f"{data} {place.name}"
        if (place / "infrared").is_dir():
            return name, pairing.fusion_folder(place)
        if (place / "image").is_dir():
            return name, pairing.input_only_folder(place / "image")
    return named_pairs(data, args, against=False)


def _labelled(pairs: list, args: argparse.Namespace, detector: Any) -> tuple[list, dict]:
    """Return the pairs to look at, and their labels: only those where nothing else is measured."""
    from lowlight_tf.evaluation.detection import annotations

    first = pairs[0].picture("low") or pairs[0].target
    place = args.labels or annotations.find_annotations(first)
    if place is None:
        if not args.judge and "infrared" not in pairs[0].inputs:
            raise UsageError(
                f"No labels beside {first}: none of {', '.join(annotations.SIDECAR_NAMES)}. Pass "
                "--labels, or --judge to compare with another detector."
            )
        return pairs, {}
    labels = annotations.read_annotations(place, [pair.name for pair in pairs])
    if not labels and (args.labels or not (args.judge or "infrared" in pairs[0].inputs)):
        raise UsageError(f"{place} speaks of none of the pictures. Pass the labels of this data.")
    named = {label.name for several in labels.values() for label in several}
    unknown = sorted(named - set(detector.classes))
    if unknown:
        print(f"{place}: not known to {detector.name}, passed over: {', '.join(unknown)}")
    if not args.judge and "infrared" not in pairs[0].inputs:
        pairs = [pair for pair in pairs if pair.name in labels]
    return pairs, labels


def _command(args: argparse.Namespace) -> str:
    """Return the line that makes the same numbers, however this one was called."""
    words = ["lowlight-tf", "evaluate", "--task", "detection"]
    if args.model:
        words += ["--model", *args.model]
    for flag in ("checkpoint_dir", "split", "labels", "judge", "darken"):
        value = getattr(args, flag)
        if value is not None:
            words += [f"--{flag.replace('_', '-')}", str(value)]
    words += ["--data", *args.data, "--data-root", str(args.data_root)]
    return shlex.join([*words, "--detector", args.detector])
