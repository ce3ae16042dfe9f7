"""Reading box annotations: VOC, COCO, ExDark, plain JSON, and class maps."""

import xml.etree.ElementTree as ElementTree
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import cv2

from lowlight_tf.checks import UsageError
from lowlight_tf.datasets.pairing import match_by_stem
from lowlight_tf.fileio import read_json
from lowlight_tf.imaging import image_io

SIDECAR_NAMES = ("boxes.json", "annotations.json", "Annotations", "Annotation", "label", "labels")
"""Names of labels, next to the images or up to two folders above."""

CLASS_ALIASES = {
    "people": "person",
    "pedestrian": "person",
    "motor": "motorcycle",
    "motorbike": "motorcycle",
    "bike": "bicycle",
    "light": "traffic light",
    "aeroplane": "airplane",
    "sofa": "couch",
    "tvmonitor": "tv",
    "pottedplant": "potted plant",
    "diningtable": "dining table",
    "table": "dining table",
}
"""Class names of other data sets -> those of COCO."""

SEGMENTATION_TO_CLASS = {8: ("car", False), 9: ("person", False), 10: ("person", True)}
"""Value in CamVid's 12-class maps -> class, and whether its boxes are ignored: car, pedestrian,
bicyclist. A bicyclist is labelled together with the bicycle, so that its box fits neither."""

MIN_REGION_AREA_PX = 200  # of a region in a class map; boxes of smaller ones are ignored


class BoxAnnotation(NamedTuple):
    """One labelled object.

    Attributes:
        name: Its class, as COCO calls it where COCO has it.
        box: Left, top, right, bottom, in pixels from the upper left corner of the image.
        ignored: It counts neither as found nor as missed: a crowd, or too difficult.
    """

    name: str
    box: tuple[float, float, float, float]
    ignored: bool = False


def find_annotations(image: Path) -> Path | None:
    """Return the labels of an image, if they have one of the names of `SIDECAR_NAMES`."""
    paths = (folder / name for folder in image.absolute().parents[:3] for name in SIDECAR_NAMES)
    return next((path for path in paths if path.exists()), None)


def read_annotations(labels: Path, names: Iterable[str]) -> dict[str, list[BoxAnnotation]]:
    """Read the annotations of some images.

    Args:
        labels: A folder of VOC .xml files, of ExDark's .txt files (bbGt, named as the image
            with its suffix), or of maps of CamVid's 12 classes, whose regions become boxes (cars
            that touch in the map are one); a .json file of COCO, or one that maps the name of a
            image to a list of {"cls": name, "xyxy": [left, top, right, bottom]}.
        names: Of the images, without suffix.

    Returns:
        Name of the image -> its annotations, for those of `names` that have any.

    Raises:
        UsageError: If there are no labels of these kinds, or they are damaged.
    """
    if labels.is_dir():
        voc = {path.stem: path for path in sorted(labels.glob("*.xml"))}
        bbgt = {Path(path.stem).stem: path for path in sorted(labels.glob("*.*.txt"))}
        if voc:
            paths, read = voc, _read_voc
        elif bbgt:
            paths, read = bbgt, _read_bbgt
        else:
            paths, read = match_by_stem(labels), _read_class_map
        found = {name: read(paths[name]) for name in names if name in paths}
    elif labels.suffix.lower() == ".json":
        fields = read_json(labels)
        try:
            labelled = _read_coco(fields) if "annotations" in fields else _read_plain(fields)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise UsageError(
                f"{labels} holds no boxes: {error!r}. Expected COCO's images, annotations and "
                'categories, or {"IMAGE": [{"cls": "person", "xyxy": [0, 0, 9, 9]}]}.'
            ) from None
        found = {name: labelled[name] for name in names if name in labelled}
    else:
        reason = "a file" if labels.is_file() else "nothing there"
        raise UsageError(
            "`labels` must be a folder of VOC .xml files, ExDark's .txt files or class maps, or a "
            f".json file. Received: {labels} ({reason})."
        )
    return found


def _make_annotation(name: str, box: Iterable[Any], ignored: bool = False) -> BoxAnnotation:
    name, corners = name.strip().lower(), tuple(map(float, box))
    left, top, right, bottom = corners
    if not (right > left and bottom > top):
        raise ValueError(f"no box: {corners}")
    return BoxAnnotation(CLASS_ALIASES.get(name, name), corners, ignored)


def _read_voc(path: Path) -> list[BoxAnnotation]:
    try:
        return [
            _make_annotation(
                item.findtext("name", ""),
                [item.findtext(f"bndbox/{side}") for side in ("xmin", "ymin", "xmax", "ymax")],
                item.findtext("difficult", "0").strip() == "1",
            )
            for item in ElementTree.parse(path).iter("object")
        ]
    except (ElementTree.ParseError, OSError, TypeError, ValueError) as error:
        raise UsageError(f"{path} holds no VOC boxes: {error}.") from None


def _read_bbgt(path: Path) -> list[BoxAnnotation]:
    """Read lines of NAME LEFT TOP WIDTH HEIGHT ..., below one that begins with %."""
    found = []
    try:
        for line in path.read_text(encoding="utf-8").splitlines():
            if line.strip() and not line.startswith("%"):
                name, *numbers = line.split()
                left, top, width, height = map(float, numbers[:4])
                found.append(_make_annotation(name, (left, top, left + width, top + height)))
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} holds no boxes of ExDark: {error}.") from None
    return found


def _read_coco(fields: Mapping[str, Any]) -> dict[str, list[BoxAnnotation]]:
    classes = {entry["id"]: entry["name"] for entry in fields["categories"]}
    names = {entry["id"]: Path(entry["file_name"]).stem for entry in fields["images"]}
    found: dict[str, list[BoxAnnotation]] = {name: [] for name in names.values()}
    for entry in fields["annotations"]:
        left, top, width, height = entry["bbox"]
        box = (left, top, left + width, top + height)
        label = _make_annotation(classes[entry["category_id"]], box, bool(entry.get("iscrowd", 0)))
        found[names[entry["image_id"]]].append(label)
    return found


def _read_plain(fields: Mapping[str, Any]) -> dict[str, list[BoxAnnotation]]:
    return {
        name: [_make_annotation(entry["cls"], entry["xyxy"]) for entry in entries]
        for name, entries in fields.items()
    }


def _read_class_map(path: Path) -> list[BoxAnnotation]:
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
            found.append(_make_annotation(name, box, ignored or area < MIN_REGION_AREA_PX))
    return found
