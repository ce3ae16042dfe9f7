"""Full-reference metrics of an enhanced image, PSNR, SSIM and MAE, and evaluation protocols.

All values are those of 8-bit images, as in a file: a float image is clipped to [0, 1] and rounded
to 256 levels (half to even) before anything is measured. All sums are float64.
"""

import math
from collections.abc import Iterator, Sequence

import cv2
import numpy as np

from lowlight_tf.checks import UsageError
from lowlight_tf.imaging.color import luma
from lowlight_tf.metrics.pixels import (
    PEAK,
    check_same_shape,
    format_shape,
    quantize_8bit,
    to_8bit_pair,
)
from lowlight_tf.registry import closest_match

PROTOCOLS = ("plain", "gt_mean", "luma")
"""Preprocessing of both images before they are compared; see `apply_protocol`."""

UNIT_RANGE_PROTOCOLS = ("unit_range",)
"""Protocols of metrics without a target: see `metrics.fusion.source_psnr`."""

SID_PROTOCOL, HALF_RESOLUTION = RAW_PROTOCOLS = ("sid", "half_resolution")
"""Protocols of RAW images: see `evaluation.raw_protocol`, which brings both images to one size."""

WINDOW_SIZE, SIGMA = 11, 1.5  # pixels
ROWS_PER_BAND = 256
"""Rows that are measured at a time: 24 megapixels at once would take gigabytes in float64."""

C1, C2 = (0.01 * PEAK) ** 2, (0.03 * PEAK) ** 2


def psnr(target: np.ndarray, enhanced: np.ndarray) -> float:
    """Return the peak signal-to-noise ratio in dB: 10 log10(peak^2 / MSE).

    The mean squared error is pooled over all pixels and channels of the image; the mean of the PSNR
    of each channel would be higher. Equal images give infinity.

    Args:
        target: (H, W, C), uint8, or float in [0, 1].
        enhanced: The same shape; its type may differ.

    Raises:
        UsageError: If the shapes differ, or the pixels are of another type or not finite.
    """
    squares = sum(np.square(a - b).sum() for a, b in _bands(target, enhanced))
    return float(10 * np.log10(PEAK**2 * target.size / squares)) if squares else float("inf")


def ssim(target: np.ndarray, enhanced: np.ndarray) -> float:
    """Return the structural similarity, at most 1 (equal images), averaged over the channels.

    Args:
        target: (H, W, C) with H and W at least 11 pixels, uint8, or float in [0, 1].
        enhanced: The same shape; its type may differ.

    Raises:
        UsageError: If the shapes differ, a side is below 11 pixels, or the pixels are of another
            type or not finite.

    Reference:
        Wang et al., "Image Quality Assessment: From Error Visibility to Structural Similarity",
        TIP 2004: a Gaussian window of 11x11 pixels with sigma 1.5, K1 = 0.01, K2 = 0.03, population
        variances, and only windows that are entirely inside the image.
        Differences from the paper: the mean over the color channels (the paper measures grey
        images), without downscaling.
    """
    if min(target.shape[:2]) < WINDOW_SIZE:
        raise UsageError(
            f"SSIM needs images of at least {WINDOW_SIZE}x{WINDOW_SIZE} pixels. "
            f"Received: {format_shape(target)}. Leave out `ssim` for such small images."
        )
    sums = [_similarities(*band) for band in _bands(target, enhanced, overlap=WINDOW_SIZE - 1)]
    windows = math.prod(side - WINDOW_SIZE + 1 for side in target.shape[:2]) * target.shape[2]
    return float(sum(sums) / windows)


def mae(target: np.ndarray, enhanced: np.ndarray) -> float:
    """Return the mean absolute error in [0, 1], pooled over all pixels and channels.

    Args:
        target: (H, W, C), uint8, or float in [0, 1].
        enhanced: The same shape; its type may differ.

    Raises:
        UsageError: If the shapes differ, or the pixels are of another type or not finite.
    """
    errors = sum(np.abs(a - b).sum() for a, b in _bands(target, enhanced))
    return float(errors / target.size / PEAK)


