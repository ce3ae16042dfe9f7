"""COCO's average precision of detections, and the agreement of two detectors."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from lowlight_tf.evaluation.detection.box_annotation import BoxAnnotation
from lowlight_tf.evaluation.detection.detector import Detection

IOU_THRESHOLDS = np.linspace(0.5, 0.95, 10)
"""IoU from which a box matches: the mean over these is mAP@.5:.95."""

RECALL_LEVELS = np.linspace(0, 1, 101)
MAX_DETECTIONS = 100  # of a class in an image that count, those of the highest scores


class DetectionAgreement(NamedTuple):
    """How two sets of detections of the same scenes agree, neither being ground truth.

    Attributes:
        both: Objects in both, at the same place (IoU at least 0.5).
        found: Objects in the first.
        reference: Objects in the second.
    """

    both: int
    found: int
    reference: int

    @property
    def precision(self) -> float:
        """Fraction of the first that is in the reference too; NaN if the first is empty."""
        return self.both / self.found if self.found else math.nan

    @property
    def recall(self) -> float:
        """Fraction of the reference that is in the first too; NaN if the reference is empty."""
        return self.both / self.reference if self.reference else math.nan

    @property
    def f1(self) -> float:
        """Harmonic mean of the two; NaN if both are empty."""
        count = self.found + self.reference
        return 2 * self.both / count if count else math.nan


def average_precisions(
    found: Sequence[Sequence[Detection]], annotations: Sequence[Sequence[BoxAnnotation]]
) -> dict[str, np.ndarray]:
    """Return the average precision of each class that is labelled anywhere, as COCO defines it.

    A detection is right if it has the highest score of those that match a labelled box of its
    class. Precision, made monotone, is sampled at 101 recalls from 0 to 1; all areas count, and the
    100 best detections of each class in an image.

    Args:
        found: For each image, the detections.
        annotations: For each image, the labelled boxes; in the same order.

    Returns:
        Class -> (10,), at each of `IOU_THRESHOLDS`, in [0, 1]. Classes with nothing but ignored
        boxes are left out.

    Reference:
        Lin et al., "Microsoft COCO: Common Objects in Context", ECCV 2014, and its evaluation code.
    """
    counted = {label.name for labels in annotations for label in labels if not label.ignored}
    return {name: _average_precision(name, found, annotations) for name in sorted(counted)}


def mean_ap(precisions: Mapping[str, np.ndarray]) -> tuple[float, float]:
    """Return mAP@.5 and mAP@.5:.95 over all classes; NaN if there are none."""
    if not precisions:
        return math.nan, math.nan
    each = np.stack(list(precisions.values()))
    return float(each[:, 0].mean()), float(each.mean())


def detection_agreement(
    found: Sequence[Detection], reference: Sequence[Detection]
) -> DetectionAgreement:
    """Compare two sets of detections of one scene, class by class."""
    both = 0
    for name in {one.name for one in found}:
        ours = sorted((one for one in found if one.name == name), key=lambda one: -one.score)
        theirs = [BoxAnnotation(name, one.box) for one in reference if one.name == name]
        both += int(_match_boxes(ours, theirs, IOU_THRESHOLDS[:1])[0].sum())
    return DetectionAgreement(both, len(found), len(reference))


def box_iou(
    boxes: np.ndarray, others: np.ndarray, is_crowd: np.ndarray | None = None
) -> np.ndarray:
    """Return the intersection over union of each of N boxes with each of M others, (N, M).

    Args:
        boxes: (N, 4) left, top, right, bottom.
        others: (M, 4) likewise.
        is_crowd: (M,) where true, the intersection is divided by the area of the box of `boxes`.
    """
    boxes, others = np.float64(boxes), np.float64(others)
    low = np.maximum(boxes[:, None, :2], others[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], others[None, :, 2:])
    common = np.maximum(high - low, 0).prod(axis=2)
    areas, rest = ((part[:, 2:] - part[:, :2]).prod(axis=1) for part in (boxes, others))
    union = areas[:, None] + rest - common
    if is_crowd is not None:
        union = np.where(is_crowd, areas[:, None], union)
    return np.divide(common, union, out=np.zeros_like(common), where=union > 0)


def _average_precision(
    name: str, found: Sequence[Sequence[Detection]], annotations: Sequence[Sequence[BoxAnnotation]]
) -> np.ndarray:
    scores, matched, ignored, total = [], [], [], 0
    for detections, labels in zip(found, annotations, strict=True):
        ours = sorted((one for one in detections if one.name == name), key=lambda one: -one.score)
        ours = ours[:MAX_DETECTIONS]
        theirs = [label for label in labels if label.name == name]
        total += sum(not label.ignored for label in theirs)
        hits, skipped = _match_boxes(ours, theirs, IOU_THRESHOLDS)
        scores += [one.score for one in ours]
        matched.append(hits)
        ignored.append(skipped)
    order = np.argsort(-np.array(scores), kind="stable")
    matched, ignored = (np.concatenate(part, axis=1)[:, order] for part in (matched, ignored))
    results = np.zeros(len(IOU_THRESHOLDS))
    for index, (hits, counts) in enumerate(zip(matched, ~ignored, strict=True)):
        true_positives = np.cumsum(hits & counts)
        false_positives = np.cumsum(~hits & counts)
        precision = true_positives / np.maximum(true_positives + false_positives, 1)
        precision = np.maximum.accumulate(precision[::-1])[::-1]
        at = np.searchsorted(true_positives / total, RECALL_LEVELS)
        results[index] = np.append(precision, 0)[np.minimum(at, len(precision))].mean()
    return results


def _match_boxes(
    found: Sequence[Detection], annotations: Sequence[BoxAnnotation], thresholds: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Match each detection, in the order of scores, to the best box that is free.

    A box that counts is preferred to an ignored one; the latter can be matched many times, and its
    overlap is relative to the area of the detection.

    Returns:
        Which detections match a box that counts, and which only an ignored one: (T, N) each, at
        each of `thresholds`.
    """
    matched, skipped = np.zeros((2, len(thresholds), len(found)), bool)
    if not found or not annotations:
        return matched, skipped
    ignored = np.array([label.ignored for label in annotations])
    values = box_iou(
        np.array([one.box for one in found]), np.array([one.box for one in annotations]), ignored
    )
    for level, bound in enumerate(thresholds):
        free = np.ones(len(annotations), bool)
        for index, row in enumerate(values):
            fits = free & (row >= min(bound, 1 - 1e-10))
            chosen = fits & ~ignored
            if chosen.any():
                free[_last_best(row, chosen)] = False
                matched[level, index] = True
            else:
                skipped[level, index] = fits.any()
    return matched, skipped


def _last_best(values: np.ndarray, allowed: np.ndarray) -> int:
    """Return the index of the largest allowed value; of equal ones the last, as COCO's code."""
    reverse = np.where(allowed, values, -1)[::-1]
    return len(values) - 1 - int(np.argmax(reverse))
