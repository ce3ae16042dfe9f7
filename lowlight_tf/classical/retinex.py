"""Retinex: estimation of the reflectance of a scene, separated from its illumination."""

import math

import cv2
import numpy as np

from lowlight_tf.classical.illumination import max_rgb, smooth_illumination

SSR_SCALE, MSR_SCALES = 80.0, (15.0, 80.0, 250.0)
"""Standard deviations of the surround of single-scale and multi-scale Retinex (pixels)."""

MSRCR_ALPHA = 125.0
"""Factor of a channel relative to the sum of all three in the color restoration."""

CLIP_FRACTION = 0.01
"""Fraction of the pixels that the color balance clips to black, and to white, in each channel."""

LOWRES_SIGMA = 4.0
"""Minimum standard deviation (pixels) of a surround after downscaling."""

LIME_ALPHA, LIME_WINDOW_SIZE, LIME_WINDOW_SIGMA, LIME_GAMMA = 0.15, 5, 2.0, 0.8
"""LIME: weight of the gradients of the illumination; side and standard deviation of the Gaussian
over them (pixels); exponent of the illumination."""

EPSILON = 1e-3
"""LIME: added to gradients in quotients, and lower limit of the illumination."""


def ssr(low: np.ndarray, *, scale: float = SSR_SCALE) -> np.ndarray:
    """Enhance an image, (H, W, 3), by single-scale Retinex: log ratio to the surround.

    The result is scaled to [0, 1] by `simplest_color_balance`.

    Args:
        low: (H, W, 3) float32 in [0, 1].
        scale: Standard deviation of the surround (pixels).

    Returns:
        The same. Needs about 50 bytes per pixel in addition to the image.

    Reference:
        Jobson, Rahman and Woodell, "Properties and performance of a center/surround retinex", IEEE
        TIP 1997. Differences: as `msr`.
    """
    return msr(low, scales=(scale,))


def msr(low: np.ndarray, *, scales: tuple[float, ...] = MSR_SCALES) -> np.ndarray:
    """Enhance an image, (H, W, 3), by multi-scale Retinex: the mean over several scales.

    The result is scaled to [0, 1] by `simplest_color_balance`.

    Args:
        low: (H, W, 3) float32 in [0, 1].
        scales: Standard deviations of the surrounds (pixels).

    Returns:
        The same. Needs about 50 bytes per pixel in addition to the image.

    Reference:
        Jobson, Rahman and Woodell, "A multiscale retinex for bridging the gap between color images
        and the human observation of scenes", IEEE TIP 1997, in the form of Petro, Sbert and Morel,
        "Multiscale Retinex", Image Processing On Line 2014: a scale is a standard deviation (that
        of the first paper is 1.41 of them), and the color balance replaces a fixed gain and offset.
        Differences: levels from 1 to 256, so that the logarithm of black is defined.
    """
    return simplest_color_balance(_reflectance(_levels(low), scales), low)


def msrcr(low: np.ndarray, *, scales: tuple[float, ...] = MSR_SCALES) -> np.ndarray:
    """Enhance an image, (H, W, 3), by multi-scale Retinex with color restoration.

    Each channel of the Retinex is multiplied by the logarithm of 125 times its fraction of the sum
    of all three, and scaled to [0, 1] by `simplest_color_balance`.

    Args:
        low: (H, W, 3) float32 in [0, 1].
        scales: Standard deviations of the surrounds (pixels).

    Returns:
        The same. Needs about 50 bytes per pixel in addition to the image.

    Reference:
        As `msr`. The gains and the offset of the papers' color restoration (46, 192, -30) have no
        effect before a color balance. Differences: as `msr`.
    """
    levels = _levels(low)
    result = _reflectance(levels, scales)
    result *= np.log(levels * (MSRCR_ALPHA / levels.sum(axis=-1, keepdims=True)))
    return simplest_color_balance(result, low)


