"""How much of the structure of two sources a fused picture keeps: SSIM, Qabf, VIF.

All is measured on the 8-bit lumas, as in `metrics.fusion`. Every sum is float64.
"""

import math

import cv2
import numpy as np

from lowlight_tf.checks import UsageError
from lowlight_tf.metrics import fidelity
from lowlight_tf.metrics.pixels import luma_8bit, shape_text

GAMMA_G, KAPPA_G, SIGMA_G = 0.9994, -15, 0.5  # of Qabf: how well the strength of edges is kept
GAMMA_A, KAPPA_A, SIGMA_A = 0.9879, -22, 0.8  # and their direction

WINDOWS = (17, 9, 5, 3)  # pixels, of VIF: one for each scale
MIN_SIDE = 41  # pixels: below, the last scale has no window left
NOISE_VARIANCE = 2.0  # variance (levels squared) of the noise of a looking eye
EPSILON = 1e-10  # variance below which a window is flat


def source_ssim(visible: np.ndarray, infrared: np.ndarray, fused: np.ndarray) -> float:
    """Return the structural similarity to both sources, SSIM(V, F) + SSIM(I, F).

    Args:
        visible: (H, W), (H, W, 1) or (H, W, 3), at least 11x11 pixels, uint8, or float in [0, 1].
        infrared: The same height and width.
        fused: The same height and width.

    Returns:
        At most 2; more is better.

    Raises:
        UsageError: If the sizes differ, or a picture is not gray or RGB, is below 11x11 pixels, or
            has pixels of another type or not finite.

    Reference:
        Wang et al., TIP 2004: see `fidelity.ssim`. Differences between evaluators: the common
        Python one sums as here, but over flat windows of 7x7 pixels, which gives a little less;
        others take the mean of the two.
    """
    *sources, fused = luma_8bit(visible=visible, infrared=infrared, fused=fused)
    return sum(fidelity.ssim(source[..., None], fused[..., None]) for source in sources)


def qabf(visible: np.ndarray, infrared: np.ndarray, fused: np.ndarray) -> float:
    """Return how much of the edges of both sources is kept, strength and direction (Qabf).

    Args:
        visible: (H, W), (H, W, 1) or (H, W, 3), uint8, or float in [0, 1].
        infrared: The same height and width.
        fused: The same height and width.

    Returns:
        0 to 0.975 (where both sources and the fused picture are one); more is better. NaN where
        both sources are black.

    Raises:
        UsageError: If the sizes differ, or a picture is not gray or RGB, or has pixels of another
            type or not finite.

    Reference:
        Xydeas and Petrovic, "Objective image fusion performance measure", Electronics Letters 2000:
        Sobel edges, an edge weighs as its strength (L = 1), constants as there. As in the common
        evaluators the picture lies on black, so that its frame is an edge, which is easily kept: it
        adds 0.01 to 0.08 on road pairs. And directions are within half a turn: an edge along a
        row that tips over it counts as lost.
        Differences: where strengths are equal, evaluators take the strength itself for their ratio,
        which is 1; this changes the fifth digit. Some take | |a - b| - pi/2 | for the direction,
        which mends the tipping and is 0.02 to 0.07 higher.
    """
    pictures = luma_8bit(visible=visible, infrared=infrared, fused=fused)
    *sources, edges = (_edges(picture) for picture in pictures)
    kept = sum(
        (strength * _edge_preservation(strength, angle, *edges)).sum()
        for strength, angle in sources
    )
    weight = sum(strength.sum() for strength, _ in sources)
    return float(kept / weight) if weight else math.nan


