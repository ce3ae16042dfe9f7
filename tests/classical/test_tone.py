"""Tone curves against values computed by hand, and against OpenCV's on gray."""

import cv2
import numpy as np

from lowlight_tf.classical import tone


def gray(levels):
    return np.float32(levels)[..., None].repeat(3, axis=-1)


def test_gamma_is_a_power():
    np.testing.assert_allclose(tone.gamma(gray([[0.25, 1, 0]]), exponent=0.5), gray([[0.5, 1, 0]]))
    np.testing.assert_allclose(tone.gamma(gray([[0.5]])), 0.5 ** (1 / 2.2), rtol=1e-6)


def test_equalized_values_are_the_fraction_of_pixels_not_brighter():
    # Of four pixels one is the darkest; of the other three, one and then all are as dark.
    equalized = tone.histogram_equalization(gray([[0.1, 0.2, 0.3, 0.3]]))
    np.testing.assert_allclose(equalized, gray([[0, 1 / 3, 1, 1]]), atol=1e-6)


def test_equalization_of_8_bit_gray_equals_opencv(rng):
    levels = np.uint8(rng.normal(60, 20, (40, 50)).clip(0, 255))
    expected = gray(cv2.equalizeHist(levels)) / 255
    found = tone.histogram_equalization(gray(levels) / 255)
    assert np.abs(found - expected).max() < 0.51 / 255


def test_equalizing_keeps_the_ratios_of_colors(rng):
    value = rng.uniform(0.01, 0.2, (12, 10)).astype(np.float32)
    found = tone.histogram_equalization(np.stack([value / 2, value, value / 4], axis=-1))
    np.testing.assert_allclose(found[..., 0], found[..., 1] / 2, atol=1e-6)
    np.testing.assert_allclose(found[..., 2], found[..., 1] / 4, atol=1e-6)


def test_equalization_keeps_levels_finer_than_8_bits():
    ramp = np.linspace(0.1, 0.11, 300)[None]
    assert len(np.unique(tone.histogram_equalization(gray(ramp)))) == 300


def test_an_image_of_one_value_is_returned_unchanged():
    low = gray(np.full((4, 5), 0.2))
    np.testing.assert_array_equal(tone.histogram_equalization(low), low)


def test_clahe_of_gray_equals_opencv(rng):
    levels = np.uint8(rng.normal(60, 20, (64, 80)).clip(1, 255))
    expected = cv2.createCLAHE(3.0, (4, 4)).apply(levels)
    found = tone.clahe(gray(levels) / 255, clip_limit=3.0, tiles=4)
    np.testing.assert_allclose(found * 255, gray(expected), atol=1e-3)


def test_brightened_black_is_gray():
    low = np.zeros((64, 64, 3), np.float32)
    low[:, 32:, 2] = 0.5
    brightened = tone.clahe(low)[:, :32]
    assert brightened.min() > 0
    assert np.ptp(brightened, axis=-1).max() == 0
