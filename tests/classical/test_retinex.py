"""Retinex and LIME against values computed by hand and against the papers' formulas."""

import cv2
import numpy as np
import pytest

from lowlight_tf.classical import retinex

WIDE_SCALES = (1e4,)
"""A surround so wide that it is the mean of a small image everywhere."""


def from_levels(levels):
    """Return the image with these levels, from 1 to 256."""
    return (np.float32(levels) - 1) / 255


@pytest.mark.parametrize("scale", [3.0, 15.0, 40.0])
def test_a_surround_at_low_resolution_equals_the_gaussian(scale, rng):
    image = rng.random((30, 40, 3)).repeat(10, axis=0).repeat(10, axis=1).astype(np.float32)
    expected = cv2.GaussianBlur(image, (0, 0), scale, borderType=cv2.BORDER_REFLECT)
    found = retinex.blur_surround(image, scale)
    assert np.abs(found - expected).max() < 0.01
    assert np.abs(found - expected).mean() < 0.002


def test_a_surround_at_low_resolution_has_the_right_standard_deviation():
    point = np.zeros((241, 241, 1), np.float32)
    point[120, 120] = 1
    blurred = retinex.blur_surround(point, 20.0)[..., 0]
    offsets = np.arange(241) - 120
    np.testing.assert_allclose(blurred.sum(), 1, rtol=1e-3)
    np.testing.assert_allclose(np.sqrt((blurred.sum(axis=0) * offsets**2).sum()), 20, rtol=0.01)


@pytest.mark.parametrize("retinex_of", [retinex.ssr, retinex.msr])
def test_reflectance_is_the_log_ratio_to_the_surround(retinex_of):
    low = from_levels([[1, 2, 4]])[..., None].repeat(3, axis=-1)
    found = (
        retinex_of(low, scale=WIDE_SCALES[0])
        if retinex_of is retinex.ssr
        else retinex_of(low, scales=WIDE_SCALES)
    )
    np.testing.assert_allclose(found[..., 0], [[0, 0.5, 1]], atol=1e-5)


@pytest.mark.parametrize("name", ["ssr", "msr"])
def test_the_result_does_not_depend_on_overall_brightness(name, rng):
    levels = rng.uniform(1, 20, (40, 50, 3))
    once, thrice = (getattr(retinex, name)(from_levels(k * levels)) for k in (1, 3))
    np.testing.assert_allclose(once, thrice, atol=1e-4)


def test_the_retinex_of_several_scales_is_their_mean(rng):
    levels = rng.uniform(1, 200, (30, 40, 3)).astype(np.float32)
    each = [np.log(levels / retinex.blur_surround(levels, scale)) for scale in (3.0, 15.0)]
    low = from_levels(levels)
    expected = retinex.simplest_color_balance((each[0] + each[1]) / 2, low)
    np.testing.assert_allclose(retinex.msr(low, scales=(3.0, 15.0)), expected, atol=1e-4)


def test_color_restoration_weights_channels_by_their_fraction():
    levels = np.float64([[[1, 1, 2], [2, 1, 1], [4, 2, 2]]])
    reflectance = np.log(levels[..., 0] / (7 / 3))  # of red; the mean of its levels is 7 / 3
    red = (reflectance * np.log(125 * np.float64([1 / 4, 2 / 4, 4 / 8])))[0]
    expected = (red - red.min()) / np.ptp(red)
    found = retinex.msrcr(from_levels(levels), scales=WIDE_SCALES)[0, :, 0]
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert abs(found[1] - 0.5) > 0.01  # what it would be without the restoration


def test_the_color_balance_clips_one_percent_at_either_end():
    ramp = np.arange(200, dtype=np.float32).reshape(10, 20)
    colors = np.stack([ramp, 5 - 2 * ramp, np.full_like(ramp, 7)], axis=-1)
    low = np.full_like(colors, 0.3)
    expected = ((ramp - 2) / 195).clip(0, 1)  # from the third lowest to the third highest
    found = retinex.simplest_color_balance(colors, low)
    np.testing.assert_allclose(found[..., 0], expected, atol=1e-6)
    np.testing.assert_allclose(found[..., 1], 1 - expected, atol=1e-6)
    np.testing.assert_array_equal(found[..., 2], low[..., 2])  # nothing to stretch


def test_lime_of_a_constant_image_is_its_fifth_root():
    # The illumination is 0.2 itself: 0.2 / 0.2^0.8 = 0.2^0.2.
    low = np.full((30, 40, 3), 0.2, np.float32)
    np.testing.assert_allclose(retinex.lime(low), 0.2**0.2, rtol=0.01)


def test_lime_divides_by_the_solution_of_its_linear_system(rng):
    # The sped-up problem with weights of strategy III, written out step by step.
    low = rng.uniform(0.05, 0.3, (9, 11, 3)).astype(np.float32)
    low[:, 6:] *= 2
    first = low.max(axis=-1).astype(np.float64)
    window = np.exp(-(np.arange(-2, 3) ** 2) / (2 * 2.0**2))
    window = np.outer(window, window) / window.sum() ** 2
    matrix = np.eye(first.size)
    numbers = np.arange(first.size).reshape(first.shape)
    for axis in (0, 1):
        steps = np.diff(first, axis=axis)
        padded = np.pad(steps, 2, mode="edge")
        pairs = np.stack([np.delete(numbers, -1, axis), np.delete(numbers, 0, axis)], axis=-1)
        for (row, column), step in np.ndenumerate(steps):
            around = (window * padded[row : row + 5, column : column + 5]).sum()
            weight = 0.15 / (abs(around) + 1e-3) / (abs(step) + 1e-3)
            a, b = pairs[row, column]
            matrix[[a, b], [a, b]] += weight
            matrix[[a, b], [b, a]] -= weight
    light = np.linalg.solve(matrix, first.ravel()).reshape(first.shape)
    expected = np.minimum(low / light[..., None] ** 0.8, 1)
    np.testing.assert_allclose(retinex.lime(low), expected, atol=0.01)
    assert np.abs(low / first[..., None] ** 0.8 - expected).max() > 0.1  # it is refined
