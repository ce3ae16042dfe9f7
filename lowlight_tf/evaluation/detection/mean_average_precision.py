"""How well found boxes fit marked ones: COCO's average precision, and the agreement of two."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from lowlight_tf.evaluation.detection.annotations import BoxAnnotation
from lowlight_tf.evaluation.detection.detector import Detection

IOU_THRESHOLDS = np.linspace(0.5, 0.95, 10)
"""IoU from which a box fits: the mean over these is mAP@.5:.95."""

RECALL_LEVELS = np.linspace(0, 1, 101)
MAX_DETECTIONS = 100  # detections of a class in a picture that count, the surest


class DetectionAgreement(NamedTuple):
    """How two looks at the same scenes agree, of which neither is known to be right.

    Attributes:
        both: Things that both have found, at the same place (IoU at least 0.5).
        found: Things that the one has found.
        reference: Things that the other has found.
    """

    both: int
    found: int
    reference: int

    @property
    def precision(self) -> float:
        """Share of what was found that the reference has found too; NaN if nothing was found."""
        return self.both / self.found if self.found else math.nan

    @property
    def recall(self) -> float:
        """Share of the reference that was found; NaN if there is none."""
        return self.both / self.reference if self.reference else math.nan

    @property
    def f1(self) -> float:
        """Harmonic mean of the two; NaN if neither has found anything."""
        several = self.found + self.reference
        return 2 * self.both / several if several else math.nan


def average_precisions(
    found: Sequence[Sequence[Detection]], marked: Sequence[Sequence[BoxAnnotation]]
) -> dict[str, np.ndarray]:
    """Return the average precision of each class that is marked anywhere, as COCO defines it.

    A detection is right if it is the surest one that fits a marked box of its class. Precision,
    made to fall with recall, is read at 101 recalls from 0 to 1; all areas count, and the 100
    surest detections of each class in a picture.

    Args:
        found: Of each picture, what a detector found.
        marked: Of each picture, what is there; in the same order.

    Returns:
        Class -> (10,), at each of `OVERLAPS`, in [0, 1]. Classes with nothing but ignored boxes are
        left out.

    Reference:
        Lin et al., "Microsoft COCO: Common Objects in Context", ECCV 2014, and its evaluation code.
    """
    counted = {label.name for labels in marked for label in labels if not label.ignored}
    return {name: _average_precision(name, found, marked) for name in sorted(counted)}


def mean_ap(precisions: Mapping[str, np.ndarray]) -> tuple[float, float]:
    """Return mAP@.5 and mAP@.5:.95 over all classes; NaN if there are none."""
    if not precisions:
        return math.nan, math.nan
    each = np.stack(list(precisions.values()))
    return float(each[:, 0].mean()), float(each.mean())


def detection_agreement(
    found: Sequence[Detection], reference: Sequence[Detection]
) -> DetectionAgreement:
    """Compare what two looks at one scene have found, class by class."""
    both = 0
    for name in {one.name for one in found}:
        ours = sorted((one for one in found if one.name == name), key=lambda one: -one.score)
        theirs = [BoxAnnotation(name, one.box) for one in reference if one.name == name]
        both += int(_match_boxes(ours, theirs, IOU_THRESHOLDS[:1])[0].sum())
    return DetectionAgreement(both, len(found), len(reference))


def box_iou(boxes: np.ndarray, others: np.ndarray, alone: np.ndarray | None = None) -> np.ndarray:
    """Return the intersection over union of each of N boxes with each of M others, (N, M).

    Args:
        boxes: (N, 4) left, top, right, bottom.
        others: (M, 4) likewise.
        alone: (M,) where true, the intersection is divided by the area of the box of `boxes` alone.
    """
    boxes, others = np.float64(boxes), np.float64(others)
    low = np.maximum(boxes[:, None, :2], others[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], others[None, :, 2:])
    common = np.maximum(high - low, 0).prod(axis=2)
    areas, rest = ((part[:, 2:] - part[:, :2]).prod(axis=1) for part in (boxes, others))
    union = areas[:, None] + rest - common
    if alone is not None:
        union = np.where(alone, areas[:, None], union)
    return np.divide(common, union, out=np.zeros_like(common), where=union > 0)


def _average_precision(
    name: str, found: Sequence[Sequence[Detection]], marked: Sequence[Sequence[BoxAnnotation]]
) -> np.ndarray:
    scores, right, idle, there = [], [], [], 0
    for detections, labels in zip(found, marked, strict=True):
        ours = sorted((one for one in detections if one.name == name), key=lambda one: -one.score)
        ours = ours[:MAX_DETECTIONS]
        theirs = [label for label in labels if label.name == name]
        there += sum(not label.ignored for label in theirs)
        hit, ignored = _match_boxes(ours, theirs, IOU_THRESHOLDS)
        scores += [one.score for one in ours]
        right.append(hit)
        idle.append(ignored)
    order = np.argsort(-np.array(scores), kind="stable")
    right, idle = (np.concatenate(part, axis=1)[:, order] for part in (right, idle))
    results = np.zeros(len(IOU_THRESHOLDS))
    for index, (hits, counts) in enumerate(zip(right, ~idle, strict=True)):
        caught = np.cumsum(hits & counts)
        wrong = np.cumsum(~hits & counts)
        precision = caught / np.maximum(caught + wrong, 1)
        precision = np.maximum.accumulate(precision[::-1])[::-1]
        at = np.searchsorted(caught / there, RECALL_LEVELS)
        results[index] = np.append(precision, 0)[np.minimum(at, len(precision))].mean()
    return results


def _match_boxes(
    found: Sequence[Detection], marked: Sequence[BoxAnnotation], least: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Give each detection, surest first, the best box that is left to it.

    A box that counts goes before one that is ignored; the latter can be given many times, and an
    overlap with it is measured on the detection alone.

    Returns:
        Which detections fit a box that counts, and which only one that is ignored: (T, N) each, at
        each of `least`.
    """
    right, idle = np.zeros((2, len(least), len(found)), bool)
    if not found or not marked:
        return right, idle
    ignored = np.array([label.ignored for label in marked])
    values = box_iou(
        np.array([one.box for one in found]), np.array([one.box for one in marked]), ignored
    )
    for level, bound in enumerate(least):
        free = np.ones(len(marked), bool)
        for index, row in enumerate(values):
            fits = free & (row >= min(bound, 1 - 1e-10))
            chosen = fits & ~ignored
            if chosen.any():
                free[_last_best(row, chosen)] = False
                right[level, index] = True
            else:
                idle[level, index] = fits.any()
    return right, idle


def _last_best(values: np.ndarray, allowed: np.ndarray) -> int:
    """Return where the largest allowed value stands; of equal ones the last, as COCO's code."""
    reverse = np.where(allowed, values, -1)[::-1]
    return len(values) - 1 - int(np.argmax(reverse))
