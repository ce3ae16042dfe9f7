"""Whole pictures of any size through a net of one size: at once, or by overlapped tiles."""

from collections.abc import Callable

import numpy as np

from lowlight_tf.imaging import dtypes, tiling
from lowlight_tf.runtime import input_geometry
from lowlight_tf.runtime.engine import Engine, Images
from lowlight_tf.runtime.tile_exposure_compensation import TileExposureCompensator

TILE_OVERLAP = 1 / 6
"""What neighbouring tiles share at least, in sides of a tile."""

Preprocess = Callable[[np.ndarray], np.ndarray]
"""Part of a picture -> float32 of the same shape in [0, 1], what a net sees of it."""


def run_tiled(
    engine: Engine,
    images: Images,
    target: np.ndarray,
    *,
    thumbnails: Images,
    preprocess: Preprocess = dtypes.img_as_float32,
    report_progress: Callable[[float], None] | None = None,
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
        images: Port -> (H, W, C), each uint8, uint16, or float32 in [0, 1].
        target: Where the result is written, (H, W, C) times the scale of the net's contract, of any
            of these types; it may be one of the pictures. Nothing is held beside it but a band of
            it as wide as a tile.
        thumbnails: What the thumbnail ports are shown, as `fit.thumbnails` gives.
        preprocess: Makes of any part of a picture what the net sees of it.
        report_progress: Called with the share done, in (0, 1].
    """
    most = getattr(engine, "whole", input_geometry.MAX_UNTILED_PIXELS)
    contract, shape = engine.contract, next(iter(images.values())).shape[:2]
    size = input_geometry.inference_size(engine.size, contract, shape, max_untiled_pixels=most)
    if input_geometry.needs_transpose(size, shape) and not contract.is_raw:
        images = {name: image.swapaxes(0, 1) for name, image in images.items()}
        target, shape = target.swapaxes(0, 1), shape[::-1]
    if shape[0] <= size[0] and shape[1] <= size[1]:
        _run_full(engine, images, target, size, thumbnails, preprocess)
    else:
        tell = report_progress or (lambda share: None)
        _run_tiles(engine, images, target, size, thumbnails, preprocess, tell)
    if report_progress:
        report_progress(1.0)


def _run_full(
    engine: Engine,
    pictures: Images,
    target: np.ndarray,
    size: tuple[int, int],
    thumbnails: Images,
    shown: Preprocess,
) -> None:
    height, width = target.shape[:2]
    eight = all(image.dtype == np.uint8 for image in (target, *pictures.values()))
    if not eight:  # the engine knows the shortest way from bytes to bytes
        pictures, thumbnails = _to_floats(pictures, shown), _to_floats(thumbnails)
    padded = {name: input_geometry.pad_to_size(image, size) for name, image in pictures.items()}
    answer = _run(engine, padded, thumbnails)[:height, :width]
    if eight:
        target[...] = answer
    else:
        dtypes.write_as(target, answer)


def _run_tiles(
    engine: Engine,
    pictures: Images,
    target: np.ndarray,
    size: tuple[int, int],
    thumbnails: Images,
    shown: Preprocess,
    progress: Callable[[float], None],
) -> None:
    shape = next(iter(pictures.values())).shape[:2]
    overlap = int(size[0] * TILE_OVERLAP), int(size[1] * TILE_OVERLAP)
    scale, thumbnails = engine.contract.scale, _to_floats(thumbnails)

    def part(place: tuple) -> dict[str, np.ndarray]:
        return _to_floats({name: image[place] for name, image in pictures.items()}, shown)

    agreement = None
    if not thumbnails and not engine.contract.is_raw:
        agreement = TileExposureCompensator(
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
        padded = {name: input_geometry.pad_to_size(image, size) for name, image in seen.items()}
        tile = _run(engine, padded, thumbnails)[: scale * height, : scale * width]
        done += 1
        progress(done / (rows * columns + 1))
        return agreement.apply(tile, top, left) if agreement else tile

    tiling.process_tiles(target, render, dtypes.write_as, size=size, overlap=overlap, scale=scale)


def _run(engine: Engine, images: Images, thumbnails: Images) -> np.ndarray:
    """Run one (h, w, C) image for each port through an engine that gives one."""
    (wanted,) = engine.contract.outputs
    batch = {name: image[None] for name, image in images.items()}
    return np.asarray(engine({**batch, **thumbnails})[wanted.name])[0]


def _to_floats(images: Images, shown: Preprocess = dtypes.img_as_float32) -> Images:
    return {name: shown(image) for name, image in images.items()}
