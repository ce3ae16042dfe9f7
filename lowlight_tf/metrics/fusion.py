"""What a fused picture holds, and what it took from its two sources: by histograms and levels.

All is measured on the 8-bit lumas (BT.601, full range) of the pictures; see `pixels.luma_8bit` for what
is taken. Infrared counts with its levels as they are. Every sum is float64.
"""

import math

import numpy as np

from lowlight_tf.checks import check_choice
from lowlight_tf.metrics.pixels import PEAK, luma_8bit

PROTOCOLS = ("plain", "unit_range")
"""By which arithmetic `source_psnr` goes; see there."""

LEVELS = 256


def entropy(fused: np.ndarray) -> float:
    """Return the entropy (EN) of the histogram of 256 levels, in bits: 0 (flat) to 8.

    Noise has a high one too: it says how much the levels vary, not how much of it means anything.

    Args:
        fused: (H, W), (H, W, 1) or (H, W, 3), uint8, or float in [0, 1].

    Raises:
        UsageError: If the picture is not gray or RGB, or has pixels of another type or not finite.

    Reference:
        Roberts et al., "Assessment of image fusion procedures using entropy, image quality, and
        multispectral classification", J. Applied Remote Sensing 2008. Differences: none; other
        evaluators agree.
    """
    return _bits(_counts(*luma_8bit(fused=fused)))


def mutual_information(visible: np.ndarray, infrared: np.ndarray, fused: np.ndarray) -> float:
    """Return the mutual information (MI) in bits, I(visible; fused) + I(infrared; fused).

    Args:
        visible: (H, W), (H, W, 1) or (H, W, 3), uint8, or float in [0, 1].
        infrared: The same height and width.
        fused: The same height and width.

    Returns:
        At least 0; more is better. A copy of one source has the entropy of that source at least.

    Raises:
        UsageError: If the sizes differ, or a picture is not gray or RGB, or has pixels of another
            type or not finite.

    Reference:
        Qu et al., "Information measure for performance of image fusion", Electronics Letters 2002.
        Differences between evaluators: those that use scikit-learn, and VIFB, count in nats (0.693
        of ours); VIFB stretches every picture to 0 to 255 before; some give the mean of the two.
    """
    *sources, fused = luma_8bit(visible=visible, infrared=infrared, fused=fused)
    return sum(_shared(source, fused) for source in sources)


def normalized_mutual_information(
    visible: np.ndarray, infrared: np.ndarray, fused: np.ndarray
) -> float:
    """Return Hossny's mutual information, 2 (I(V; F) / (H(V) + H(F)) + I(I; F) / (H(I) + H(F))).

    Divided by the entropies it does not grow with them, as `mutual_information` does.

    Args:
        visible: As `mutual_information` takes them.
        infrared: The same height and width.
        fused: The same height and width.

    Returns:
        0 to 2, without unit; more is better. NaN where the fused picture and a source are flat.

    Raises:
        UsageError: As `mutual_information`.

    Reference:
        Hossny et al., "Comments on 'Information measure for performance of image fusion'",
        Electronics Letters 2008. Differences: none.
    """
    *sources, fused = luma_8bit(visible=visible, infrared=infrared, fused=fused)
    total = 0.0
    for source in sources:
        entropies = _bits(_counts(source)) + _bits(_counts(fused))
        total += 2 * _shared(source, fused) / entropies if entropies else math.nan
    return total


