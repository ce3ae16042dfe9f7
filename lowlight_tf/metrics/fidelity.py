"""How near an enhanced picture is to its target: PSNR, SSIM, MAE, and the protocols they go by.

Every number here is that of the 8-bit picture which a file would hold: a float picture is clipped
to [0, 1] and rounded to 256 levels (a half to the even level) before anything is measured. All
sums are float64.
"""

from collections.abc import Iterator, Sequence

import cv2
import numpy as np

from lowlight_tf.checks import UsageError
from lowlight_tf.imaging.color import luma
from lowlight_tf.metrics.pixels import (
    PEAK,
    check_same_shape,
    quantize_8bit,
    shape_text,
    to_8bit_pair,
)
from lowlight_tf.registry import closest_match

PROTOCOLS = ("plain", "gt_mean", "luma")
"""What may be done to the two pictures before they are compared; see `under`."""

UNIT_RANGE = ("unit_range",)
"""Protocols of metrics that need no target: see `metrics.fusion.source_psnr`."""

SID_PROTOCOL, HALF_RESOLUTION = RAW_PROTOCOLS = ("sid", "half_resolution")
"""Protocols of RAW pictures: see `evaluation.exposure`, which brings both pictures to one size."""

WINDOW, SIGMA = 11, 1.5  # pixels
ROWS_PER_BAND = (
    256  # rows measured at a time: of 24 megapixels at once, float64 would fill gigabytes
)
C1, C2 = (0.01 * PEAK) ** 2, (0.03 * PEAK) ** 2


def psnr(target: np.ndarray, enhanced: np.ndarray) -> float:
    """Return the peak signal-to-noise ratio in dB: 10 log10(peak^2 / MSE).

    The mean squared error is pooled over all pixels and channels of the picture; averaging the PSNR
    of each channel instead would flatter. Equal pictures give infinity.

    Args:
        target: (H, W, C), uint8, or float in [0, 1].
        enhanced: The same shape; its type may differ.

    Raises:
        UsageError: If the shapes differ, or the pixels are of another type or not finite.
    """
    squares = sum(np.square(a - b).sum() for a, b in _bands(target, enhanced))
    return float(10 * np.log10(PEAK**2 * target.size / squares)) if squares else float("inf")


def ssim(target: np.ndarray, enhanced: np.ndarray) -> float:
    """Return the structural similarity, at most 1 (equal pictures), averaged over the channels.

    Args:
        target: (H, W, C) with H and W at least 11 pixels, uint8, or float in [0, 1].
        enhanced: The same shape; its type may differ.

    Raises:
        UsageError: If the shapes differ, a side is below 11 pixels, or the pixels are of another
            type or not finite.

    Reference:
        Wang et al., "Image Quality Assessment: From Error Visibility to Structural Similarity",
        TIP 2004: a Gaussian window of 11x11 pixels with sigma 1.5, K1 = 0.01, K2 = 0.03, population
        variances, and only windows that lie wholly inside the picture.
        Differences from the paper: each color channel is measured and the mean of them taken (the
        paper measures grey pictures), and no picture is shrunk before.
    """
    if min(target.shape[:2]) < WINDOW:
        raise UsageError(
            f"SSIM needs pictures of at least {WINDOW}x{WINDOW} pixels. "
            f"Received: {shape_text(target)}. Leave out `ssim` for such small pictures."
        )
    sums = [_similarities(*band) for band in _bands(target, enhanced, overlap=WINDOW - 1)]
    windows = (target.shape[0] - WINDOW + 1) * (target.shape[1] - WINDOW + 1) * target.shape[2]
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
    """Prepare two pictures for any metric, as a protocol wants them.

    - `plain`, and `sid` and `half_resolution` of RAW pictures: the 8-bit pictures as they are.
    - `gt_mean`: the 8-bit enhanced picture is multiplied by mean(luma of target) / mean(luma of
      enhanced), in float64 and with the lumas unrounded, clipped to 255 and rounded to 8 bits
      again. It forgives an exposure that is wrong all over, and so is higher by some dB: never
      compare it with `plain`. An all-black picture has no such factor and stays black.
    - `luma`: the full-range BT.601 lumas of the two 8-bit pictures, each rounded to 8 bits. (The
      luma of 16 to 235 that others take would give the same errors 1.3 dB more.)

    Args:
        protocol: One of `PROTOCOLS` or `RAW_PROTOCOLS`.
        target: (H, W, 3), uint8, or float in [0, 1].
        enhanced: The same shape; its type may differ.

    Returns:
        Target and enhanced, uint8: (H, W, 3), or (H, W, 1) for `luma`.

    Raises:
        UsageError: If there is no such protocol, or two such pictures cannot be compared.

    Reference:
        `gt_mean` came with Zhang et al., "Kindling the Darkness" (KinD), ACM MM 2019, in the code
        that evaluated it. Differences: there the lumas were rounded before their mean was taken.
    """
    check_protocol(protocol, PROTOCOLS + RAW_PROTOCOLS)
    if protocol not in ("gt_mean", "luma"):  # one at a time: two large ones in float64 are much
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
    protocol: str, known: Sequence[str] = PROTOCOLS + UNIT_RANGE + RAW_PROTOCOLS
) -> None:
    """Refuse a protocol that is not among the known, offering the nearest."""
    if protocol not in known:
        raise UsageError(
            f"No protocol is called {protocol!r}. Known: {closest_match(protocol, known)}."
        )


def _bands(
    target: np.ndarray, enhanced: np.ndarray, overlap: int = 0
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield the levels of both, `BAND` rows at a time from the top, each with the next's first."""
    check_same_shape(target, enhanced)
    for top in range(0, max(1, target.shape[0] - overlap), ROWS_PER_BAND):
        rows = slice(top, top + ROWS_PER_BAND + overlap)
        yield quantize_8bit(target[rows]), quantize_8bit(enhanced[rows])


def _similarities(target: np.ndarray, enhanced: np.ndarray) -> float:
    """Return the sum of the structural similarities of all windows inside two pictures' levels."""
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
    """Return the Gaussian-weighted means of all windows inside the picture: smaller by ten."""
    kernel = cv2.getGaussianKernel(WINDOW, SIGMA, cv2.CV_64F)
    inside = slice(WINDOW // 2, -(WINDOW // 2))
    return cv2.sepFilter2D(image, cv2.CV_64F, kernel, kernel)[inside, inside]
