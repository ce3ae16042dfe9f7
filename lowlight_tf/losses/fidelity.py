"""Full-reference losses: an enhanced image against its target. All are lowest for equal images."""

import functools
import math

import numpy as np
from keras import KerasTensor, ops

from lowlight_tf.checks import UsageError

WINDOW_SIZE, SIGMA = 11, 1.5  # pixels; Wang et al. 2004, section III-C
MIN_SQUARED_ERROR = 1e-10
MIN_MEAN, MAX_FACTOR = 1e-3, 4.0
MIN_CONTRAST = 1e-4
BRIGHTNESS_WINDOW, NOISE_BLOCK = 5, 4  # pixels
NOISE_FLOOR, MIN_NOISE = 0.06, 1e-6
SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # Wang et al. 2003, section 3.2


def l1(target: KerasTensor, enhanced: KerasTensor) -> KerasTensor:
    """Mean absolute difference.

    Args:
        target: (B, H, W, C) in [0, 1].
        enhanced: Same shape and range as `target`.

    Returns:
        (B,); lower is better, 0 for equal images.
    """
    return ops.mean(ops.abs(target - enhanced), axis=(1, 2, 3))


def mse(target: KerasTensor, enhanced: KerasTensor) -> KerasTensor:
    """Mean squared difference.

    Args:
        target: (B, H, W, C) in [0, 1].
        enhanced: Same shape and range as `target`.

    Returns:
        (B,); lower is better, 0 for equal images.
    """
    return ops.mean(ops.square(target - enhanced), axis=(1, 2, 3))


def charbonnier(
    target: KerasTensor, enhanced: KerasTensor, *, epsilon: float = 1e-3
) -> KerasTensor:
    """Charbonnier loss, the mean of sqrt(difference^2 + epsilon^2): a smooth L1.

    Args:
        target: (B, H, W, C) in [0, 1].
        enhanced: Same shape and range as `target`.
        epsilon: Half-width of the quadratic region around 0, in [0, 1] units.

    Returns:
        (B,); lower is better, `epsilon` for equal images.

    Reference:
        Charbonnier et al., "Two deterministic half-quadratic regularization algorithms", ICIP 1994.

    Differences from the paper:
        The mean over pixels, not the sum.
    """
    return ops.mean(ops.sqrt(ops.square(target - enhanced) + epsilon**2), axis=(1, 2, 3))


def gt_mean_charbonnier(target: KerasTensor, enhanced: KerasTensor) -> KerasTensor:
    """Charbonnier loss after the mean of the enhanced image is scaled to that of the target.

    How bright a photographer wants an image cannot be known from its dark input. This loss forgives
    it, as the protocol `gt_mean` does, and leaves structure, noise and color.

    Args:
        target: (B, H, W, C) in [0, 1].
        enhanced: Same shape and range as `target`.

    Returns:
        (B,); lower is better, 0.001 for images that differ by a factor of at most 4 only.

    Reference:
        Liao et al., "GT-Mean Loss: A Simple Yet Effective Solution for Brightness Mismatch in
        Low-Light Image Enhancement", 2025, arXiv:2507.20148.

    Differences from the paper:
        This is its second term; its weight beside `charbonnier` is fixed in the recipe, not
        computed for each image. The factor is at most 4.
    """
    means = [ops.mean(image, axis=(1, 2, 3), keepdims=True) for image in (target, enhanced)]
    factor = ops.clip(means[0] / ops.maximum(means[1], MIN_MEAN), 1 / MAX_FACTOR, MAX_FACTOR)
    return charbonnier(target, enhanced * factor)


def psnr(target: KerasTensor, enhanced: KerasTensor) -> KerasTensor:
    """Negative PSNR in dB.

    Args:
        target: (B, H, W, C) in [0, 1]; the peak is 1.
        enhanced: Same shape and range as `target`.

    Returns:
        (B,) -PSNR; lower is better, -100 for equal images.

    Differences from the definition:
        The mean squared error is at least 1e-10, so that equal images have a finite value.
    """
    return 10 / math.log(10) * ops.log(ops.maximum(mse(target, enhanced), MIN_SQUARED_ERROR))


