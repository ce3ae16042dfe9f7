"""Detection before and after enhancement: average precision, agreement, missed persons."""

import json
import math

import cv2
import numpy as np
import pytest

from lowlight_tf.checks import UsageError
from lowlight_tf.contract import ENHANCE
from lowlight_tf.datasets.pairing import fusion_folder, input_only_folder
from lowlight_tf.evaluation.detection import detection_metrics
from lowlight_tf.evaluation.detection.box_annotation import BoxAnnotation
from lowlight_tf.evaluation.detection.detector import Detection
from lowlight_tf.imaging import dtypes, image_io
from lowlight_tf.runtime.engine import Engine
from lowlight_tf.runtime.loading import load_model


class BrightnessDetector:
    """A detector that takes each bright region for a person; its score is the brightness."""

    name, classes = "bright", ("person", "car")

    def __init__(self, min_level=0.08):
        self.min_level = min_level

    def __call__(self, image):
        gray = dtypes.img_as_float32(image)[..., 0]
        regions = cv2.connectedComponentsWithStats(np.uint8(gray >= self.min_level))[2][1:]
        return [
            Detection("person", (x, y, x + w, y + h), float(gray[y : y + h, x : x + w].max()))
            for x, y, w, h, _ in regions.tolist()
        ]


class DoublingEngine(Engine):
    """An engine that doubles the brightness of images."""

    name, contract, size = "twice", ENHANCE, None

    def __call__(self, images):
        return {"enhanced": np.minimum(images["low"], 127) * 2}


def write_image(path, *regions, size=(40, 60)):
    """Write an image that is black except for regions of (left, top, right, bottom, level)."""
    image = np.zeros((*size, 3), np.uint8)
    for left, top, right, bottom, level in regions:
        image[top:bottom, left:right] = level
    path.parent.mkdir(parents=True, exist_ok=True)
    image_io.save_image(path, image_io.LoadedImage(image), overwrite=True)


@pytest.fixture
def two_cameras(tmp_path):
    """A person in both cameras, and one in infrared only, at (40, 10, 50, 30)."""
    write_image(tmp_path / "visible" / "a.png", (5, 10, 15, 30, 200))
    write_image(tmp_path / "infrared" / "a.png", (5, 10, 15, 30, 180), (40, 10, 50, 30, 220))
    return tmp_path


LABELS = {
    "a": [BoxAnnotation("person", (5, 10, 15, 30)), BoxAnnotation("person", (40, 10, 50, 30))]
}


def test_both_cameras_and_the_fused_image_are_evaluated(two_cameras):
    rows = detection_metrics.evaluate_detection(
        {"average": load_model("average")},
        fusion_folder(two_cameras),
        detector=BrightnessDetector(),
        labels=LABELS,
        reference_detector=BrightnessDetector(0.4),
        data="street",
    )
    assert [row.images for row in rows] == ["visible", "infrared", "average"]
    assert [(row.persons, row.missed) for row in rows] == [(2, 1), (2, 0), (2, 0)]
    # The reference detector finds two persons in both cameras together; each row is compared
    # with both.
    assert [row.agreement for row in rows] == [(1, 1, 2), (2, 2, 2), (2, 2, 2)]
    found = [row.precisions["person"][0] for row in rows]
    assert found == pytest.approx([51 / 101, 1, 1])
    assert {
        (row.data, row.detector, row.reference_detector, row.count, row.labelled) for row in rows
    } == {("street", "bright", "bright", 1, 1)}


def test_a_person_detected_with_half_the_confidence_is_not_lost(two_cameras):
    write_image(two_cameras / "visible" / "a.png", (5, 10, 15, 30, 200), (40, 10, 50, 30, 50))
    pairs = fusion_folder(two_cameras)
    visible, _ = detection_metrics.evaluate_detection(
        {}, pairs, detector=BrightnessDetector(), labels={}
    )
    assert (visible.persons, visible.missed) == (2, 0)
    assert visible.precisions == {}
    assert visible.agreement is None


