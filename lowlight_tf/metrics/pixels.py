"""What a metric looks at: the 8-bit levels that a file would hold."""

import numpy as np

from lowlight_tf.checks import UsageError
from lowlight_tf.imaging.color import luma

PEAK = 255.0


def to_8bit_pair(first: np.ndarray, enhanced: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return two pictures as `rounded` does, once they can be compared.

    Args:
        first: The target, or the dark picture: (H, W, C), uint8, or float in [0, 1].
        enhanced: The same shape; its type may differ.

    Raises:
        UsageError: If the shapes differ, or the pixels are of another type or not finite.
    """
    check_same_shape(first, enhanced)
    return quantize_8bit(first), quantize_8bit(enhanced)


def check_same_shape(first: np.ndarray, enhanced: np.ndarray) -> None:
    """Refuse two pictures whose shapes differ."""
    if first.shape != enhanced.shape:
        raise UsageError(
            "The enhanced picture must have the size and channels of what it is compared with, "
            f"{shape_text(first)}. Received: {shape_text(enhanced)}."
        )


def quantize_8bit(image: np.ndarray) -> np.ndarray:
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


def luma_8bit(**pictures: np.ndarray) -> list[np.ndarray]:
    """Return the 8-bit lumas (BT.601, full range) of pictures of one scene, of one size.

    Args:
        **pictures: By the name that an error says, each (H, W), (H, W, 1) or, in color, (H, W, 3);
            uint8, or float in [0, 1], which is rounded to 8 bits before the luma is taken.

    Returns:
        (H, W) uint8 of each, rounded once more.

    Raises:
        UsageError: If the sizes differ, or one has other channels, pixels of another type or such
            as are not finite.
    """
    if len({picture.shape[:2] for picture in pictures.values()}) > 1:
        raise UsageError(
            "Fusion is measured on pictures of one height and width: align them first. Received: "
            f"{', '.join(f'{name} {shape_text(picture)}' for name, picture in pictures.items())}."
        )
    return [_gray(name, picture) for name, picture in pictures.items()]


def _gray(name: str, picture: np.ndarray) -> np.ndarray:
    if picture.ndim not in (2, 3) or picture.shape[2:] not in ((), (1,), (3,)):
        raise UsageError(
            f"The {name} picture must be gray or RGB: HxW, HxWx1 or HxWx3. "
            f"Received: {shape_text(picture)}."
        )
    levels = quantize_8bit(picture)
    gray = luma(levels) if picture.shape[2:] == (3,) else levels.reshape(levels.shape[:2])
    return np.rint(gray).astype(np.uint8)


def shape_text(image: np.ndarray) -> str:
    """Return a picture's shape as an error says it."""
    return "x".join(map(str, image.shape))
