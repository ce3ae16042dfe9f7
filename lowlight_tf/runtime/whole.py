"""Whole pictures of any size through a net of one size: at once, or by overlapped tiles."""

from collections.abc import Callable

import numpy as np

from lowlight_tf.imaging import tiling
from lowlight_tf.runtime import fit
from lowlight_tf.runtime.agreement import Agreement
from lowlight_tf.runtime.engine import Engine, Images

OVERLAP = 1 / 6
"""What neighbouring tiles share at least, in sides of a tile."""


def through(
    engine: Engine,
    pictures: Images,
    target: np.ndarray,
    *,
    thumbnails: Images,
    progress: Callable[[float], None] | None = None,
) -> None:
    """Run pictures of one height and width through an engine.

    What is up to the engine's size is mirrored up to it and run once. What is larger is run by
    overlapped tiles. A net with thumbnail ports is shown the same thumbnails with every tile, and
    they agree by themselves; another is first run once on the whole, small, and its tiles are held
    to what that showed. Where pictures stand and the engine's images lie, or the reverse, they are
    run on their side.

    Args:
        engine: What is run; its outputs are as large as its inputs.
        pictures: Port -> (H, W, C), each uint8, uint16, or float32 in [0, 1].
        target: Where the result is written, (H, W, C), of any of these types; it may be one of the
            pictures. Nothing is held beside it but a band of it as wide as a tile.
        thumbnails: What the thumbnail ports are shown, as `fit.thumbnails` gives.
        progress: Called with the share done, in (0, 1].
    """
    most = getattr(engine, "whole", fit.WHOLE)
    size = fit.size_for(engine.size, engine.contract.multiple_of, target.shape, whole=most)
    if fit.across(size, target.shape):
        pictures = {name: image.swapaxes(0, 1) for name, image in pictures.items()}
        target = target.swapaxes(0, 1)
    if target.shape[0] <= size[0] and target.shape[1] <= size[1]:
        _at_once(engine, pictures, target, size, thumbnails)
    else:
        _by_tiles(engine, pictures, target, size, thumbnails, progress or (lambda share: None))
    if progress:
        progress(1.0)


def _at_once(
    engine: Engine,
    pictures: Images,
    target: np.ndarray,
    size: tuple[int, int],
    thumbnails: Images,
) -> None:
    height, width = target.shape[:2]
    eight = all(image.dtype == np.uint8 for image in (target, *pictures.values()))
    if not eight:  # the engine knows the shortest way from bytes to bytes
        pictures, thumbnails = _floats(pictures), _floats(thumbnails)
    padded = {name: fit.pad(image, size) for name, image in pictures.items()}
    answer = _run(engine, padded, thumbnails)[:height, :width]
    if eight:
        target[...] = answer
    else:
        fit.put(target, answer)


def _by_tiles(
    engine: Engine,
    pictures: Images,
    target: np.ndarray,
    size: tuple[int, int],
    thumbnails: Images,
    progress: Callable[[float], None],
) -> None:
    shape, overlap = target.shape[:2], (int(size[0] * OVERLAP), int(size[1] * OVERLAP))
    thumbnails = _floats(thumbnails)

    def part(place: tuple) -> dict[str, np.ndarray]:
        return _floats({name: image[place] for name, image in pictures.items()})

    agreement = None
    if not thumbnails:
        agreement = Agreement(
            lambda images: _run(engine, images, thumbnails),
            lambda rows, columns: part(np.ix_(rows, columns)),
            shape=shape,
            size=size,
        )
    rows, columns = (len(tiling.starts(*sides)) for sides in zip(shape, size, overlap, strict=True))
    done = 0

    def render(top: int, left: int) -> np.ndarray:
        nonlocal done
        seen = part(np.s_[top : top + size[0], left : left + size[1]])
        height, width = next(iter(seen.values())).shape[:2]
        padded = {name: fit.pad(image, size) for name, image in seen.items()}
        tile = _run(engine, padded, thumbnails)[:height, :width]
        done += 1
        progress(done / (rows * columns + 1))
        return agreement.correct(tile, top, left) if agreement else tile

    tiling.by_tiles(target, render, fit.put, size=size, overlap=overlap)


def _run(engine: Engine, images: Images, thumbnails: Images) -> np.ndarray:
    """Run one (h, w, C) image for each port through an engine that gives one."""
    (wanted,) = engine.contract.outputs
    batch = {name: image[None] for name, image in images.items()}
    return np.asarray(engine({**batch, **thumbnails})[wanted.name])[0]


def _floats(images: Images) -> Images:
    return {name: fit.to_float(image) for name, image in images.items()}
