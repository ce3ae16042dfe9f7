"""A dark picture turned into its negative looks hazy, and haze can be taken off."""

import functools

import cv2
import numpy as np

from lowlight_tf.classical.illumination import max_rgb

WINDOW_SIZE = 9
"""Side of the window in which the darkest channel is looked for (pixels)."""

DEHAZE_STRENGTH = 0.8
"""How much of the haze is taken off."""

AIRLIGHT_CANDIDATES = 100
"""Pixels of the densest haze, among which the brightest shows the light of the air."""

MIN_TRANSMISSION = 0.1
"""Least of the light that passes the haze."""


def inverted_dehaze(low: np.ndarray) -> np.ndarray:
    """Return a picture whose negative was freed from haze.

    The haze of a place is the darkest channel of any pixel around it, over the light of the air.
    Where more than half of the light is lost in it, it is taken off twice as strongly.

    Args:
        low: (H, W, 3) float32 in [0, 1].

    Returns:
        The same. Takes about 60 bytes a pixel beside the picture.

    Reference:
        Dong et al., "Fast efficient algorithm for enhancement of low lighting video", ICME 2011.
        Differences: at least a tenth of the light passes the haze, as in He, Sun and Tang, "Single
        image haze removal using dark channel prior", CVPR 2009, and the light of the air is at
        least as much; the window, whose side the paper leaves open, is 9.
    """
    hazy = 1 - low
    densest = 1 - max_rgb(low).ravel()
    first = max(densest.size - AIRLIGHT_CANDIDATES, 0)
    candidates = hazy.reshape(-1, 3)[np.argpartition(densest, first)[first:]]
    air = np.maximum(candidates[candidates.sum(axis=-1).argmax()], MIN_TRANSMISSION)
    window = np.ones((WINDOW_SIZE, WINDOW_SIZE), np.uint8)
    haze = functools.reduce(np.minimum, np.moveaxis(hazy / air, -1, 0))
    passed = 1 - np.float32(DEHAZE_STRENGTH) * cv2.erode(haze, window)
    passed *= np.where(passed < 0.5, 2 * passed, 1)
    hazy -= air
    hazy /= np.maximum(passed, MIN_TRANSMISSION)[..., None]
    hazy += air
    return np.clip(1 - hazy, 0, 1)
