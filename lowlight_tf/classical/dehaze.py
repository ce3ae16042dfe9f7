"""Enhancement by dehazing: the negative of a low-light image looks like haze."""

import functools

import cv2
import numpy as np

from lowlight_tf.classical.illumination import max_rgb

WINDOW_SIZE = 9
"""Side of the window of the dark channel (pixels)."""

DEHAZE_STRENGTH = 0.8
"""Fraction of the haze that is removed."""

AIRLIGHT_CANDIDATES = 100
"""Number of the haziest pixels, of which the brightest is the airlight."""

MIN_TRANSMISSION = 0.1
"""Lower limit of the transmission, and of the airlight."""


def inverted_dehaze(low: np.ndarray) -> np.ndarray:
    """Enhance an image, (H, W, 3), by removing haze from its negative.

    The haze of a pixel is the dark channel of its neighbourhood, relative to the airlight. Where
    the transmission is below one half, it is reduced further, to twice its square.

    Args:
        low: (H, W, 3) float32 in [0, 1].

    Returns:
        The same. Needs about 60 bytes per pixel in addition to the image.

    Reference:
        Dong et al., "Fast efficient algorithm for enhancement of low lighting video", ICME 2011.
        Differences: the transmission is at least 0.1, as in He, Sun and Tang, "Single image haze
        removal using dark channel prior", CVPR 2009, and so is the airlight; the window size, which
        the paper does not give, is 9.
    """
    negative = 1 - low
    haze = 1 - max_rgb(low).ravel()
    first = max(haze.size - AIRLIGHT_CANDIDATES, 0)
    candidates = negative.reshape(-1, 3)[np.argpartition(haze, first)[first:]]
    airlight = np.maximum(candidates[candidates.sum(axis=-1).argmax()], MIN_TRANSMISSION)
    window = np.ones((WINDOW_SIZE, WINDOW_SIZE), np.uint8)
    darkest = functools.reduce(np.minimum, np.moveaxis(negative / airlight, -1, 0))
    transmission = 1 - np.float32(DEHAZE_STRENGTH) * cv2.erode(darkest, window)
    transmission *= np.where(transmission < 0.5, 2 * transmission, 1)
    negative -= airlight
    negative /= np.maximum(transmission, MIN_TRANSMISSION)[..., None]
    negative += airlight
    return np.clip(1 - negative, 0, 1)
