"""Color conversions: luma of BT.601, and the transfer function of sRGB."""

import numpy as np

LUMA_WEIGHTS = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in the luma of BT.601."""


def luma(image: np.ndarray) -> np.ndarray:
    """Return the luma of an image, (H, W, 3) -> (H, W), in the image's own range, not rounded.

    It is the full-range Y of JPEG: black is 0 and white is the maximum, not 16 and 235.

    Args:
        image: (H, W, 3) sRGB, of any range.

    Returns:
        (H, W); float64 for integers, else the type of the image.

    Reference:
        ITU-R BT.601-7, 2011, section 2.5.1. Differences: none.
    """
    red, green, blue = np.moveaxis(image, -1, 0)
    return LUMA_WEIGHTS[0] * red + LUMA_WEIGHTS[1] * green + LUMA_WEIGHTS[2] * blue


def to_linear(image: np.ndarray) -> np.ndarray:
    """Convert sRGB to linear light, which is proportional to the number of photons.

    Args:
        image: sRGB in [0, 1], of any shape.

    Returns:
        Linear light in [0, 1], of the same shape and type.

    Reference:
        IEC 61966-2-1, 1999. Differences: none.
    """
    power = ((np.maximum(image, 0.04045) + 0.055) / 1.055) ** 2.4
    return np.where(image <= 0.04045, image / 12.92, power).astype(image.dtype)


def to_srgb(linear: np.ndarray) -> np.ndarray:
    """Convert linear light to sRGB: the inverse of `to_linear`.

    Args:
        linear: Linear light in [0, 1], of any shape.

    Returns:
        sRGB in [0, 1], of the same shape and type.

    Reference:
        IEC 61966-2-1, 1999. Differences: none.
    """
    power = 1.055 * np.maximum(linear, 0.0031308) ** (1 / 2.4) - 0.055
    return np.where(linear <= 0.0031308, linear * 12.92, power).astype(linear.dtype)
