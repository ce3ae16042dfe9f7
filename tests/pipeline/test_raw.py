"""Samples of RAW pairs: every filter in its place however they are turned."""

import numpy as np
import pytest

from lowlight_tf.imaging import mosaic
from lowlight_tf.pipeline.raw import flipped, transposed


@pytest.fixture
def scene(rng):
    """A picture, and the packed mosaic that a sensor would see of it."""
    picture = rng.random((8, 12, 3), dtype=np.float32)
    return mosaic.pack(mosaic.sample(picture, "RGGB"), "RGGB"), picture


@pytest.mark.parametrize("axis", [0, 1])
def test_what_is_flipped_is_what_a_sensor_would_have_seen_of_the_flipped_picture(scene, axis):
    packed, picture = flipped(*scene, axis)
    np.testing.assert_array_equal(packed, mosaic.pack(mosaic.sample(picture, "RGGB"), "RGGB"))
    original = np.flip(scene[1], axis)
    np.testing.assert_array_equal(picture, original[1:-1] if axis == 0 else original[:, 1:-1])


def test_what_is_transposed_is_what_a_sensor_would_have_seen_of_it(scene):
    packed, picture = transposed(*scene)
    np.testing.assert_array_equal(packed, mosaic.pack(mosaic.sample(picture, "RGGB"), "RGGB"))
    np.testing.assert_array_equal(picture, scene[1].swapaxes(0, 1))
