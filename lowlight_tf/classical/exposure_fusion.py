"""Two exposures of one picture, the second made by a model of the camera, fused into one."""

import cv2
import numpy as np

from lowlight_tf.classical.illumination import max_rgb, smooth_illumination

CAMERA_RESPONSE = -0.3293, 1.1258
"""a and b of the camera response model, fitted by its authors to the curves of 201 cameras."""

EXPOSURE_RATIOS = np.linspace(1, 7, 121)
"""Exposure ratios that are tried."""

UNDEREXPOSED_BELOW = 0.5
"""Illumination below which a pixel is taken for underexposed."""

PROBE_SIZE = 50
"""Side at which the exposure is looked for (pixels)."""

BIMEF_LAMBDA, WINDOW_SIZE, EPSILON = 0.5, 5, 1e-3
"""Weight of the steps of the illumination, length of the window along them (pixels), and the
product of step and window below which all count alike."""


def bimef(low: np.ndarray) -> np.ndarray:
    """Return a picture fused with a longer exposure of itself, which shows what is dark in it.

    How much longer is what gives the underexposed pixels the histogram of most information. Each
    pixel is taken from the picture by the square root of its illumination, the rest of it from the
    longer exposure.

    Args:
        low: (H, W, 3) float32 in [0, 1].

    Returns:
        The same. Takes about 50 bytes a pixel beside the picture.

    Reference:
        Ying, Li and Gao, "A Bio-Inspired Multi-Exposure Fusion Framework for Low-light Image
        Enhancement", 2017, https://arxiv.org/abs/1711.00591, and Ying et al., "A New Image Contrast
        Enhancement Algorithm Using Exposure Fusion Framework", CAIP 2017; what the papers and the
        authors' code do not share is as in the code: the illumination is refined at half the size,
        with lambda 0.5 and the product of step and window in one quotient.
        Differences: the exposure ratio is looked for in steps of 0.05, where the code follows a
        slope that has more than one bottom; the longer exposure ends at white, and is not lowered
        by 0.01.
    """
    light = _illumination(max_rgb(low))
    ratio = _ratio(low, light)
    longer = np.minimum(apply_camera_response(low, ratio), 1)
    longer += np.sqrt(light)[..., None] * (low - longer)
    return longer


def apply_camera_response(image: np.ndarray, ratio: float) -> np.ndarray:
    """Return what the camera would have shown with so many times the light.

    Args:
        image: Of any shape, in [0, 1].
        ratio: Of both exposures; 1 gives the image itself.

    Returns:
        The same, up to 1.7 for a ratio of 7.

    Reference:
        Ying et al., "A New Low-Light Image Enhancement Algorithm Using Camera Response Model", ICCV
        Workshops 2017: g(P, k) = beta P^gamma, gamma = k^a, beta = exp(b (1 - k^a)).
    """
    a, b = CAMERA_RESPONSE
    power = ratio**a
    return np.float32(np.exp(b * (1 - power))) * image ** np.float32(power)


def entropy(brightness: np.ndarray) -> float:
    """Return the bits of information of 256 levels of brightness; what is above 1 counts as 1."""
    levels = np.rint(np.minimum(brightness, 1) * 255).astype(np.uint8)
    shares = np.bincount(levels.ravel()) / levels.size
    shares = shares[shares > 0]
    return float(-(shares * np.log2(shares)).sum())


def _illumination(first: np.ndarray) -> np.ndarray:
    """Return the illumination of each pixel, (H, W), from its largest channel."""
    height, width = first.shape
    half = cv2.resize(first, (-(-width // 2), -(-height // 2)), interpolation=cv2.INTER_AREA)
    weights = []
    for axis in (0, 1):
        steps = np.diff(half, axis=axis)
        weight = steps
        if steps.size:
            window = (1, WINDOW_SIZE) if axis == 0 else (WINDOW_SIZE, 1)
            weight = cv2.boxFilter(
                steps, -1, window, normalize=False, borderType=cv2.BORDER_CONSTANT
            )
        weight = np.abs(weight * steps) + EPSILON
        weights.append(np.divide(BIMEF_LAMBDA, weight, out=weight))
    light = cv2.resize(
        smooth_illumination(half, *weights), (width, height), interpolation=cv2.INTER_CUBIC
    )
    return light.clip(0, 1)


def _ratio(low: np.ndarray, light: np.ndarray) -> float:
    """Return the exposure ratio that tells most of what is underexposed."""
    small, lit = (
        cv2.resize(image, (PROBE_SIZE, PROBE_SIZE), interpolation=cv2.INTER_AREA)
        for image in (low, light)
    )
    brightness = np.cbrt(small.prod(axis=-1))[lit < UNDEREXPOSED_BELOW]
    if not brightness.size:
        return 1.0
    return max(EXPOSURE_RATIOS, key=lambda ratio: entropy(apply_camera_response(brightness, ratio)))
