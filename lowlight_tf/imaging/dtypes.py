"""Conversions between uint8, uint16 and float32 images in [0, 1]."""

import numpy as np


def img_as_float32(image: np.ndarray) -> np.ndarray:
    """Convert an image of any shape to float32: integers to [0, 1], floats keep their values.

    A float32 image is returned itself, not copied.
    """
    if np.issubdtype(image.dtype, np.floating):
        return image.astype(np.float32, copy=False)
    return np.divide(image, np.iinfo(image.dtype).max, dtype=np.float32)


def write_as(target: np.ndarray, image: np.ndarray) -> None:
    """Write float32 values in [0, 1] into an array of any type, rounded to its levels."""
    if target.dtype == np.float32:
        target[...] = image
    else:
        scaled = image * np.float32(np.iinfo(target.dtype).max)
        target[...] = np.rint(scaled, out=scaled)


def convert_dtype(image: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Convert an image to uint8, uint16 or float32; white becomes the white of that type.

    An image of that type is returned itself, not copied. Floats must be in [0, 1].
    """
    if image.dtype == dtype:
        return image
    result = np.empty(image.shape, dtype)
    write_as(result, img_as_float32(image))
    return result


def img_as_uint8(image: np.ndarray) -> np.ndarray:
    """Convert an image to uint8; floats are clipped to [0, 1] and rounded to 256 levels."""
    return convert_dtype(_clip_floats(image), np.dtype(np.uint8))


def img_as_uint16(image: np.ndarray) -> np.ndarray:
    """Convert an image to uint16; floats are clipped to [0, 1] and rounded to 65,536 levels."""
    return convert_dtype(_clip_floats(image), np.dtype(np.uint16))


def _clip_floats(image: np.ndarray) -> np.ndarray:
    return np.clip(image, 0, 1) if np.issubdtype(image.dtype, np.floating) else image
