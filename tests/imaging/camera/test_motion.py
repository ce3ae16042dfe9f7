"""Clips of photographs in motion, and their nights."""

import numpy as np
import pytest

from lowlight_tf.checks import UsageError
from lowlight_tf.imaging.camera.motion import (
    LEAD_FRAMES,
    Motion,
    Mover,
    animate,
    sample_motion,
    simulate_clip,
)
from lowlight_tf.imaging.camera.simulation import Capture

SIZE = (48, 64)


@pytest.fixture
def photograph(rng):
    """A photograph of smooth blobs, larger than the frames."""
    coarse = rng.integers(60, 200, (12, 16, 3), np.uint8)
    return np.kron(coarse, np.ones((8, 8, 1), np.uint8))


def film(photograph, motion, frames=4):
    return animate(photograph, motion, size=SIZE, frames=frames, rng=np.random.default_rng(0))


def test_a_still_clip_is_the_center_of_the_photograph(photograph):
    frames, covers = film(photograph, Motion())
    for frame in frames:
        np.testing.assert_array_equal(frame, photograph[24:72, 32:96])
    assert not np.any(covers)


def test_a_pan_moves_the_scene_by_its_velocity(photograph):
    frames, _ = film(photograph, Motion(camera="pan", velocity=(0, 3)))
    np.testing.assert_array_equal(frames[1][:, 3:], frames[0][:, :-3])
    frames, _ = film(photograph, Motion(camera="pan", velocity=(2, 0)))
    np.testing.assert_array_equal(frames[3][6:], frames[0][:-6])


def test_what_is_near_moves_faster_and_a_drive_enlarges(photograph):
    frames, _ = film(photograph, Motion(camera="pan", velocity=(0, 4), near=3))
    differences = np.abs(np.float32(frames[1]) - np.roll(frames[0], 4, axis=1))[:, 16:].mean((1, 2))
    assert differences[0] < 1 < differences[-8:].mean()
    frames, _ = film(photograph, Motion(camera="drive", zoom=1.2))
    np.testing.assert_allclose(frames[1][24, 32], frames[0][24, 32], atol=60)
    assert np.abs(np.float32(frames[3]) - frames[0])[:8].mean() > 5


def test_movers_cover_the_scene_where_they_are_and_begin_in_their_frame(photograph):
    mover = Mover(radii=(8, 8), start=(24, 10), velocity=(0, 10), first_frame=2)
    frames, covers = film(photograph, Motion(movers=(mover,)), frames=5)
    np.testing.assert_array_equal(covers[0], covers[2])
    for number, column in ((0, 10), (3, 20), (4, 30)):
        assert covers[number][24, column] == 1
        rows, columns = np.nonzero(covers[number] > 0.5)
        assert abs(columns.mean() - column) < 0.6
        assert abs(rows.mean() - 24) < 0.6
    untouched = covers[4] == 0
    np.testing.assert_array_equal(frames[4][untouched], photograph[24:72, 32:96][untouched])


def test_drawn_motions_differ_and_three_in_ten_cameras_stand_still():
    rng = np.random.default_rng(0)
    motions = [sample_motion(SIZE, 6, rng) for _ in range(200)]
    assert 0.2 < np.mean([motion.camera == "still" for motion in motions]) < 0.4
    assert {len(motion.movers) for motion in motions} == {0, 1, 2, 3}
    with pytest.raises(UsageError, match="`camera` must be one of"):
        Motion(camera="fly")


@pytest.mark.parametrize("codec", ["none", "jpeg", "h264"])
def test_a_night_clip_has_noise_of_each_frame_and_its_truth(photograph, codec):
    frames, _ = film(photograph, Motion(), frames=2 + LEAD_FRAMES)
    capture = Capture(exposure_ev=-3, shot=1e-3, read=1e-3, codec=codec, quality=20)
    stored, clean, targets = simulate_clip(frames, capture, np.random.default_rng(0))
    assert len(stored) == len(clean) == len(targets) == 2
    np.testing.assert_array_equal(clean[0], clean[1])
    assert not np.array_equal(stored[0], stored[1])
    assert abs(stored[0].mean() - clean[0].mean()) < 2
    assert targets[0].mean() > 2 * clean[0].mean()


def test_a_clip_that_is_too_short_is_refused(photograph):
    with pytest.raises(UsageError, match=r"more than 3 frames\. Received: 3"):
        simulate_clip([photograph] * 3, Capture(), np.random.default_rng(0))