def test_a_person_that_neither_annotation_nor_reference_detector_contains_cannot_be_lost(
    two_cameras,
):
    pairs = fusion_folder(two_cameras)
    marked = {"a": LABELS["a"][:1]}
    visible, _ = detection_metrics.evaluate_detection(
        {}, pairs, detector=BrightnessDetector(), labels=marked
    )
    assert (visible.persons, visible.missed) == (1, 0)
    # The reference detector finds only what is brighter than 0.8: the person in infrared.
    visible, _ = detection_metrics.evaluate_detection(
        {},
        pairs,
        detector=BrightnessDetector(),
        labels={},
        reference_detector=BrightnessDetector(0.8),
    )
    assert (visible.persons, visible.missed) == (1, 1)


def test_the_larger_camera_image_is_resized_to_the_size_of_the_annotations(two_cameras):
    write_image(two_cameras / "visible" / "a.png", (15, 20, 45, 60, 200), size=(80, 180))
    pairs = fusion_folder(two_cameras)
    visible, infrared = detection_metrics.evaluate_detection(
        {}, pairs, detector=BrightnessDetector(), labels=LABELS
    )
    assert visible.precisions["person"] == pytest.approx([51 / 101] * 10)
    assert infrared.precisions["person"] == pytest.approx([1] * 10)


def test_detection_is_evaluated_before_and_after_darkening(tmp_path):
    write_image(tmp_path / "a.png", (5, 10, 15, 30, 230))
    write_image(tmp_path / "b.png", (5, 10, 15, 30, 230))
    pairs = input_only_folder(tmp_path)
    labels = {"a": LABELS["a"][:1]}
    calls = []
    rows = detection_metrics.evaluate_detection(
        {"twice": DoublingEngine()},
        pairs,
        detector=BrightnessDetector(0.16),
        labels=labels,
        reference_detector=BrightnessDetector(0.4),
        exposure=0.01,
        progress=calls.append,
    )
    assert [row.images for row in rows] == ["day", "dark", "twice"]
    assert [row.precisions["person"][0] for row in rows] == pytest.approx([1, 0, 1])
    assert [(row.count, row.labelled) for row in rows] == [(2, 1)] * 3
    assert [row.agreement[2] for row in rows] == [
        2,
        2,
        2,
    ]  # found by the reference detector in the day images
    assert rows[0].persons is None
    assert calls == [0.5, 1]


def test_images_are_filmed_at_night_with_noise_and_compression(tmp_path):
    write_image(tmp_path / "a.png", (5, 10, 15, 30, 230), size=(61, 81))
    filmed = []

    class Recorder(BrightnessDetector):
        def __call__(self, image):
            filmed.append(image)
            return super().__call__(image)

    rows = detection_metrics.evaluate_detection(
        {}, input_only_folder(tmp_path), detector=Recorder(), labels=LABELS, night_crf=23
    )
    assert [row.images for row in rows] == ["day", "dark"]
    day, dark = filmed
    assert dark.shape == day.shape == (61, 81, 3)
    assert dark.mean() < day.mean() / 2
    with pytest.raises(UsageError, match="either by `exposure` or by `night_crf`"):
        detection_metrics.evaluate_detection(
            {},
            input_only_folder(tmp_path),
            detector=Recorder(),
            labels=LABELS,
            exposure=0.1,
            night_crf=23,
        )


def test_one_camera_has_one_input_row(tmp_path):
    write_image(tmp_path / "a.png", (5, 10, 15, 30, 230))
    rows = detection_metrics.evaluate_detection(
        {"twice": DoublingEngine()},
        input_only_folder(tmp_path),
        detector=BrightnessDetector(),
        labels=LABELS,
    )
    assert [row.images for row in rows] == ["input", "twice"]


def test_classes_that_the_detector_does_not_support_are_ignored(tmp_path):
    write_image(tmp_path / "a.png", (5, 10, 15, 30, 230))
    labels = {"a": [*LABELS["a"][:1], BoxAnnotation("lamp", (0, 0, 4, 4))]}
    (row,) = detection_metrics.evaluate_detection(
        {}, input_only_folder(tmp_path), detector=BrightnessDetector(), labels=labels
    )
    assert list(row.precisions) == ["person"]


