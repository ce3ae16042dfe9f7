"""Large pictures by overlapped tiles that fade into each other, a band of tiles at a time."""

import itertools
from collections.abc import Callable

import numpy as np

RenderTile = Callable[[int, int], np.ndarray]
"""(top, left) -> float32 (h, w, C), one tile's result, cut where the picture ends."""


def tile_starts(length: int, tile: int, overlap: int) -> list[int]:
    """Return where tiles begin along one side: evenly, each at least `overlap` into the next."""
    if length <= tile:
        return [0]
    count = -((overlap - length) // (tile - overlap))
    return [round(index * (length - tile) / (count - 1)) for index in range(count)]


def blend_weights(length: int) -> np.ndarray:
    """Return weights that rise smoothly from almost 0 to almost 1."""
    t = (np.arange(length, dtype=np.float32) + 0.5) / length
    return t * t * (3 - 2 * t)


def process_tiles(
    image: np.ndarray,
    render: RenderTile,
    write: Callable[[np.ndarray, np.ndarray], None],
    *,
    size: tuple[int, int],
    overlap: tuple[int, int],
    scale: int = 1,
) -> None:
    """Fill `image` from tiles, in bands along its shorter side.

    What is held beside the picture is one band, as wide as a tile. A band is rendered before
    anything that it covers is written, except what it shares with the band before it, which stays
    unwritten until then: `render` may therefore read from `image` itself.

    Args:
        image: (H, W, C), what is filled.
        render: What makes a tile.
        write: Called with a view of `image` and the finished float32 values for it.
        size: Height and width of a tile.
        overlap: The least that neighbours share, down and across.
        scale: How many pixels of `image` one of what `render` reads becomes, down and across. In
            those are `size`, `overlap`, and where a tile begins.
    """
    height, width = image.shape[:2]
    if width > height:  # as if it stood: bands from top to bottom
        _process_tiles(
            image.swapaxes(0, 1),
            lambda top, left: render(left, top).swapaxes(0, 1),
            write,
            size[::-1],
            overlap[::-1],
            scale,
        )
    else:
        _process_tiles(image, render, write, size, overlap, scale)


def _process_tiles(image, render, write, size, overlap, scale) -> None:
    height, width, channels = image.shape
    tops, lefts = (
        [scale * start for start in tile_starts(length // scale, *sides)]
        for length, *sides in zip((height, width), size, overlap, strict=True)
    )
    size = tuple(scale * side for side in size)
    above = np.empty((0, width, channels), np.float32)
    for top, below in itertools.pairwise([*tops, height]):
        band = np.empty_like(image[top : top + size[0]], dtype=np.float32, subok=False)
        done = 0
        for left in lefts:
            tile = render(top // scale, left // scale)
            _feather(band[:, left:done], tile, axis=1)
            band[:, done : left + size[1]] = tile[:, done - left :]
            done = left + size[1]
        _feather(above, band, axis=0)
        band[: len(above)] = above
        write(image[top:below], band[: below - top])
        above = band[below - top :].copy(order="K")


def _feather(old: np.ndarray, new: np.ndarray, *, axis: int) -> None:
    """Turn `old` gradually into the beginning of `new`; where both agree it stays as it is."""
    length = old.shape[axis]
    weights = blend_weights(length)[:, None, None] if axis == 0 else blend_weights(length)[:, None]
    new = new[:length] if axis == 0 else new[:, :length]
    old += weights * (new - old)
