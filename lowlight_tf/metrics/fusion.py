"""Metrics of infrared-visible fusion from histograms and levels.

All are computed on the 8-bit lumas (BT.601, full range) of the images; see `pixels.luma_8bit` for
the accepted images. Infrared is used as it is, without stretching. Every sum is float64.
"""

import math

import cv2
import numpy as np

from lowlight_tf.checks import check_choice
from lowlight_tf.metrics.pixels import PEAK, luma_8bit

PROTOCOLS = ("plain", "unit_range")
"""Definitions of `source_psnr`; see there."""

NUM_LEVELS = 256


def entropy(fused: np.ndarray) -> float:
    """Return the entropy (EN) of the histogram of 256 levels, in bits: 0 (flat) to 8.

    Noise has a high entropy too: it measures the variation of levels, not information on a scene.

    Args:
        fused: (H, W), (H, W, 1) or (H, W, 3), uint8, or float in [0, 1].

    Raises:
        UsageError: If the image is not gray or RGB, or has pixels of another type or not finite.

    Reference:
        Roberts et al., "Assessment of image fusion procedures using entropy, image quality, and
        multispectral classification", J. Applied Remote Sensing 2008. Differences: none; other
        implementations agree.
    """
    return _entropy(_histogram(*luma_8bit(fused=fused)))


def mutual_information(visible: np.ndarray, infrared: np.ndarray, fused: np.ndarray) -> float:
    """Return the mutual information (MI) in bits, I(visible; fused) + I(infrared; fused).

    Args:
        visible: (H, W), (H, W, 1) or (H, W, 3), uint8, or float in [0, 1].
        infrared: The same height and width.
        fused: The same height and width.

    Returns:
        At least 0; higher is better. A copy of one source has at least the entropy of that source.

    Raises:
        UsageError: If the sizes differ, or an image is not gray or RGB, or has pixels of another
            type or not finite.

    Reference:
        Qu et al., "Information measure for performance of image fusion", Electronics Letters 2002.
        Differences between implementations: those that use scikit-learn, and VIFB, use nats (0.693
        of ours); VIFB first stretches every image to 0 to 255; some use the mean of the two.
    """
    *sources, fused = luma_8bit(visible=visible, infrared=infrared, fused=fused)
    return sum(_mutual_information(source, fused) for source in sources)


def normalized_mutual_information(
    visible: np.ndarray, infrared: np.ndarray, fused: np.ndarray
) -> float:
    """Return Hossny's mutual information, 2 (I(V; F) / (H(V) + H(F)) + I(I; F) / (H(I) + H(F))).

    It is normalized by the entropies, on which `mutual_information` depends.

    Args:
        visible: As in `mutual_information`.
        infrared: The same height and width.
        fused: The same height and width.

    Returns:
        0 to 2; higher is better. NaN if the fused image and a source are flat.

    Raises:
        UsageError: As `mutual_information`.

    Reference:
        Hossny et al., "Comments on 'Information measure for performance of image fusion'",
        Electronics Letters 2008. Differences: none.
    """
    *sources, fused = luma_8bit(visible=visible, infrared=infrared, fused=fused)
    total = 0.0
    for source in sources:
        entropies = _entropy(_histogram(source)) + _entropy(_histogram(fused))
        total += 2 * _mutual_information(source, fused) / entropies if entropies else math.nan
    return total


def cross_entropy(visible: np.ndarray, infrared: np.ndarray, fused: np.ndarray) -> float:
    """Return the cross entropy (CE) in bits, the mean of that of both sources.

    For a source with the normalized histogram p and the fused image with q, it is the sum of
    p log2(p / q) over the levels that both contain.

    Args:
        visible: As in `mutual_information`.
        infrared: The same height and width.
        fused: The same height and width.

    Returns:
        0 for three equal histograms; lower is better. It can be far below 0 if the fused image
        lacks levels of a source: do not use it alone.

    Raises:
        UsageError: As `mutual_information`.

    Reference:
        Bulanon et al., "Image fusion of visible and thermal images for fruit detection",
        Biosystems Engineering 2009, as VIFB computes it (Zhang et al., CVPR Workshops 2020).
        Differences: none. It is the Kullback-Leibler divergence, which other fields do not call
        cross entropy, without the levels that would make that infinite.
    """
    *sources, fused = luma_8bit(visible=visible, infrared=infrared, fused=fused)
    q = _histogram(fused) / fused.size
    return sum(_divergence(_histogram(source) / source.size, q) for source in sources) / 2


