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
