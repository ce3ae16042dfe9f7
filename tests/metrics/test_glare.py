"""Highlight growth and clipping, counted by hand."""

import math

import numpy as np
import pytest

from lowlight_tf.checks import UsageError
from lowlight_tf.metrics.glare import clipped_fraction, highlight_growth


def night(*lights, size=(100, 120)):
    """Return a dark gray image with white squares, (top, left, side)."""
    image = np.full((*size, 3), 40, np.uint8)
    for top, left, side in lights:
        image[top : top + side, left : left + side] = 255
    return image


@pytest.mark.parametrize(
    ("side", "ratio"),
    [(4, 1), (8, 4), (2, 1 / 4), (0, 0)],
    ids=["equal", "larger", "smaller", "absent"],
)
def test_it_is_the_ratio_of_the_areas_of_a_light(side, ratio):
    before, after = night((40, 40, 4)), night((42 - side // 2, 42 - side // 2, side))
    assert highlight_growth(before, after) == ratio


def test_two_lights_are_summed():
    before = night((20, 20, 2), (70, 80, 4))
    after = night((19, 19, 4), (70, 80, 4))  # 16 and 16 of 4 and 16
    assert highlight_growth(before, after) == 32 / 20


def test_only_pixels_near_a_light_count():
    # A twentieth of 100 pixels: five to the right of column 43 is 48; 49 to 52 are too far.
    before = night((40, 40, 4))
    after = before.copy()
    after[41, 44:53] = 255
    after[80:, 80:] = 255
    assert highlight_growth(before, after) == (16 + 5) / 16


def test_the_neighborhood_of_a_light_is_a_disk():
    before = night((50, 50, 1), size=(100, 100))
    after = np.full_like(before, 255)
    rows, columns = np.mgrid[-5:6, -5:6]
    assert highlight_growth(before, after) == np.count_nonzero(rows**2 + columns**2 <= 25)


def test_a_highlight_has_a_luma_of_98_percent():
    before, after = night((40, 40, 4)), night()
    after[41, 41:43] = 250  # 0.9804
    after[42, 41:43] = 249  # 0.9765
    after[43, 41:43] = (255, 255, 0)  # yellow: a luma of 0.886
    assert highlight_growth(before, after) == 2 / 16


def test_an_image_without_highlights_has_no_value():
    assert math.isnan(highlight_growth(night(), night((40, 40, 8))))


def test_a_few_bright_pixels_are_not_enough():
    large = {"size": (100, 300)}  # a ten-thousandth: three pixels
    assert math.isnan(highlight_growth(night((9, 9, 1), (40, 40, 1), **large), night(**large)))
    assert highlight_growth(night((40, 40, 2), **large), night(**large)) == 0


def test_images_of_different_sizes_are_rejected():
    with pytest.raises(UsageError, match=r"100x120x3\. Received: 100x121x3"):
        highlight_growth(night(), night(size=(100, 121)))


def test_a_pixel_is_clipped_if_one_channel_is_at_255():
    assert (
        clipped_fraction(np.uint8([[[255, 0, 0], [254, 254, 254], [9, 9, 9], [255, 255, 255]]]))
        == 50
    )
    assert clipped_fraction(np.full((2, 2, 3), 1.2)) == 100
