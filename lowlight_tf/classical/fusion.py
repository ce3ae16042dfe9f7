"""Two cameras' pictures into one without learning: the rows that a net has to lead."""

import cv2
import numpy as np

PYRAMID_LEVELS = 4
"""Halvings of a Laplacian pyramid."""

BASE_FILTER_SIZE = 31
"""Side of the mean that splits base from detail (pixels)."""

SALIENCE = 11, 5.0
"""Side and spread of the Gaussian over the edges by which a source counts (pixels)."""

BASE_WEIGHT_FILTER, DETAIL_WEIGHT_FILTER = (45, 0.3), (7, 1e-6)
"""Radius (pixels) and regularization of the weights of base and detail."""


def visible(visible: np.ndarray, infrared: np.ndarray) -> np.ndarray:
    """Return what the visible camera saw: (H, W, 1) float32 in [0, 1], as all here."""
    return visible


def infrared(visible: np.ndarray, infrared: np.ndarray) -> np.ndarray:
    """Return what the infrared camera saw: (H, W, 1) float32 in [0, 1], as all here."""
    return infrared


def average(visible: np.ndarray, infrared: np.ndarray) -> np.ndarray:
    """Return the mean of two lumas.

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
    """Return the detail of whichever source has more of it, on the mean of what is left.

    Args:
        visible: (H, W, 1) float32 in [0, 1].
        infrared: The same.
        levels: How often the pictures are halved; as often as leaves a pixel, in small ones.

    Returns:
        The same, clipped.

    Reference:
        Burt and Adelson, "The Laplacian pyramid as a compact image code", IEEE Transactions on
        Communications 1983; the choice of the larger coefficient: Burt and Kolczynski, "Enhanced
        image capture through fusion", ICCV 1993. Differences: coefficients are chosen one by one,
        by their magnitude, not by the energy around them.
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
    """Return base and detail of two lumas, weighted by which has the stronger edges around.

    At each pixel the more salient source is chosen, and a guided filter makes this map follow the
    edges of that source: widely for the base, closely for the detail.

    Args:
        visible: (H, W, 1) float32 in [0, 1].
        infrared: The same.

    Returns:
        The same, clipped.

    Reference:
        Li, Kang and Hu, "Image Fusion With Guided Filtering", IEEE TIP 2013, with its parameters
        (base 31, salience 11 and 5, weights r1 = 45, e1 = 0.3, r2 = 7, e2 = 1e-6). Differences:
        weights below zero count as none; sources that are equally salient share the pixel.
    """
    sources = [np.float64(image[..., 0]) for image in (visible, infrared)]
    salience = [_salience(source) for source in sources]
    most = np.maximum(*salience)
    chosen = [np.float64(one >= most) for one in salience]
    bases = [cv2.blur(one, (BASE_FILTER_SIZE, BASE_FILTER_SIZE), borderType=cv2.BORDER_REPLICATE) for one in sources]
    details = [source - base for source, base in zip(sources, bases, strict=True)]
    fused = _weighted(bases, sources, chosen, *BASE_WEIGHT_FILTER)
    fused += _weighted(details, sources, chosen, *DETAIL_WEIGHT_FILTER)
    return np.float32(fused.clip(0, 1))[..., None]


def apply_guided_filter(
    image: np.ndarray, guide: np.ndarray, radius: int, eps: float
) -> np.ndarray:
    """Return an image smoothed as a line of the guide in every window.

    Args:
        image: (H, W) float64.
        guide: (H, W) float64 in [0, 1].
        radius: Of the windows, 2 r + 1 pixels wide; at the border they are what is left of them.
        eps: Variance of the guide (in its units, squared) below which it is flat.

    Returns:
        (H, W) float64.

    Reference:
        He, Sun and Tang, "Guided Image Filtering", IEEE TPAMI 2013. Differences: none.
    """
    side = 2 * radius + 1
    whole = cv2.blur(np.ones_like(guide), (side, side), borderType=cv2.BORDER_CONSTANT)

    def mean(values: np.ndarray) -> np.ndarray:
        return cv2.blur(values, (side, side), borderType=cv2.BORDER_CONSTANT) / whole

    level, value = mean(guide), mean(image)
    slope = mean(guide * image) - level * value
    slope /= np.maximum(mean(guide * guide) - level * level, 0) + eps
    return mean(slope) * guide + mean(value - slope * level)


def _salience(image: np.ndarray) -> np.ndarray:
    edges = np.abs(cv2.Laplacian(image, cv2.CV_64F, borderType=cv2.BORDER_REPLICATE))
    side, spread = SALIENCE
    return cv2.GaussianBlur(edges, (side, side), spread, borderType=cv2.BORDER_REPLICATE)


def _weighted(
    layers: list[np.ndarray],
    guides: list[np.ndarray],
    chosen: list[np.ndarray],
    radius: int,
    regularization: float,
) -> np.ndarray:
    """Return the mean of two layers by the maps of who was chosen, made to follow the guides."""
    first, second = (
        np.maximum(apply_guided_filter(one, guide, radius, regularization), 0)
        for one, guide in zip(chosen, guides, strict=True)
    )
    total = np.maximum(first + second, np.finfo(np.float64).tiny)
    return (first * layers[0] + second * layers[1]) / total
