"""Metrics of infrared-visible fusion with models of human contrast sensitivity: Qcb and Qcv.

Both are computed on the 8-bit lumas, as in `metrics.fusion`, each stretched to 0 to 255. Their
spatial frequencies assume the viewing distance of the implementations that tables are made with.
"""

import math

import cv2
import numpy as np

from lowlight_tf.metrics.pixels import PEAK, luma_8bit

CONTRAST_RADII = 2.0, 4.0  # of Qcb: sigmas of the Gaussians whose ratio is the local contrast
CONTRAST_WINDOW = 31  # pixels
CONTRAST_EPSILON = 1e-4  # of the contrast that is perceived, c^3 / (c^2 + epsilon)

BLOCK, SALIENCY_POWER = 16, 5  # of Qcv: side of a region (pixels); its weight is sum(gradient^5)


def qcb(visible: np.ndarray, infrared: np.ndarray, fused: np.ndarray) -> float:
    """Return how much of the perceived local contrast of both sources is preserved (Qcb).

    Images are filtered by the contrast sensitivity of the eye. The contrast of each pixel to its
    surroundings is compared with that of each source, which is weighed by the square of its own.

    Args:
        visible: (H, W), (H, W, 1) or (H, W, 3), uint8, or float in [0, 1].
        infrared: The same height and width.
        fused: The same height and width.

    Returns:
        0 to 1 (if all three are equal); higher is better.

    Raises:
        UsageError: If the sizes differ, or an image is not gray or RGB, or has pixels of another
            type or not finite.

    Reference:
        Chen and Blum, "A new automated quality assessment algorithm for image fusion", Image and
        Vision Computing 2009, with the filter (a difference of Gaussians), the constants and the
        stretching of the MATLAB implementation that tables are made with, VIFB's among them.
        Differences: where no source has contrast, both have the same weight; there it is NaN.
    """
    images = _stretch_lumas(visible, infrared, fused)
    frequency = _frequencies(fused.shape[:2]) / 15
    sensitivity = np.exp(-((frequency / 15.387) ** 2))
    sensitivity -= 0.7622 * np.exp(-((frequency / 1.3456) ** 2))
    *sources, preserved = (_perceive_contrast(_filter(image, sensitivity)) for image in images)
    energies = [np.square(source) for source in sources]
    total, score = sum(energies), 0.0
    for source, energy in zip(sources, energies, strict=True):
        weight = np.divide(energy, total, out=np.full_like(total, 0.5), where=total > 0)
        larger = np.maximum(source, preserved)
        ratio = np.ones_like(larger)
        np.divide(np.minimum(source, preserved), larger, out=ratio, where=larger > 0)
        score += float((weight * ratio).mean())
    return score


def qcv(visible: np.ndarray, infrared: np.ndarray, fused: np.ndarray) -> float:
    """Return the perceived difference to the sources where they are salient (Qcv).

    The mean squares of the differences, filtered by the contrast sensitivity of the eye, are
    averaged over regions of 16x16 pixels. The weight of a region of a source is the sum of the
    fifth powers of its gradients: strong edges decide.

    Args:
        visible: As in `qcb`.
        infrared: The same height and width.
        fused: The same height and width.

    Returns:
        Squared levels, at least 0; lower is better. NaN if both sources are black.

    Raises:
        UsageError: As `qcb`.

    Reference:
        Chen and Varshney, "A human perception inspired quality metric for image fusion based on
        regional information", Information Fusion 2007, with the filter of Mannos and Sakrison and
        the stretching of the MATLAB implementation that tables are made with, VIFB's among them.
        Differences: none from that.
    """
    *sources, fused = _stretch_lumas(visible, infrared, fused)
    frequency = 0.144 * _frequencies(fused.shape) / 4
    sensitivity = 2.6 * (0.0192 + frequency) * np.exp(-(frequency**1.1))
    weighted = total = 0.0
    for source in sources:
        edges = (
            cv2.Sobel(source, cv2.CV_64F, *order, borderType=cv2.BORDER_CONSTANT)
            for order in ((1, 0), (0, 1))
        )
        saliency = _block_sums(np.hypot(*edges) ** SALIENCY_POWER)
        error = _block_sums(np.square(_filter(source - fused, sensitivity))) / BLOCK**2
        weighted += float((saliency * error).sum())
        total += float(saliency.sum())
    return weighted / total if total else math.nan


def _stretch_lumas(
    visible: np.ndarray, infrared: np.ndarray, fused: np.ndarray
) -> list[np.ndarray]:
    """Return the lumas, float64, each with levels from 0 to 255."""
    images = luma_8bit(visible=visible, infrared=infrared, fused=fused)
    return [_stretch(image.astype(np.float64)) for image in images]


def _stretch(levels: np.ndarray) -> np.ndarray:
    low, high = levels.min(), levels.max()
    return np.rint((levels - low) / (high - low) * PEAK) if high > low else np.zeros_like(levels)


def _frequencies(size: tuple[int, int]) -> np.ndarray:
    """Return the spatial frequency of each value of `np.fft.rfft2`, in cycles per image."""
    height, width = size
    down = np.fft.fftfreq(height, 1 / height)[:, np.newaxis]
    return np.hypot(down, np.fft.rfftfreq(width, 1 / width))


def _filter(image: np.ndarray, response: np.ndarray) -> np.ndarray:
    return np.fft.irfft2(np.fft.rfft2(image) * response, image.shape)


def _perceive_contrast(image: np.ndarray) -> np.ndarray:
    """Return the contrast of each pixel to its surroundings, compressed near 0."""
    center, surround = (_blur(image, sigma) for sigma in CONTRAST_RADII)
    contrast = np.zeros_like(center)
    np.divide(center, surround, out=contrast, where=surround != 0)
    contrast = np.abs(contrast - (surround != 0))
    return contrast**3 / (contrast**2 + CONTRAST_EPSILON)


def _blur(image: np.ndarray, sigma: float) -> np.ndarray:
    kernel = cv2.getGaussianKernel(CONTRAST_WINDOW, sigma, cv2.CV_64F)
    return cv2.sepFilter2D(image, cv2.CV_64F, kernel, kernel, borderType=cv2.BORDER_CONSTANT)


def _block_sums(values: np.ndarray) -> np.ndarray:
    """Return the sum of each block of BLOCK x BLOCK values, of what remains at the borders too."""
    for axis in (0, 1):
        values = np.add.reduceat(values, range(0, values.shape[axis], BLOCK), axis)
    return values
