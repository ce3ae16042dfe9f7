"""Qcb and Qcv of fused images, computed by hand where possible."""

import math

import cv2
import numpy as np
import pytest

from lowlight_tf.checks import UsageError
from lowlight_tf.metrics.fusion_perception import qcb, qcv


def texture(rng, size=(63, 80)):
    return cv2.GaussianBlur(rng.integers(0, 256, size, dtype=np.uint8), (0, 0), 1.5)


@pytest.mark.parametrize(("metric", "best"), [(qcb, 1), (qcv, 0)])
def test_equal_images_are_best(metric, best, rng):
    image = texture(rng)
    assert metric(image, image, image) == pytest.approx(best)


@pytest.mark.parametrize(("metric", "best"), [(qcb, 1), (qcv, 0)])
def test_a_black_source_has_no_weight(metric, best, rng):
    image = texture(rng)
    assert metric(image, np.zeros_like(image), image) == pytest.approx(best)


@pytest.mark.parametrize(("metric", "sign"), [(qcb, 1), (qcv, -1)])
def test_what_a_blurred_fusion_loses_is_measured(metric, sign, rng):
    visible, infrared = texture(rng), texture(rng)
    values = [
        sign * metric(visible, infrared, cv2.GaussianBlur(visible, (0, 0), sigma))
        for sigma in (0.3, 1, 2)
    ]
    assert values == sorted(values, reverse=True)
    assert values[0] > values[-1]


@pytest.mark.parametrize("metric", [qcb, qcv])
def test_levels_are_stretched(metric, rng):
    visible, infrared = texture(rng), texture(rng)
    wide = cv2.normalize(visible, None, 0, 255, cv2.NORM_MINMAX)
    narrow = wide // 51  # of 6 levels, which are 51 apart once they are stretched
    expected = metric(51 * narrow, infrared, wide)
    assert metric(narrow + 20, infrared, wide) == pytest.approx(expected)


@pytest.mark.parametrize("metric", [qcb, qcv])
def test_the_sources_can_be_exchanged(metric, rng):
    visible, infrared, fused = (texture(rng) for _ in range(3))
    assert metric(visible, infrared, fused) == pytest.approx(metric(infrared, visible, fused))


def test_black_images_have_equal_contrast_and_no_salient_region():
    black = np.zeros((40, 40), np.uint8)
    assert qcb(black, black, black) == 1
    assert math.isnan(qcv(black, black, black))


def test_qcv_of_a_lost_wave_is_as_computed_by_hand():
    # 4 cycles across: 127.5 + 127.5 cos, each part multiplied by the sensitivity, then squared.
    wave = 127.5 + 127.5 * np.cos(2 * np.pi * np.arange(64) / 16)
    source = np.uint8(np.tile(np.rint(wave), (64, 1)))
    at_0, at_4 = (2.6 * (0.0192 + 0.144 * f) * math.exp(-((0.144 * f) ** 1.1)) for f in (0, 1))
    expected = 127.5**2 * (at_0**2 + at_4**2 / 2)
    assert qcv(source, source, np.zeros_like(source)) == pytest.approx(expected, rel=2e-3)


@pytest.mark.parametrize("metric", [qcb, qcv])
def test_images_of_two_sizes_are_refused(metric, rng):
    with pytest.raises(UsageError, match="the same height and width"):
        metric(texture(rng), texture(rng, (63, 81)), texture(rng))
