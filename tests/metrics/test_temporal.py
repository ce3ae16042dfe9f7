"""Flicker metrics against values computed by hand."""

import cv2
import numpy as np
import pytest

from lowlight_tf.checks import UsageError
from lowlight_tf.metrics import temporal
from lowlight_tf.metrics.temporal import luma_flicker, warping_error


def gray_clip(levels):
    return [np.full((4, 6, 3), level, np.uint8) for level in levels]


@pytest.fixture
def scene(rng):
    """A smooth image, larger than the frames that are cropped from it."""
    coarse = rng.integers(40, 200, (12, 16, 3), dtype=np.uint8)
    return cv2.resize(coarse, (160, 120), interpolation=cv2.INTER_CUBIC)


def pan(scene, steps, speed=2):
    return [scene[20:84, 10 + speed * t : 106 + speed * t].copy() for t in range(steps)]


def test_a_mean_that_alternates_by_one_level_flickers_by_four():
    # m = 101, 99, 101, 99, ...: m[t-1] - 2 m[t] + m[t+1] alternates between 4 and -4.
    assert luma_flicker(gray_clip([101, 99] * 5)) == pytest.approx(4)


def test_the_flicker_of_one_outlier_is_as_computed_by_hand():
    # Second differences of 10 10 13 10 10 10 are 3, -6, 3, 0: mean 0, mean square 54 / 4.
    assert luma_flicker(gray_clip([10, 10, 13, 10, 10, 10])) == pytest.approx((54 / 4) ** 0.5)


def test_a_linear_change_is_no_flicker():
    assert luma_flicker(gray_clip(range(10, 60, 5))) == pytest.approx(0, abs=1e-9)


def test_colors_are_converted_to_luma():
    green = [np.array([[[0, 10 + 5 * (t % 2), 0]]], np.uint8) for t in range(8)]
    assert luma_flicker(green) == pytest.approx(2 * 5 * 0.587)


def test_white_noise_of_the_mean_is_scaled_by_the_root_of_six(rng):
    levels = 120 + rng.normal(0, 6, 4000)
    assert luma_flicker(gray_clip(np.rint(levels))) == pytest.approx(6 * 6**0.5, rel=0.05)


def test_motion_without_flicker_has_no_error(scene):
    clip = pan(scene, 4)
    assert warping_error(clip, clip) < 1
    uncompensated = float(
        np.sqrt(np.mean(np.square(np.subtract(clip[1], clip[0], dtype=np.float32))))
    )
    assert uncompensated > 4  # without the flow


def test_a_clip_that_alternates_by_six_levels_has_an_error_of_six(scene):
    reference = pan(scene, 4)
    clip = [frame + np.uint8(6 * (t % 2)) for t, frame in enumerate(reference)]
    assert warping_error(clip, reference) == pytest.approx(6, abs=0.3)


def test_occluded_and_outside_pixels_are_not_visible():
    backward = np.zeros((3, 4, 2), np.float32)
    backward[..., 0] = -2  # all pixels moved two pixels to the right
    forward = -backward
    forward[1] = 0  # inconsistent in the middle row
    visible = temporal._visibility_mask(backward, forward, temporal._sampling_grid(backward))
    # |backward + forward|^2 is 4 in the middle row, above 0.01 * 4 + 0.5; columns 0 and 1 come
    # from outside.
    assert visible.tolist() == [[False, False, True, True], [False] * 4, [False, False, True, True]]


@pytest.mark.parametrize(
    ("clip", "reference", "message"),
    [
        (gray_clip([1]), gray_clip([1]), "at least 2 frames"),
        (gray_clip([1, 2]), gray_clip([1, 2]), "32x32"),
        (gray_clip([1, 2]), gray_clip([1, 2, 3]), "same number and size of frames"),
    ],
)
def test_incompatible_clips_are_rejected(clip, reference, message):
    with pytest.raises(UsageError, match=message):
        warping_error(clip, reference)


def test_three_frames_are_too_few_for_flicker():
    with pytest.raises(UsageError, match="at least 4 frames"):
        luma_flicker(gray_clip([1, 2, 3]))
