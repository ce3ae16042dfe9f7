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
BOOTSTRAP_ROUNDS = 500
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
    return {
        name: _average_precision(matches)
        for name, matches in _match_classes(found, annotations).items()
    }


def bootstrap_map50(
    found: Sequence[Sequence[Detection]],
    annotations: Sequence[Sequence[BoxAnnotation]],
    *,
    rounds: int = BOOTSTRAP_ROUNDS,
    seed: int = 1,
) -> tuple[float, float]:
    """Return the interval that mAP@.5 is in with 95 % confidence, by bootstrap over the images.

    Images are drawn with replacement as often as there are; classes that a draw has no label of
    are left out of its mean.

    Args:
        found: See `average_precisions`.
        annotations: See there.
        rounds: Number of draws.
        seed: Of the draws: with the same one, all models are measured on the same images.

    Returns:
        The 2.5th and the 97.5th percentile, in [0, 1]; NaN without labels.

    Reference:
        Efron, "Bootstrap Methods: Another Look at the Jackknife", Annals of Statistics 1979.
    """
    classes = _match_classes(found, annotations)
    if not classes:
        return math.nan, math.nan
    rng = np.random.default_rng(seed)
    means = []
    for _ in range(rounds):
        drawn = rng.integers(len(found), size=len(found))
        samples = [[matches[index] for index in drawn] for matches in classes.values()]
        values = [
            _average_precision(sample, levels=1)[0]
            for sample in samples
            if any(match.total for match in sample)
        ]
        if values:
            means.append(np.mean(values))
    low, high = np.percentile(means, (2.5, 97.5))
    return float(low), float(high)


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


class _ImageMatches(NamedTuple):
    """The detections of one class in one image: scores, which match, which are ignored; labels."""

    scores: list[float]
    matched: np.ndarray
    ignored: np.ndarray
    total: int


def _match_classes(
    found: Sequence[Sequence[Detection]], annotations: Sequence[Sequence[BoxAnnotation]]
) -> dict[str, list[_ImageMatches]]:
    """Return the matches of each image, for each class with a label that counts."""
    counted = {label.name for labels in annotations for label in labels if not label.ignored}
    return {
        name: [_match_class(name, *image) for image in zip(found, annotations, strict=True)]
        for name in sorted(counted)
    }


def _match_class(
    name: str, detections: Sequence[Detection], labels: Sequence[BoxAnnotation]
) -> _ImageMatches:
    ours = sorted((one for one in detections if one.name == name), key=lambda one: -one.score)
    ours = ours[:MAX_DETECTIONS]
    theirs = [label for label in labels if label.name == name]
    hits, skipped = _match_boxes(ours, theirs, IOU_THRESHOLDS)
    total = sum(not label.ignored for label in theirs)
    return _ImageMatches([one.score for one in ours], hits, skipped, total)


def _average_precision(
    matches: Sequence[_ImageMatches], levels: int = len(IOU_THRESHOLDS)
) -> np.ndarray:
    """Return the average precision at the first of `IOU_THRESHOLDS`."""
    scores = [score for match in matches for score in match.scores]
    total = sum(match.total for match in matches)
    order = np.argsort(-np.array(scores), kind="stable")
    matched, ignored = (
        np.concatenate(parts, axis=1)[:levels, order]
        for parts in zip(*((match.matched, match.ignored) for match in matches), strict=True)
    )
    results = np.zeros(levels)
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
