"""Tone curves against values worked out by hand, and against OpenCV's on gray."""

import cv2
import numpy as np

from lowlight_tf.classical import tone


def gray(levels):
    return np.float32(levels)[..., None].repeat(3, axis=-1)


def test_gamma_is_a_power():
    np.testing.assert_allclose(tone.gamma(gray([[0.25, 1, 0]]), exponent=0.5), gray([[0.5, 1, 0]]))
    np.testing.assert_allclose(tone.gamma(gray([[0.5]])), 0.5 ** (1 / 2.2), rtol=1e-6)


def test_equalized_values_are_the_shares_of_what_is_not_brighter():
    # Of four pixels one is the darkest; of the other three, one and then all are as dark.
    equalized = tone.histogram_equalization(gray([[0.1, 0.2, 0.3, 0.3]]))
    np.testing.assert_allclose(equalized, gray([[0, 1 / 3, 1, 1]]), atol=1e-6)


def test_gray_of_8_bits_is_equalized_as_by_opencv(rng):
    levels = np.uint8(rng.normal(60, 20, (40, 50)).clip(0, 255))
    expected = gray(cv2.equalizeHist(levels)) / 255
    found = tone.histogram_equalization(gray(levels) / 255)
    assert np.abs(found - expected).max() < 0.51 / 255


def test_equalizing_keeps_the_ratios_of_colors(rng):
    value = rng.uniform(0.01, 0.2, (12, 10)).astype(np.float32)
    found = tone.histogram_equalization(np.stack([value / 2, value, value / 4], axis=-1))
    np.testing.assert_allclose(found[..., 0], found[..., 1] / 2, atol=1e-6)
    np.testing.assert_allclose(found[..., 2], found[..., 1] / 4, atol=1e-6)


def test_equalizing_tells_steps_apart_that_8_bits_cannot():
    ramp = np.linspace(0.1, 0.11, 300)[None]
    assert len(np.unique(tone.histogram_equalization(gray(ramp)))) == 300


def test_a_picture_of_one_value_stays_as_it_is():
    low = gray(np.full((4, 5), 0.2))
    np.testing.assert_array_equal(tone.histogram_equalization(low), low)


def test_gray_is_equalized_around_every_place_as_by_opencv(rng):
    levels = np.uint8(rng.normal(60, 20, (64, 80)).clip(1, 255))
    expected = cv2.createCLAHE(3.0, (4, 4)).apply(levels)
    found = tone.clahe(gray(levels) / 255, clip_limit=3.0, tiles=4)
    np.testing.assert_allclose(found * 255, gray(expected), atol=1e-3)


def test_black_that_is_lifted_is_gray():
    low = np.zeros((64, 64, 3), np.float32)
    low[:, 32:, 2] = 0.5
    lifted = tone.clahe(low)[:, :32]
    assert lifted.min() > 0
    assert np.ptp(lifted, axis=-1).max() == 0
