"""Conversions between uint8, uint16 and float32 images in [0, 1]."""

import numpy as np


def img_as_float32(image: np.ndarray) -> np.ndarray:
    """Return an image as float32 in [0, 1]."""
    if image.dtype == np.float32:
        return image
    return np.divide(image, np.iinfo(image.dtype).max, dtype=np.float32)


def write_as(target: np.ndarray, image: np.ndarray) -> None:
    """Write float32 values in [0, 1] into an image of any type, rounded to its steps."""
    if target.dtype == np.float32:
        target[...] = image
    else:
        scaled = image * np.float32(np.iinfo(target.dtype).max)
        target[...] = np.rint(scaled, out=scaled)


def convert_dtype(image: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Return an image of one type as one of another, its white as the other's white."""
    if image.dtype == dtype:
        return image
    result = np.empty(image.shape, dtype)
    write_as(result, img_as_float32(image))
    return result


def img_as_uint8(image: np.ndarray) -> np.ndarray:
    """Return an image as uint8, rounded to the nearest of its 256 levels."""
    return convert_dtype(image, np.dtype(np.uint8))


def img_as_uint16(image: np.ndarray) -> np.ndarray:
    """Return an image as uint16, rounded to the nearest of its 65,536 levels."""
    return convert_dtype(image, np.dtype(np.uint16))
