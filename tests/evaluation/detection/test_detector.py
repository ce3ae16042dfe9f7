"""Detectors find persons in a real image, in its pixel coordinates."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from lowlight_tf.checks import UsageError
from lowlight_tf.evaluation.detection import detector
from lowlight_tf.evaluation.detection.detector import (
    CLASSES,
    DETECTOR_FILES,
    Detection,
    load_detector,
)

SHARED = Path(__file__).parents[4] / "shared"
YOLOX = SHARED / "weights" / "yolox_nano" / "yolox-nano-416_fp16.tflite"


@pytest.fixture(scope="module")
def nanodet():
    return load_detector("nanodet_g")


@pytest.fixture(scope="module")
def astronaut():
    """An image of 512x512 with one person, whose head is at about row 120, column 220."""
    return pytest.importorskip("skimage.data", reason="scikit-image is not installed").astronaut()


def first_person(found):
    return next(one for one in found if one.name == "person")


def test_a_person_is_detected(nanodet, astronaut):
    found = nanodet(astronaut)
    assert found == sorted(found, key=lambda one: -one.score)
    assert len(found) <= 100
    left, top, right, bottom = first_person(found).box
    assert left < 180 < 260 < right
    assert top < 60
    assert bottom > 450
    assert all(0 <= one.box[0] < one.box[2] <= 512 for one in found)


def test_boxes_are_in_pixels_of_the_image_for_any_image_size(nanodet, astronaut):
    box = np.array(first_person(nanodet(astronaut)).box)
    wider = np.hstack([astronaut, np.zeros_like(astronaut)[:, :200]])
    np.testing.assert_allclose(first_person(nanodet(wider)).box, box, atol=30)
    larger = cv2.resize(astronaut, (1024, 1024))
    np.testing.assert_allclose(first_person(nanodet(larger)).box, 2 * box, atol=10)


def test_all_pixel_types_give_the_same_boxes(nanodet, astronaut):
    expected = nanodet(astronaut)
    assert nanodet(np.float32(astronaut) / 255) == expected
    assert nanodet(astronaut * np.uint16(257)) == expected


def test_a_nanodet_distance_is_the_mean_of_its_distribution(nanodet):
    """A square of 32 pixels has 16 cells of 8, four of 16 and one of 32."""
    outputs = []
    for count in (16, 4, 1):
        edges = np.full((1, count, 44), -100.0, np.float32)
        edges[..., [0, 12, 24, 36]] = 0  # 0, 1, 2 and 3 strides
        outputs += [np.zeros((1, count, 80), np.float32), edges]
    outputs[1][0, 5, :2] = 0  # between 0 and 1
    boxes, scores = detector._decode_nanodet(outputs, 32)
    assert scores.shape == (21, 80)
    np.testing.assert_allclose(boxes[5], [12 - 4, 12 - 8, 12 + 16, 12 + 24])
    np.testing.assert_allclose(boxes[17], [24 - 0, 8 - 16, 24 + 32, 8 + 48])


def test_yolox_boxes_are_decoded_from_centers_and_log_sizes():
    outputs = [np.zeros((1, side, side, 85), np.float32) for side in (4, 2, 1)]
    outputs[1][0, 1, 0, :6] = 0.5, 0.25, np.log(2), 0, 0.5, 0.8
    boxes, scores = detector._decode_yolox(outputs, 32)
    np.testing.assert_allclose(boxes[18], [8 - 16, 20 - 8, 8 + 16, 20 + 8], rtol=1e-6)
    assert scores[18, 0] == pytest.approx(0.4)
    assert scores.sum() == pytest.approx(0.4)


def test_overlapping_boxes_of_a_class_are_suppressed():
    boxes = np.array([[0, 0, 10, 10], [0, 0, 10, 9], [20, 0, 30, 10]], float)
    scores = np.zeros((3, 80))
    scores[:, 0] = 0.5, 0.9, 0.7
    scores[0, 2] = 0.3
    assert detector._non_max_suppression(boxes, scores, 0.6) == [
        Detection("person", (0, 0, 10, 9), 0.9),
        Detection("person", (20, 0, 30, 10), 0.7),
        Detection("car", (0, 0, 10, 10), 0.3),
    ]


def test_there_are_no_boxes_below_the_confidence_threshold(nanodet):
    assert detector._non_max_suppression(np.zeros((3, 4)), np.zeros((3, 80)), 0.6) == []
    assert all(one.score < 0.5 for one in nanodet(np.zeros((40, 60, 3), np.uint8)))


def test_there_are_eighty_classes():
    assert len(set(CLASSES)) == 80


@pytest.mark.skipif(not YOLOX.exists(), reason="YOLOX is not installed: ../shared/weights")
def test_both_detectors_find_the_same_person(nanodet, astronaut):
    ours, theirs = (first_person(detect(astronaut)) for detect in (nanodet, load_detector(YOLOX)))
    np.testing.assert_allclose(ours.box, theirs.box, atol=60)


def test_a_file_that_is_no_detector_is_refused(tmp_path):
    with pytest.raises(UsageError, match="must be one of: nanodet_g, or a"):
        load_detector("nanodet")
    with pytest.raises(UsageError, match="No file"):
        load_detector(tmp_path / "no.tflite")
    broken = tmp_path / "broken.tflite"
    broken.write_bytes(DETECTOR_FILES["nanodet_g"].read_bytes()[:1000])
    with pytest.raises(UsageError, match="cannot be run"):
        load_detector(broken)
    other = DETECTOR_FILES["nanodet_g"].with_name("lpips_alex.tflite")
    with pytest.raises(UsageError, match="must be a NanoDet"):
        load_detector(other)


def test_a_grayscale_image_is_refused(nanodet):
    with pytest.raises(UsageError, match=r"must be \(H, W, 3\)"):
        nanodet(np.zeros((40, 60), np.uint8))
