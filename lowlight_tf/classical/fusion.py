"""Fusion of a visible and an infrared image without learning: the baselines of fusion models."""

import cv2
import numpy as np

PYRAMID_LEVELS = 4
"""Levels of the Laplacian pyramid."""

BASE_FILTER_SIZE = 31
"""Side of the mean filter that separates base and detail layers (pixels)."""

SALIENCY_SIZE, SALIENCY_SIGMA = 11, 5.0
"""Side and standard deviation of the Gaussian over the Laplacian (pixels)."""

BASE_WEIGHT_FILTER, DETAIL_WEIGHT_FILTER = (45, 0.3), (7, 1e-6)
"""Radius (pixels) and regularization of the guided filters of the weight maps."""


def visible(visible: np.ndarray, infrared: np.ndarray) -> np.ndarray:
    """Return the visible image, (H, W, 1) float32 in [0, 1]."""
    return visible


def infrared(visible: np.ndarray, infrared: np.ndarray) -> np.ndarray:
    """Return the infrared image, (H, W, 1) float32 in [0, 1]."""
    return infrared


def average(visible: np.ndarray, infrared: np.ndarray) -> np.ndarray:
    """Return the mean of two lumas, (H, W, 1).

    Args:
        visible: (H, W, 1) float32 in [0, 1].
        infrared: The same.

    Returns:
        The same.
    """
    return (visible + infrared) / np.float32(2)


def laplacian_pyramid(
    visible: np.ndarray, infrared: np.ndarray, *, levels: int = PYRAMID_LEVELS
) -> np.ndarray:
    """Fuse two lumas, (H, W, 1), by the larger coefficients of their Laplacian pyramids.

    The lowest level is the mean of both.

    Args:
        visible: (H, W, 1) float32 in [0, 1].
        infrared: The same.
        levels: Levels of the pyramid; fewer for small images, down to a single pixel.

    Returns:
        The same, clipped.

    Reference:
        Burt and Adelson, "The Laplacian pyramid as a compact image code", IEEE Transactions on
        Communications 1983; choice of the larger coefficient: Burt and Kolczynski, "Enhanced image
        capture through fusion", ICCV 1993. Differences: coefficients are chosen one by one, by
        magnitude, not by local energy.
    """
    bases = [np.float64(visible[..., 0]), np.float64(infrared[..., 0])]
    details = []
    while len(details) < levels and min(bases[0].shape) > 1:
        halves = [cv2.pyrDown(base) for base in bases]
        size = bases[0].shape[::-1]
        first, second = (
            base - cv2.pyrUp(half, dstsize=size) for base, half in zip(bases, halves, strict=True)
        )
        details.append(np.where(np.abs(first) >= np.abs(second), first, second))
        bases = halves
    fused = (bases[0] + bases[1]) / 2
    for detail in reversed(details):
        fused = detail + cv2.pyrUp(fused, dstsize=detail.shape[::-1])
    return np.float32(fused.clip(0, 1))[..., None]


def guided_filter(visible: np.ndarray, infrared: np.ndarray) -> np.ndarray:
    """Fuse the base and detail layers of two lumas, (H, W, 1), by saliency and guided filtering.

    The more salient source is selected at each pixel; a guided filter aligns this weight map with
    the edges of the source: with a large window for the base, with a small one for the detail.

    Args:
        visible: (H, W, 1) float32 in [0, 1].
        infrared: The same.

    Returns:
        The same, clipped.

    Reference:
        Li, Kang and Hu, "Image Fusion With Guided Filtering", IEEE TIP 2013, with its parameters
        (base 31, saliency 11 and 5, weights r1 = 45, e1 = 0.3, r2 = 7, e2 = 1e-6). Differences:
        negative weights count as zero; equally salient sources have equal weights.
    """
    sources = [np.float64(image[..., 0]) for image in (visible, infrared)]
    saliency = [_saliency(source) for source in sources]
    maximum = np.maximum(*saliency)
    weights = [np.float64(values >= maximum) for values in saliency]
    size = BASE_FILTER_SIZE, BASE_FILTER_SIZE
    bases = [cv2.blur(source, size, borderType=cv2.BORDER_REPLICATE) for source in sources]
    details = [source - base for source, base in zip(sources, bases, strict=True)]
    fused = _blend_layers(bases, sources, weights, *BASE_WEIGHT_FILTER)
    fused += _blend_layers(details, sources, weights, *DETAIL_WEIGHT_FILTER)
    return np.float32(fused.clip(0, 1))[..., None]


def apply_guided_filter(
    image: np.ndarray, guide: np.ndarray, radius: int, eps: float
) -> np.ndarray:
    """Smooth an image, (H, W), by a linear model of the guide in every window.

    Args:
        image: (H, W) float64.
        guide: (H, W) float64 in [0, 1].
        radius: Radius of the windows, which are 2 r + 1 pixels wide and cropped at the border.
        eps: Regularization: variance of the guide below which it counts as flat.

    Returns:
        (H, W) float64.

    Reference:
        He, Sun and Tang, "Guided Image Filtering", IEEE TPAMI 2013. Differences: none.
    """
    side = 2 * radius + 1
    coverage = cv2.blur(np.ones_like(guide), (side, side), borderType=cv2.BORDER_CONSTANT)

    def mean(values: np.ndarray) -> np.ndarray:
        return cv2.blur(values, (side, side), borderType=cv2.BORDER_CONSTANT) / coverage

    guide_mean, image_mean = mean(guide), mean(image)
    slope = mean(guide * image) - guide_mean * image_mean
    slope /= np.maximum(mean(guide * guide) - guide_mean * guide_mean, 0) + eps
    return mean(slope) * guide + mean(image_mean - slope * guide_mean)


def _saliency(image: np.ndarray) -> np.ndarray:
    edges = np.abs(cv2.Laplacian(image, cv2.CV_64F, borderType=cv2.BORDER_REPLICATE))
    size = SALIENCY_SIZE, SALIENCY_SIZE
    return cv2.GaussianBlur(edges, size, SALIENCY_SIGMA, borderType=cv2.BORDER_REPLICATE)


def _blend_layers(
    layers: list[np.ndarray],
    guides: list[np.ndarray],
    weights: list[np.ndarray],
    radius: int,
    eps: float,
) -> np.ndarray:
    """Return the mean of two layers, (H, W), by weight maps filtered by their guides."""
    first, second = (
        np.maximum(apply_guided_filter(weight, guide, radius, eps), 0)
        for weight, guide in zip(weights, guides, strict=True)
    )
    total = np.maximum(first + second, np.finfo(np.float64).tiny)
    return (first * layers[0] + second * layers[1]) / total
