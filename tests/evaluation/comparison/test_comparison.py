"""Models are compared, each in its own process."""

import os
import signal

import cv2
import numpy as np
import pytest

from lowlight_tf.checks import UsageError
from lowlight_tf.evaluation import evaluator
from lowlight_tf.evaluation.comparison import comparison
from lowlight_tf.evaluation.comparison.comparison import compare, make_preview

ORIGINAL_WORK = comparison._work


def work_and_crash(connection, task, todo, preview_indices):
    """Work in a process that is killed at image b and has no memory for image c."""
    predict = evaluator.Evaluator.predict

    def predict_or_crash(self, pair):
        if pair.name == "b":
            os.kill(os.getpid(), signal.SIGKILL)
        if pair.name == "c":
            raise MemoryError
        return predict(self, pair)

    evaluator.Evaluator.predict = predict_or_crash
    ORIGINAL_WORK(connection, task, todo, preview_indices)


def compare_models(pairs, *models, metrics=("psnr",), **options):
    return compare(
        models,
        evaluator.load_models(models),
        pairs,
        metrics=metrics,
        protocols=["plain"],
        **options,
    )


def decode_preview(preview):
    return cv2.imdecode(np.frombuffer(preview.webp, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]


@pytest.mark.slow
def test_metrics_equal_those_of_evaluate_and_costs_are_measured_per_model(pair_of):
    pairs = [pair_of("a", 40, 50), pair_of("b", 40, 120, size=(24, 30))]
    fractions = []
    found = compare_models(
        pairs,
        *("input", "tiny"),
        metrics=["psnr", "niqe"],
        data="flat",
        width=20,
        max_images=1,
        progress=lambda name, fraction: fractions.append((name, fraction)),
    )
    assert fractions == [
        (name, fraction) for name in ("input", "dashcam_net_tiny") for fraction in (0.5, 1)
    ]
    before, tiny = found.model_results
    (same,) = evaluator.evaluate_pairs(
        evaluator.load_model_or_input("tiny"), pairs, metrics=["psnr"], protocols=["plain"]
    )
    assert tiny.results[0].means["psnr"] == same.means["psnr"]
    assert before.results[0].means["psnr"] == pytest.approx((28.13 + 10.07) / 2, abs=0.01)
    assert (tiny.weights, tiny.bytes) == (77_958, 180_780)
    assert (before.weights, before.bytes) == (None, None)
    assert 10 < before.peak_mb < tiny.peak_mb < 1000
    assert not found.failures
    assert "NIQE needs" in tiny.images[0].refused["niqe"]  # the other metrics are computed
    assert list(found.input_previews) == [0]
    assert tiny.images[1].preview is None
    inputs = found.input_previews[0]
    assert list(inputs) == ["before", "target"]
    assert decode_preview(inputs["before"]).shape == (12, 15, 3)
    assert abs(float(decode_preview(before.images[0].preview).mean()) - 40) < 2


@pytest.mark.slow
def test_a_crashed_process_loses_its_current_image_only(pair_of, monkeypatch):
    monkeypatch.setattr(comparison, "_work", work_and_crash)
    pairs = [pair_of(name, 40, 50) for name in "abcd"]
    found = compare_models(pairs, "input")
    assert found.failures == [
        ("input", "b", "the model's process came to an end by itself (SIGKILL)"),
        ("input", "c", "MemoryError"),
    ]
    (entry,) = found.model_results
    assert [score.name for score in entry.results[0].scores] == ["a", "d"]
    assert entry.images[3].preview


@pytest.mark.slow
def test_an_unreadable_image_fails_alone_and_an_error_is_raised_if_all_fail(pair_of):
    pairs = [pair_of("a", 40, 50), pair_of("b", 40, 50)]
    path = pairs[1].inputs["low"]
    path.write_bytes(path.read_bytes()[:60])  # its header still contains the size
    found = compare_models(pairs, "input")
    ((_, name, reason),) = found.failures
    assert (name, found.input_previews[1]) == ("b", {})
    assert "truncated" in reason
    with pytest.raises(UsageError, match=r"Every model failed on every image.*truncated"):
        compare_models(pairs[1:], "input")


@pytest.mark.slow
def test_a_difference_map_is_black_where_result_equals_target_and_bright_where_it_differs(pair_of):
    near, far = (
        compare_models([pair_of("a", 90, 90), pair_of("b", 0, 64)], "input").model_results[0].images
    )
    assert decode_preview(near.difference).max() < 12
    assert decode_preview(far.difference).min() > 100


def test_a_histogram_contains_the_fraction_of_pixels_per_brightness():
    image = np.zeros((8, 8, 3), np.float32)
    image[:2] = 0.51
    fractions = make_preview(image, 640).histogram
    assert (fractions[0], fractions[32]) == (0.75, 0.25)
    assert sum(fractions) == 1


def test_previews_are_downscaled_to_the_width_and_never_upscaled():
    image = np.zeros((30, 60, 3), np.float32)
    small, same = (make_preview(image, width) for width in (20, 640))
    assert (small.height, small.width, *decode_preview(small).shape[:2]) == (10, 20, 10, 20)
    assert (same.height, same.width) == (30, 60)
