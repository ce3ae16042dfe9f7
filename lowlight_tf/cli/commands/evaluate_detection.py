"""`lowlight-tf evaluate --task detection`: what a detector finds before and after."""

import argparse
import functools
from pathlib import Path
from typing import Any

from lowlight_tf import checks
from lowlight_tf.checks import UsageError
from lowlight_tf.cli import selection
from lowlight_tf.cli.console import Problems, ProgressBar, warn
from lowlight_tf.cli.options import add_flag, command_line

INPUT_MODELS = "input", "visible", "infrared"  # no models here: their rows are always there


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what only detection takes."""
    add = functools.partial(add_flag, parser.add_argument_group("--task detection"))
    add(
        "--labels",
        type=Path,
        help="VOC folder, COCO .json, boxes.json, or folder of .txt files of YOLO or ExDark or of "
        "CamVid's class maps (default: Annotations/, boxes.json or labels/ next to the images)",
    )
    add("--detector", default="nanodet_g", help="a shipped name, or a .tflite file")
    add(
        "--reference-detector",
        former=("--judge",),
        help="another detector, whose detections in the inputs the first one's are compared with: "
        "agreement, not accuracy",
    )
    add(
        "--exposure",
        former=("--darken",),
        type=float,
        metavar="FACTOR",
        help="multiply the light of the visible images by this",
    )
    add(
        "--night-crf",
        type=float,
        metavar="FACTOR",
        help="film the visible images at night: headlights, noise, H.264 of this rate factor",
    )


def run(args: argparse.Namespace) -> int:
    """Detect in inputs and in each model's results; return 0, or 1 if a file is damaged."""
    from lowlight_tf.datasets.readable import keep_readable
    from lowlight_tf.evaluation.detection import detection_metrics
    from lowlight_tf.evaluation.detection.detector import load_detector

    # Everything that can be wrong is reported before the first image is enhanced.
    if args.contact_sheet or args.per_image:
        raise UsageError("--contact-sheet and --per-image go with --task quality. Leave them out.")
    if args.exposure is not None:
        checks.check_positive("exposure", args.exposure)
    if args.night_crf is not None and not 0 <= args.night_crf <= 51:
        raise UsageError(f"--night-crf must be from 0 to 51. Received: {args.night_crf:g}.")
    models = [*args.model, *([str(args.checkpoint_dir)] if args.checkpoint_dir else [])]
    engines = _load_engines(list(dict.fromkeys(models)), args.threads)
    detector = load_detector(args.detector, threads=args.threads)
    reference = None
    if args.reference_detector:
        reference = load_detector(args.reference_detector, threads=args.threads)
    if args.labels and len(args.data) > 1:
        raise UsageError("--labels belong to one --data. Pass one, or put labels next to each.")
    sets, problems = {}, Problems(args.command)
    for data in args.data:
        name, pairs = _read_pairs(data, args, problems)
        pairs = keep_readable(pairs, problems.report)
        detection_metrics.check_detection(engines, pairs)
        sets[name] = _add_labels(pairs, args, detector, problems)
    if not sets:
        raise UsageError("Pass --data: a folder of images, or a data set's name.")
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
                reference_detector=reference,
                exposure=args.exposure,
                night_crf=args.night_crf,
                data=name,
                progress=functools.partial(_show_progress, bar, len(pairs), name),
            )

    print(detection_metrics.detection_table(rows), end="")
    command = command_line(args, omit=("json", "markdown", "contact_sheet", "per_image"))
    if args.json:
        detection_metrics.save_detection(args.json, rows, command=command)
        print(f"{args.json}: every number, and how it was made")
    if args.markdown:
        detection_metrics.save_table(args.markdown, rows, command=command)
    return 1 if problems else 0


def _show_progress(bar: ProgressBar, count: int, name: str, fraction: float) -> None:
    bar.show(fraction * count, name)


def _load_engines(models: list[str], threads: int) -> dict[str, Any]:
    """Return the models, by short names where these differ."""
    from lowlight_tf.evaluation.evaluator import load_models

    return load_models([name for name in models if name not in INPUT_MODELS], threads=threads)


def _read_pairs(data: str, args: argparse.Namespace, problems: Problems) -> tuple[str, list]:
    """Return the name of the images of a folder or data set, and the pairs."""
    from lowlight_tf.datasets import pairing
    from lowlight_tf.datasets.folder import EVAL_DIRS, extract_if_archive, split_dir
    from lowlight_tf.evaluation.tasks import evaluation_of

    path = Path(data)
    if path.is_dir() or (path.is_file() and path.suffix != ".toml"):
        folder = extract_if_archive(path)
        splits = (args.split,) if args.split else EVAL_DIRS
        part = split_dir(folder, splits)
        name = data if part == folder else f"{data} {part.name}"
        if (part / "infrared").is_dir():
            return name, pairing.fusion_folder(part, report=problems.report)
        for images in (part / "image", part / "images"):
            if images.is_dir():
                return name, pairing.input_only_folder(split_dir(images, splits))
    return selection.read_named_pairs(
        data,
        args,
        evaluation_of(),
        with_targets=False,
        workdir=Path(),
        report=problems.report,
    )


def _add_labels(
    pairs: list, args: argparse.Namespace, detector: Any, problems: Problems
) -> tuple[list, dict]:
    """Return the pairs and their labels; only labelled pairs where nothing else is measured."""
    from lowlight_tf.evaluation.detection import annotations

    first = pairs[0].path_of("low") or pairs[0].target
    labels_optional = bool(args.reference_detector) or "infrared" in pairs[0].inputs
    path = args.labels or annotations.find_annotations(first)
    if path is None:
        if not labels_optional:
            raise UsageError(
                f"No labels next to {first}: none of {', '.join(annotations.SIDECAR_NAMES)}. Pass "
                "--labels, or --reference-detector to compare with another detector."
            )
        return pairs, {}
    # Labels of two cameras are in pixels of the infrared image.
    images = {
        pair.name: pair.inputs.get("infrared") or pair.path_of("low") or pair.target
        for pair in pairs
    }
    labels = annotations.read_annotations(
        path, images, report=functools.partial(warn, args.command), report_damage=problems.report
    )
    if not labels and (args.labels or not labels_optional):
        raise UsageError(f"{path} labels none of the images. Pass the labels of this data.")
    classes = {label.name for several in labels.values() for label in several}
    unknown = sorted(classes - set(detector.classes))
    if unknown:
        numbers = any(name.isdecimal() for name in unknown)
        hint = "; name the classes in classes.txt, one a line, next to the labels"
        print(
            f"{path}: classes that {detector.name} does not have: {', '.join(unknown)}"
            + hint * numbers
        )
    if not labels_optional and len(labels) < len(pairs):
        count = len(pairs) - len(labels)
        warn(args.command, f"{count} of {len(pairs)} images have no labels and are left out")
        pairs = [pair for pair in pairs if pair.name in labels]
    return pairs, labels
