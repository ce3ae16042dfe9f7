"""Fusion metrics by light region: dark, normal and glare regions of the visible image.

A night street is too dark in most places and too bright in a few, which have no effect on a metric
of the full image: so each region has its own. The regions depend on the visible image only, so that
they are the same for all models. Lumas are BT.601 with 8 bits, as in `metrics.fusion`.
"""

import math
from typing import NamedTuple

import cv2
import numpy as np

from lowlight_tf.constants import (
    DARK_BELOW,
    DAY_ABOVE,
    DAY_GLARE_SHIFT,
    DAY_STEEPNESS,
    GLARE_ABOVE,
)
from lowlight_tf.metrics.pixels import PEAK, luma_8bit

BLUR_SIGMA_FRACTION = 1 / 100
"""Sigma of the blur before the thresholds, as a fraction of the shorter side, so that small objects
are no regions of their own."""

MIN_REGION_FRACTION = 1e-3
"""Fraction of the pixels below which a region is treated as absent."""

MAX_CRUSHED_LUMA, MIN_SATURATED_LUMA = 0.02, 0.98
"""Luma, in [0, 1], up to which a pixel is crushed black, and from which it is saturated."""

DAY_FROM, SKY_ABOVE, MIN_SKY_FRACTION = 0.5, 0.7, 0.08
"""Mean luma of a frame from which on it may have a sky, luma of a sky, and how much of the frame it
is at least."""


class LightRegionMasks(NamedTuple):
    """Masks of dark, normal and glare regions of the visible image: (H, W) bool, disjoint."""

    dark: np.ndarray
    normal: np.ndarray
    glare: np.ndarray


def light_regions(visible: np.ndarray) -> LightRegionMasks:
    """Segment dark, normal and glare regions by blurred luma.

    The sigma of the blur is a hundredth of the shorter side. Below 0.25 is dark, above 0.75 is
    glare: headlights, lamps and what they illuminate. By day, where the frame's mean luma is high,
    the limit rises by up to 0.4, beyond white: a bright sky is no glare.

    Args:
        visible: (H, W), (H, W, 1) or (H, W, 3), uint8, or float in [0, 1].

    Raises:
        UsageError: If the image is not gray or RGB, or has pixels of another type or not finite.

    Reference:
        Our own.
    """
    gray = luma_8bit(visible=visible)[0]
    blurred = _blur(gray)
    day = 1 / (1 + math.exp(-DAY_STEEPNESS * (gray.mean() / PEAK - DAY_ABOVE)))
    dark, glare = blurred < DARK_BELOW, blurred > GLARE_ABOVE + DAY_GLARE_SHIFT * day
    return LightRegionMasks(dark, ~(dark | glare), glare)


def dark_luma(visible: np.ndarray, fused: np.ndarray) -> float:
    """Return the mean luma in dark regions, in [0, 1]: higher is brighter.

    Args:
        visible: (H, W), (H, W, 1) or (H, W, 3), uint8, or float in [0, 1].
        fused: The same height and width.

    Returns:
        NaN if such regions are less than a thousandth of the image.

    Raises:
        UsageError: If the sizes differ, or an image is not gray or RGB, or has pixels of another
            type or not finite.

    Reference:
        Our own.
    """
    return _luma(visible, fused, "dark")


def normal_luma(visible: np.ndarray, fused: np.ndarray) -> float:
    """Return the mean luma in normal regions, in [0, 1]; it should not change. See `dark_luma`."""
    return _luma(visible, fused, "normal")


def glare_luma(visible: np.ndarray, fused: np.ndarray) -> float:
    """Return the mean luma in glare regions, in [0, 1]: lower is less glare. See `dark_luma`."""
    return _luma(visible, fused, "glare")


def dark_detail(visible: np.ndarray, infrared: np.ndarray, fused: np.ndarray) -> float:
    """Return the fraction of the sources' gradients that is preserved in dark regions.

    At each pixel the larger of the two sources' gradient magnitudes (Sobel) is the reference; the
    fused image's, up to the reference, is what is preserved. The result is the ratio of their sums:
    added or amplified edges do not count. Noise of a source counts as its detail.

    Args:
        visible: (H, W), (H, W, 1) or (H, W, 3), uint8, or float in [0, 1].
        infrared: The same height and width.
        fused: The same height and width.

    Returns:
        0 to 1; higher is better. NaN if such regions are less than a thousandth of the image, or
        are flat in both sources.

    Raises:
        UsageError: If the sizes differ, or an image is not gray or RGB, or has pixels of another
            type or not finite.

    Reference:
        Our own.
    """
    return _detail(visible, infrared, fused, "dark")


