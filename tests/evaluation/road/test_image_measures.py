"""The measures against values worked out by hand."""

import numpy as np
import pytest

from lowlight_tf.checks import UsageError
from lowlight_tf.evaluation.road.image_measures import (
    black_blocks,
    chroma_ratio,
    clipping_percent,
    lift,
    white_level,
)


def gray(codes):
    return np.repeat(np.uint8(codes)[..., None], 3, axis=-1)


def test_burned_counts_what_becomes_white_and_was_not():
    low, enhanced = gray([[10, 200, 255, 249]]), gray([[250, 249, 255, 255]])
    assert clipping_percent(low, enhanced) == 50  # the first and the last of four


def test_white_level_is_the_mean_of_what_was_white():
    low, enhanced = gray([[255, 250, 249, 0]]), gray([[200, 240, 0, 0]])
    assert white_level(low, enhanced) == 220
    assert np.isnan(white_level(gray([[0]]), gray([[0]])))


def test_one_white_channel_is_not_white():
    low = np.uint8([[[255, 255, 100]]])
    assert np.isnan(white_level(low, low))


def test_chroma_ratio_of_an_unchanged_image_is_1_and_of_its_gray_0(rng):
    image = rng.integers(40, 200, (16, 16, 3), np.uint8)
    assert chroma_ratio(image, image) == 1
    assert chroma_ratio(image, gray(image[..., 1])) == pytest.approx(0, abs=1e-3)


def test_lift_is_the_ratio_of_the_means_of_dim_pixels():
    low, enhanced = gray([[5, 6, 60, 61]]), gray([[255, 30, 102, 255]])
    assert lift(low, enhanced) == pytest.approx((30 + 102) / 66)


def test_black_blocks_level_grain_and_step():
    low = gray(np.full((32, 48), 100))
    low[:16, :32] = 3  # two black blocks side by side, four that are not
    enhanced = low.copy()
    enhanced[:16, :16] = 10
    enhanced[:16:2, 16:32], enhanced[1:16:2, 16:32] = 12, 16  # mean 14, deviation 2
    found = black_blocks(low, enhanced)
    assert found["level"] == pytest.approx(12)
    assert found["grain"] == pytest.approx(1)
    assert found["step"] == pytest.approx(4)
    assert found["blocks"] == pytest.approx(100 / 3)


def test_blocks_that_touch_at_a_corner_only_make_no_step():
    low = gray(np.full((32, 32), 100))
    low[:16, :16] = low[16:, 16:] = 0
    assert np.isnan(black_blocks(low, low)["step"])


def test_a_mean_of_4_is_not_black_and_no_block_is_nan():
    assert np.isnan(black_blocks(gray(np.full((16, 16), 4)), gray(np.full((16, 16), 4)))["level"])
    small = gray(np.zeros((15, 40)))
    assert np.isnan(black_blocks(small, small)["level"])


def test_other_types_and_sizes_are_refused():
    image = gray([[1, 2]])
    with pytest.raises(UsageError, match="uint8"):
        lift(image / 255, image)
    with pytest.raises(UsageError, match="one size"):
        lift(image, image[:, :1])
