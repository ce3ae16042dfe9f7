"""SSIM, Qabf and VIF of fused images, computed by hand where possible."""

import math

import cv2
import numpy as np
import pytest

from lowlight_tf.checks import UsageError
from lowlight_tf.metrics import fidelity
from lowlight_tf.metrics.fusion_structure import qabf, source_ssim, vif

MAX_QABF = 0.9994 / (1 + math.exp(-7.5)) * 0.9879 / (1 + math.exp(-4.4))
"""Qabf of an edge whose strength and orientation are preserved: 0.975."""


def random_image(rng, size=(64, 72)):
    """Return a random image with structure at several scales, levels 0 to 255."""
    image = sum(
        cv2.resize(rng.random((side, side)), size[::-1], interpolation=cv2.INTER_CUBIC)
        for side in (4, 9, 30)
    )
    return cv2.normalize(image, None, 0, 255, cv2.NORM_MINMAX).round().astype(np.uint8)


def test_source_ssim_is_the_sum_over_both_sources(rng):
    visible, infrared, fused = (random_image(rng) for _ in range(3))
    pairs = ((source[..., None], fused[..., None]) for source in (visible, infrared))
    expected = sum(fidelity.ssim(*pair) for pair in pairs)
    assert source_ssim(visible, infrared, fused) == pytest.approx(expected)
    assert source_ssim(fused, fused, fused) == pytest.approx(2)


def test_qabf_of_equal_images_is_its_maximum(rng):
    image = random_image(rng)
    assert qabf(image, image, image) == pytest.approx(MAX_QABF)


def test_qabf_weighs_each_source_by_its_edges(rng):
    # A black source has no edges, so that only the other counts.
    image = random_image(rng)
    assert qabf(image, np.zeros_like(image), image) == pytest.approx(MAX_QABF)
    assert math.isnan(qabf(image * 0, image * 0, image))


def test_qabf_of_edges_with_a_third_of_their_strength_is_as_computed_by_hand(rng):
    # Equal orientations, a third of the strength: 0.9994 / (1 + exp(-15 (1/3 - 1/2))).
    source = random_image(rng) // 3 * 3
    expected = 0.9994 / (1 + math.exp(2.5)) * 0.9879 / (1 + math.exp(-4.4))
    assert qabf(source, source, source // 3) == pytest.approx(expected)
    assert qabf(source // 3, source // 3, source) == pytest.approx(expected)


def test_edges_that_are_rotated_by_90_degrees_are_not_preserved():
    stripes = np.zeros((64, 64), np.uint8)  # on black, so that the border is no edge
    for start in range(4, 60, 8):
        stripes[start : start + 4, 4:60] = 200
    assert qabf(stripes, stripes, stripes) == pytest.approx(MAX_QABF)
    assert qabf(stripes, stripes, stripes.T) < 0.1


def test_the_border_of_an_image_is_an_edge():
    white = np.full((20, 20), 255, np.uint8)
    assert qabf(white, white, white) == pytest.approx(MAX_QABF)


def test_qabf_of_a_lost_edge_is_close_to_0(rng):
    image = random_image(rng)
    # A strength ratio of 0 gives at most 0.9994 / (1 + exp(7.5)) for any orientation.
    assert 0 < qabf(image, image, image * 0) < 0.9994 / (1 + math.exp(7.5))


def test_vif_of_equal_images_is_one_for_each_source(rng):
    image = random_image(rng)
    assert vif(image, image, image) == pytest.approx(2, abs=1e-6)


def test_vif_is_the_sum_over_both_sources(rng):
    visible, infrared = random_image(rng), random_image(rng)
    fused = np.uint8((visible.astype(int) + infrared) // 2)
    halves = [vif(source, source, fused) / 2 for source in (visible, infrared)]
    assert vif(visible, infrared, fused) == pytest.approx(sum(halves))
    assert all(0 < half < 1 for half in halves)


def test_vif_of_a_flat_image_is_0(rng):
    image = random_image(rng)
    assert vif(image, image, np.full_like(image, 90)) == 0


@pytest.mark.parametrize("level", [0, 77, 255])
def test_vif_with_a_flat_source_is_nan(level, rng):
    image = random_image(rng)
    assert math.isnan(vif(image, np.full_like(image, level), image))


def test_vif_is_invariant_to_brightness_and_increases_with_contrast(rng):
    image = random_image(rng) // 2
    assert vif(image, image, image + 100) == pytest.approx(2, abs=1e-6)
    assert vif(image, image, 2 * image) > 2
    assert vif(image, image, image // 4) < 1.9
    assert vif(image, image, 127 - image) == 0


def test_vif_equals_a_direct_computation_window_by_window():
    # The gain g of every window is 1/2 without noise, so that each scale contributes
    # log(1 + g^2 v / 2) / log(1 + v / 2), computed from single windows.
    rng = np.random.default_rng(0)
    source = 2 * rng.integers(0, 128, (41, 41)).astype(np.float64)
    extracted = total = 0.0
    image = source
    for scale, width in enumerate((17, 9, 5, 3)):
        offsets = np.arange(width) - width // 2
        weights = np.exp(-(offsets**2) / (2 * (width / 5) ** 2))
        window = np.outer(weights, weights) / weights.sum() ** 2
        if scale:
            image = window_means(image, window)[::2, ::2]
        variance = window_means(image**2, window) - window_means(image, window) ** 2
        extracted += np.log(1 + variance / 4 / 2).sum()
        total += np.log(1 + variance / 2).sum()
    value = vif(np.uint8(source), np.uint8(source), np.uint8(source // 2))
    assert value == pytest.approx(2 * extracted / total, rel=1e-9)


def window_means(image, window):
    side = len(window)
    windows = np.lib.stride_tricks.sliding_window_view(image, (side, side))
    return (windows * window).sum((2, 3))


@pytest.mark.parametrize(("metric", "min_side"), [(vif, 41), (source_ssim, 11)])
def test_images_smaller_than_the_windows_are_rejected(metric, min_side, rng):
    large, small = (random_image(rng, size=(side, 50)) for side in (min_side, min_side - 1))
    assert metric(large, large, large) == pytest.approx(2, abs=1e-6)
    with pytest.raises(UsageError, match=f"{min_side}x{min_side}"):
        metric(small, small, small)


@pytest.mark.parametrize("metric", [qabf, vif, source_ssim])
def test_color_is_converted_to_rounded_luma(metric, rng):
    color = rng.integers(0, 256, (3, 44, 45, 3), dtype=np.uint8)
    gray = np.rint(color @ [0.299, 0.587, 0.114]).astype(np.uint8)
    assert metric(*color) == metric(*gray)


@pytest.mark.parametrize("metric", [qabf, vif, source_ssim])
def test_images_of_different_sizes_are_rejected(metric):
    image = np.zeros((44, 45), np.uint8)
    with pytest.raises(UsageError, match="infrared 44x44"):
        metric(image, image[:, :44], image)