def normal_detail(visible: np.ndarray, infrared: np.ndarray, fused: np.ndarray) -> float:
    """Return the fraction of gradients that is preserved in normal regions. See `dark_detail`."""
    return _detail(visible, infrared, fused, "normal")


def glare_detail(visible: np.ndarray, infrared: np.ndarray, fused: np.ndarray) -> float:
    """Return the fraction of gradients that is preserved in glare regions. See `dark_detail`."""
    return _detail(visible, infrared, fused, "glare")


def dark_crushed(visible: np.ndarray, fused: np.ndarray) -> float:
    """Return the percentage of dark regions with a luma of at most 0.02 (crushed blacks).

    Args and errors are those of `dark_luma`; NaN likewise.
    """
    _, fused = luma_8bit(visible=visible, fused=fused)
    return 100 * _mean(fused <= MAX_CRUSHED_LUMA * PEAK, light_regions(visible).dark)


def glare_saturated(visible: np.ndarray, fused: np.ndarray) -> float:
    """Return the percentage of glare regions with a luma of at least 0.98 (saturated).

    Only the glare of the visible image counts: `highlight_growth` measures growth beyond it.
    Args and errors are those of `dark_luma`; NaN likewise.
    """
    _, fused = luma_8bit(visible=visible, fused=fused)
    return 100 * _mean(fused >= MIN_SATURATED_LUMA * PEAK, light_regions(visible).glare)


def sky_luma_ratio(visible: np.ndarray, fused: np.ndarray) -> float:
    """Return the mean luma of the sky by day, divided by that in the visible image.

    Sky is what is brighter than 0.7, blurred, in the upper half of a frame whose mean luma is at
    least 0.5. A clear sky is black in the infrared image, and a fusion should not darken it.

    Args and errors are those of `dark_luma`.

    Returns:
        1 if the sky is as bright as in the visible image. NaN if it is less than 8 % of the frame,
        or by night.

    Reference:
        Our own.
    """
    visible, fused = luma_8bit(visible=visible, fused=fused)
    sky = _blur(visible) > SKY_ABOVE
    sky[len(sky) // 2 :] = False
    if visible.mean() < DAY_FROM * PEAK or sky.mean() < MIN_SKY_FRACTION:
        return math.nan
    return float(fused[sky].mean() / visible[sky].mean())


def _blur(luma: np.ndarray) -> np.ndarray:
    """Return blurred 8-bit luma in [0, 1]; the sigma is a hundredth of the shorter side."""
    sigma = BLUR_SIGMA_FRACTION * min(luma.shape)
    luma = luma.astype(np.float64)
    return cv2.GaussianBlur(luma, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE) / PEAK


def _luma(visible: np.ndarray, fused: np.ndarray, region: str) -> float:
    _, fused = luma_8bit(visible=visible, fused=fused)
    return _mean(fused, getattr(light_regions(visible), region)) / PEAK


def _detail(visible: np.ndarray, infrared: np.ndarray, fused: np.ndarray, region: str) -> float:
    images = luma_8bit(visible=visible, infrared=infrared, fused=fused)
    *sources, gradient = (_gradient_magnitude(image) for image in images)
    reference, mask = np.maximum(*sources), getattr(light_regions(visible), region)
    total = _mean(reference, mask)
    return _mean(np.minimum(gradient, reference), mask) / total if total else math.nan


def _gradient_magnitude(image: np.ndarray) -> np.ndarray:
    across, down = (
        cv2.Sobel(image, cv2.CV_64F, *axis, ksize=3, borderType=cv2.BORDER_REPLICATE)
        for axis in ((1, 0), (0, 1))
    )
    return np.hypot(across, down)


def _mean(values: np.ndarray, mask: np.ndarray) -> float:
    """Return the mean inside a mask, NaN if the mask has too few pixels."""
    enough = np.count_nonzero(mask) >= max(MIN_REGION_FRACTION * mask.size, 1)
    return float(values[mask].mean()) if enough else math.nan
