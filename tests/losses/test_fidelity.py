"""Full-reference losses have the values computed by hand or by scikit-image."""

import numpy as np
import pytest
from keras import ops
from skimage.metrics import structural_similarity

from lowlight_tf.checks import UsageError
from lowlight_tf.losses.fidelity import (
    charbonnier,
    gt_mean_charbonnier,
    inverse_psnr,
    l1,
    log_ms_ssim,
    log_noise_ratio,
    ms_ssim,
    mse,
    psnr,
    ssim,
)


def numpy(value):
    return np.asarray(ops.convert_to_numpy(value))


@pytest.fixture
def images(rng):
    target = rng.random((2, 48, 64, 3), dtype=np.float32)
    noisy = target + rng.normal(0, 0.1, target.shape).astype(np.float32)
    return target, noisy.clip(0, 1)


def test_losses_of_a_constant_difference_are_as_computed_by_hand():
    target, enhanced = (
        np.full((1, 4, 4, 3), 0.5, np.float32),
        np.full((1, 4, 4, 3), 0.4, np.float32),
    )
    np.testing.assert_allclose(numpy(l1(target, enhanced)), [0.1], rtol=1e-5)
    np.testing.assert_allclose(
        numpy(charbonnier(target, enhanced, epsilon=0.1)), [0.02**0.5], rtol=1e-5
    )
    # 10 log10(1 / 0.1^2) = 20 dB
    np.testing.assert_allclose(numpy(psnr(target, enhanced)), [-20], rtol=1e-5)
    np.testing.assert_allclose(numpy(inverse_psnr(target, enhanced)), [1 / 20], rtol=1e-5)


def test_the_gt_mean_loss_forgives_a_factor_of_at_most_4(images):
    target, _ = images
    np.testing.assert_allclose(numpy(gt_mean_charbonnier(target, target / 4)), 1e-3, rtol=1e-3)
    np.testing.assert_allclose(numpy(gt_mean_charbonnier(target / 4, target)), 1e-3, rtol=1e-3)
    # 0.1 becomes 0.4, 0.4 below its target
    target, enhanced = np.full((1, 4, 4, 3), 0.8, np.float32), np.full((1, 4, 4, 3), 0.1, "f4")
    np.testing.assert_allclose(numpy(gt_mean_charbonnier(target, enhanced)), [0.4], rtol=1e-4)


@pytest.mark.parametrize(
    "loss", [l1, charbonnier, gt_mean_charbonnier, psnr, inverse_psnr, ssim, ms_ssim, log_ms_ssim]
)
def test_more_noise_has_a_higher_loss(loss, images):
    target, noisy = images
    noisier = target + 2 * (noisy - target)
    equal, little, much = (numpy(loss(target, x)) for x in (target, noisy, noisier))
    assert (equal < little).all()
    assert (little < much).all()


@pytest.mark.parametrize("loss", [ssim, ms_ssim, log_ms_ssim])
def test_equal_images_have_no_loss(loss, images):
    np.testing.assert_allclose(numpy(loss(images[0], images[0])), [0, 0], atol=1e-5)


def test_ssim_is_that_of_scikit_image(images):
    expected = [
        1
        - structural_similarity(
            t, e, channel_axis=-1, data_range=1, gaussian_weights=True, sigma=1.5,
            use_sample_covariance=False,
        )
        for t, e in zip(*images, strict=True)
    ]  # fmt: skip
    np.testing.assert_allclose(numpy(ssim(*images)), expected, atol=2e-5)


def test_one_scale_of_ms_ssim_is_ssim(images):
    np.testing.assert_allclose(numpy(ms_ssim(*images, scales=1)), numpy(ssim(*images)), atol=1e-6)


def test_two_scales_are_the_weighted_product_of_the_paper(images):
    target, noisy = images
    halves = [i.reshape(2, 24, 2, 32, 2, 3).mean((2, 4)) for i in images]
    _, full = structural_similarity_parts(target, noisy)
    half, _ = structural_similarity_parts(*halves)
    a, b = 0.0448, 0.2856  # Wang et al. 2003
    expected = full ** (a / (a + b)) * half ** (b / (a + b))
    np.testing.assert_allclose(1 - numpy(ms_ssim(target, noisy, scales=2)), expected, atol=1e-4)


def structural_similarity_parts(target, enhanced):
    """Return SSIM and its contrast-structure part, by Gaussian filters in float64."""
    from scipy.ndimage import gaussian_filter

    def blur(image):
        return gaussian_filter(image, (0, 1.5, 1.5, 0), truncate=3.5)[:, 5:-5, 5:-5]

    t, e = target.astype(np.float64), enhanced.astype(np.float64)
    mt, me = blur(t), blur(e)
    contrast = (2 * (blur(t * e) - mt * me) + 9e-4) / (
        blur(t * t) - mt * mt + blur(e * e) - me * me + 9e-4
    )
    similarity = contrast * (2 * mt * me + 1e-4) / (mt**2 + me**2 + 1e-4)
    return similarity.mean((1, 2, 3)), contrast.mean((1, 2, 3))


def test_a_crop_smaller_than_the_window_is_rejected():
    tiny = np.zeros((1, 10, 20, 3), np.float32)
    with pytest.raises(UsageError, match=r"at least 11 pixels a side\. Received: 10"):
        ssim(tiny, tiny)


def test_the_mean_squared_error_is_as_computed_by_hand():
    target = np.zeros((2, 2, 2, 1), np.float32)
    enhanced = target.copy()
    enhanced[0, 0, 0], enhanced[1] = 0.4, 0.5  # one of four pixels; all of them
    np.testing.assert_allclose(mse(target, enhanced), [0.16 / 4, 0.25], rtol=1e-6)


def test_the_noise_ratio_counts_dark_regions_more_and_clean_images_as_much_as_noisy_ones(rng):
    target = np.full((2, 16, 16, 1), 0.04, np.float32)
    target[:, :, 8:] = 0.84
    noise = (
        np.float32(rng.normal(0, 1, target.shape)) * np.float32([0.1, 0.02])[:, None, None, None]
    )
    low, halved = target + noise, target + noise / 2
    np.testing.assert_allclose(log_noise_ratio(low, target, low), 0, atol=1e-6)
    np.testing.assert_allclose(log_noise_ratio(low, target, halved), np.log(1 / 4), atol=0.01)
    dark, bright = low.copy(), low.copy()
    dark[:, :, :8], bright[:, :, 8:] = target[:, :, :8], target[:, :, 8:]
    assert np.all(log_noise_ratio(low, target, dark) < log_noise_ratio(low, target, bright) - 1)
