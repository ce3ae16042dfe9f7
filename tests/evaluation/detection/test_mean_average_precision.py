"""Average precision equals COCO's; agreement counts boxes that two detectors have in common."""

import contextlib
import io
import math

import numpy as np
import pytest

from lowlight_tf.evaluation.detection import mean_average_precision
from lowlight_tf.evaluation.detection.box_annotation import BoxAnnotation
from lowlight_tf.evaluation.detection.detector import Detection


def scene(rng, count):
    """Return labels of three classes, some ignored, and detections near some of them."""
    labels, found = [], []
    for _ in range(count):
        name = ("person", "car", "bus")[rng.integers(3)]
        corner, size = rng.uniform(0, 60, 2), rng.uniform(4, 30, 2)
        labels.append(BoxAnnotation(name, (*corner, *(corner + size)), bool(rng.random() < 0.15)))
        for _ in range(rng.integers(0, 4)):
            near = np.array(labels[-1].box) + rng.normal(0, 2, 4)
            box = (*near[:2], *np.maximum(near[2:], near[:2] + 1))
            found.append(Detection(name, tuple(map(float, box)), round(float(rng.random()), 1)))
    return labels, found


def pycocotools_precisions(found, marked, names):
    """Return class -> average precision at each overlap, by pycocotools."""
    api = pytest.importorskip("pycocotools.coco", reason="pycocotools is not installed")
    from pycocotools.cocoeval import COCOeval

    def to_coco(one):
        left, top, right, bottom = one.box
        return {
            "category_id": names.index(one.name) + 1,
            "bbox": [left, top, right - left, bottom - top],
            "area": (right - left) * (bottom - top),
        }

    truth, guesses = api.COCO(), []
    truth.dataset = {
        "info": {},
        "images": [{"id": index} for index in range(len(marked))],
        "categories": [{"id": index + 1, "name": name} for index, name in enumerate(names)],
        "annotations": [],
    }
    for index, (labels, detections) in enumerate(zip(marked, found, strict=True)):
        for label in labels:
            number = len(truth.dataset["annotations"]) + 1
            more = {"id": number, "image_id": index, "iscrowd": int(label.ignored)}
            truth.dataset["annotations"].append(to_coco(label) | more)
        guesses += [to_coco(one) | {"image_id": index, "score": one.score} for one in detections]
    with contextlib.redirect_stdout(io.StringIO()):
        truth.createIndex()
        coco_eval = COCOeval(truth, truth.loadRes(guesses), "bbox")
        coco_eval.evaluate()
        coco_eval.accumulate()
        coco_eval.summarize()
    at = coco_eval.eval["precision"][:, :, :, 0, 2]  # overlaps, recalls, classes
    each = {name: at[:, :, index].mean(axis=1) for index, name in enumerate(names)}
    return each, coco_eval.stats[1], coco_eval.stats[0]


@pytest.mark.parametrize("seed", range(5))
def test_average_precision_equals_that_of_pycocotools(seed):
    rng = np.random.default_rng(seed)
    marked, found = zip(*(scene(rng, count) for count in (5, 0, 9, 1, 60)), strict=True)
    names = ["person", "car", "bus"]
    expected, half, mean = pycocotools_precisions(found, marked, names)
    actual = mean_average_precision.average_precisions(found, marked)
    assert set(actual) == set(names)
    for name in names:
        np.testing.assert_allclose(actual[name], expected[name], rtol=0, atol=1e-9)
    assert mean_average_precision.mean_ap(actual) == pytest.approx((half, mean), abs=1e-9)
    assert 0.05 < mean < half < 0.95


def test_average_precision_equals_a_hand_computed_value():
    """Two cars: the best detection is wrong, the second right, the third a duplicate."""
    marked = [[BoxAnnotation("car", (0, 0, 10, 10)), BoxAnnotation("car", (50, 50, 60, 60))]]
    boxes = ((90, 90, 99, 99), (0, 0, 10, 10), (0, 0, 10, 9))
    found = [[Detection("car", box, s) for box, s in zip(boxes, (0.9, 0.8, 0.7), strict=True)]]
    result = mean_average_precision.average_precisions(found, marked)["car"]
    np.testing.assert_allclose(result, 51 / 101 * 0.5)  # precision 1/2 at recalls 0 to 0.5


def test_a_class_without_annotations_has_no_average_precision():
    found = [[Detection("bus", (0, 0, 9, 9), 0.9)]]
    assert (
        mean_average_precision.average_precisions(
            found, [[BoxAnnotation("car", (0, 0, 9, 9), True)]]
        )
        == {}
    )
    assert all(map(math.isnan, mean_average_precision.mean_ap({})))


def test_ignored_boxes_are_neither_true_nor_false_positives():
    marked = [
        [BoxAnnotation("car", (0, 0, 9, 9)), BoxAnnotation("car", (20, 20, 60, 60), ignored=True)]
    ]
    sure = [
        Detection("car", (x, 25, x + 9, 40), 0.9) for x in (25, 40)
    ]  # both in the ignored region
    found = [[*sure, Detection("car", (0, 0, 9, 9), 0.5)]]
    np.testing.assert_allclose(mean_average_precision.average_precisions(found, marked)["car"], 1)


def test_an_annotated_class_without_detections_has_average_precision_zero():
    np.testing.assert_array_equal(
        mean_average_precision.average_precisions([[]], [[BoxAnnotation("car", (0, 0, 9, 9))]])[
            "car"
        ],
        np.zeros(10),
    )


def test_agreement_counts_boxes_that_both_detectors_found():
    ours = [Detection("car", (0, 0, 9, 9), 0.4), Detection("person", (20, 0, 29, 9), 0.9)]
    theirs = [Detection("car", (0, 0, 9, 8), 0.9), Detection("car", (20, 0, 29, 9), 0.5)]
    agreed = mean_average_precision.detection_agreement([*ours, ours[0]], theirs)
    assert agreed == (1, 3, 2)  # a car is matched once, and a person is no car
    assert agreed.precision == pytest.approx(1 / 3)
    assert agreed.recall == 1 / 2
    assert agreed.f1 == pytest.approx(2 / 5)
    assert math.isnan(mean_average_precision.detection_agreement([], []).f1)


def test_the_bootstrap_interval_holds_the_mean_and_narrows_with_the_number_of_images():
    widths = []
    for count in (10, 160):
        rng = np.random.default_rng(3)
        marked, found = zip(*(scene(rng, 4) for _ in range(count)), strict=True)
        low, high = mean_average_precision.bootstrap_map50(found, marked, rounds=200)
        mean, _ = mean_average_precision.mean_ap(
            mean_average_precision.average_precisions(found, marked)
        )
        assert low < mean < high
        widths.append(high - low)
    assert widths[1] < 0.5 * widths[0]


def test_without_labels_there_is_no_interval_and_a_perfect_detector_has_none_either():
    assert np.isnan(mean_average_precision.bootstrap_map50([[]], [[]])).all()
    labels = [[BoxAnnotation("car", (0, 0, 10, 10))], [BoxAnnotation("bus", (0, 0, 9, 9))]]
    found = [[Detection(one.name, one.box, 0.9) for one in several] for several in labels]
    assert mean_average_precision.bootstrap_map50(found, labels, rounds=50) == (1, 1)
