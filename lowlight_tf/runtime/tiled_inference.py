"""Images of any size through a model of one size: at once, or in overlapping tiles."""

from collections.abc import Callable

import numpy as np

from lowlight_tf.imaging import dtypes, tiling
from lowlight_tf.runtime import input_geometry
from lowlight_tf.runtime.engine import Engine, Images
from lowlight_tf.runtime.tile_exposure_compensation import TileExposureCompensator

TILE_OVERLAP = 1 / 6
"""Minimum overlap of neighbouring tiles, as a fraction of a tile's side."""

Preprocess = Callable[[np.ndarray], np.ndarray]
"""Part of an image -> float32 of the same shape in [0, 1], the model's input."""


def run_tiled(
    engine: Engine,
    images: Images,
    target: np.ndarray,
    *,
    thumbnails: Images,
    preprocess: Preprocess = dtypes.img_as_float32,
    report_progress: Callable[[float], None] | None = None,
) -> None:
    """Run images of one height and width through an engine.

    Images up to the engine's size are padded by reflection and run once; larger ones are run in
    overlapping tiles. A model with thumbnail ports gets the same thumbnails with every tile, so
    that the exposure of its tiles agrees. Any other is first run once on the image resized, and the
    exposure of its tiles is compensated to match that result. Where one of image and model is
    portrait and the other landscape, the image is transposed. RAW images are neither compensated
    (their exposure is an input) nor transposed (that would be another color filter array).

    Args:
        engine: A model with one output.
        images: Port -> (H, W, C), each uint8, uint16, or float32 in [0, 1].
        target: Where the result is written, (H, W, C) times the scale of the model's contract, of
            any of these types; it may be one of the images. Nothing else is allocated but a band
            as high as a tile.
        thumbnails: Inputs of the thumbnail ports, as `input_geometry.make_thumbnails` returns.
        preprocess: Makes the model's input from any part of an image.
        report_progress: Called with the fraction done, in (0, 1].
    """
    contract, shape = engine.contract, next(iter(images.values())).shape[:2]
    size = input_geometry.inference_size(
        engine.size, contract, shape, max_untiled_pixels=engine.max_untiled_pixels
    )
    if input_geometry.needs_transpose(size, shape) and not contract.is_raw:
        images = {name: image.swapaxes(0, 1) for name, image in images.items()}
        target, shape = target.swapaxes(0, 1), shape[::-1]
    report_progress = report_progress or (lambda fraction: None)
    if shape[0] <= size[0] and shape[1] <= size[1]:
        _run_full(engine, images, target, size, thumbnails, preprocess)
    else:
        _run_tiles(engine, images, target, size, thumbnails, preprocess, report_progress)
    report_progress(1.0)


def _run_full(
    engine: Engine,
    images: Images,
    target: np.ndarray,
    size: tuple[int, int],
    thumbnails: Images,
    preprocess: Preprocess,
) -> None:
    height, width = target.shape[:2]
    all_uint8 = all(image.dtype == np.uint8 for image in (target, *images.values()))
    if not all_uint8:  # otherwise the engine converts, which is faster
        images, thumbnails = _to_floats(images, preprocess), _to_floats(thumbnails)
    padded = {name: input_geometry.pad_to_size(image, size) for name, image in images.items()}
    result = _run(engine, padded, thumbnails)[:height, :width]
    if all_uint8:
        target[...] = result
    else:
        dtypes.write_as(target, result)


def _run_tiles(
    engine: Engine,
    images: Images,
    target: np.ndarray,
    size: tuple[int, int],
    thumbnails: Images,
    preprocess: Preprocess,
    report_progress: Callable[[float], None],
) -> None:
    shape = next(iter(images.values())).shape[:2]
    overlap = int(size[0] * TILE_OVERLAP), int(size[1] * TILE_OVERLAP)
    scale, thumbnails = engine.contract.scale, _to_floats(thumbnails)

    def read_part(place: tuple) -> dict[str, np.ndarray]:
        return _to_floats({name: image[place] for name, image in images.items()}, preprocess)

    compensator = None
    if not thumbnails and not engine.contract.is_raw:
        compensator = TileExposureCompensator(
            lambda images: _run(engine, images, thumbnails),
            lambda rows, columns: read_part(np.ix_(rows, columns)),
            shape=shape,
            size=size,
        )
    rows, columns = (
        len(tiling.tile_starts(*sides)) for sides in zip(shape, size, overlap, strict=True)
    )
    done = 0

    def render(top: int, left: int) -> np.ndarray:
        nonlocal done
        parts = read_part(np.s_[top : top + size[0], left : left + size[1]])
        height, width = next(iter(parts.values())).shape[:2]
        padded = {name: input_geometry.pad_to_size(image, size) for name, image in parts.items()}
        tile = _run(engine, padded, thumbnails)[: scale * height, : scale * width]
        done += 1
        report_progress(done / (rows * columns + 1))
        return compensator.apply(tile, top, left) if compensator else tile

    tiling.process_tiles(
        target, render, dtypes.write_as, tile_size=size, overlap=overlap, scale=scale
    )


def _run(engine: Engine, images: Images, thumbnails: Images) -> np.ndarray:
    """Run one (h, w, C) image for each port through an engine with one output."""
    (output,) = engine.contract.outputs
    batch = {name: image[None] for name, image in images.items()}
    return np.asarray(engine({**batch, **thumbnails})[output.name])[0]


def _to_floats(images: Images, preprocess: Preprocess = dtypes.img_as_float32) -> Images:
    return {name: preprocess(image) for name, image in images.items()}