def lime(low: np.ndarray) -> np.ndarray:
    """Enhance an image, (H, W, 3), by division by its structure-aware illumination map: LIME.

    The initial illumination is the maximum of red, green and blue. It is smoothed where gradients
    change sign from pixel to pixel (texture), and preserved where they agree (edges).

    Args:
        low: (H, W, 3) float32 in [0, 1].

    Returns:
        The same. Needs about 70 bytes per pixel in addition to the image.

    Reference:
        Guo, Li and Ling, "LIME: Low-Light Image Enhancement via Illumination Map Estimation", IEEE
        TIP 2017, the sped-up solver with weights of strategy III, alpha 0.15, gamma 0.8.
        Differences: the linear system is solved to 1 %, see `illumination.smooth_illumination`;
        epsilon, which the paper does not give, is 0.001; no denoising by BM3D.
    """
    initial = max_rgb(low)
    kernel = cv2.getGaussianKernel(LIME_WINDOW_SIZE, LIME_WINDOW_SIGMA, cv2.CV_32F)
    weights = []
    for axis in (0, 1):
        gradient = np.diff(initial, axis=axis)
        mean = gradient
        if gradient.size:
            mean = cv2.sepFilter2D(gradient, -1, kernel, kernel, borderType=cv2.BORDER_REPLICATE)
        weight = np.abs(mean) + EPSILON
        weight *= np.abs(gradient) + EPSILON
        weights.append(np.divide(LIME_ALPHA, weight, out=weight))
    illumination = np.maximum(smooth_illumination(initial, *weights), EPSILON)
    return np.minimum(low / (illumination ** np.float32(LIME_GAMMA))[..., None], 1)


def simplest_color_balance(image: np.ndarray, low: np.ndarray) -> np.ndarray:
    """Stretch each channel of an image, (H, W, 3), to [0, 1], clipping a fraction of outliers.

    Args:
        image: (H, W, 3) float32 of any range.
        low: (H, W, 3) in [0, 1], from which channels of a single value are copied.

    Returns:
        The same in [0, 1].

    Reference:
        Limare et al., "Simplest Color Balance", Image Processing On Line 2011, with 1 % at either
        end. Differences: none.
    """
    result = np.empty_like(low)
    for channel, output, fallback in zip(
        *(np.moveaxis(i, -1, 0) for i in (image, result, low)), strict=True
    ):
        clipped = int(CLIP_FRACTION * channel.size)
        values = np.partition(channel, (clipped, channel.size - 1 - clipped), axis=None)
        black, white = values[clipped], values[-1 - clipped]
        if white - black > 1e-6:
            np.clip((channel - black) / (white - black), 0, 1, out=output)
        else:
            output[...] = fallback
    return result


def blur_surround(image: np.ndarray, scale: float) -> np.ndarray:
    """Blur an image, (H, W, C), by a Gaussian, at a reduced resolution if it is wide.

    Args:
        image: (H, W, C) float32.
        scale: Standard deviation (pixels).

    Returns:
        The same, within 1 % of the exact Gaussian; borders are reflected.
    """
    size = image.shape[1::-1]  # width, height
    factor = max(int(scale / LOWRES_SIGMA), 1)
    low_size = [math.ceil(side / factor) for side in size]
    # Resizing down and up blurs, too: about as a Gaussian of half a pixel of the small image.
    resize_variance = 0.25 if factor > 1 else 0
    sigma_x, sigma_y = (
        math.sqrt(max((scale * small / side) ** 2 - resize_variance, 0))
        for small, side in zip(low_size, size, strict=True)
    )
    small = cv2.resize(image, low_size, interpolation=cv2.INTER_AREA) if factor > 1 else image
    small = cv2.GaussianBlur(small, (0, 0), sigma_x, sigmaY=sigma_y, borderType=cv2.BORDER_REFLECT)
    return cv2.resize(small, size).reshape(image.shape)


def _levels(low: np.ndarray) -> np.ndarray:
    """Return levels from 1 to 256, as floats: their logarithm is defined."""
    return low * np.float32(255) + np.float32(1)


def _reflectance(levels: np.ndarray, scales: tuple[float, ...]) -> np.ndarray:
    result = np.log(levels)
    for scale in scales:
        result -= np.log(blur_surround(levels, scale)) / np.float32(len(scales))
    return result
