"""The inverted dark channel against values computed by hand."""

import numpy as np
import pytest

from lowlight_tf.classical.dehaze import inverted_dehaze


def half_black(color):
    """Return an image that is black at the left and of a color at the right."""
    low = np.zeros((30, 60, 3), np.float32)
    low[:, 30:] = color
    return low


@pytest.mark.parametrize(
    ("level", "expected"),
    [
        # The negative of black is the air, 1. That of 0.6 is 0.4: 1 - 0.8 * 0.4 = 0.68 passes,
        # and (0.4 - 1) / 0.68 + 1 = 0.1176 is left.
        (0.6, 1 - 0.117647),
        # That of 0.3 is 0.7: 0.44 passes, less than half, so 2 * 0.44^2 = 0.3872.
        (0.3, 1 - 0.225207),
        # That of 0.05 is 0.95: 2 * 0.24^2 = 0.1152.
        (0.05, 1 - 0.565972),
    ],
)
def test_haze_is_removed_from_the_negative(level, expected):
    np.testing.assert_allclose(inverted_dehaze(half_black(level))[:, 40:], expected, atol=1e-5)


def test_the_haze_of_a_color_is_that_of_its_brightest_channel():
    # The negative is (0.8, 0.4, 0.6), its darkest channel 0.4: 0.68 passes.
    found = inverted_dehaze(half_black([0.2, 0.6, 0.4]))[20, 50]
    expected = 1 - ((np.float64([0.8, 0.4, 0.6]) - 1) / 0.68 + 1)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_the_minimum_haze_of_the_window_is_used():
    low = half_black(0.3)
    low[15, 45] = 1  # a lamp, whose negative has no haze: all passes up to four pixels from it
    found = inverted_dehaze(low)[..., 0]
    np.testing.assert_allclose(
        found[15, [40, 41, 44, 45, 46, 49, 50]],
        [0.774793, 0.3, 0.3, 1, 0.3, 0.3, 0.774793],
        atol=1e-5,
    )
    np.testing.assert_allclose(
        found[[10, 11, 19, 20], 45], [0.774793, 0.3, 0.3, 0.774793], atol=1e-5
    )


def test_a_constant_image_is_all_airlight_and_unchanged():
    low = np.full((12, 15, 3), 0.3, np.float32)
    np.testing.assert_allclose(inverted_dehaze(low), low, atol=1e-6)
