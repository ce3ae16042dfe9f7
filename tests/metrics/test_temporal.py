"""Flicker, against values worked out by hand."""

import cv2
import numpy as np
import pytest

from lowlight_tf.checks import UsageError
from lowlight_tf.metrics import temporal
from lowlight_tf.metrics.temporal import luma_flicker, warping_error


def greys(levels):
    return [np.full((4, 6, 3), level, np.uint8) for level in levels]


@pytest.fixture
def scene(rng):
    """A smooth picture, larger than the frames that move over it."""
    coarse = rng.integers(40, 200, (12, 16, 3), dtype=np.uint8)
    return cv2.resize(coarse, (160, 120), interpolation=cv2.INTER_CUBIC)


def panned(scene, steps, speed=2):
    return [scene[20:84, 10 + speed * t : 106 + speed * t].copy() for t in range(steps)]


def test_a_mean_that_alternates_by_a_level_around_its_middle_jitters_by_four():
    # m = 101, 99, 101, 99, ...: m[t-1] - 2 m[t] + m[t+1] is 4 and -4 in turn.
    assert luma_flicker(greys([101, 99] * 5)) == pytest.approx(4)


def test_one_outlier_is_worked_out_by_hand():
    # Second differences of 10 10 13 10 10 10 are 3, -6, 3, 0: mean 0, mean square 54 / 4.
    assert luma_flicker(greys([10, 10, 13, 10, 10, 10])) == pytest.approx((54 / 4) ** 0.5)


def test_an_even_drift_is_no_jitter():
    assert luma_flicker(greys(range(10, 60, 5))) == pytest.approx(0, abs=1e-9)


def test_colors_count_by_their_luma():
    green = [np.array([[[0, 10 + 5 * (t % 2), 0]]], np.uint8) for t in range(8)]
    assert luma_flicker(green) == pytest.approx(2 * 5 * 0.587)


def test_independent_noise_of_the_mean_counts_by_the_root_of_six(rng):
    levels = 120 + rng.normal(0, 6, 4000)
    assert luma_flicker(greys(np.rint(levels))) == pytest.approx(6 * 6**0.5, rel=0.05)


def test_motion_alone_is_no_error(scene):
    clip = panned(scene, 4)
    assert warping_error(clip, clip) < 1
    still = float(np.sqrt(np.mean(np.square(np.subtract(clip[1], clip[0], dtype=np.float32)))))
    assert still > 4  # without the flow


def test_a_clip_that_alternates_by_six_levels_has_an_error_of_six(scene):
    reference = panned(scene, 4)
    clip = [frame + np.uint8(6 * (t % 2)) for t, frame in enumerate(reference)]
    assert warping_error(clip, reference) == pytest.approx(6, abs=0.3)


def test_pixels_count_that_the_frame_before_shows_and_that_find_their_way_back():
    back = np.zeros((3, 4, 2), np.float32)
    back[..., 0] = -2  # all came from two pixels to the left
    forth = -back
    forth[1] = 0  # but from there, the middle row leads elsewhere
    seen = temporal._visibility_mask(back, forth, temporal._flow_grid(back))
    # |back + forth|^2 is 4 in the middle row, more than 0.01 * 4 + 0.5; columns 0 and 1 came from
    # outside.
    assert seen.tolist() == [[False, False, True, True], [False] * 4, [False, False, True, True]]


@pytest.mark.parametrize(
    ("clip", "reference", "said"),
    [
        (greys([1]), greys([1]), "2 frames at least"),
        (greys([1, 2]), greys([1, 2]), "32x32"),
        (greys([1, 2]), greys([1, 2, 3]), "one number of frames"),
    ],
)
def test_clips_that_cannot_be_compared_are_refused(clip, reference, said):
    with pytest.raises(UsageError, match=said):
        warping_error(clip, reference)


def test_three_frames_have_no_jitter():
    with pytest.raises(UsageError, match="4 frames at least"):
        luma_flicker(greys([1, 2, 3]))
