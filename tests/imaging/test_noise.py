"""A darkened image has the mean and the variance that the sensor's formula gives."""

import numpy as np
import pytest

from lowlight_tf.checks import UsageError
from lowlight_tf.imaging.color import to_linear, to_srgb
from lowlight_tf.imaging.noise import darken

GRAY = 0.735357  # sRGB of half of the light: 1.055 * 0.5^(1 / 2.4) - 0.055


def flat(value):
    return np.full((200, 200, 3), value, np.float32)


@pytest.mark.parametrize(
    ("shot", "read", "bits"), [(1e-3, 0, 16), (0, 4e-3, 16), (1e-3, 4e-3, 16), (0, 2e-2, 6)]
)
def test_mean_and_variance_follow_the_formula(rng, shot, read, bits):
    light = to_linear(
        darken(flat(GRAY), exposure=0.25, rng=rng, shot=shot, read=read, bit_depth=bits).astype(
            "f8"
        )
    )
    mean = 0.5 * 0.25
    variance = shot * mean + read**2 + (2**bits - 1) ** -2 / 12
    np.testing.assert_allclose(light.mean(), mean, rtol=2e-3)
    np.testing.assert_allclose(light.var(), variance, rtol=0.02)


def test_without_noise_only_the_exposure_changes(rng):
    image = rng.random((8, 9, 3), dtype=np.float32)
    dark = darken(image, exposure=0.5, rng=rng, shot=0, read=0, bit_depth=16)
    assert dark.dtype == np.float32
    np.testing.assert_allclose(to_linear(dark), 0.5 * to_linear(image), atol=1e-5)


def test_a_one_bit_sensor_returns_black_and_white_only(rng):
    dark = darken(rng.random((8, 9, 3)), exposure=1, rng=rng, shot=0, read=0, bit_depth=1)
    assert set(np.unique(dark)) == {0.0, 1.0}


def test_results_stay_in_range(rng):
    dark = darken(flat(1.0), exposure=1, rng=rng, shot=0.05, read=0.1)
    assert dark.min() >= 0
    assert dark.max() == 1


def test_the_same_generator_gives_the_same_noise():
    first, second = (
        darken(flat(0.5), exposure=0.1, rng=np.random.default_rng(3)) for _ in range(2)
    )
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize(
    "parameters", [{"exposure": 0}, {"exposure": 1, "shot": -1}, {"exposure": 1, "read": -1}]
)
def test_invalid_parameters_are_refused(rng, parameters):
    with pytest.raises(UsageError, match=r"exposure|shot|read"):
        darken(flat(0.5), rng=rng, **parameters)


def test_the_transfer_function_is_that_of_the_srgb_standard(rng):
    # IEC 61966-2-1: the curve is straight up to 0.04045; half of the light is 0.7354.
    np.testing.assert_allclose(
        to_srgb(np.array([0.0, 0.001, 0.5, 1.0])), [0, 0.01292, GRAY, 1], atol=1e-6
    )
    image = rng.random((5, 4, 3))
    np.testing.assert_allclose(to_srgb(to_linear(image)), image, atol=1e-7)
    assert to_linear(image.astype(np.float32)).dtype == np.float32
