"""Tone curves that need nothing but the picture: gamma, histogram equalization, CLAHE.

Both equalizations change the value, the largest of red, green and blue, and keep the ratios of the
three, so that colors stay what they are and nothing leaves the range.
"""

import cv2
import numpy as np

from lowlight_tf.classical.illumination import max_rgb

GAMMA_EXPONENT = 1 / 2.2
"""Of the gamma curve: as if the picture had not been encoded for a screen yet."""

CLIP_LIMIT, TILE_GRID = 2.0, 8
"""Of CLAHE: how many times the mean count of a level may have, and tiles in a row and a column."""

MIN_VALUE = 1e-6
"""Value below which a pixel has no color."""


def gamma(low: np.ndarray, *, exponent: float = GAMMA_EXPONENT) -> np.ndarray:
    """Return a picture raised to a power.

    Args:
        low: (H, W, 3) float32 in [0, 1].
        exponent: Below 1 it brightens.

    Returns:
        The same. Takes 12 bytes a pixel beside the picture.

    Reference:
        Gonzalez and Woods, "Digital Image Processing", 4th edition, section 3.2. Differences: none.
    """
    return low ** np.float32(exponent)


def histogram_equalization(low: np.ndarray) -> np.ndarray:
    """Return a picture whose values are spread evenly from black to white.

    A value becomes the share of pixels that are darker or as dark, those of the darkest left out on
    either side. A picture of one value stays as it is.

    Args:
        low: (H, W, 3) float32 in [0, 1].

    Returns:
        The same. Takes about 30 bytes a pixel beside the picture.

    Reference:
        Gonzalez and Woods, section 3.3; that the darkest becomes black is the custom of OpenCV's
        `equalizeHist`. Differences: 65,536 levels, so that no step of a 16-bit picture is lost.
    """
    value = max_rgb(low)
    levels = np.rint(value * 65535).astype(np.uint16)
    counts = np.bincount(levels.ravel(), minlength=65536)
    darkest = counts[levels.min()]
    if darkest == levels.size:
        return low
    curve = (counts.cumsum() - darkest) / (levels.size - darkest)
    return _apply_to_value_channel(low, value, curve.astype(np.float32)[levels])


def clahe(low: np.ndarray, *, clip_limit: float = CLIP_LIMIT, tiles: int = TILE_GRID) -> np.ndarray:
    """Return a picture whose values are spread evenly around every place, to a limited degree.

    Args:
        low: (H, W, 3) float32 in [0, 1].
        clip_limit: How often a level may occur in a tile, over the mean of all levels; what is more is
            shared among all. Noise grows with it.
        tiles: Tiles in a row and in a column.

    Returns:
        The same; its values are of 256 levels. Takes about 30 bytes a pixel beside the picture.

    Reference:
        Zuiderveld, "Contrast Limited Adaptive Histogram Equalization", Graphics Gems IV, 1994, as
        OpenCV computes it. Differences: on the value of a color picture, see above.
    """
    value = max_rgb(low)
    levels = np.rint(value * 255).astype(np.uint8)
    spread = cv2.createCLAHE(clip_limit, (tiles, tiles)).apply(levels)
    return _apply_to_value_channel(low, value, np.divide(spread, 255, dtype=np.float32))


def _apply_to_value_channel(low: np.ndarray, value: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Return a picture with another value at every pixel; black becomes gray."""
    dark = value < MIN_VALUE
    result = low * (wanted / np.where(dark, 1, value))[..., None]
    result[dark] = wanted[dark][:, None]
    return np.minimum(result, 1, out=result)
