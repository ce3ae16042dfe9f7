"""Reading box annotations: VOC, COCO, YOLO, ExDark, plain JSON, and class maps."""

import functools
import math
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2

from lowlight_tf.checks import UsageError
from lowlight_tf.datasets.image_size import image_size
from lowlight_tf.datasets.pairing import match_by_stem
from lowlight_tf.evaluation.detection import yolo_labels
from lowlight_tf.evaluation.detection.box_annotation import (
    BoxAnnotation,
    InvalidBoxError,
    LabelCount,
    make_annotation,
)
from lowlight_tf.fileio import read_json
from lowlight_tf.imaging import image_io

SIDECAR_NAMES = (
    "boxes.json",
    "annotations.json",
    "_annotations.coco.json",
    "Annotations",
    "Annotation",
    "label",
    "labels",
)
"""Names of labels, next to the images or up to two folders above."""

SEGMENTATION_TO_CLASS = {8: ("car", False), 9: ("person", False), 10: ("person", True)}
"""Value in CamVid's 12-class maps -> class, and whether its boxes are ignored: car, pedestrian,
bicyclist. A bicyclist is labelled together with the bicycle, so that its box fits neither."""

MIN_REGION_AREA_PX = 200  # of a region in a class map; boxes of smaller ones are ignored


def find_annotations(image: Path) -> Path | None:
    """Return the labels of an image, if they have one of the names of `SIDECAR_NAMES`.

    The labels of images/val/a.jpg may be in a subfolder, labels/val; a .txt file may be next to its
    image.
    """
    image = image.absolute()
    for folder in image.parents[:3]:
        for path in (folder / name for name in SIDECAR_NAMES):
            mirrored = path.joinpath(*image.parent.relative_to(folder).parts[1:])
            if path.exists():
                return mirrored if mirrored.is_dir() else path
    return image.parent if image.with_suffix(".txt").is_file() else None


def read_annotations(
    labels: Path,
    images: Mapping[str, Path],
    *,
    report: Callable[[str], None],
    report_damage: Callable[[str], None] | None = None,
) -> dict[str, list[BoxAnnotation]]:
    """Read the annotations of some images.

    What is no box (without area, outside its image, of an image that is not listed) is passed over
    and counted, as is a damaged file among others. Boxes that reach beyond their image stay as they
    are, as in COCO's own evaluation.

    Args:
        labels: A folder of VOC .xml files, of YOLO's .txt files (see `yolo_labels`), of ExDark's
            .txt files (bbGt, named as the image with its suffix), or of maps of CamVid's 12
            classes, whose regions become boxes (cars that touch in the map are one); a .json file
            of COCO, or one that maps the name of a image to a list of {"cls": name, "xyxy":
            [left, top, right, bottom]}.
        images: Name of the image, without suffix -> its file, in whose pixels the labels are.
        report: Called with one line on the labels that are passed over.
        report_damage: Called with one line for each damaged file; default: `report`.

    Returns:
        Name of the image -> its annotations, for those of `images` that have any.

    Raises:
        UsageError: If there are no labels of these kinds, all are damaged, or most are outside
            their images.
    """
    count = LabelCount()
    if labels.is_dir():
        found = _read_folder(labels, images, count, report_damage or report)
    elif labels.suffix.lower() == ".json":
        fields = read_json(labels)
        try:
            read = _read_coco if "annotations" in fields else _read_plain
            labelled = read(fields, count)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise UsageError(
                f"{labels} holds no boxes: {error!r}. Expected COCO's images, annotations and "
                'categories, or {"IMAGE": [{"cls": "person", "xyxy": [0, 0, 9, 9]}]}.'
            ) from None
        keys = _keys_of(images, labelled)
        found = {name: labelled[key] for name, key in keys.items()}
    else:
        reason = "a file" if labels.is_file() else "nothing there"
        raise UsageError(
            "`labels` must be a folder of VOC .xml files, .txt files of YOLO or ExDark or class "
            f"maps, or a .json file. Received: {labels} ({reason})."
        )
    found = _remove_outside(labels, found, images, count)
    summary = count.summary(labels)
    if summary:
        report(summary)
    return found


