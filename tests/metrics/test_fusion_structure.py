"""SSIM, Qabf and VIF of fused pictures, by hand where hands can."""

import math

import cv2
import numpy as np
import pytest

from lowlight_tf.checks import UsageError
from lowlight_tf.metrics import fidelity
from lowlight_tf.metrics.fusion_structure import qabf, source_ssim, vif

CEILING = 0.9994 / (1 + math.exp(-7.5)) * 0.9879 / (1 + math.exp(-4.4))
"""What Qabf gives an edge whose strength and direction are kept wholly: 0.975."""


def smooth(rng, size=(64, 72)):
    """A random picture with structure at several scales, of levels 0 to 255."""
    picture = sum(
        cv2.resize(rng.random((side, side)), size[::-1], interpolation=cv2.INTER_CUBIC)
        for side in (4, 9, 30)
    )
    return cv2.normalize(picture, None, 0, 255, cv2.NORM_MINMAX).round().astype(np.uint8)


def test_ssim_is_the_sum_of_that_to_both(rng):
    visible, infrared, fused = (smooth(rng) for _ in range(3))
    pairs = ((source[..., None], fused[..., None]) for source in (visible, infrared))
    expected = sum(fidelity.ssim(*pair) for pair in pairs)
    assert source_ssim(visible, infrared, fused) == pytest.approx(expected)
    assert source_ssim(fused, fused, fused) == pytest.approx(2)


def test_qabf_of_a_copy_of_both_is_its_ceiling(rng):
    picture = smooth(rng)
    assert qabf(picture, picture, picture) == pytest.approx(CEILING)


def test_qabf_weighs_each_source_by_its_edges(rng):
    # A black source has no edges: only the other counts.
    picture = smooth(rng)
    assert qabf(picture, np.zeros_like(picture), picture) == pytest.approx(CEILING)
    assert math.isnan(qabf(picture * 0, picture * 0, picture))


def test_qabf_of_edges_at_a_third_of_their_strength(rng):
    # Directions are kept, strengths are a third: 0.9994 / (1 + exp(-15 (1/3 - 1/2))).
    source = smooth(rng) // 3 * 3
    expected = 0.9994 / (1 + math.exp(2.5)) * 0.9879 / (1 + math.exp(-4.4))
    assert qabf(source, source, source // 3) == pytest.approx(expected)
    assert qabf(source // 3, source // 3, source) == pytest.approx(expected)


def test_edges_that_are_turned_by_a_right_angle_are_not_kept():
    stripes = np.zeros((64, 64), np.uint8)  # on black, so that the frame is no edge
    for start in range(4, 60, 8):
        stripes[start : start + 4, 4:60] = 200
    assert qabf(stripes, stripes, stripes) == pytest.approx(CEILING)
    assert qabf(stripes, stripes, stripes.T) < 0.1


def test_the_frame_of_a_picture_is_an_edge():
    white = np.full((20, 20), 255, np.uint8)
    assert qabf(white, white, white) == pytest.approx(CEILING)


def test_an_edge_that_is_lost_is_lost(rng):
    picture = smooth(rng)
    # Against nothing: strength ratio 0 gives 0.9994 / (1 + exp(7.5)), whatever the direction.
    assert 0 < qabf(picture, picture, picture * 0) < 0.9994 / (1 + math.exp(7.5))


def test_vif_of_a_copy_is_one_for_each_source(rng):
    picture = smooth(rng)
    assert vif(picture, picture, picture) == pytest.approx(2, abs=1e-6)


def test_vif_is_the_sum_of_that_to_both(rng):
    visible, infrared = smooth(rng), smooth(rng)
    fused = np.uint8((visible.astype(int) + infrared) // 2)
    halves = [vif(source, source, fused) / 2 for source in (visible, infrared)]
    assert vif(visible, infrared, fused) == pytest.approx(sum(halves))
    assert all(0 < half < 1 for half in halves)


def test_vif_of_a_flat_picture_is_nothing(rng):
    picture = smooth(rng)
    assert vif(picture, picture, np.full_like(picture, 90)) == 0


@pytest.mark.parametrize("level", [0, 77, 255])
def test_a_flat_source_has_no_vif(level, rng):
    picture = smooth(rng)
    assert math.isnan(vif(picture, np.full_like(picture, level), picture))


def test_vif_does_not_care_for_brightness_but_for_contrast(rng):
    picture = smooth(rng) // 2
    assert vif(picture, picture, picture + 100) == pytest.approx(2, abs=1e-6)
    assert vif(picture, picture, 2 * picture) > 2
    assert vif(picture, picture, picture // 4) < 1.9
    assert vif(picture, picture, 127 - picture) == 0


def test_vif_of_one_window_at_each_scale_by_hand():
    # The gain g of every window is a half and nothing is added, so each scale's share is
    # log(1 + g^2 v / 2) / log(1 + v / 2): found from windows counted one by one.
    rng = np.random.default_rng(0)
    source = 2 * rng.integers(0, 128, (41, 41)).astype(np.float64)
    kept = total = 0.0
    image = source
    for scale, width in enumerate((17, 9, 5, 3)):
        offsets = np.arange(width) - width // 2
        weights = np.exp(-(offsets**2) / (2 * (width / 5) ** 2))
        window = np.outer(weights, weights) / weights.sum() ** 2
        if scale:
            image = counted(image, window)[::2, ::2]
        variance = counted(image**2, window) - counted(image, window) ** 2
        kept += np.log(1 + variance / 4 / 2).sum()
        total += np.log(1 + variance / 2).sum()
    found = vif(np.uint8(source), np.uint8(source), np.uint8(source // 2))
    assert found == pytest.approx(2 * kept / total, rel=1e-9)


def counted(image, window):
    side = len(window)
    places = np.lib.stride_tricks.sliding_window_view(image, (side, side))
    return (places * window).sum((2, 3))


@pytest.mark.parametrize(("metric", "least"), [(vif, 41), (source_ssim, 11)])
def test_pictures_without_room_for_the_windows_are_refused(metric, least, rng):
    fits, small = (smooth(rng, size=(side, 50)) for side in (least, least - 1))
    assert metric(fits, fits, fits) == pytest.approx(2, abs=1e-6)
    with pytest.raises(UsageError, match=f"{least}x{least}"):
        metric(small, small, small)


@pytest.mark.parametrize("metric", [qabf, vif, source_ssim])
def test_color_counts_as_its_rounded_luma(metric, rng):
    color = rng.integers(0, 256, (3, 44, 45, 3), dtype=np.uint8)
    gray = np.rint(color @ [0.299, 0.587, 0.114]).astype(np.uint8)
    assert metric(*color) == metric(*gray)


@pytest.mark.parametrize("metric", [qabf, vif, source_ssim])
def test_pictures_of_two_sizes_are_refused(metric):
    picture = np.zeros((44, 45), np.uint8)
    with pytest.raises(UsageError, match="infrared 44x44"):
        metric(picture, picture[:, :44], picture)
