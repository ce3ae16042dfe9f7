"""Headlights and lamps: does enhancing blow them up?"""

import math

import cv2
import numpy as np

from lowlight_tf.imaging.color import luma
from lowlight_tf.metrics.pixels import PEAK, quantize_8bit, to_8bit_pair

HIGHLIGHT_LEVEL = 0.98  # of white: luma from which a pixel counts as a light, or as dazzling
MIN_HIGHLIGHT_PIXELS = 1e-4  # of all pixels: what must be lights, or a few specks would decide
HALO_RADIUS = 1 / 20  # of the shorter side: how far around a light its glare is sought


def highlight_growth(low: np.ndarray, enhanced: np.ndarray) -> float:
    """Return how many times as large the dazzling area around lights is after enhancing.

    Definition card: a light is a pixel of the dark picture with a luma (BT.601) of at least 0.98
    of white. Around the lights lies all that is within a twentieth of the shorter side (rounded,
    at least one pixel) of one of them, in a disk. Dazzling is a pixel of the enhanced picture with
    a luma of at least 0.98 of white. The number is

        dazzling pixels around the lights / lights

    over the whole picture. 1: headlights are as large as they were. 4: they cover four times the
    area. Below 1: they are dimmed. NaN: less than a ten-thousandth of the dark picture is lights. A
    sky that is white already counts as a light; what grows white far from any light does not count
    here but in `clipped`.

    Args:
        low: The dark picture: (H, W, 3), uint8, or float in [0, 1], which is rounded to 8 bits.
        enhanced: What was made of it, of the same shape; its type may differ.

    Raises:
        UsageError: If the shapes differ, or the pixels are of another type or not finite.

    Reference:
        Our own.
    """
    lights, dazzling = (
        luma(picture) >= HIGHLIGHT_LEVEL * PEAK for picture in to_8bit_pair(low, enhanced)
    )
    count = np.count_nonzero(lights)
    if count < max(MIN_HIGHLIGHT_PIXELS * lights.size, 1):
        return math.nan
    reach = max(round(HALO_RADIUS * min(lights.shape)), 1)
    distance = cv2.distanceTransform(np.uint8(~lights), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return float(np.count_nonzero(dazzling & (distance <= reach)) / count)


def clipped_fraction(enhanced: np.ndarray) -> float:
    """Return the share of pixels, in percent, of which a channel is at 255: detail that is lost.

    Args:
        enhanced: (H, W, 3), uint8, or float in [0, 1], which is rounded to 8 bits.

    Raises:
        UsageError: If the pixels are of another type or not finite.
    """
    return float(100 * (quantize_8bit(enhanced).max(-1) == PEAK).mean())
