"""YOLO's labels: a .txt file for each image, lines of a class number and fractions of the image."""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from lowlight_tf.checks import UsageError
from lowlight_tf.evaluation.detection.box_annotation import (
    BoxAnnotation,
    InvalidBoxError,
    LabelCount,
    make_annotation,
)

CLASS_FILES = ("classes.txt", "*.names", "data.yaml", "*.yaml", "*.yml")
"""Files that name the classes, in the folder of the labels or up to two above; the first."""

CONFIDENCE_COUNT = 5  # numbers of a box with how sure a detector was


class YoloClasses(NamedTuple):
    """What the numbers in YOLO's labels are.

    Attributes:
        names: Class number -> name.
        has_keypoints: Whether key points follow the boxes.
    """

    names: Mapping[str, str]
    has_keypoints: bool = False


def read_classes(labels: Path) -> YoloClasses:
    """Read the names of the classes of a folder of labels.

    They are those of the first of `CLASS_FILES` in the folder of the labels or above; none if
    there is no such file.

    Raises:
        UsageError: If the first .yaml file with `names` has them in a form that is not read.
    """
    for folder in (labels.absolute(), *labels.absolute().parents[:2]):
        for pattern in CLASS_FILES:
            for path in sorted(folder.glob(pattern)):
                text = path.read_text(encoding="utf-8-sig", errors="replace")
                if path.suffix not in (".yaml", ".yml"):
                    names = {str(n): line.strip() for n, line in enumerate(text.splitlines())}
                    return YoloClasses({number: name for number, name in names.items() if name})
                if re.search(r"^names\s*:", text, re.MULTILINE):
                    has_keypoints = re.search(r"^kpt_shape\s*:", text, re.MULTILINE) is not None
                    return YoloClasses(_parse_names(path, text), has_keypoints)
    return YoloClasses({})


def read_yolo(
    path: Path,
    lines: Sequence[str],
    size: tuple[int, int],
    classes: YoloClasses,
    count: LabelCount,
) -> list[BoxAnnotation]:
    """Read lines of CLASS NUMBER ..., where the numbers are fractions of the width and height.

    Four numbers are the center's column and row, the width and the height of a box; a fifth is a
    detector's confidence. More are the corners of an oriented box or of a polygon, which become the
    box around them, or key points after a box.

    Args:
        path: Their file, for messages.
        lines: Its lines.
        size: (height, width) of the image.
        classes: What the numbers are; a class without a name is called by its number.
        count: Counts the boxes and what is passed over.
    """
    height, width = size
    found = []
    for number, line in enumerate(lines, 1):
        if line.strip():
            with count.label(f"line {number} of {path.name}"):
                label, *words = line.split()
                label = str(int(float(label)))
                corners = _corners([float(word) for word in words], classes.has_keypoints)
                left, top, right, bottom = corners
                box = (left * width, top * height, right * width, bottom * height)
                found.append(make_annotation(classes.names.get(label, label), box))
    return found


def is_yolo(lines: Sequence[str]) -> bool:
    """Return whether the first line begins with a number, as no line of ExDark does."""
    words = next((line.split() for line in lines if line.strip()), ["0"])
    return re.fullmatch(r"\d+(\.0*)?", words[0]) is not None


def _corners(values: list[float], has_keypoints: bool) -> tuple[float, ...]:
    """Return left, top, right and bottom in fractions of the image."""
    is_polygon = len(values) > CONFIDENCE_COUNT and len(values) % 2 == 0 and not has_keypoints
    if is_polygon:
        columns, rows = values[::2], values[1::2]
        return min(columns), min(rows), max(columns), max(rows)
    if len(values) < 4:
        raise InvalidBoxError("without a box")
    column, row, width, height = values[:4]
    return column - width / 2, row - height / 2, column + width / 2, row + height / 2


def _parse_names(path: Path, text: str) -> Mapping[str, str]:
    """Return the `names` of a .yaml file: a list or a mapping, in one line or in several."""
    after = re.split(r"^names\s*:", text, maxsplit=1, flags=re.MULTILINE)[1]
    lines = [re.sub(r"(^|\s)#.*", "", line).rstrip() for line in after.splitlines()]
    flow = re.match(r"\s*(?:\[([^]]*)\]|\{([^}]*)\})", "\n".join(lines))
    if flow:
        words = (flow[1] or flow[2] or "").split(",")
        entries = [word.strip() for word in words if word.strip()]
    else:
        entries = [] if lines[0].strip() else list(_block_entries(lines))
    names = {}
    for number, entry in enumerate(entries):
        key, colon, value = entry.removeprefix("- ").partition(":")
        is_list = entry.startswith("- ") or not colon
        name = (entry.removeprefix("- ") if is_list else value).strip().strip("'\"")
        names[str(number) if is_list else key.strip()] = name
    if not names or not all(key.isdecimal() and name for key, name in names.items()):
        raise UsageError(
            f"The `names` in {path} are not read: expected a list, or numbers and names. Write "
            f"them to {path.with_name('classes.txt')}, one name a line, which is read instead."
        )
    return names


def _block_entries(lines: Sequence[str]) -> Iterator[str]:
    """Yield the lines after `names:` that belong to it: indented ones, or a list's."""
    for line in lines:
        if line[:1] not in ("", " ", "\t", "-"):
            return
        if line.strip():
            yield line.strip()
