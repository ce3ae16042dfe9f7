"""Infrared images as one channel of float32, whatever format the camera wrote."""

from pathlib import Path

import numpy as np

from lowlight_tf.checks import UsageError
from lowlight_tf.imaging import dtypes, image_io

PERCENTILES = 0.5, 99.5
"""Percentiles that `percentile_stretch` maps to black and white."""

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