def apply_protocol(
    protocol: str, target: np.ndarray, enhanced: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Preprocess two images for a metric by a protocol.

    - `plain`, and `sid` and `half_resolution` of RAW images: the 8-bit images.
    - `gt_mean`: the 8-bit enhanced image is multiplied by mean(luma of target) / mean(luma of
      enhanced), in float64 with unrounded lumas, clipped to 255 and rounded to 8 bits again. It
      corrects a wrong global exposure, and so is higher by some dB: never compare it with `plain`.
      An all-black image has no such factor and stays black.
    - `luma`: the full-range BT.601 lumas of the two 8-bit images, each rounded to 8 bits. (With the
      limited-range luma, 16 to 235, that others use, the same errors have 1.3 dB more.)

    Args:
        protocol: One of `PROTOCOLS` or `RAW_PROTOCOLS`.
        target: (H, W, 3), uint8, or float in [0, 1].
        enhanced: The same shape; its type may differ.

    Returns:
        Target and enhanced, uint8: (H, W, 3), or (H, W, 1) for `luma`.

    Raises:
        UsageError: If there is no such protocol, or the images cannot be compared.

    Reference:
        `gt_mean` is from the evaluation code of Zhang et al., "Kindling the Darkness" (KinD), ACM
        MM 2019. Differences: their lumas are rounded before the mean.
    """
    check_protocol(protocol, PROTOCOLS + RAW_PROTOCOLS)
    if protocol not in ("gt_mean", "luma"):  # one at a time, to limit memory in float64
        check_same_shape(target, enhanced)
        return _quantize_levels(quantize_8bit(target)), _quantize_levels(quantize_8bit(enhanced))
    target, enhanced = to_8bit_pair(target, enhanced)
    if protocol == "gt_mean":
        mean = luma(enhanced).mean()
        enhanced = enhanced * (luma(target).mean() / mean if mean else 1.0)
    elif protocol == "luma":
        target, enhanced = luma(target)[..., None], luma(enhanced)[..., None]
    return _quantize_levels(target), _quantize_levels(enhanced)


def check_protocol(
    protocol: str, known: Sequence[str] = PROTOCOLS + UNIT_RANGE_PROTOCOLS + RAW_PROTOCOLS
) -> None:
    """Raise an error for a protocol that is not among the known; it names the closest match."""
    if protocol not in known:
        raise UsageError(
            f"No protocol is called {protocol!r}. Known: {closest_match(protocol, known)}."
        )


def _bands(
    target: np.ndarray, enhanced: np.ndarray, overlap: int = 0
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield both images in levels, in bands of `ROWS_PER_BAND` rows that overlap by `overlap`."""
    check_same_shape(target, enhanced)
    for top in range(0, max(1, target.shape[0] - overlap), ROWS_PER_BAND):
        rows = slice(top, top + ROWS_PER_BAND + overlap)
        yield quantize_8bit(target[rows]), quantize_8bit(enhanced[rows])


def _similarities(target: np.ndarray, enhanced: np.ndarray) -> float:
    """Return the sum of the structural similarities of all windows of two images, in levels."""
    mean_t, mean_e = _blur(target), _blur(enhanced)
    product = mean_t * mean_e
    power = mean_t * mean_t + mean_e * mean_e
    covariance = _blur(target * enhanced) - product
    variances = _blur(target * target + enhanced * enhanced) - power
    similarity = (2 * product + C1) * (2 * covariance + C2)
    similarity /= (power + C1) * (variances + C2)
    return float(similarity.sum())


def _quantize_levels(levels: np.ndarray) -> np.ndarray:
    return np.rint(np.minimum(levels, PEAK)).astype(np.uint8)


def _blur(image: np.ndarray) -> np.ndarray:
    """Return the Gaussian-weighted means of all windows inside the image: (H - 10, W - 10, C)."""
    kernel = cv2.getGaussianKernel(WINDOW_SIZE, SIGMA, cv2.CV_64F)
    inside = slice(WINDOW_SIZE // 2, -(WINDOW_SIZE // 2))
    return cv2.sepFilter2D(image, cv2.CV_64F, kernel, kernel)[inside, inside]