def standard_deviation(fused: np.ndarray) -> float:
    """Return the standard deviation (SD) of the levels: contrast, 0 to 127.5; higher is better.

    Args:
        fused: As in `entropy`.

    Raises:
        UsageError: As `entropy`.

    Reference:
        Rao, "In-fibre Bragg grating sensors", Measurement Science and Technology 1997, is what the
        field cites. Differences between implementations: MATLAB's std2 divides by one pixel less
        (negligible); some omit the division, or use levels in [0, 1].
    """
    return float(np.std(_luma_levels(fused)))


def spatial_frequency(fused: np.ndarray) -> float:
    """Return the spatial frequency (SF): the RMS of the differences along rows and columns.

    Args:
        fused: As in `entropy`, at least 2x2 pixels.

    Returns:
        sqrt(mean(dx^2) + mean(dy^2)) in levels; higher is better, noise included.

    Raises:
        UsageError: As `entropy`.

    Reference:
        Eskicioglu and Fisher, "Image quality measures and their performance", IEEE Trans.
        Communications 1995. Differences: each mean is over the number of differences, as in
        the common Python implementations; the paper and VIFB divide by the number of pixels, 0.1%
        less at 640x480.
    """
    levels = _luma_levels(fused)
    differences = (np.diff(levels, axis=axis) for axis in (0, 1))
    return math.sqrt(sum(np.square(difference).mean() for difference in differences))


def average_gradient(fused: np.ndarray) -> float:
    """Return the average gradient (AG): the mean of sqrt((dx^2 + dy^2) / 2), in levels per pixel.

    dx and dy are central differences, and one-sided ones at the border.

    Args:
        fused: As in `entropy`, at least 2x2 pixels.

    Returns:
        At least 0; higher is better, noise included.

    Raises:
        UsageError: As `entropy`.

    Reference:
        Cui et al., "Detail preserved fusion of visible and infrared images using regional saliency
        extraction and multi-scale image decomposition", Optics Communications 2015. Differences:
        the paper uses forward differences, which are more sensitive to noise; implementations use
        central differences. VIFB divides by (H - 1)(W - 1) instead of the number of pixels.
    """
    down, across = np.gradient(_luma_levels(fused))
    return float(np.sqrt((across * across + down * down) / 2).mean())


def edge_intensity(fused: np.ndarray) -> float:
    """Return the edge intensity (EI): the mean strength of the Sobel edges, in levels.

    Args:
        fused: As in `entropy`.

    Returns:
        0 to 1443 (1020 sqrt(2)); higher is better, noise included.

    Raises:
        UsageError: As `entropy`.

    Reference:
        Rajalingam and Priya, "Hybrid multimodality medical image fusion technique for feature
        enhancement in medical diagnosis", IJESI 2018, as VIFB computes it. Differences: none.
    """
    levels = _luma_levels(fused)
    edges = (
        cv2.Sobel(levels, cv2.CV_64F, *order, borderType=cv2.BORDER_REPLICATE)
        for order in ((1, 0), (0, 1))
    )
    return float(np.hypot(*edges).mean())


def source_mse(visible: np.ndarray, infrared: np.ndarray, fused: np.ndarray) -> float:
    """Return the mean squared error to the sources, of levels in [0, 1]: the mean over both.

    Args:
        visible: As in `mutual_information`.
        infrared: The same height and width.
        fused: The same height and width.

    Returns:
        At least 0; lower is better. Its minimum is the average of the two.

    Raises:
        UsageError: As `mutual_information`.

    Reference:
        Jagalingam and Hegde, "A Review of Quality Metrics for Fused Image", Aquatic Procedia 2015.
        Differences between implementations: many use levels of 0 to 255 (65,025 times ours); VIFB
        divides the root of the summed squares by the number of pixels, which is not an MSE.
    """
    *sources, fused = (levels / PEAK for levels in _all_luma_levels(visible, infrared, fused))
    return float(sum(np.square(source - fused).mean() for source in sources) / 2)


