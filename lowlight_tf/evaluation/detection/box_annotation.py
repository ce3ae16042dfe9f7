"""One labelled object, and the count of labels that are no boxes."""

import collections
import contextlib
import math
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from lowlight_tf.checks import UsageError

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


class InvalidBoxError(ValueError):
    """A label that is no box; the message completes "a label ..."."""


def make_annotation(name: Any, box: Iterable[Any], ignored: bool = False) -> BoxAnnotation:
    """Return an annotation of four numbers: left, top, right, bottom.

    Raises:
        InvalidBoxError: If the box has no area.
        TypeError, ValueError, AttributeError: If these are no name and no four numbers.
    """
    name, corners = name.strip().lower(), tuple(map(float, box))
    left, top, right, bottom = corners
    if not all(map(math.isfinite, corners)):
        raise InvalidBoxError("that is not finite")
    if not (right > left and bottom > top):
        raise InvalidBoxError("without area")
    return BoxAnnotation(CLASS_ALIASES.get(name, name), corners, ignored)


class LabelCount:
    """How many labels are boxes, and why others are passed over.

    Real data sets have a few labels without area, COCO's training images among them.
    """

    def __init__(self) -> None:
        self.boxes = 0
        self._reasons: collections.Counter[str] = collections.Counter()
        self._first = ""

    @contextlib.contextmanager
    def label(self, place: str) -> Iterator[None]:
        """Count the label that the body reads; an error of the body passes it over.

        Args:
            place: Where it is, for the message: "annotation 7", "a.txt, line 2".
        """
        try:
            yield
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            known = isinstance(error, InvalidBoxError)
            self.pass_over(str(error) if known else "that cannot be read", place)
        else:
            self.boxes += 1

    def pass_over(self, reason: str, place: str) -> None:
        """Count a label that is no box."""
        self._reasons[reason] += 1
        self._first = self._first or place

    def summary(self, labels: Path) -> str:
        """Return one line on what is passed over, "" if nothing is.

        Raises:
            UsageError: If there are labels, and none of them is a box.
        """
        if not self._reasons:
            return ""
        reasons = ", ".join(f"{count} {reason}" for reason, count in self._reasons.items())
        total = self.boxes + self._reasons.total()
        line = f"{total - self.boxes} of {total} labels are passed over: {reasons}"
        if not self.boxes:
            raise UsageError(
                f"{labels} holds no boxes: {line}; the first is {self._first}. Pass other labels, "
                "with numbers of pixels (YOLO: fractions of the image)."
            )
        return f"{labels}: {line} (the first: {self._first})"
