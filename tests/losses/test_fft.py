"""The FFT loss has the values computed by hand."""

import numpy as np
import pytest
from keras import ops

from lowlight_tf.losses.fft import fft_l1


def loss(difference):
    """Return the loss between black and an image (H, W)."""
    enhanced = np.float32(difference)[None, ..., None]
    return float(ops.convert_to_numpy(fft_l1(np.zeros_like(enhanced), enhanced))[0])


def test_a_constant_difference_has_one_coefficient():
    # Its sum, 4 * 6 * 0.5 = 12, over sqrt(24), is one of 24 coefficients with two parts each.
    assert loss(np.full((4, 6), 0.5)) == pytest.approx(12 / 24**0.5 / 48, rel=1e-5)


def test_a_single_pixel_has_all_coefficients():
    # In the corner every coefficient is 1 / sqrt(4 * 4), all of it real.
    corner = np.zeros((4, 4))
    corner[0, 0] = 1
    assert loss(corner) == pytest.approx(1 / 4 / 2, rel=1e-5)


def test_real_and_imaginary_parts_have_equal_weights():
    # sin: two coefficients of 8 / 2 / sqrt(8), imaginary; cos: the same, real.
    wave = 2 * np.pi * np.arange(8)[None] / 8
    expected = 2 * 4 / 8**0.5 / 16
    assert loss(np.sin(wave)) == pytest.approx(expected, rel=1e-5)
    assert loss(np.cos(wave)) == pytest.approx(expected, rel=1e-5)


def test_the_loss_of_noise_is_independent_of_the_crop_size(rng):
    small, large = (loss(rng.normal(0, 0.1, (side, side))) for side in (32, 128))
    assert small == pytest.approx(large, rel=0.1)


def test_images_and_channels_are_independent(rng):
    target, enhanced = rng.random((2, 2, 8, 8, 3), dtype=np.float32)
    batch = ops.convert_to_numpy(fft_l1(target, enhanced))
    single = [
        np.mean([loss(np.subtract(e, t)[..., c]) for c in range(3)])
        for t, e in zip(target, enhanced, strict=True)
    ]
    np.testing.assert_allclose(batch, single, rtol=1e-4)
    assert ops.convert_to_numpy(fft_l1(target, target)).tolist() == [0, 0]