def log_noise_ratio(low: KerasTensor, target: KerasTensor, enhanced: KerasTensor) -> KerasTensor:
    """Logarithm of how much of the squared error of the input is left.

    For denoisers of dark images, before these are enhanced. Errors count by how much brighter they
    will be, here 1 / (brightness + 0.06). A ratio is worth as much in a clean image as in a noisy
    one, so that a model does not pay for less noise in these with smear in those. It is that of the
    image and that of its means over 4x4 pixels, in which eyes and detectors see what is fainter
    than the noise of a pixel: there smear is left, and little noise.

    Args:
        low: (B, H, W, C) in [0, 1], with noise; at least 4x4 pixels.
        target: The same, without noise.
        enhanced: What is left of `low`, same shape and range.

    Returns:
        (B,) natural logarithm, mean of both ratios; 0 if nothing was changed, lower is better.

    Reference:
        Ours.
    """
    brightness = ops.mean(target, axis=-1, keepdims=True)
    brightness = ops.average_pool(brightness, BRIGHTNESS_WINDOW, 1, padding="same")
    weight = 1 / (brightness + NOISE_FLOOR)
    ratios = []
    for side in (1, NOISE_BLOCK):
        clean, left, noisy = (
            ops.average_pool(weight * image, side, side) for image in (target, enhanced, low)
        )
        ratios.append(ops.log((mse(clean, left) + MIN_NOISE) / (mse(clean, noisy) + MIN_NOISE)))
    return sum(ratios) / len(ratios)


def inverse_psnr(target: KerasTensor, enhanced: KerasTensor) -> KerasTensor:
    """Reciprocal of the PSNR (dB), a loss of the night-driving U-Net.

    Args:
        target: (B, H, W, C) in [0, 1]; the peak is 1.
        enhanced: Same shape and range as `target`.

    Returns:
        (B,) 1 / PSNR; lower is better, 0.01 for equal images.

    Reference:
        `loss_3` of https://github.com/YoungYoung619/Make-vehicles-see-in-the-dark, 2020.

    Differences from the reference:
        A PSNR below 1 dB counts as 1 dB: at 0 dB the reciprocal would change its sign.
    """
    return 1 / ops.maximum(-psnr(target, enhanced), 1.0)


def ssim(target: KerasTensor, enhanced: KerasTensor) -> KerasTensor:
    """One minus the structural similarity, Gaussian window of 11 pixels, sigma 1.5.

    Args:
        target: (B, H, W, C) in [0, 1]; H and W at least 11.
        enhanced: Same shape and range as `target`.

    Returns:
        (B,) 1 - SSIM; lower is better, 0 for equal images.

    Raises:
        UsageError: If a side is shorter than the window.

    Reference:
        Wang et al., "Image Quality Assessment: From Error Visibility to Structural Similarity",
        IEEE TIP 2004.

    Differences from the paper:
        Per color channel, then averaged; only windows entirely inside the image are used.
    """
    similarity, _ = _similarities(target, enhanced)
    return 1 - similarity


def ms_ssim(target: KerasTensor, enhanced: KerasTensor, *, scales: int = 5) -> KerasTensor:
    """One minus the multi-scale structural similarity.

    Args:
        target: (B, H, W, C) in [0, 1].
        enhanced: Same shape and range as `target`.
        scales: Maximum number of scales; each next one has half the size. A crop that is too small
            for the window at a scale is evaluated at fewer, whose weights are rescaled to sum 1.

    Returns:
        (B,) 1 - MS-SSIM; lower is better, 0 for equal images.

    Raises:
        UsageError: If a side is shorter than the window.

    Reference:
        Wang et al., "Multiscale Structural Similarity for Image Quality Assessment", Asilomar 2003.

    Differences from the paper:
        Contrast and structure below 1e-4 count as 1e-4: the power of a negative number is NaN.
    """
    return 1 - _multi_scale(target, enhanced, scales)


