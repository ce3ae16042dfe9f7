"""Enhancement by fusion of an image with a synthesized longer exposure of itself: BIMEF."""

import cv2
import numpy as np

from lowlight_tf.classical.illumination import max_rgb, smooth_illumination
from lowlight_tf.imaging import dtypes

CAMERA_RESPONSE = -0.3293, 1.1258
"""a and b of the camera response model, fitted by its authors to the curves of 201 cameras."""

EXPOSURE_RATIOS = np.linspace(1, 7, 121)
"""Candidate exposure ratios."""

UNDEREXPOSED_BELOW = 0.5
"""Illumination below which a pixel counts as underexposed."""

PROBE_SIZE = 50
"""Side (pixels) of the downscaled image on which the exposure ratio is chosen."""

BIMEF_LAMBDA, WINDOW_SIZE, EPSILON = 0.5, 5, 1e-3
"""Weight of the gradients of the illumination, length of the window over them (pixels), and the
constant that keeps their weights finite."""


def bimef(low: np.ndarray) -> np.ndarray:
    """Enhance an image, (H, W, 3), by fusion with a synthesized longer exposure: BIMEF.

    The exposure ratio maximizes the entropy of the underexposed pixels. The square root of the
    illumination is the weight of the image at each pixel, the rest that of the longer exposure.

    Args:
        low: (H, W, 3) float32 in [0, 1].

    Returns:
        The same. Needs about 50 bytes per pixel in addition to the image.

    Reference:
        Ying, Li and Gao, "A Bio-Inspired Multi-Exposure Fusion Framework for Low-light Image
        Enhancement", 2017, https://arxiv.org/abs/1711.00591, and Ying et al., "A New Image Contrast
        Enhancement Algorithm Using Exposure Fusion Framework", CAIP 2017; where the papers and the
        authors' code differ, as in the code: the illumination is refined at half the size, with
        lambda 0.5 and the product of gradient and window in one quotient.
        Differences: the exposure ratio is searched in steps of 0.05, where the code uses an
        optimizer of unimodal functions; the longer exposure is clipped at white, and is not
        reduced by 0.01.
    """
    illumination = _illumination(max_rgb(low))
    ratio = _exposure_ratio(low, illumination)
    longer = np.minimum(apply_camera_response(low, ratio), 1)
    longer += np.sqrt(illumination)[..., None] * (low - longer)
    return longer


def apply_camera_response(image: np.ndarray, ratio: float) -> np.ndarray:
    """Synthesize another exposure of an image by the camera response model.

    Args:
        image: Of any shape, in [0, 1].
        ratio: Exposure ratio; 1 gives the image itself.

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
    """Return the entropy of 256 levels of brightness (bits); values above 1 count as 1."""
    levels = dtypes.img_as_uint8(brightness)
    probabilities = np.bincount(levels.ravel()) / levels.size
    probabilities = probabilities[probabilities > 0]
    return float(-(probabilities * np.log2(probabilities)).sum())


def _illumination(initial: np.ndarray) -> np.ndarray:
    """Return the illumination, (H, W), refined from the maximum of the channels, (H, W)."""
    height, width = initial.shape
    half = cv2.resize(initial, (-(-width // 2), -(-height // 2)), interpolation=cv2.INTER_AREA)
    weights = []
    for axis in (0, 1):
        gradient = np.diff(half, axis=axis)
        weight = gradient
        if gradient.size:
            window = (1, WINDOW_SIZE) if axis == 0 else (WINDOW_SIZE, 1)
            weight = cv2.boxFilter(
                gradient, -1, window, normalize=False, borderType=cv2.BORDER_CONSTANT
            )
        weight = np.abs(weight * gradient) + EPSILON
        weights.append(np.divide(BIMEF_LAMBDA, weight, out=weight))
    smooth = smooth_illumination(half, *weights)
    return cv2.resize(smooth, (width, height), interpolation=cv2.INTER_CUBIC).clip(0, 1)


def _exposure_ratio(low: np.ndarray, illumination: np.ndarray) -> float:
    """Return the exposure ratio that maximizes the entropy of the underexposed pixels."""
    low, illumination = (
        cv2.resize(image, (PROBE_SIZE, PROBE_SIZE), interpolation=cv2.INTER_AREA)
        for image in (low, illumination)
    )
    brightness = np.cbrt(low.prod(axis=-1))[illumination < UNDEREXPOSED_BELOW]
    if not brightness.size:
        return 1.0
    return max(EXPOSURE_RATIOS, key=lambda ratio: entropy(apply_camera_response(brightness, ratio)))
