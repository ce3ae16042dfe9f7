"""Whole pictures of any size through a net of one size: at once, or by overlapped tiles."""

from collections.abc import Callable

import numpy as np

from lowlight_tf.imaging import dtypes, tiling
from lowlight_tf.runtime import input_geometry
from lowlight_tf.runtime.engine import Engine, Images
from lowlight_tf.runtime.tile_exposure_compensation import Agreement

OVERLAP = 1 / 6
"""What neighbouring tiles share at least, in sides of a tile."""

Shown = Callable[[np.ndarray], np.ndarray]
"""Part of a picture -> float32 of the same shape in [0, 1], what a net sees of it."""


def through(
    engine: Engine,
    pictures: Images,
    target: np.ndarray,
    *,
    thumbnails: Images,
    shown: Shown = dtypes.img_as_float32,
    progress: Callable[[float], None] | None = None,
) -> None:
    """Run pictures of one height and width through an engine.

    What is up to the engine's size is mirrored up to it and run once. What is larger is run by
    overlapped tiles. A net with thumbnail ports is shown the same thumbnails with every tile, and
    they agree by themselves; another is first run once on the whole, small, and its tiles are held
    to what that showed. Where pictures stand and the engine's images lie, or the reverse, they are
    run on their side. Neither is done with RAW pictures: such a net is told the exposure, so that
    its tiles agree; and a mosaic on its side is another one.

    Args:
        engine: What is run; it gives one picture.
        pictures: Port -> (H, W, C), each uint8, uint16, or float32 in [0, 1].
        target: Where the result is written, (H, W, C) times the scale of the net's contract, of any
            of these types; it may be one of the pictures. Nothing is held beside it but a band of
            it as wide as a tile.
        thumbnails: What the thumbnail ports are shown, as `fit.thumbnails` gives.
        shown: Makes of any part of a picture what the net sees of it.
        progress: Called with the share done, in (0, 1].
    """
    most = getattr(engine, "whole", input_geometry.WHOLE)
    contract, shape = engine.contract, next(iter(pictures.values())).shape[:2]
    size = input_geometry.size_for(engine.size, contract, shape, whole=most)
    if input_geometry.across(size, shape) and not contract.is_raw:
        pictures = {name: image.swapaxes(0, 1) for name, image in pictures.items()}
        target, shape = target.swapaxes(0, 1), shape[::-1]
    if shape[0] <= size[0] and shape[1] <= size[1]:
        _at_once(engine, pictures, target, size, thumbnails, shown)
    else:
        tell = progress or (lambda share: None)
        _by_tiles(engine, pictures, target, size, thumbnails, shown, tell)
    if progress:
        progress(1.0)


def _at_once(
    engine: Engine,
    pictures: Images,
    target: np.ndarray,
    size: tuple[int, int],
    thumbnails: Images,
    shown: Shown,
) -> None:
    height, width = target.shape[:2]
    eight = all(image.dtype == np.uint8 for image in (target, *pictures.values()))
    if not eight:  # the engine knows the shortest way from bytes to bytes
        pictures, thumbnails = _floats(pictures, shown), _floats(thumbnails)
    padded = {name: input_geometry.pad(image, size) for name, image in pictures.items()}
    answer = _run(engine, padded, thumbnails)[:height, :width]
    if eight:
        target[...] = answer
    else:
        dtypes.write_as(target, answer)


def _by_tiles(
    engine: Engine,
    pictures: Images,
    target: np.ndarray,
    size: tuple[int, int],
    thumbnails: Images,
    shown: Shown,
    progress: Callable[[float], None],
) -> None:
    shape = next(iter(pictures.values())).shape[:2]
    overlap = int(size[0] * OVERLAP), int(size[1] * OVERLAP)
    scale, thumbnails = engine.contract.scale, _floats(thumbnails)

    def part(place: tuple) -> dict[str, np.ndarray]:
        return _floats({name: image[place] for name, image in pictures.items()}, shown)

    agreement = None
    if not thumbnails and not engine.contract.is_raw:
        agreement = Agreement(
            lambda images: _run(engine, images, thumbnails),
            lambda rows, columns: part(np.ix_(rows, columns)),
            shape=shape,
            size=size,
        )
    rows, columns = (
        len(tiling.tile_starts(*sides)) for sides in zip(shape, size, overlap, strict=True)
    )
    done = 0

    def render(top: int, left: int) -> np.ndarray:
        nonlocal done
        seen = part(np.s_[top : top + size[0], left : left + size[1]])
        height, width = next(iter(seen.values())).shape[:2]
        padded = {name: input_geometry.pad(image, size) for name, image in seen.items()}
        tile = _run(engine, padded, thumbnails)[: scale * height, : scale * width]
        done += 1
        progress(done / (rows * columns + 1))
        return agreement.correct(tile, top, left) if agreement else tile

    tiling.process_tiles(target, render, dtypes.write_as, size=size, overlap=overlap, scale=scale)


def _run(engine: Engine, images: Images, thumbnails: Images) -> np.ndarray:
    """Run one (h, w, C) image for each port through an engine that gives one."""
    (wanted,) = engine.contract.outputs
    batch = {name: image[None] for name, image in images.items()}
    return np.asarray(engine({**batch, **thumbnails})[wanted.name])[0]


def _floats(images: Images, shown: Shown = dtypes.img_as_float32) -> Images:
    return {name: shown(image) for name, image in images.items()}
