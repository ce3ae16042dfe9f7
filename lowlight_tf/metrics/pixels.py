"""Conversion of images to the 8-bit levels that metrics are computed on."""

import numpy as np

from lowlight_tf.checks import UsageError
from lowlight_tf.imaging.color import luma

PEAK = 255.0


def to_8bit_pair(first: np.ndarray, enhanced: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return two images as float64 in integer levels of 0 to 255, after a check of their shapes.

    Args:
        first: The target, or the low-light input: (H, W, C), uint8, or float in [0, 1].
        enhanced: The same shape; its type may differ.

    Raises:
        UsageError: If the shapes differ, or the pixels are of another type or not finite.
    """
    check_same_shape(first, enhanced)
    return quantize_8bit(first), quantize_8bit(enhanced)


def check_same_shape(first: np.ndarray, enhanced: np.ndarray) -> None:
    """Raise an error if the shapes of two images differ."""
    if first.shape != enhanced.shape:
        raise UsageError(
            "The enhanced image must have the size and channels of the image it is compared with, "
            f"{format_shape(first)}. Received: {format_shape(enhanced)}."
        )


def quantize_8bit(image: np.ndarray) -> np.ndarray:
    """Return an image as float64 in integer levels of 0 to 255.

    Args:
        image: (H, W, C), uint8, or float in [0, 1], which is clipped and rounded.

    Raises:
        UsageError: If the pixels are of another type or not finite.
    """
    if image.dtype == np.uint8:
        return image.astype(np.float64)
    if not np.issubdtype(image.dtype, np.floating):
        raise UsageError(f"Pixels must be uint8, or float in [0, 1]. Received: {image.dtype}.")
    if not np.isfinite(image).all():
        raise UsageError("Pixels must be finite numbers. Received: an image with NaN or infinity.")
    # In the precision of the image, where `dtypes.img_as_uint8` would first round to float32.
    return np.rint(np.clip(image, 0, 1) * PEAK).astype(np.float64)


def luma_8bit(**images: np.ndarray) -> list[np.ndarray]:
    """Return the 8-bit lumas (BT.601, full range) of images of one scene and one size.

    Args:
        **images: By the name for error messages, each (H, W), (H, W, 1) or RGB (H, W, 3); uint8, or
            float in [0, 1], which is rounded to 8 bits before the luma is computed.

    Returns:
        (H, W) uint8 of each; the luma is rounded again.

    Raises:
        UsageError: If the sizes differ, or one has other channels, pixels of another type or
            pixels that are not finite.
    """
    if len({image.shape[:2] for image in images.values()}) > 1:
        raise UsageError(
            "Fusion metrics need images of the same height and width: align them first. Received: "
            f"{', '.join(f'{name} {format_shape(image)}' for name, image in images.items())}."
        )
    return [_to_luma_8bit(name, image) for name, image in images.items()]


def _to_luma_8bit(name: str, image: np.ndarray) -> np.ndarray:
    if image.ndim not in (2, 3) or image.shape[2:] not in ((), (1,), (3,)):
        raise UsageError(
            f"The {name} image must be gray or RGB: HxW, HxWx1 or HxWx3. "
            f"Received: {format_shape(image)}."
        )
    levels = quantize_8bit(image)
    gray = luma(levels) if image.shape[2:] == (3,) else levels.reshape(levels.shape[:2])
    return np.rint(gray).astype(np.uint8)


def format_shape(image: np.ndarray) -> str:
    """Return an image's shape for an error message, as HxWxC."""
    return "x".join(map(str, image.shape))
