"""Growth and clipping of highlights, such as headlights and lamps, by enhancement."""

import math

import cv2
import numpy as np

from lowlight_tf.imaging.color import luma
from lowlight_tf.metrics.pixels import PEAK, quantize_8bit, to_8bit_pair

MIN_HIGHLIGHT_LUMA = 0.98
"""Luma, in [0, 1], from which a pixel is a highlight."""

MIN_HIGHLIGHT_FRACTION = 1e-4
"""Fraction of the pixels that must be highlights; below, a few bright pixels would dominate."""

HALO_RADIUS_FRACTION = 1 / 20
"""Radius around a highlight in which it may grow, as a fraction of the shorter side."""


def highlight_growth(low: np.ndarray, enhanced: np.ndarray) -> float:
    """Return the area of highlights after enhancement, divided by the area before.

    A highlight is a pixel with a luma (BT.601) of at least 0.98. The number is

        highlights of the enhanced image near highlights of the input / highlights of the input

    where near is within a disk with a radius of a twentieth of the shorter side (rounded, at least
    one pixel). 1: headlights are as large as before. 4: they cover four times the area. Below 1:
    they are dimmed. NaN: less than 0.01 percent of the input are highlights. A white sky is a
    highlight too; highlights far from any in the input do not count here but in `clipped_fraction`.

    Args:
        low: The low-light input: (H, W, 3), uint8, or float in [0, 1], which is rounded to 8 bits.
        enhanced: The enhanced image, of the same shape; its type may differ.

    Raises:
        UsageError: If the shapes differ, or the pixels are of another type or not finite.

    Reference:
        Our own.
    """
    before, after = (
        luma(image) >= MIN_HIGHLIGHT_LUMA * PEAK for image in to_8bit_pair(low, enhanced)
    )
    count = np.count_nonzero(before)
    if count < max(MIN_HIGHLIGHT_FRACTION * before.size, 1):
        return math.nan
    radius = max(round(HALO_RADIUS_FRACTION * min(before.shape)), 1)
    distance = cv2.distanceTransform(np.uint8(~before), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return float(np.count_nonzero(after & (distance <= radius)) / count)


def clipped_fraction(enhanced: np.ndarray) -> float:
    """Return the percentage of pixels with a channel at 255, whose detail is lost.

    Args:
        enhanced: (H, W, 3), uint8, or float in [0, 1], which is rounded to 8 bits.

    Raises:
        UsageError: If the pixels are of another type or not finite.
    """
    return float(100 * (quantize_8bit(enhanced).max(-1) == PEAK).mean())
