"""What a metric looks at: the 8-bit levels that a file would hold."""

import numpy as np

from lowlight_tf.checks import UsageError

PEAK = 255.0


def levels(first: np.ndarray, enhanced: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return two pictures as `rounded` does, once they can be compared.

    Args:
        first: The target, or the dark picture: (H, W, C), uint8, or float in [0, 1].
        enhanced: The same shape; its type may differ.

    Raises:
        UsageError: If the shapes differ, or the pixels are of another type or not finite.
    """
    if first.shape != enhanced.shape:
        raise UsageError(
            "The enhanced picture must have the size and channels of what it is compared with, "
            f"{size(first)}. Received: {size(enhanced)}."
        )
    return rounded(first), rounded(enhanced)


def rounded(image: np.ndarray) -> np.ndarray:
    """Return a picture as float64 in whole levels of 0 to 255.

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
        raise UsageError("Pixels must be finite numbers. Received: a picture with NaN or infinity.")
    return np.rint(np.clip(image, 0, 1) * PEAK).astype(np.float64)


def size(image: np.ndarray) -> str:
    """Return a picture's shape as an error says it."""
    return "x".join(map(str, image.shape))