def _read_folder(
    labels: Path, images: Mapping[str, Path], count: LabelCount, report: Callable[[str], None]
) -> dict[str, list[BoxAnnotation]]:
    voc, texts = (
        {_stem(path.relative_to(labels)): path for path in sorted(labels.rglob(f"*.{suffix}"))}
        for suffix in ("xml", "txt")
    )
    texts = {stem: path for stem, path in texts.items() if path.name != "classes.txt"}
    for stem, path in list(texts.items()):  # a.png.txt is of a.png
        if Path(stem).suffix.lower() in image_io.SUFFIXES:
            texts.setdefault(_stem(Path(stem)), path)
    if voc:
        paths, read = voc, _read_voc
    elif texts:
        paths, read = texts, functools.partial(_read_text, yolo_labels.read_classes(labels))
    else:
        _check_class_maps(labels)
        paths, read = match_by_stem(labels, recursive=True), _read_class_map
    found, problems = {}, []
    for name, key in _keys_of(images, paths).items():
        try:
            found[name] = read(paths[key], images[name], count)
        except UsageError as error:
            problems.append(str(error))
    if problems and not found:
        raise UsageError(problems[0])
    for problem in problems:
        report(f"{problem} Its image counts as not labelled.")
    return found


def _stem(path: Path) -> str:
    return path.with_suffix("").as_posix()


def _keys_of(images: Mapping[str, Path], keys: Collection[str]) -> dict[str, str]:
    """Return the name of each image that has labels -> their key: a name, or "folder/name".

    Of keys with the name of an image, the one that most of its folders agree with is taken; if no
    folder agrees, only the single one.
    """
    by_stem: dict[str, list[str]] = {}
    for key in keys:
        by_stem.setdefault(Path(key).name, []).append(key)
    found = {}
    for name, image in images.items():
        stem = image.stem if Path(name).name not in by_stem else Path(name).name
        candidates = by_stem.get(stem, [])
        places = [(image.parent / stem).parts[-len(Path(key).parts) :] for key in candidates]
        agreeing = [
            key for key, place in zip(candidates, places, strict=True) if Path(key).parts == place
        ]
        if agreeing or len(candidates) == 1:
            found[name] = max(agreeing or candidates, key=len)
    return found


def _remove_outside(
    labels: Path,
    found: Mapping[str, list[BoxAnnotation]],
    images: Mapping[str, Path],
    count: LabelCount,
) -> dict[str, list[BoxAnnotation]]:
    """Return the labels whose centers are inside their images; refuse those of another size."""
    inside: dict[str, list[BoxAnnotation]] = {}
    outside, total = [], 0
    for name, boxes in found.items():
        try:
            height, width = image_size(images[name]) if boxes else (0, 0)
        except UsageError:  # whoever reads the image reports it
            height, width = math.inf, math.inf
        inside[name] = []
        total += len(boxes)
        for label in boxes:
            left, top, right, bottom = label.box
            row, column = (top + bottom) / 2, (left + right) / 2
            if 0 <= column <= width and 0 <= row <= height:
                inside[name].append(label)
            else:
                outside.append(
                    f"image {name} is {height}x{width} (height x width), and a {label.name} is "
                    f"labelled at row {row:.0f}, column {column:.0f}"
                )
    if 2 * len(outside) > total:
        raise UsageError(
            f"{len(outside)} of {total} boxes in {labels} are outside their images: {outside[0]}. "
            "Pass labels of these images, in their pixels (YOLO: in fractions of their size)."
        )
    for place in outside:
        count.boxes -= 1
        count.pass_over("outside its image", place)
    return inside


def _read_voc(path: Path, image: Path, count: LabelCount) -> list[BoxAnnotation]:
    try:
        items = list(ElementTree.parse(path).iter("object"))
    except (ElementTree.ParseError, OSError, ValueError) as error:
        raise UsageError(f"{path} holds no VOC boxes: {error}.") from None
    found = []
    for number, item in enumerate(items, 1):
        with count.label(f"object {number} of {path.name}"):
            if item.find("bndbox") is None:
                raise InvalidBoxError("without a box")
            box = [item.findtext(f"bndbox/{side}") for side in ("xmin", "ymin", "xmax", "ymax")]
            difficult = item.findtext("difficult", "0").strip() == "1"
            found.append(make_annotation(item.findtext("name", ""), box, difficult))
    return found