def test_tables_and_json_contain_the_results(two_cameras, tmp_path):
    pairs = fusion_folder(two_cameras)
    rows = detection_metrics.evaluate_detection(
        {},
        pairs,
        detector=BrightnessDetector(),
        labels=LABELS,
        reference_detector=BrightnessDetector(0.4),
    )
    lines = detection_metrics.detection_table(rows).splitlines()
    head = [cell.strip() for cell in lines[0].split("|")[1:-1]]
    visible = [cell.strip() for cell in lines[2].split("|")[1:-1]]
    cells = dict(zip(head, visible, strict=True))
    assert cells["person AP@.5"] == "50.5"
    assert cells["mAP@.5 (95 % interval)"].startswith("50.5 (")
    assert cells["persons missed"] == "1 of 2"
    assert cells["agreement with bright: precision"] == "100.0"
    assert cells["F1"] == "66.7"
    detection_metrics.save_detection(tmp_path / "rows.json", rows, command="again")
    fields = json.loads((tmp_path / "rows.json").read_text())
    assert fields["command"] == "again"
    first = fields["results"][0]
    assert first["mAP@.5"] == pytest.approx(51 / 101)
    assert first["agreement"]["recall"] == 0.5
    assert len(first["precisions"]["person"]) == 10
    detection_metrics.save_table(tmp_path / "rows.md", rows, command="again")
    assert (tmp_path / "rows.md").read_text() == detection_metrics.detection_table(
        rows
    ) + "\n`again`\n"


def test_undefined_values_are_a_dash_in_tables_and_null_in_json(two_cameras, tmp_path):
    write_image(two_cameras / "visible" / "a.png")
    pairs = fusion_folder(two_cameras)
    rows = detection_metrics.evaluate_detection(
        {},
        pairs,
        detector=BrightnessDetector(),
        labels={},
        reference_detector=BrightnessDetector(0.4),
    )
    assert math.isnan(rows[0].agreement.precision)
    assert "mAP" not in detection_metrics.detection_table(rows)
    assert "|    - |" in detection_metrics.detection_table(
        rows
    ) or " - |" in detection_metrics.detection_table(rows)
    detection_metrics.save_detection(tmp_path / "rows.json", rows)
    first = json.loads((tmp_path / "rows.json").read_text())["results"][0]
    assert first["agreement"]["precision"] is None
    assert first["mAP@.5"] is None


def test_16_bit_infrared_is_converted_to_8_bit(two_cameras):
    counts = np.full((40, 60, 3), 8000, np.uint16)  # as of a radiometric camera
    counts[10:30, 40:50] = 8400
    path = two_cameras / "infrared" / "a.png"
    image_io.save_image(path, image_io.LoadedImage(counts, gray=True), overwrite=True)
    rows = detection_metrics.evaluate_detection(
        {},
        fusion_folder(two_cameras),
        detector=BrightnessDetector(0.5),
        labels={"a": LABELS["a"][1:]},
    )
    assert [row.precisions["person"][0] for row in rows] == [0, 1]


def test_an_engines_error_names_the_image(two_cameras):
    class RefusingEngine(DoublingEngine):
        def __call__(self, images):
            raise UsageError("Too dark.")

    with pytest.raises(UsageError, match="Image a: Too dark"):
        detection_metrics.evaluate_detection(
            {"refuses": RefusingEngine()},
            fusion_folder(two_cameras),
            detector=BrightnessDetector(),
            labels={},
        )


def test_invalid_arguments_are_refused_before_any_detection(two_cameras):
    both, one = fusion_folder(two_cameras), input_only_folder(two_cameras)
    with pytest.raises(UsageError, match="at least one image"):
        detection_metrics.check_detection({}, [])
    with pytest.raises(UsageError, match="Received: 1 of 2"):
        detection_metrics.check_detection({}, [*both, *one])
    with pytest.raises(UsageError, match="average fuses two cameras"):
        detection_metrics.check_detection({"average": load_model("average")}, one)
