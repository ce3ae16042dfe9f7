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
    assert value(fusion.detail_similarity(one, one)) == 1
    assert value(fusion.detail_similarity(one, other)) == pytest.approx(1 - np.tanh(1), rel=1e-5)


def test_each_region_is_to_be_as_bright_as_what_sees_it_best():
    dark, normal, glare = flat(0.01), flat(0.5), flat(0.99)
    infrared = flat(0.3)
    wanted = {0.01: 0.3, 0.5: 0.5, 0.99: 0.3}  # 0.01 ** 0.6 = 0.063 is less than the infrared's
    for visible in (dark, normal, glare):
        level = wanted[round(float(visible.max()), 2)]
        cost = value(fusion.regional_intensity(visible, infrared, flat(level)))
        assert cost == pytest.approx(0, abs=0.01)  # sigmoids leave each region 1 % of the others
        assert value(fusion.regional_intensity(visible, infrared, flat(level + 0.2))) > 0.19


def test_what_is_dark_to_both_is_lifted():
    cost = fusion.regional_intensity(flat(0.05), flat(0), flat(0.05**0.6))
    assert value(cost) == pytest.approx(0, abs=0.005)


def test_the_halo_of_a_lamp_is_not_asked_for():
    lamp = np.clip(ramp(0.02) + 0.86, 0, 1)  # glares, and has a gradient
    dim = ramp(0.02) + 0.4
    none = flat(0.5, side=8)
    assert value(fusion.regional_gradient(lamp, none, none)) < 0.002
    assert value(fusion.regional_gradient(dim, none, none)) == pytest.approx(
        value(fusion.max_gradient(dim, none, none)), rel=0.1
    )


def test_only_dark_and_glaring_regions_have_to_become_normal():
    night, day = flat(0.0, side=32), flat(0.5, side=32)
    wholly = 1 / (1 + np.exp(-20 * 0.25))
    assert value(fusion.illumination(night, flat(0.2, 32))) == pytest.approx(0.3 * wholly, rel=1e-3)
    assert value(fusion.illumination(night, flat(0.5, 32))) == pytest.approx(0, abs=1e-6)
    assert value(fusion.illumination(day, flat(0.2, 32))) < 0.005