def _check_class_maps(labels: Path) -> None:
    """Refuse a folder that has no images either, which class maps are."""
    paths = sorted(labels.glob("*.json"))
    if paths:
        raise UsageError(
            f"{labels} is a folder of .json files, of which one has the labels. Pass it: --labels "
            f"{paths[0]}."
        )
    if not image_io.find_images(labels):
        raise UsageError(
            f"{labels} holds no labels. Expected VOC .xml files, .txt files of YOLO or ExDark, or "
            "class maps."
        )


def _read_text(
    classes: yolo_labels.YoloClasses, path: Path, image: Path, count: LabelCount
) -> list[BoxAnnotation]:
    """Read a file of YOLO or of ExDark, whose lines begin with a name."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} holds no boxes: {error}.") from None
    if yolo_labels.is_yolo(lines):
        return yolo_labels.read_yolo(path, lines, image_size(image), classes, count)
    return _read_bbgt(path, lines, count)


def _read_bbgt(path: Path, lines: Sequence[str], count: LabelCount) -> list[BoxAnnotation]:
    """Read lines of NAME LEFT TOP WIDTH HEIGHT ..., below one that begins with %."""
    found = []
    for number, line in enumerate(lines, 1):
        if line.strip() and not line.startswith("%"):
            with count.label(f"line {number} of {path.name}"):
                name, *numbers = line.split()
                left, top, width, height = map(float, numbers[:4])
                box = (left, top, left + width, top + height)
                found.append(make_annotation(name, box))
    return found


def _read_coco(fields: Mapping[str, Any], count: LabelCount) -> dict[str, list[BoxAnnotation]]:
    classes = {entry["id"]: entry["name"] for entry in fields["categories"]}
    names = {entry["id"]: _stem(Path(entry["file_name"])) for entry in fields["images"]}
    found: dict[str, list[BoxAnnotation]] = {name: [] for name in names.values()}
    for number, entry in enumerate(fields["annotations"], 1):
        with count.label(f"annotation {number}"):
            if entry.get("image_id") not in names:
                raise InvalidBoxError("of an image that is not listed")
            if entry.get("category_id") not in classes:
                raise InvalidBoxError("of a category that is not listed")
            if not entry.get("bbox"):
                raise InvalidBoxError("without a box")
            left, top, width, height = map(float, entry["bbox"])
            box = (left, top, left + width, top + height)
            is_crowd = bool(entry.get("iscrowd", 0))
            found[names[entry["image_id"]]].append(
                make_annotation(classes[entry["category_id"]], box, is_crowd)
            )
    return found


def _read_plain(fields: Mapping[str, Any], count: LabelCount) -> dict[str, list[BoxAnnotation]]:
    found: dict[str, list[BoxAnnotation]] = {name: [] for name in fields}
    for name, entries in fields.items():
        for number, entry in enumerate(entries, 1):
            with count.label(f"box {number} of {name}"):
                if not entry.get("xyxy"):
                    raise InvalidBoxError("without a box")
                found[name].append(make_annotation(entry["cls"], entry["xyxy"]))
    return found


def _read_class_map(path: Path, image: Path, count: LabelCount) -> list[BoxAnnotation]:
    class_map = image_io.load_image(path).pixels[..., 0]
    if class_map.max() > 11:
        raise UsageError(
            f"{path} must be a map of CamVid's 12 classes, values 0 to 11. "
            f"Received: up to {class_map.max()}."
        )
    found = []
    for value, (name, ignored) in SEGMENTATION_TO_CLASS.items():
        regions = cv2.connectedComponentsWithStats((class_map == value).astype("uint8"))[2][1:]
        for left, top, width, height, area in regions.tolist():
            box = (left, top, left + width, top + height)
            count.boxes += 1
            found.append(make_annotation(name, box, ignored or area < MIN_REGION_AREA_PX))
    return found
