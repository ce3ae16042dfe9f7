"""Losses of fusion have the values worked out by hand."""

import numpy as np
import pytest
from keras import ops

from lowlight_tf.losses import fusion


def value(loss):
    (number,) = ops.convert_to_numpy(loss)
    return float(number)


def flat(level, side=16):
    return np.full((1, side, side, 1), level, np.float32)


def ramp(step):
    """A picture that rises by `step` from pixel to pixel, to the right."""
    return np.float32(step * np.arange(8)).reshape(1, 1, 8, 1).repeat(8, axis=1)


def test_the_brighter_of_both_is_what_is_wanted():
    visible, infrared = flat(0.2), flat(0.7)
    assert value(fusion.max_intensity(visible, infrared, infrared)) == 0
    assert value(fusion.max_intensity(visible, infrared, visible)) == pytest.approx(0.5)


def test_sobel_of_a_ramp_is_its_step():
    across, down = fusion.sobel(ramp(0.1))
    np.testing.assert_allclose(across[0, :, 1:-1, 0], 0.1, rtol=1e-5)
    np.testing.assert_allclose(across[0, :, 0, 0], 0.05, rtol=1e-5)  # half of it lies beyond
    np.testing.assert_allclose(down, 0, atol=1e-7)


def test_the_steeper_of_both_is_what_is_wanted():
    steep, gentle = ramp(0.1), ramp(0.04)
    assert value(fusion.max_gradient(steep, gentle, steep)) == 0
    # 6 columns lack 0.06, the 2 at the border 0.03.
    expected = (6 * 0.06 + 2 * 0.03) / 8
    assert value(fusion.max_gradient(gentle, steep, gentle)) == pytest.approx(expected, rel=1e-4)
    assert value(fusion.max_gradient(gentle, steep, -steep)) == pytest.approx(0, abs=1e-6)


def test_gradient_minds_the_direction():
    # Across differs by 0.2 at 6 columns and 0.1 at 2, down by nothing; the mean of both.
    expected = 0.5 * (6 * 0.2 + 2 * 0.1) / 8
    assert value(fusion.gradient(ramp(0.1), ramp(-0.1))) == pytest.approx(expected, rel=1e-4)


def test_equal_pictures_cost_nothing(rng):
    picture = rng.random((1, 16, 16, 1), dtype=np.float32)
    assert value(fusion.source_ssim(picture, picture, picture)) == pytest.approx(0, abs=1e-5)
    assert value(fusion.reconstruction(picture, picture)) == pytest.approx(0, abs=1e-5)
    assert value(fusion.gradient(picture, picture)) == 0


def test_reconstruction_of_flat_pictures_by_hand():
    # SSIM of flat pictures is its luminance term, (2ab + c) / (a^2 + b^2 + c), c = 0.0001.
    likeness = (2 * 0.05 * 0.07 + 1e-4) / (0.0025 + 0.0049 + 1e-4)
    expected = 0.0004 + 2.5 * (1 - likeness)
    assert value(fusion.reconstruction(flat(0.05), flat(0.07))) == pytest.approx(expected, rel=1e-3)


def test_bases_shall_be_alike_and_details_not():
    one, other = flat(-0.3), flat(0.7)
    assert value(fusion.base_difference(one, one)) == 0
    assert value(fusion.base_difference(one, other)) == pytest.approx(np.tanh(1), rel=1e-5)
    assert value(fusion.detail_likeness(one, one)) == 1
    assert value(fusion.detail_likeness(one, other)) == pytest.approx(1 - np.tanh(1), rel=1e-5)
