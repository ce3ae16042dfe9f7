"""Tone curves: gamma, histogram equalization, CLAHE.

Both equalizations change the value of HSV, the maximum of red, green and blue, and keep the ratios
of the channels, so that hue and saturation are preserved and no channel leaves [0, 1].
"""

import cv2
import numpy as np

from lowlight_tf.classical.illumination import max_rgb
from lowlight_tf.imaging import dtypes

GAMMA_EXPONENT = 1 / 2.2
"""Exponent of the gamma curve: the usual encoding gamma of displays."""

CLIP_LIMIT, TILE_GRID = 2.0, 8
"""CLAHE: largest bin of a tile's histogram, as a multiple of its mean; tiles per row and column."""

MIN_VALUE = 1e-6
"""Value below which a pixel counts as black and has no hue."""


def gamma(low: np.ndarray, *, exponent: float = GAMMA_EXPONENT) -> np.ndarray:
    """Raise an image, (H, W, 3), to a power.

    Args:
        low: (H, W, 3) float32 in [0, 1].
        exponent: Exponent; below 1 it brightens.

    Returns:
        The same. Needs 12 bytes per pixel in addition to the image.

    Reference:
        Gonzalez and Woods, "Digital Image Processing", 4th edition, section 3.2. Differences: none.
    """
    return low ** np.float32(exponent)


def histogram_equalization(low: np.ndarray) -> np.ndarray:
    """Equalize the histogram of the values of an image, (H, W, 3).

    A value is mapped to the fraction of pixels that are not brighter, without counting the darkest
    ones. An image of a single value is returned itself.

    Args:
        low: (H, W, 3) float32 in [0, 1].

    Returns:
        The same. Needs about 30 bytes per pixel in addition to the image.

    Reference:
        Gonzalez and Woods, section 3.3; the darkest value becomes black as in OpenCV's
        `equalizeHist`. Differences: 65,536 levels, so that no level of a 16-bit image is lost.
    """
    value = max_rgb(low)
    levels = dtypes.img_as_uint16(value)
    counts = np.bincount(levels.ravel(), minlength=65536)
    darkest = counts[levels.min()]
    if darkest == levels.size:
        return low
    curve = (counts.cumsum() - darkest) / (levels.size - darkest)
    return _apply_to_value_channel(low, value, curve.astype(np.float32)[levels])


def clahe(low: np.ndarray, *, clip_limit: float = CLIP_LIMIT, tiles: int = TILE_GRID) -> np.ndarray:
    """Equalize the values of an image, (H, W, 3), locally, with limited contrast: CLAHE.

    Args:
        low: (H, W, 3) float32 in [0, 1].
        clip_limit: Largest bin of a tile's histogram, as a multiple of its mean; the excess is
            redistributed. Noise increases with it.
        tiles: Tiles per row and per column.

    Returns:
        The same; its values have 256 levels. Needs about 30 bytes per pixel in addition to the
        image.

    Reference:
        Zuiderveld, "Contrast Limited Adaptive Histogram Equalization", Graphics Gems IV, 1994, as
        OpenCV computes it. Differences: on the value of a color image, see above.
    """
    value = max_rgb(low)
    equalized = cv2.createCLAHE(clip_limit, (tiles, tiles)).apply(dtypes.img_as_uint8(value))
    return _apply_to_value_channel(low, value, dtypes.img_as_float32(equalized))


def _apply_to_value_channel(
    low: np.ndarray, value: np.ndarray, new_value: np.ndarray
) -> np.ndarray:
    """Return an image, (H, W, 3), with another value at each pixel; black becomes gray."""
    is_black = value < MIN_VALUE
    result = low * (new_value / np.where(is_black, 1, value))[..., None]
    result[is_black] = new_value[is_black][:, None]
    return np.minimum(result, 1, out=result)
