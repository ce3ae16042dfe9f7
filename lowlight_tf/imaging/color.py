"""Color of pictures: the grey that a television would show."""

import numpy as np

LUMA = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in the luma of BT.601."""


def luma(image: np.ndarray) -> np.ndarray:
    """Return the luma of a picture, in the picture's own range and not rounded.

    It is the full-range Y of JPEG: black is 0 and white is white, not 16 and 235.

    Args:
        image: (H, W, 3) sRGB, of any range.

    Returns:
        (H, W); float64 for integers, else the type that came.

    Reference:
        ITU-R BT.601-7, 2011, section 2.5.1. Differences: none.
    """
    red, green, blue = np.moveaxis(image, -1, 0)
    return LUMA[0] * red + LUMA[1] * green + LUMA[2] * blue


def to_linear(image: np.ndarray) -> np.ndarray:
    """Return light, proportional to photons, from sRGB.

    Args:
        image: sRGB in [0, 1], of any shape.

    Returns:
        Linear light in [0, 1], of the same shape and type.

    Reference:
        IEC 61966-2-1, 1999. Differences: none.
    """
    power = ((np.maximum(image, 0.04045) + 0.055) / 1.055) ** 2.4
    return np.where(image <= 0.04045, image / 12.92, power).astype(image.dtype)


def to_srgb(light: np.ndarray) -> np.ndarray:
    """Return sRGB from linear light: the inverse of `to_linear`.

    Args:
        light: Linear light in [0, 1], of any shape.

    Returns:
        sRGB in [0, 1], of the same shape and type.

    Reference:
        IEC 61966-2-1, 1999. Differences: none.
    """
    power = 1.055 * np.maximum(light, 0.0031308) ** (1 / 2.4) - 0.055
    return np.where(light <= 0.0031308, light * 12.92, power).astype(light.dtype)
