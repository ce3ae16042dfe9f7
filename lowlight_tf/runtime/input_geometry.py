"""The sizes that a model is run at: padding, transposing, thumbnails."""

import cv2
import numpy as np

from lowlight_tf.contract import Contract
from lowlight_tf.imaging.resize import resize_area_fast
from lowlight_tf.runtime.engine import MAX_UNTILED_PIXELS

TILE_SIZE = 1024
"""Output pixels of a tile's side, for a model that takes any size."""


def inference_size(
    size: tuple[int, int] | None,
    contract: Contract,
    shape: tuple[int, ...],
    *,
    max_untiled_pixels: int = MAX_UNTILED_PIXELS,
) -> tuple[int, int]:
    """Return the (height, width) that a model is run at for an image of `shape`.

    Args:
        size: The one size that the model takes, or None where any is accepted.
        contract: Its ports.
        shape: Of the image.
        max_untiled_pixels: Output pixels up to which a model of any size gets the full image.
    """
    if size is not None:
        return size
    scale = contract.scale
    is_small = shape[0] * shape[1] * scale**2 <= max_untiled_pixels
    height, width = shape[:2] if is_small else (TILE_SIZE // scale, TILE_SIZE // scale)
    return contract.round_up((height, width))


def needs_transpose(size: tuple[int, int], shape: tuple[int, ...]) -> bool:
    """Return whether one of model and image is portrait and the other landscape."""
    return (size[0] - size[1]) * (shape[0] - shape[1]) < 0


def make_thumbnails(contract: Contract, *images: np.ndarray) -> dict[str, np.ndarray]:
    """Return the inputs of a model's thumbnail ports.

    Args:
        contract: The model's ports.
        *images: The full image of each port of `contract.image_inputs`, (H, W, C).

    Returns:
        Port name -> (1, h, w, C) in its image's type, resized by area; zeros, which are
        automatic, for its controls. Empty if the model has no such port.
    """
    names = (port.name for port in contract.image_inputs)
    sources = dict(zip(names, images, strict=True))
    controls = {
        port.name: np.zeros((1, *port.shape(port.size)), images[0].dtype)
        for port in contract.controls
    }
    return controls | {
        port.name: resize_area_fast(sources[contract.source_of(port)], port.size)[None]
        for port in contract.thumbnail_inputs
    }


def pad_to_size(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Return an image reflected beyond its lower and right borders, up to `size`."""
    down, right = size[0] - image.shape[0], size[1] - image.shape[1]
    image = np.ascontiguousarray(image)
    if not down and not right:
        return image
    padded = cv2.copyMakeBorder(image, 0, down, 0, right, cv2.BORDER_REFLECT_101)
    return padded.reshape(*size, -1)
