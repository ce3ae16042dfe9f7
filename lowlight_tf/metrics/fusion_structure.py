"""Metrics of infrared-visible fusion that measure preserved structure: SSIM, Qabf, VIF.

All are computed on the 8-bit lumas, as in `metrics.fusion`. Every sum is float64.
"""

import math

import cv2
import numpy as np

from lowlight_tf.checks import UsageError
from lowlight_tf.metrics import fidelity
from lowlight_tf.metrics.pixels import format_shape, luma_8bit

GAMMA_G, KAPPA_G, SIGMA_G = 0.9994, -15, 0.5  # of Qabf: preservation of edge strength
GAMMA_A, KAPPA_A, SIGMA_A = 0.9879, -22, 0.8  # and of edge orientation

VIF_WINDOW_SIZES = (17, 9, 5, 3)  # pixels, one for each scale
VIF_MIN_SIDE = 41  # pixels; below, the last scale has no window
VIF_NOISE_VARIANCE = 2.0  # of the human visual system, squared levels
VIF_EPSILON = 1e-10  # variance below which a window is flat


def source_ssim(visible: np.ndarray, infrared: np.ndarray, fused: np.ndarray) -> float:
    """Return the structural similarity to both sources, SSIM(V, F) + SSIM(I, F).

    Args:
        visible: (H, W), (H, W, 1) or (H, W, 3), at least 11x11 pixels, uint8, or float in [0, 1].
        infrared: The same height and width.
        fused: The same height and width.

    Returns:
        At most 2; higher is better.

    Raises:
        UsageError: If the sizes differ, or an image is not gray or RGB, is below 11x11 pixels, or
            has pixels of another type or not finite.

    Reference:
        Wang et al., TIP 2004: see `fidelity.ssim`. Differences between implementations: the
        common Python one sums as here, but over uniform windows of 7x7 pixels, which gives a little
        less; others use the mean of the two.
    """
    *sources, fused = luma_8bit(visible=visible, infrared=infrared, fused=fused)
    return sum(fidelity.ssim(source[..., None], fused[..., None]) for source in sources)


def qabf(visible: np.ndarray, infrared: np.ndarray, fused: np.ndarray) -> float:
    """Return how much of the edges of both sources is preserved, strength and orientation (Qabf).

    Args:
        visible: (H, W), (H, W, 1) or (H, W, 3), uint8, or float in [0, 1].
        infrared: The same height and width.
        fused: The same height and width.

    Returns:
        0 to 0.975 (if both sources and the fused image are equal); higher is better. NaN if both
        sources are black.

    Raises:
        UsageError: If the sizes differ, or an image is not gray or RGB, or has pixels of another
            type or not finite.

    Reference:
        Xydeas and Petrovic, "Objective image fusion performance measure", Electronics Letters 2000:
        Sobel edges, an edge has its strength as weight (L = 1), constants of the paper. As in the
        common implementations the padding is black, so that the border of the image is an edge,
        which is always preserved: it adds 0.01 to 0.08 on road pairs. Orientations are in half a
        turn: an edge along a row whose orientation changes sign counts as lost.
        Differences: for equal strengths, implementations use the strength itself as their ratio,
        which is 1; this changes the fifth digit. Some use | |a - b| - pi/2 | for the orientation,
        which corrects the change of sign and is 0.02 to 0.07 higher.
    """
    images = luma_8bit(visible=visible, infrared=infrared, fused=fused)
    *sources, fused_edges = (_edges(image) for image in images)
    preserved = sum(
        (strength * _edge_preservation(strength, angle, *fused_edges)).sum()
        for strength, angle in sources
    )
    weight = sum(strength.sum() for strength, _ in sources)
    return float(preserved / weight) if weight else math.nan


