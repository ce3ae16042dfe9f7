"""Any picture into the one size and the one range that a net takes, and back."""

import cv2
import numpy as np

from lowlight_tf.contract import Contract

MAX_UNTILED_PIXELS = 2**21
"""Pixels up to which a net of any size takes the picture whole."""

TILE_SIZE = 1024
"""Side of its tiles above that (pixels)."""


def inference_size(
    size: tuple[int, int] | None,
    contract: Contract,
    shape: tuple[int, ...],
    *,
    max_untiled_pixels: int = MAX_UNTILED_PIXELS,
) -> tuple[int, int]:
    """Return the (height, width) that a net is run at for a picture of `shape`.

    Args:
        size: The one that the net takes, or None where any will do.
        contract: Its ports.
        shape: Of what it is shown.
        max_untiled_pixels: Pixels of the result up to which a net of any size is shown a picture whole.
    """
    if size is not None:
        return size
    step, scale = contract.multiple_of, contract.scale
    small = shape[0] * shape[1] * scale**2 <= max_untiled_pixels
    height, width = shape[:2] if small else (TILE_SIZE // scale, TILE_SIZE // scale)
    return -(-height // step) * step, -(-width // step) * step


def needs_transpose(size: tuple[int, int], shape: tuple[int, ...]) -> bool:
    """Tell whether the picture stands and the net's image lies, or the other way round."""
    return (size[0] - size[1]) * (shape[0] - shape[1]) < 0


def make_thumbnails(contract: Contract, *pictures: np.ndarray) -> dict[str, np.ndarray]:
    """Return what the thumbnail ports of a net are shown of its pictures.

    Args:
        contract: The net's ports.
        *pictures: The whole of what each port of `contract.pictures` sees a part of, (H, W, C).

    Returns:
        Port name -> (1, h, w, C) in its picture's type: each pixel the mean of what it stands for.
        Empty if the net has no such port.
    """
    names = (port.name for port in contract.image_inputs)
    shown = dict(zip(names, pictures, strict=True))
    return {
        port.name: _resize_area(shown[contract.source_of(port)], port.size)[None]
        for port in contract.thumbnail_inputs
    }


def _resize_area(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Return the means of a picture; by whole blocks first, which is three times as fast."""
    block = min(have // (2 * want) for have, want in zip(image.shape[:2], size, strict=True))
    if block > 1:
        height, width = (side // block for side in image.shape[:2])
        blocks = np.ascontiguousarray(image[: height * block, : width * block])
        image = cv2.resize(blocks, (width, height), interpolation=cv2.INTER_AREA)
    shrunk = cv2.resize(image, size[::-1], interpolation=cv2.INTER_AREA)
    return shrunk.reshape(*size, -1)  # OpenCV drops a single channel


def pad_to_size(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Return an image mirrored beyond its lower and right sides, up to `size`."""
    down, right = size[0] - image.shape[0], size[1] - image.shape[1]
    image = np.ascontiguousarray(image)
    if not down and not right:
        return image
    padded = cv2.copyMakeBorder(image, 0, down, 0, right, cv2.BORDER_REFLECT_101)
    return padded.reshape(*size, -1)