def vif(visible: np.ndarray, infrared: np.ndarray, fused: np.ndarray) -> float:
    """Return the visual information fidelity (VIF) to both sources, VIF(V, F) + VIF(I, F).

    Each is the information that an eye could draw from the source through the fused picture, over
    what it could draw from the source itself.

    Args:
        visible: (H, W), (H, W, 1) or (H, W, 3), at least 41x41 pixels, uint8, or float in [0, 1].
        infrared: The same height and width.
        fused: The same height and width.

    Returns:
        1 for each source that the fused picture equals, above 1 for one whose contrast it raises;
        more is better. NaN if a source is flat.

    Raises:
        UsageError: If the sizes differ, or a picture is not gray or RGB, is below 41x41 pixels, or
            has pixels of another type or not finite.

    Reference:
        Sheikh and Bovik, "Image Information and Visual Quality", TIP 2006, in the authors' version
        in the pixel domain (VIFp): four scales, Gaussian windows of 17, 9, 5 and 3 pixels with a
        fifth of it as sigma, noise of the eye of 2. Differences: a flat source has no VIF here, and
        1 in evaluators. VIFF, the fusion metric of Han et al. 2013, is another one; some tables
        that say VIFF hold this one.
    """
    pictures = luma_8bit(visible=visible, infrared=infrared, fused=fused)
    if min(pictures[0].shape) < MIN_SIDE:
        raise UsageError(
            f"VIF needs pictures of at least {MIN_SIDE}x{MIN_SIDE} pixels. "
            f"Received: {shape_text(pictures[0])}. Leave out `vif` for such small pictures."
        )
    # Variances do not change by the mean; without it they hardly cancel.
    *sources, fused = (picture - picture.mean() for picture in pictures)
    return sum(_fidelity(source, fused) for source in sources)


def _edges(picture: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return strength and direction (radians, -pi/2 to pi/2) of the Sobel edges."""
    black = {"ksize": 3, "borderType": cv2.BORDER_CONSTANT}
    left = -cv2.Sobel(picture, cv2.CV_64F, 1, 0, **black)
    down = cv2.Sobel(picture, cv2.CV_64F, 0, 1, **black)
    slope = np.divide(down, left, out=np.full_like(left, np.inf), where=left != 0)
    return np.hypot(left, down), np.arctan(slope)


def _edge_preservation(
    strength: np.ndarray, angle: np.ndarray, strength_f: np.ndarray, angle_f: np.ndarray
) -> np.ndarray:
    """Return how well each edge of a source is kept in the fused picture, 0 to 1."""
    stronger = np.maximum(strength, strength_f)
    ratio = np.ones_like(stronger)
    np.divide(np.minimum(strength, strength_f), stronger, out=ratio, where=stronger > 0)
    likeness = 1 - np.abs(angle - angle_f) / (np.pi / 2)
    in_strength = GAMMA_G / (1 + np.exp(KAPPA_G * (ratio - SIGMA_G)))
    in_direction = GAMMA_A / (1 + np.exp(KAPPA_A * (likeness - SIGMA_A)))
    return in_strength * in_direction


def _fidelity(source: np.ndarray, fused: np.ndarray) -> float:
    """Return the VIF of a fused picture to one source."""
    kept = total = 0.0
    for scale, width in enumerate(WINDOWS):
        if scale:
            source, fused = (_means(image, width)[::2, ::2] for image in (source, fused))
        mean_s, mean_f = _means(source, width), _means(fused, width)
        variance_s = np.maximum(_means(source * source, width) - mean_s * mean_s, 0)
        variance_f = np.maximum(_means(fused * fused, width) - mean_f * mean_f, 0)
        covariance = _means(source * fused, width) - mean_s * mean_f
        textured = variance_s >= EPSILON
        through = textured & (variance_f >= EPSILON) & (covariance > 0)
        gain = np.divide(covariance, variance_s + EPSILON, out=np.zeros_like(mean_s), where=through)
        noise = np.maximum(variance_f - gain * covariance, EPSILON)
        kept += np.log1p((gain * gain * variance_s / (noise + NOISE_VARIANCE))[through]).sum()
        total += np.log1p(variance_s[textured] / NOISE_VARIANCE).sum()
    return float(kept / total) if total else math.nan


def _means(image: np.ndarray, width: int) -> np.ndarray:
    """Return the Gaussian-weighted means of all windows inside the picture."""
    kernel = cv2.getGaussianKernel(width, width / 5, cv2.CV_64F)
    inside = slice(width // 2, -(width // 2))
    return cv2.sepFilter2D(image, cv2.CV_64F, kernel, kernel)[inside, inside]
