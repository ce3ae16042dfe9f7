"""What fusion does to light: in the dark, normal and glare regions of the visible picture.

A night street is too dark in most places and too bright in a few. One number for the whole picture
hides the few: so each region has its own. Regions are told from the visible picture alone, whatever
is judged, so that they are the same for all. Lumas are BT.601, of 8 bits, as in `metrics.fusion`.
"""

import math
from typing import NamedTuple

import cv2
import numpy as np

from lowlight_tf.metrics.pixels import PEAK, luma_8bit

DARK_BELOW, GLARE_ABOVE = (
    0.25,
    0.75,
)  # of white: blurred luma below and above which a pixel is dark, or glare
BLUR_SIGMA = (
    1 / 100
)  # of the shorter side: sigma, so that neither a black wheel nor a speck is a region
MIN_REGION_FRACTION = 1e-3  # of all pixels: what a region must have, or it is none
CRUSHED_BELOW, SATURATED_ABOVE = (
    0.02,
    0.98,
)  # of white: luma up to which, and from which, nothing can be told


class LightRegionMasks(NamedTuple):
    """Where the visible picture is dark, normal and glare: (H, W) bool, each pixel in one."""

    dark: np.ndarray
    normal: np.ndarray
    glare: np.ndarray


def light_regions(visible: np.ndarray) -> LightRegionMasks:
    """Tell dark, normal and glare regions by the luma, blurred by a hundredth of the shorter side.

    Below a quarter of white is dark, above three quarters is glare: headlights, lamps, what they
    floodlight; and by day the sky.

    Args:
        visible: (H, W), (H, W, 1) or (H, W, 3), uint8, or float in [0, 1].

    Raises:
        UsageError: If the picture is not gray or RGB, or has pixels of another type or not finite.

    Reference:
        Our own.
    """
    gray = luma_8bit(visible=visible)[0].astype(np.float64)
    sigma = BLUR_SIGMA * min(gray.shape)
    blurred = cv2.GaussianBlur(gray, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE) / PEAK
    dark, glare = blurred < DARK_BELOW, blurred > GLARE_ABOVE
    return LightRegionMasks(dark, ~(dark | glare), glare)


def dark_luma(visible: np.ndarray, fused: np.ndarray) -> float:
    """Return the mean luma in dark regions, in [0, 1]: higher than the visible's own is lifted.

    Args:
        visible: (H, W), (H, W, 1) or (H, W, 3), uint8, or float in [0, 1].
        fused: The same height and width.

    Returns:
        NaN if less than a thousandth of the picture is such a region.

    Raises:
        UsageError: If the sizes differ, or a picture is not gray or RGB, or has pixels of another
            type or not finite.

    Reference:
        Our own.
    """
    return _luma(visible, fused, "dark")


def normal_luma(visible: np.ndarray, fused: np.ndarray) -> float:
    """Return the mean luma in normal regions, in [0, 1]: to be kept. See `dark_luma`."""
    return _luma(visible, fused, "normal")


def glare_luma(visible: np.ndarray, fused: np.ndarray) -> float:
    """Return the mean luma in glare regions, in [0, 1]: lower is subdued. See `dark_luma`."""
    return _luma(visible, fused, "glare")


def dark_detail(visible: np.ndarray, infrared: np.ndarray, fused: np.ndarray) -> float:
    """Return which share of the sources' gradients the fused picture keeps in dark regions.

    At each pixel the stronger of the two sources' gradients (Sobel, of any direction) is what could
    be kept; what is kept of it is the fused picture's, up to that. Their sums are divided: edges
    that are added, or exaggerated, earn nothing. Noise of a source counts as its detail.

    Args:
        visible: (H, W), (H, W, 1) or (H, W, 3), uint8, or float in [0, 1].
        infrared: The same height and width.
        fused: The same height and width.

    Returns:
        0 to 1; more is better. NaN if less than a thousandth of the picture is such a region, or it
        is flat in both sources.

    Raises:
        UsageError: If the sizes differ, or a picture is not gray or RGB, or has pixels of another
            type or not finite.

    Reference:
        Our own.
    """
    return _detail(visible, infrared, fused, "dark")


def normal_detail(visible: np.ndarray, infrared: np.ndarray, fused: np.ndarray) -> float:
    """Return which share of the gradients is kept in normal regions. See `dark_detail`."""
    return _detail(visible, infrared, fused, "normal")


def glare_detail(visible: np.ndarray, infrared: np.ndarray, fused: np.ndarray) -> float:
    """Return which share of the gradients is kept in glare regions. See `dark_detail`."""
    return _detail(visible, infrared, fused, "glare")


def dark_crushed(visible: np.ndarray, fused: np.ndarray) -> float:
    """Return the share (%) of dark regions with a luma of at most 0.02: nothing to be seen there.

    Args and errors are those of `dark_luma`; NaN likewise.
    """
    _, fused = luma_8bit(visible=visible, fused=fused)
    return 100 * _mean(fused <= CRUSHED_BELOW * PEAK, light_regions(visible).dark)


def glare_saturated(visible: np.ndarray, fused: np.ndarray) -> float:
    """Return the share (%) of glare regions with a luma of at least 0.98: what still dazzles.

    It looks only where the visible picture has glare: white that grows beyond is what `glare`
    counts. Args and errors are those of `dark_luma`; NaN likewise.
    """
    _, fused = luma_8bit(visible=visible, fused=fused)
    return 100 * _mean(fused >= SATURATED_ABOVE * PEAK, light_regions(visible).glare)


def _luma(visible: np.ndarray, fused: np.ndarray, region: str) -> float:
    _, fused = luma_8bit(visible=visible, fused=fused)
    return _mean(fused, getattr(light_regions(visible), region)) / PEAK


def _detail(visible: np.ndarray, infrared: np.ndarray, fused: np.ndarray, region: str) -> float:
    pictures = luma_8bit(visible=visible, infrared=infrared, fused=fused)
    *sources, found = (_gradient(picture) for picture in pictures)
    stronger, mask = np.maximum(*sources), getattr(light_regions(visible), region)
    there = _mean(stronger, mask)
    return _mean(np.minimum(found, stronger), mask) / there if there else math.nan


def _gradient(picture: np.ndarray) -> np.ndarray:
    across, down = (
        cv2.Sobel(picture, cv2.CV_64F, *axis, ksize=3, borderType=cv2.BORDER_REPLICATE)
        for axis in ((1, 0), (0, 1))
    )
    return np.hypot(across, down)


def _mean(values: np.ndarray, mask: np.ndarray) -> float:
    """Return the mean inside a mask, NaN where that holds too little of the picture."""
    enough = np.count_nonzero(mask) >= max(MIN_REGION_FRACTION * mask.size, 1)
    return float(values[mask].mean()) if enough else math.nan