def vif(visible: np.ndarray, infrared: np.ndarray, fused: np.ndarray) -> float:
    """Return the visual information fidelity (VIF) to both sources, VIF(V, F) + VIF(I, F).

    Each is the information on the source that can be extracted from the fused image, divided by
    that which can be extracted from the source itself.

    Args:
        visible: (H, W), (H, W, 1) or (H, W, 3), at least 41x41 pixels, uint8, or float in [0, 1].
        infrared: The same height and width.
        fused: The same height and width.

    Returns:
        1 for each source that equals the fused image, above 1 for one whose contrast is raised;
        higher is better. NaN if a source is flat.

    Raises:
        UsageError: If the sizes differ, or an image is not gray or RGB, is below 41x41 pixels, or
            has pixels of another type or not finite.

    Reference:
        Sheikh and Bovik, "Image Information and Visual Quality", TIP 2006, in the authors' version
        in the pixel domain (VIFp): four scales, Gaussian windows of 17, 9, 5 and 3 pixels with a
        fifth of it as sigma, noise variance of 2. Differences: a flat source has no VIF here, and 1
        in other implementations. VIFF, the fusion metric of Han et al. 2013, is another one; some
        tables with the heading VIFF contain this one.
    """
    images = luma_8bit(visible=visible, infrared=infrared, fused=fused)
    if min(images[0].shape) < VIF_MIN_SIDE:
        raise UsageError(
            f"VIF needs images of at least {VIF_MIN_SIDE}x{VIF_MIN_SIDE} pixels. "
            f"Received: {format_shape(images[0])}. Leave out `vif` for such small images."
        )
    # Variances do not depend on the mean; without it there is less cancellation.
    *sources, fused = (image - image.mean() for image in images)
    return sum(_information_fidelity(source, fused) for source in sources)


def _edges(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return strength and orientation (radians, -pi/2 to pi/2) of the Sobel edges."""
    options = {"ksize": 3, "borderType": cv2.BORDER_CONSTANT}
    left = -cv2.Sobel(image, cv2.CV_64F, 1, 0, **options)
    down = cv2.Sobel(image, cv2.CV_64F, 0, 1, **options)
    slope = np.divide(down, left, out=np.full_like(left, np.inf), where=left != 0)
    return np.hypot(left, down), np.arctan(slope)


def _edge_preservation(
    strength: np.ndarray, angle: np.ndarray, strength_f: np.ndarray, angle_f: np.ndarray
) -> np.ndarray:
    """Return how well each edge of a source is preserved in the fused image, 0 to 1."""
    stronger = np.maximum(strength, strength_f)
    ratio = np.ones_like(stronger)
    np.divide(np.minimum(strength, strength_f), stronger, out=ratio, where=stronger > 0)
    similarity = 1 - np.abs(angle - angle_f) / (np.pi / 2)
    strength_preservation = GAMMA_G / (1 + np.exp(KAPPA_G * (ratio - SIGMA_G)))
    orientation_preservation = GAMMA_A / (1 + np.exp(KAPPA_A * (similarity - SIGMA_A)))
    return strength_preservation * orientation_preservation


def _information_fidelity(source: np.ndarray, fused: np.ndarray) -> float:
    """Return the VIF of a fused image to one source."""
    extracted = total = 0.0
    for scale, width in enumerate(VIF_WINDOW_SIZES):
        if scale:
            source, fused = (_means(image, width)[::2, ::2] for image in (source, fused))
        mean_s, mean_f = _means(source, width), _means(fused, width)
        variance_s = np.maximum(_means(source * source, width) - mean_s * mean_s, 0)
        variance_f = np.maximum(_means(fused * fused, width) - mean_f * mean_f, 0)
        covariance = _means(source * fused, width) - mean_s * mean_f
        textured = variance_s >= VIF_EPSILON
        valid = textured & (variance_f >= VIF_EPSILON) & (covariance > 0)
        gain = np.divide(
            covariance, variance_s + VIF_EPSILON, out=np.zeros_like(mean_s), where=valid
        )
        noise = np.maximum(variance_f - gain * covariance, VIF_EPSILON)
        snr = gain * gain * variance_s / (noise + VIF_NOISE_VARIANCE)
        extracted += np.log1p(snr[valid]).sum()
        total += np.log1p(variance_s[textured] / VIF_NOISE_VARIANCE).sum()
    return float(extracted / total) if total else math.nan


def _means(image: np.ndarray, width: int) -> np.ndarray:
    """Return the Gaussian-weighted means of all windows inside the image."""
    kernel = cv2.getGaussianKernel(width, width / 5, cv2.CV_64F)
    inside = slice(width // 2, -(width // 2))
    return cv2.sepFilter2D(image, cv2.CV_64F, kernel, kernel)[inside, inside]