def source_psnr(
    visible: np.ndarray, infrared: np.ndarray, fused: np.ndarray, *, protocol: str = "plain"
) -> float:
    """Return the peak signal-to-noise ratio to the sources in dB, from `source_mse`.

    Protocols, whose values are not comparable:

    - `plain`: 10 log10(255^2 / MSE) with the MSE of 8-bit levels, mean of both sources. The correct
      definition: 13.7 dB at an MSE of 0.0428 of levels in [0, 1].
    - `unit_range`: the peak is 255, and the levels are in [0, 1]: 48.13 dB more. A published "PSNR
      61.865 at MSE 0.0428" follows this definition: 61.8 dB at that MSE. (The mean over images is
      at least the PSNR of their mean MSE, hence the last digits.)

    Args:
        visible: As in `mutual_information`.
        infrared: The same height and width.
        fused: The same height and width.
        protocol: One of `PROTOCOLS`.

    Returns:
        Higher is closer to both sources; infinite if all three are equal.

    Raises:
        UsageError: As `mutual_information`, or if there is no such protocol.

    Reference:
        As `source_mse`. Differences between implementations: some use the maximum of the fused
        image as peak; VIFB's MSE is another (see there), which gives about 60 dB as well.
    """
    check_choice("protocol", protocol, PROTOCOLS)
    error = source_mse(visible, infrared, fused)
    peak = PEAK if protocol == "unit_range" else 1.0
    return 10 * math.log10(peak**2 / error) if error else math.inf


def scd(visible: np.ndarray, infrared: np.ndarray, fused: np.ndarray) -> float:
    """Return the sum of the correlations of differences: r(F - I, V) + r(F - V, I).

    The difference of the fused image and one source should correlate with the other source.

    Args:
        visible: As in `mutual_information`.
        infrared: The same height and width.
        fused: The same height and width.

    Returns:
        -2 to 2; higher is better. The correlation of a flat image is 0, so that a copy of one
        source is measured by its difference to the other only.

    Raises:
        UsageError: As `mutual_information`.

    Reference:
        Aslantas and Bendes, "A new image quality metric for image fusion: The sum of the
        correlations of differences", AEU 2015. Differences: for flat images it is undefined there.
    """
    visible, infrared, fused = _all_luma_levels(visible, infrared, fused)
    return _correlation(fused - infrared, visible) + _correlation(fused - visible, infrared)


def _luma_levels(fused: np.ndarray) -> np.ndarray:
    return luma_8bit(fused=fused)[0].astype(np.float64)


def _all_luma_levels(
    visible: np.ndarray, infrared: np.ndarray, fused: np.ndarray
) -> list[np.ndarray]:
    images = luma_8bit(visible=visible, infrared=infrared, fused=fused)
    return [image.astype(np.float64) for image in images]


def _histogram(levels: np.ndarray) -> np.ndarray:
    return np.bincount(levels.ravel(), minlength=NUM_LEVELS)


def _entropy(histogram: np.ndarray) -> float:
    """Return the entropy of a histogram, in bits."""
    p = histogram[histogram > 0] / histogram.sum()
    return float((p * np.log2(1 / p)).sum())


def _mutual_information(first: np.ndarray, second: np.ndarray) -> float:
    """Return the mutual information of two uint8 images, in bits."""
    joint = NUM_LEVELS * first.ravel().astype(np.intp) + second.ravel()
    entropies = _entropy(_histogram(first)) + _entropy(_histogram(second))
    return max(entropies - _entropy(np.bincount(joint)), 0.0)  # rounding may give less than 0


def _divergence(p: np.ndarray, q: np.ndarray) -> float:
    both = (p > 0) & (q > 0)
    return float((p[both] * np.log2(p[both] / q[both])).sum())


def _correlation(first: np.ndarray, second: np.ndarray) -> float:
    first, second = first - first.mean(), second - second.mean()
    norm = math.sqrt(np.square(first).sum() * np.square(second).sum())
    return float((first * second).sum() / norm) if norm else 0.0