def cross_entropy(visible: np.ndarray, infrared: np.ndarray, fused: np.ndarray) -> float:
    """Return the cross entropy (CE) in bits, the mean of that of both sources.

    For a source with shares p of pixels at each level, and the fused picture with shares q, it is
    the sum of p log2(p / q) over the levels that both have.

    Args:
        visible: As `mutual_information` takes them.
        infrared: The same height and width.
        fused: The same height and width.

    Returns:
        0 for three equal histograms; less is better. It can fall below 0, even far, where the fused
        picture lacks levels of a source: read it with the others only.

    Raises:
        UsageError: As `mutual_information`.

    Reference:
        Bulanon et al., "Image fusion of visible and thermal images for fruit detection",
        Biosystems Engineering 2009, as VIFB computes it (Zhang et al., CVPR Workshops 2020).
        Differences: none. It is the divergence of Kullback and Leibler, which other fields do not
        call cross entropy, except for the levels left out, which would make that infinite.
    """
    *sources, fused = luma_8bit(visible=visible, infrared=infrared, fused=fused)
    shares = _counts(fused) / fused.size
    return sum(_divergence(_counts(source) / source.size, shares) for source in sources) / 2


def standard_deviation(fused: np.ndarray) -> float:
    """Return the standard deviation (SD) of the levels: contrast, 0 to 127.5; more is better.

    Args:
        fused: As `entropy` takes it.

    Raises:
        UsageError: As `entropy`.

    Reference:
        Rao, "In-fibre Bragg grating sensors", Measurement Science and Technology 1997, is what the
        field cites. Differences between evaluators: MATLAB's std2 divides by one pixel less (no
        visible change); some print the formula without the division, or measure on [0, 1].
    """
    return float(np.std(_levels(fused)))


def spatial_frequency(fused: np.ndarray) -> float:
    """Return the spatial frequency (SF): the root of the mean squared steps along rows and columns.

    Args:
        fused: As `entropy` takes it, at least 2x2 pixels.

    Returns:
        sqrt(mean(dx^2) + mean(dy^2)) in levels; more is better, noise included.

    Raises:
        UsageError: As `entropy`.

    Reference:
        Eskicioglu and Fisher, "Image quality measures and their performance", IEEE Trans.
        Communications 1995. Differences: each mean is over the steps there are, as in the common
        Python evaluators; the paper and VIFB divide by all pixels, a thousandth less at 640x480.
    """
    levels = _levels(fused)
    steps = (np.diff(levels, axis=axis) for axis in (0, 1))
    return math.sqrt(sum(np.square(step).mean() for step in steps))


def average_gradient(fused: np.ndarray) -> float:
    """Return the average gradient (AG): the mean of sqrt((dx^2 + dy^2) / 2), in levels per pixel.

    dx and dy are central differences, and one-sided ones at the border.

    Args:
        fused: As `entropy` takes it, at least 2x2 pixels.

    Returns:
        At least 0; more is better, noise included.

    Raises:
        UsageError: As `entropy`.

    Reference:
        Cui et al., "Detail preserved fusion of visible and infrared images using regional saliency
        extraction and multi-scale image decomposition", Optics Communications 2015. Differences:
        the paper takes the step to the next pixel, which noise makes larger; central differences
        are what evaluators take. VIFB divides by (H - 1)(W - 1) instead of the number of pixels.
    """
    down, across = np.gradient(_levels(fused))
    return float(np.sqrt((across * across + down * down) / 2).mean())


def source_mse(visible: np.ndarray, infrared: np.ndarray, fused: np.ndarray) -> float:
    """Return the mean squared error to the sources, of levels in [0, 1]: the mean over both.

    Args:
        visible: As `mutual_information` takes them.
        infrared: The same height and width.
        fused: The same height and width.

    Returns:
        At least 0; less is better. It is least for the plain average of the two.

    Raises:
        UsageError: As `mutual_information`.

    Reference:
        Jagalingam and Hegde, "A Review of Quality Metrics for Fused Image", Aquatic Procedia 2015.
        Differences between evaluators: many square whole levels (65,025 times ours); VIFB divides
        the root of the summed squares by the number of pixels, which is no mean squared error.
    """
    *sources, fused = (levels / PEAK for levels in _all_levels(visible, infrared, fused))
    return float(sum(np.square(source - fused).mean() for source in sources) / 2)


