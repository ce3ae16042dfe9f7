"""Infrared pictures as they come from files: one channel of warmth, whatever the camera wrote."""

from pathlib import Path

import numpy as np

from lowlight_tf.checks import UsageError
from lowlight_tf.imaging import image_io

PERCENTILES = 0.5, 99.5
"""Percentiles of a picture that become black and white where it is stretched."""

MAX_CHROMA = 0.03  # largest difference between channels that JPEG makes of gray


def read_thermal(path: Path) -> np.ndarray:
    """Read an infrared picture as (H, W, 1) float32 in [0, 1], see `one_channel`.

    Raises:
        UsageError: If the file cannot be read, or its colors are no gray.
    """
    try:
        return to_single_channel(image_io.load_image(path).pixels)
    except UsageError as error:
        where = "" if str(path) in str(error) else f"{path}: "
        raise UsageError(f"{where}{error}") from None


def to_single_channel(pixels: np.ndarray) -> np.ndarray:
    """Return an infrared picture as one channel of float32 in [0, 1].

    Args:
        pixels: (H, W, 1), or (H, W, 3) with equal channels, as `files.load` returns what is gray.
            8 bit are divided by 255. 16 bit are taken for what a radiometric camera counts, of
            which a scene fills a small part: they are stretched by their percentiles (`SPAN`).
            Fractions are taken as they are.

    Returns:
        (H, W, 1) float32.

    Raises:
        UsageError: If the channels differ, as in a palette of false colors, or are not 1 or 3.
    """
    if pixels.ndim != 3 or pixels.shape[2] not in (1, 3):
        raise UsageError(
            "An infrared picture must have one channel, or three that are equal. "
            f"Received: shape {pixels.shape}."
        )
    white = np.iinfo(pixels.dtype).max if np.issubdtype(pixels.dtype, np.integer) else 1
    image = np.divide(pixels, white, dtype=np.float32)
    if pixels.shape[2] == 3:
        tint = float((image.max(axis=2) - image.min(axis=2)).max())
        if tint > MAX_CHROMA:
            raise UsageError(
                "An infrared picture must have one channel, or three that are equal. Received: "
                f"three that differ by up to {tint:.0%}, as in a palette of false colors. Write it "
                "as gray (white hot) in the camera."
            )
        image = image.mean(axis=2, keepdims=True)
    return percentile_stretch(image) if pixels.dtype == np.uint16 else image


def percentile_stretch(image: np.ndarray) -> np.ndarray:
    """Return a picture whose percentiles `SPAN` become 0 and 1; what lies beyond is cut off.

    Args:
        image: (H, W, 1) float32, of any range.

    Returns:
        (H, W, 1) float32 in [0, 1]; 0 where all pixels are equal.
    """
    low, high = np.percentile(image, PERCENTILES)
    if not high > low:
        low, high = image.min(), image.max()
    return np.clip((image - low) / max(high - low, 1e-12), 0, 1, dtype=np.float32)
