"""Infrared frames keep their levels when a camera's automatic gain jumps."""

import cv2
import numpy as np
import pytest

from lowlight_tf.video.infrared_gain import InfraredGainStabilizer

FRAME_S = 1 / 30


@pytest.fixture
def scene(rng):
    """Return an infrared frame with structure, (120, 160, 1) uint8, levels 60 to 200."""
    blurred = cv2.GaussianBlur(rng.random((120, 160)), (0, 0), 6)
    return np.uint8(cv2.normalize(blurred, None, 60, 200, cv2.NORM_MINMAX))[..., None]


def set_gain(frame, gain, offset):
    return np.uint8(np.clip(gain * frame.astype(np.float32) + offset, 0, 255))


def test_a_steady_scene_is_left_as_it_is(scene):
    stabilize = InfraredGainStabilizer(2.0)
    for step in range(5):
        assert stabilize(scene, step * FRAME_S) is scene


def test_a_jump_of_the_gain_becomes_gradual(scene):
    stabilize, dark = InfraredGainStabilizer(2.0), set_gain(scene, 0.6, -10)
    stabilize(scene, 0)
    means = [stabilize(dark, step * FRAME_S).mean() for step in range(1, 301)]
    assert means[0] == pytest.approx(scene.mean(), abs=2)
    assert np.abs(np.diff(means)).max() < 2
    assert means[-1] == pytest.approx(dark.mean(), abs=1.5)


def test_what_enters_the_scene_does_not_change_the_rest(scene):
    stabilize, entered = InfraredGainStabilizer(2.0), scene.copy()
    stabilize(scene, 0)
    entered[40:80, 60:90] = 250  # a sixteenth of the frame
    result = stabilize(entered, FRAME_S)
    np.testing.assert_allclose(np.float32(result), entered, atol=2)


def test_another_scene_is_left_as_it_is(scene):
    stabilize, other = InfraredGainStabilizer(2.0), scene[::-1, ::-1].copy()
    stabilize(scene, 0)
    assert stabilize(other, FRAME_S) is other


@pytest.mark.parametrize("level", [0, 255])
def test_a_flat_frame_is_left_as_it_is(scene, level):
    stabilize, flat = InfraredGainStabilizer(2.0), np.full_like(scene, level)
    stabilize(scene, 0)
    assert stabilize(flat, FRAME_S) is flat
    assert stabilize(scene, 2 * FRAME_S) is scene
