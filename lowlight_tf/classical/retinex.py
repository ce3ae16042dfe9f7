"""What things are like, told apart from the light that falls on them."""

import math

import cv2
import numpy as np

from lowlight_tf.classical.illumination import max_rgb, smooth_illumination

SSR_SCALE, MSR_SCALES = 80.0, (15.0, 80.0, 250.0)
"""Spread of the surround of one scale, and of three (pixels)."""

MSRCR_ALPHA = 125.0
"""How strongly a color counts against the sum of all three."""

CLIP_FRACTION = 0.01
"""Share of the pixels that the balance makes black, and as many white, in each color."""

LOWRES_SIGMA = 4.0
"""Spread (pixels) that a surround still has when it is computed in small."""

LIME_ALPHA, LIME_WINDOW_SIZE, LIME_WINDOW_SIGMA, LIME_GAMMA = 0.15, 5, 2.0, 0.8
"""Of LIME: weight of the steps of the illumination; side and spread of the window over them
(pixels); exponent of the illumination."""

EPSILON = 1e-3
"""Step of the illumination below which all count alike, and the least light there is."""


def ssr(low: np.ndarray, *, scale: float = SSR_SCALE) -> np.ndarray:
    """Return the logarithm of each color over that of its surround: single-scale Retinex.

    What comes out is balanced, see `balanced`.

    Args:
        low: (H, W, 3) float32 in [0, 1].
        scale: Spread of the surround (pixels).

    Returns:
        The same. Takes about 50 bytes a pixel beside the picture.

    Reference:
        Jobson, Rahman and Woodell, "Properties and performance of a center/surround retinex", IEEE
        TIP 1997. Differences: as `msr`.
    """
    return msr(low, scales=(scale,))


def msr(low: np.ndarray, *, scales: tuple[float, ...] = MSR_SCALES) -> np.ndarray:
    """Return the mean of the Retinex of several scales: multi-scale Retinex.

    What comes out is balanced, see `balanced`.

    Args:
        low: (H, W, 3) float32 in [0, 1].
        scales: Spreads of the surrounds (pixels).

    Returns:
        The same. Takes about 50 bytes a pixel beside the picture.

    Reference:
        Jobson, Rahman and Woodell, "A multiscale retinex for bridging the gap between color images
        and the human observation of scenes", IEEE TIP 1997, in the form of Petro, Sbert and Morel,
        "Multiscale Retinex", Image Processing On Line 2014: a scale is a standard deviation (the
        first paper's is 1.41 of them), the balance is in place of a fixed gain and offset.
        Differences: levels from 1 to 256, so that black has a logarithm.
    """
    return simplest_color_balance(_reflectance(_levels(low), scales), low)


def msrcr(low: np.ndarray, *, scales: tuple[float, ...] = MSR_SCALES) -> np.ndarray:
    """Return multi-scale Retinex with the colors restored that it takes away.

    It is multiplied with the logarithm of each color's share of the sum of all three (x 125), and
    balanced, see `balanced`.

    Args:
        low: (H, W, 3) float32 in [0, 1].
        scales: Spreads of the surrounds (pixels).

    Returns:
        The same. Takes about 50 bytes a pixel beside the picture.

    Reference:
        As `msr`. The gains and the offset that the papers add to the restoration (46, 192, -30)
        change nothing where a balance follows. Differences: as `msr`.
    """
    levels = _levels(low)
    result = _reflectance(levels, scales)
    result *= np.log(levels * (MSRCR_ALPHA / levels.sum(axis=-1, keepdims=True)))
    return simplest_color_balance(result, low)


def lime(low: np.ndarray) -> np.ndarray:
    """Return a picture divided by its illumination, which is refined to follow its structure: LIME.

    The illumination is at first the largest of red, green and blue. It is made smooth where steps
    change their sign from pixel to pixel (texture), and left as it is where they agree (edges).

    Args:
        low: (H, W, 3) float32 in [0, 1].

    Returns:
        The same. Takes about 70 bytes a pixel beside the picture.

    Reference:
        Guo, Li and Ling, "LIME: Low-Light Image Enhancement via Illumination Map Estimation", IEEE
        TIP 2017, the sped-up solver with weights of strategy III, alpha 0.15, gamma 0.8.
        Differences: the linear system is solved to 1 %, see
        `illumination.smooth_illumination`; the small constant that keeps quotients finite, which the paper
        leaves open, is 0.001; no denoising by BM3D afterwards.
    """
    first = max_rgb(low)
    kernel = cv2.getGaussianKernel(LIME_WINDOW_SIZE, LIME_WINDOW_SIGMA, cv2.CV_32F)
    weights = []
    for axis in (0, 1):
        steps = np.diff(first, axis=axis)
        around = steps
        if steps.size:
            around = cv2.sepFilter2D(steps, -1, kernel, kernel, borderType=cv2.BORDER_REPLICATE)
        weight = np.abs(around) + EPSILON
        weight *= np.abs(steps) + EPSILON
        weights.append(np.divide(LIME_ALPHA, weight, out=weight))
    light = np.maximum(smooth_illumination(first, *weights), EPSILON) ** np.float32(LIME_GAMMA)
    return np.minimum(low / light[..., None], 1)


def simplest_color_balance(image: np.ndarray, low: np.ndarray) -> np.ndarray:
    """Return colors stretched from black to white, each by itself, but for a few outliers.

    Args:
        image: (H, W, 3) float32 of any range.
        low: What is shown of a color without any spread, (H, W, 3) in [0, 1].

    Returns:
        The same in [0, 1].

    Reference:
        Limare et al., "Simplest Color Balance", Image Processing On Line 2011, with 1 % at either
        end. Differences: none.
    """
    result = np.empty_like(low)
    for color, shown, same in zip(
        *(np.moveaxis(i, -1, 0) for i in (image, result, low)), strict=True
    ):
        cut = int(CLIP_FRACTION * color.size)
        values = np.partition(color, (cut, color.size - 1 - cut), axis=None)
        black, white = values[cut], values[-1 - cut]
        if white - black > 1e-6:
            np.clip((color - black) / (white - black), 0, 1, out=shown)
        else:
            shown[...] = same
    return result


def blur_surround(image: np.ndarray, scale: float) -> np.ndarray:
    """Return an image blurred by a Gaussian, computed in small where it is wide.

    Args:
        image: (H, W, C) float32.
        scale: Standard deviation (pixels).

    Returns:
        The same, within 1 % of the true Gaussian; the border mirrors.
    """
    sides = image.shape[1::-1]  # width, height
    times = max(int(scale / LOWRES_SIGMA), 1)
    shrunk = [math.ceil(side / times) for side in sides]
    # Shrinking and growing blur too: about as a Gaussian of half a small pixel.
    own = 0.25 if times > 1 else 0
    across, down = (
        math.sqrt(max((scale * small / side) ** 2 - own, 0))
        for small, side in zip(shrunk, sides, strict=True)
    )
    small = cv2.resize(image, shrunk, interpolation=cv2.INTER_AREA) if times > 1 else image
    small = cv2.GaussianBlur(small, (0, 0), across, sigmaY=down, borderType=cv2.BORDER_REFLECT)
    return cv2.resize(small, sides).reshape(image.shape)


def _levels(low: np.ndarray) -> np.ndarray:
    return low * np.float32(255) + np.float32(1)


def _reflectance(levels: np.ndarray, scales: tuple[float, ...]) -> np.ndarray:
    result = np.log(levels)
    for scale in scales:
        result -= np.log(blur_surround(levels, scale)) / np.float32(len(scales))
    return result
