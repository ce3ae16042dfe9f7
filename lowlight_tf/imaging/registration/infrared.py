"""Infrared images as one channel of float32, whatever format the camera wrote."""

import functools
from pathlib import Path

import cv2
import numpy as np

from lowlight_tf.checks import UsageError
from lowlight_tf.imaging import dtypes, image_io

PERCENTILES = 0.5, 99.5
"""Percentiles that `percentile_stretch` maps to black and white."""

BLANK_RANGE, MAX_SATURATED = 2 / 255, 0.5
"""Range of the levels, in [0, 1], of an image that counts as blank, and the fraction of white
pixels above which it counts as saturated."""

MIN_FILL_WEIGHT = 0.05
"""Fraction of pixels of a neighborhood that are not masked, above which these fill the others."""

SAMPLE_STEP = 2
"""Rows and columns from one pixel that is looked at for this to the next."""

MAX_CHROMA = 0.03
"""Largest difference between the channels of a gray image that JPEG compression causes."""


def read_thermal(path: Path) -> np.ndarray:
    """Read an infrared image as (H, W, 1) float32 in [0, 1], see `to_single_channel`.

    Measurements, such as a TIFF of floats in degrees, are stretched as counts are; what is missing
    (NaN, infinity) becomes black.

    Raises:
        UsageError: If the file cannot be read, its colors are not gray, or all values are missing.
    """
    values = image_io.load_measurements(path)
    if values is not None:
        return _stretch_measurements(values, path)
    try:
        return to_single_channel(image_io.load_image(path).pixels)
    except UsageError as error:
        where = "" if str(path) in str(error) else f"{path}: "
        raise UsageError(f"{where}{error}") from None


def to_single_channel(pixels: np.ndarray) -> np.ndarray:
    """Convert an infrared image, (H, W, 1) or (H, W, 3), to (H, W, 1) float32 in [0, 1].

    Args:
        pixels: (H, W, 1), or (H, W, 3) with equal channels, as `image_io.load_image` returns gray
            images. uint8 is divided by 255. uint16 is taken for the counts of a radiometric
            camera, of which a scene covers a small range, and stretched by `percentile_stretch`.
            Floats keep their values.

    Returns:
        (H, W, 1) float32.

    Raises:
        UsageError: If the channels differ, as in a false-color palette, or are not 1 or 3.
    """
    if pixels.ndim != 3 or pixels.shape[2] not in (1, 3):
        raise UsageError(
            "An infrared image must have one channel, or three that are equal. "
            f"Received: shape {pixels.shape}."
        )
    image = dtypes.img_as_float32(pixels)
    if pixels.shape[2] == 3:
        chroma = float((image.max(axis=2) - image.min(axis=2)).max())
        if chroma > MAX_CHROMA:
            raise UsageError(
                "An infrared image must have one channel, or three that are equal. Received: "
                f"three that differ by up to {chroma:.0%}, as in a palette of false colors. Use "
                "the camera's gray palette (white hot)."
            )
        image = image.mean(axis=2, keepdims=True)
    return percentile_stretch(image) if pixels.dtype == np.uint16 else image


def _stretch_measurements(values: np.ndarray, path: Path) -> np.ndarray:
    measured = np.isfinite(values)
    if not measured.any():
        raise UsageError(
            f"{path} holds no measured value: all are NaN or infinite. Record it again."
        )
    stretched = np.zeros_like(values)
    stretched[measured] = percentile_stretch(values[measured])
    return stretched


def is_blank(infrared: np.ndarray) -> bool:
    """Return whether an image is of one value but for noise: a covered lens, or a closed shutter.

    Args:
        infrared: (H, W, 1) uint8, or float32 in [0, 1].
    """
    return bool(np.ptp(_sample(infrared)) <= BLANK_RANGE)


def describe_defect(infrared: np.ndarray) -> str:
    """Return what is wrong with an image, as the rest of a sentence after its name, or "".

    Args:
        infrared: (H, W, 1) uint8, or float32 in [0, 1].
    """
    sampled = _sample(infrared)
    if np.ptp(sampled) <= BLANK_RANGE:
        return f"is of one value, {np.median(sampled):.0%} of white: is the lens covered?"
    saturated = float(np.mean(sampled >= 1 - BLANK_RANGE))
    if saturated > MAX_SATURATED:
        return f"is saturated in {saturated:.0%} of its pixels: lower the camera's gain"
    return ""


def _sample(infrared: np.ndarray) -> np.ndarray:
    """Return some pixels of an image, as floats in [0, 1]."""
    return dtypes.img_as_float32(infrared[::SAMPLE_STEP, ::SAMPLE_STEP])


@functools.lru_cache(maxsize=4)
def read_mask(path: Path, size: tuple[int, int]) -> np.ndarray:
    """Read the mask of a camera's overlay: (H, W) bool, True where an image is rather white.

    Args:
        path: An image file.
        size: Height and width of the camera's images (pixels).

    Raises:
        UsageError: If the file cannot be read, is of another size, or masks nothing or everything.
    """
    pixels = dtypes.img_as_float32(image_io.load_image(path).pixels)
    if pixels.shape[:2] != size:
        raise UsageError(
            f"A mask must have the size of the infrared images, {size[0]}x{size[1]}. Received: "
            f"{path} of {pixels.shape[0]}x{pixels.shape[1]} (height x width)."
        )
    mask = pixels.mean(axis=2) >= 0.5
    if mask.all() or not mask.any():
        raise UsageError(
            f"A mask must be white where the overlay is, and black elsewhere. Received: {path}, "
            f"which is {'white' if mask.all() else 'black'} everywhere."
        )
    return mask


def fill_masked(infrared: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Fill what a mask covers smoothly from around, so that no edge of an overlay is fused.

    Args:
        infrared: (H, W, 1) float32.
        mask: (H, W) bool.

    Returns:
        A new array of the same shape; unmasked pixels are unchanged.
    """
    height, width = mask.shape
    weights = np.float32(~mask)
    values, size = infrared[..., 0] * weights, (width, height)
    filled, missing = infrared[..., 0].copy(), mask
    while missing.any():  # each time from averages over twice the distance
        size = max(size[0] // 2, 1), max(size[1] // 2, 1)
        weights, values = (
            cv2.resize(image, size, interpolation=cv2.INTER_AREA) for image in (weights, values)
        )
        total = cv2.resize(weights, (width, height), interpolation=cv2.INTER_LINEAR)
        smooth = cv2.resize(values, (width, height), interpolation=cv2.INTER_LINEAR)
        found = missing & (total > MIN_FILL_WEIGHT)
        filled[found] = smooth[found] / total[found]
        missing = missing & ~found
    return filled[..., None]


def percentile_stretch(image: np.ndarray) -> np.ndarray:
    """Stretch an image so that `PERCENTILES` become 0 and 1; the rest is clipped.

    Args:
        image: Of any shape, float32, of any range.

    Returns:
        The same shape, float32 in [0, 1]; 0 if all pixels are equal.
    """
    low, high = np.percentile(image, PERCENTILES)
    if not high > low:
        low, high = image.min(), image.max()
    return np.clip((image - low) / max(high - low, 1e-12), 0, 1, dtype=np.float32)