def log_ms_ssim(target: KerasTensor, enhanced: KerasTensor, *, scales: int = 5) -> KerasTensor:
    """Negative logarithm of MS-SSIM, a loss of the night-driving U-Net.

    Args and errors as `ms_ssim`.

    Returns:
        (B,) -log(MS-SSIM); lower is better, 0 for equal images.

    Reference:
        `loss_3` of https://github.com/YoungYoung619/Make-vehicles-see-in-the-dark, 2020.
    """
    return -ops.log(_multi_scale(target, enhanced, scales))


def _multi_scale(target: KerasTensor, enhanced: KerasTensor, scales: int) -> KerasTensor:
    check_min_side("ms_ssim", target, WINDOW_SIZE)
    scales = min(scales, 1 + int(math.log2(min(target.shape[1:3]) / WINDOW_SIZE)))
    weights = np.array(SCALE_WEIGHTS[:scales]) / sum(SCALE_WEIGHTS[:scales])
    product = 1.0
    for scale, weight in enumerate(weights):
        similarity, contrast = _similarities(target, enhanced)
        factor = similarity if scale == scales - 1 else contrast
        product = product * ops.power(ops.maximum(factor, MIN_CONTRAST), float(weight))
        target, enhanced = (ops.average_pool(image, 2, 2) for image in (target, enhanced))
    return product


def _similarities(target: KerasTensor, enhanced: KerasTensor) -> tuple[KerasTensor, KerasTensor]:
    """Return SSIM and its contrast-structure part, each (B,)."""
    check_min_side("ssim", target, WINDOW_SIZE)

    def blur(image: KerasTensor) -> KerasTensor:
        return blur_inside(image, WINDOW_SIZE, SIGMA)

    mean_t, mean_e = blur(target), blur(enhanced)
    product, squares = mean_t * mean_e, ops.square(mean_t) + ops.square(mean_e)
    covariance = blur(target * enhanced) - product
    variances = blur(ops.square(target) + ops.square(enhanced)) - squares
    c1, c2 = 0.01**2, 0.03**2
    contrast = (2 * covariance + c2) / (variances + c2)
    similarity = (2 * product + c1) / (squares + c1) * contrast
    return ops.mean(similarity, axis=(1, 2, 3)), ops.mean(contrast, axis=(1, 2, 3))


def blur_inside(image: KerasTensor, size: int, sigma: float) -> KerasTensor:
    """Return the Gaussian-weighted means of all windows inside images.

    Two products with a band matrix: on a CPU, several times faster than a convolution of one
    channel, as is the gradient.

    Args:
        image: (B, H, W, C), at least `size` pixels a side.
        size: Side of a window, odd (pixels).
        sigma: Of the Gaussian (pixels).

    Returns:
        (B, H - size + 1, W - size + 1, C).
    """
    down, across = (_gaussian_band_matrix(side, size, sigma) for side in image.shape[1:3])
    rows = ops.einsum("bhwc,hi->biwc", image, ops.convert_to_tensor(down))
    return ops.einsum("biwc,wj->bijc", rows, ops.convert_to_tensor(across))


@functools.cache
def _gaussian_band_matrix(side: int, size: int, sigma: float) -> np.ndarray:
    """Return the matrix whose side - size + 1 columns are the Gaussian at every position."""
    offsets = np.arange(size) - size // 2
    gaussian = np.exp(-(offsets**2) / (2 * sigma**2))
    windows = np.zeros((side, side - size + 1), "float32")
    for start in range(windows.shape[1]):
        windows[start : start + size, start] = gaussian / gaussian.sum()
    return windows


def check_min_side(name: str, image: KerasTensor, least: int) -> None:
    """Refuse images that are smaller than the windows or regions of a loss.

    Raises:
        UsageError: If a side of `image`, (B, H, W, C), is below `least` (pixels).
    """
    side = min(image.shape[1:3])
    if side < least:
        raise UsageError(
            f"The loss {name} needs images of at least {least} pixels a side. Received: {side}. "
            "Use a larger crop, or another loss."
        )