def source_psnr(
    visible: np.ndarray, infrared: np.ndarray, fused: np.ndarray, *, protocol: str = "plain"
) -> float:
    """Return the peak signal-to-noise ratio to the sources in dB, from `source_mse`.

    Protocols, whose numbers never compare:

    - `plain`: 10 log10(255^2 / MSE) with the MSE of 8-bit levels, mean of both sources. The right
      one: 13.7 dB at an MSE of 0.0428 of levels in [0, 1].
    - `seed`: the peak is that of 8 bits, 255, and the levels those of [0, 1]: 48.13 dB more. A
      published "PSNR 61.865 at MSE 0.0428" is this arithmetic: 61.8 dB at that MSE. (The mean over
      pictures is at least the PSNR of their mean MSE, hence the last digits.)

    Args:
        visible: As `mutual_information` takes them.
        infrared: The same height and width.
        fused: The same height and width.
        protocol: One of `PROTOCOLS`.

    Returns:
        More is nearer to both sources; infinite where all three are equal.

    Raises:
        UsageError: As `mutual_information`, or if there is no such protocol.

    Reference:
        As `source_mse`. Differences between evaluators: some take the largest level of the fused
        picture for the peak; VIFB's MSE is another (see there), which gives about 60 dB as well.
    """
    check_choice("protocol", protocol, PROTOCOLS)
    error = source_mse(visible, infrared, fused)
    peak = PEAK if protocol == "unit_range" else 1.0
    return 10 * math.log10(peak**2 / error) if error else math.inf


def scd(visible: np.ndarray, infrared: np.ndarray, fused: np.ndarray) -> float:
    """Return the sum of the correlations of differences: r(F - I, V) + r(F - V, I).

    What the fused picture has beyond one source should be what the other one shows.

    Args:
        visible: As `mutual_information` takes them.
        infrared: The same height and width.
        fused: The same height and width.

    Returns:
        -2 to 2; more is better. What is flat correlates with nothing and counts 0: so a copy of one
        source is judged by its difference to the other alone.

    Raises:
        UsageError: As `mutual_information`.

    Reference:
        Aslantas and Bendes, "A new image quality metric for image fusion: The sum of the
        correlations of differences", AEU 2015. Differences: what is flat is undefined there.
    """
    visible, infrared, fused = _all_levels(visible, infrared, fused)
    return _correlation(fused - infrared, visible) + _correlation(fused - visible, infrared)


def _levels(fused: np.ndarray) -> np.ndarray:
    return luma_8bit(fused=fused)[0].astype(np.float64)


def _all_levels(visible: np.ndarray, infrared: np.ndarray, fused: np.ndarray) -> list[np.ndarray]:
    pictures = luma_8bit(visible=visible, infrared=infrared, fused=fused)
    return [picture.astype(np.float64) for picture in pictures]


def _counts(levels: np.ndarray) -> np.ndarray:
    return np.bincount(levels.ravel(), minlength=LEVELS)


def _bits(counts: np.ndarray) -> float:
    """Return the entropy of a histogram, in bits."""
    shares = counts[counts > 0] / counts.sum()
    return float((shares * np.log2(1 / shares)).sum())


def _shared(first: np.ndarray, second: np.ndarray) -> float:
    """Return the mutual information of two uint8 pictures, in bits."""
    joint = LEVELS * first.ravel().astype(np.intp) + second.ravel()
    apart = _bits(_counts(first)) + _bits(_counts(second))
    return max(apart - _bits(np.bincount(joint)), 0.0)  # rounding may leave less than nothing


def _divergence(shares: np.ndarray, others: np.ndarray) -> float:
    both = (shares > 0) & (others > 0)
    return float((shares[both] * np.log2(shares[both] / others[both])).sum())


def _correlation(first: np.ndarray, second: np.ndarray) -> float:
    first, second = first - first.mean(), second - second.mean()
    norm = math.sqrt(np.square(first).sum() * np.square(second).sum())
    return float((first * second).sum() / norm) if norm else 0.0
