"""Tiled processing of large images: overlapping tiles, blended, one band of tiles at a time."""

import itertools
from collections.abc import Callable

import numpy as np

RenderTile = Callable[[int, int], np.ndarray]
"""(top, left) -> (h, w, C) float32: the result for one tile, cropped at the image's edges."""


def tile_starts(length: int, tile: int, overlap: int) -> list[int]:
    """Return the first pixel of each tile along one side, evenly spaced.

    Args:
        length: Length of the side (pixels).
        tile: Length of a tile (pixels).
        overlap: Minimum overlap of neighbouring tiles (pixels).
    """
    if length <= tile:
        return [0]
    count = -((overlap - length) // (tile - overlap))
    return [round(index * (length - tile) / (count - 1)) for index in range(count)]


def blend_weights(length: int) -> np.ndarray:
    """Return (length,) float32 weights that rise smoothly from nearly 0 to nearly 1."""
    t = (np.arange(length, dtype=np.float32) + 0.5) / length
    return t * t * (3 - 2 * t)


def process_tiles(
    image: np.ndarray,
    render_tile: RenderTile,
    write: Callable[[np.ndarray, np.ndarray], None],
    *,
    tile_size: tuple[int, int],
    overlap: tuple[int, int],
    scale: int = 1,
) -> None:
    """Fill `image`, (H, W, C), from blended tiles, in bands along its shorter side.

    Besides the image, one band of tiles is held in memory. A band is rendered before any pixel
    that it covers is written, except in the overlap with the previous band, which is written
    together with the new band: `render_tile` may therefore read from `image` itself.

    Args:
        image: (H, W, C), the output.
        render_tile: Computes a tile.
        write: Called with a view of `image` and the final float32 values for it.
        tile_size: Height and width of a tile.
        overlap: Minimum overlap of neighbouring tiles, vertical and horizontal.
        scale: Side of the block of `image` pixels that one pixel of the tile grid stands for.
            `tile_size`, `overlap` and the arguments of `render_tile` are in pixels of that grid.
    """
    height, width = image.shape[:2]
    if width > height:  # transpose, so that bands always run from top to bottom
        _process_tiles(
            image.swapaxes(0, 1),
            lambda top, left: render_tile(left, top).swapaxes(0, 1),
            write,
            tile_size[::-1],
            overlap[::-1],
            scale,
        )
    else:
        _process_tiles(image, render_tile, write, tile_size, overlap, scale)


def _process_tiles(image, render_tile, write, tile_size, overlap, scale) -> None:
    height, width, channels = image.shape
    tops, lefts = (
        [scale * start for start in tile_starts(length // scale, *sides)]
        for length, *sides in zip((height, width), tile_size, overlap, strict=True)
    )
    tile_size = tuple(scale * side for side in tile_size)
    pending = np.empty((0, width, channels), np.float32)  # overlap of the previous band
    for top, next_top in itertools.pairwise([*tops, height]):
        band = np.empty_like(image[top : top + tile_size[0]], dtype=np.float32, subok=False)
        filled = 0
        for left in lefts:
            tile = render_tile(top // scale, left // scale)
            _feather(band[:, left:filled], tile, axis=1)
            band[:, filled : left + tile_size[1]] = tile[:, filled - left :]
            filled = left + tile_size[1]
        _feather(pending, band, axis=0)
        band[: len(pending)] = pending
        write(image[top:next_top], band[: next_top - top])
        pending = band[next_top - top :].copy(order="K")


def _feather(old: np.ndarray, new: np.ndarray, *, axis: int) -> None:
    """Blend `old` in place into the beginning of `new`; equal values stay equal bit by bit."""
    length = old.shape[axis]
    weights = blend_weights(length)[:, None, None] if axis == 0 else blend_weights(length)[:, None]
    new = new[:length] if axis == 0 else new[:, :length]
    old += weights * (new - old)
