"""What people have marked in pictures: boxes of VOC, COCO, ExDark, plain JSON, or class maps."""

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
"""What labels may be called, beside pictures or up to two folders above theirs."""

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
"""What data sets call what COCO calls otherwise."""

SEGMENTATION_TO_CLASS = {8: ("car", False), 9: ("person", False), 10: ("person", True)}
"""CamVid's classes of 12: car, pedestrian, bicyclist. A bicyclist is marked with the bicycle, so
that its box fits neither: whether a person is found there does not count."""

MIN_BOX_SIDE = 200  # pixels of a region in a map; whether a smaller one is found does not count


class BoxAnnotation(NamedTuple):
    """One thing that was marked.

    Attributes:
        name: What it is, in COCO's words where it has one.
        box: Left, top, right, bottom, in pixels from the upper left corner of the picture.
        ignored: It counts neither if it is found nor if it is not: a crowd, or too difficult.
    """

    name: str
    box: tuple[float, float, float, float]
    ignored: bool = False


def find_annotations(image: Path) -> Path | None:
    """Return where the labels of a picture lie, if they have one of the names of `BESIDE`."""
    places = (folder / name for folder in image.absolute().parents[:3] for name in SIDECAR_NAMES)
    return next((place for place in places if place.exists()), None)


def read_annotations(labels: Path, names: Iterable[str]) -> dict[str, list[BoxAnnotation]]:
    """Read what is marked in some pictures.

    Args:
        labels: A folder of VOC .xml files, of ExDark's .txt files (bbGt, called as the picture
            with its suffix), or of maps of CamVid's 12 classes, whose regions become boxes (cars
            that touch in the map are one); a .json file of COCO, or one that maps the name of a
            picture to a list of {"cls": name, "xyxy": [left, top, right, bottom]}.
        names: Of the pictures, without suffix.

    Returns:
        Name of the picture -> its labels, for those of `names` of which the labels speak.

    Raises:
        UsageError: If there are no labels of these kinds, or they are damaged.
    """
    if labels.is_dir():
        voc = {path.stem: path for path in sorted(labels.glob("*.xml"))}
        bbgt = {Path(path.stem).stem: path for path in sorted(labels.glob("*.*.txt"))}
        if voc:
            paths, one = voc, _voc
        elif bbgt:
            paths, one = bbgt, _bbgt
        else:
            paths, one = match_by_stem(labels), _regions
        found = {name: one(paths[name]) for name in names if name in paths}
    elif labels.suffix.lower() == ".json":
        fields = read_json(labels)
        try:
            marked = _coco(fields) if "annotations" in fields else _plain(fields)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise UsageError(
                f"{labels} holds no boxes: {error!r}. Expected COCO's images, annotations and "
                'categories, or {"PICTURE": [{"cls": "person", "xyxy": [0, 0, 9, 9]}]}.'
            ) from None
        found = {name: marked[name] for name in names if name in marked}
    else:
        what = "a file" if labels.is_file() else "nothing there"
        raise UsageError(
            "`labels` must be a folder of VOC .xml files, ExDark's .txt files or class maps, or a "
            f".json file. Received: {labels} ({what})."
        )
    return found


def _label(name: str, box: Iterable[Any], ignored: bool = False) -> BoxAnnotation:
    name, corners = name.strip().lower(), tuple(map(float, box))
    left, top, right, bottom = corners
    if not (right > left and bottom > top):
        raise ValueError(f"no box: {corners}")
    return BoxAnnotation(CLASS_ALIASES.get(name, name), corners, ignored)


def _voc(path: Path) -> list[BoxAnnotation]:
    try:
        return [
            _label(
                thing.findtext("name", ""),
                [thing.findtext(f"bndbox/{side}") for side in ("xmin", "ymin", "xmax", "ymax")],
                thing.findtext("difficult", "0").strip() == "1",
            )
            for thing in ElementTree.parse(path).iter("object")
        ]
    except (ElementTree.ParseError, OSError, TypeError, ValueError) as error:
        raise UsageError(f"{path} holds no VOC boxes: {error}.") from None


def _bbgt(path: Path) -> list[BoxAnnotation]:
    """Read lines of NAME LEFT TOP WIDTH HEIGHT ..., below one that begins with %."""
    found = []
    try:
        for line in path.read_text(encoding="utf-8").splitlines():
            if line.strip() and not line.startswith("%"):
                name, *numbers = line.split()
                left, top, width, height = map(float, numbers[:4])
                found.append(_label(name, (left, top, left + width, top + height)))
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} holds no boxes of ExDark: {error}.") from None
    return found


def _coco(fields: Mapping[str, Any]) -> dict[str, list[BoxAnnotation]]:
    kinds = {kind["id"]: kind["name"] for kind in fields["categories"]}
    pictures = {one["id"]: Path(one["file_name"]).stem for one in fields["images"]}
    found: dict[str, list[BoxAnnotation]] = {name: [] for name in pictures.values()}
    for one in fields["annotations"]:
        left, top, width, height = one["bbox"]
        box = (left, top, left + width, top + height)
        label = _label(kinds[one["category_id"]], box, bool(one.get("iscrowd", 0)))
        found[pictures[one["image_id"]]].append(label)
    return found


def _plain(fields: Mapping[str, Any]) -> dict[str, list[BoxAnnotation]]:
    return {
        name: [_label(one["cls"], one["xyxy"]) for one in things] for name, things in fields.items()
    }


def _regions(path: Path) -> list[BoxAnnotation]:
    marked = image_io.load_image(path).pixels[..., 0]
    if marked.max() > 11:
        raise UsageError(
            f"{path} must be a map of CamVid's 12 classes, values 0 to 11. "
            f"Received: up to {marked.max()}."
        )
    found = []
    for value, (name, ignored) in SEGMENTATION_TO_CLASS.items():
        regions = cv2.connectedComponentsWithStats((marked == value).astype("uint8"))[2][1:]
        for left, top, width, height, area in regions.tolist():
            box = (left, top, left + width, top + height)
            found.append(_label(name, box, ignored or area < MIN_BOX_SIDE))
    return found
