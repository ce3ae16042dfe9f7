"""One picture of any size through a net of any size."""

from collections.abc import Callable

import numpy as np

from lowlight_tf.imaging import tiling
from lowlight_tf.runtime import fit
from lowlight_tf.runtime.agreement import Agreement
from lowlight_tf.runtime.engine import Engine, Images

OVERLAP = 1 / 6
"""What neighbouring tiles share at least, in sides of a tile."""


def enhance(
    engine: Engine,
    image: np.ndarray,
    *,
    out: np.ndarray | None = None,
    thumbnails: Images | None = None,
    progress: Callable[[float], None] | None = None,
) -> np.ndarray:
    """Brighten a picture.

    A picture up to the engine's size is mirrored up to it and run once. A larger one is run by
    overlapped tiles. A net with a thumbnail port is shown the same thumbnail with every tile, and
    they agree by themselves; another is first run once on the whole, small, and its tiles are held
    to what that showed. Where the picture stands and the engine's image lies, or the reverse, it is
    run on its side.

    Args:
        engine: What brightens; from one color image to one.
        image: (H, W, 3) sRGB: uint8, uint16, or float32 in [0, 1].
        out: Where the result is written, of the same shape and type; it may be `image` itself.
            Then nothing is held beside the picture but a band of it as wide as a tile.
        thumbnails: What the engine's thumbnail ports are shown instead of this picture, as
            `fit.thumbnails` gives: in a video, what holds the exposure steady.
        progress: Called with the share done, in (0, 1].

    Returns:
        The result, of the shape and type of `image`.

    Raises:
        UsageError: If the engine's ports or the image's shape or type do not fit.
    """
    fit.check_ports(engine.contract)
    fit.check_image(image)
    result = np.empty_like(image) if out is None else out
    size = fit.size_for(engine.size, engine.contract.multiple_of, image.shape)
    if thumbnails is None:
        thumbnails = fit.thumbnails(engine.contract, image)
    source, target = image, result
    if fit.across(size, image.shape):
        source, target = image.swapaxes(0, 1), result.swapaxes(0, 1)
    if source.shape[0] <= size[0] and source.shape[1] <= size[1]:
        _whole(engine, source, target, size, thumbnails)
    else:
        _by_tiles(engine, source, target, size, thumbnails, progress or (lambda share: None))
    if progress:
        progress(1.0)
    return result


def _whole(
    engine: Engine,
    source: np.ndarray,
    target: np.ndarray,
    size: tuple[int, int],
    thumbnails: Images,
) -> None:
    height, width = source.shape[:2]
    eight = source.dtype == np.uint8  # the engine knows the shortest way from bytes to bytes
    if not eight:
        thumbnails = _floats(thumbnails)
    answer = _run(engine, fit.pad(source if eight else fit.to_float(source), size), thumbnails)
    if eight:
        target[...] = answer[:height, :width]
    else:
        fit.put(target, answer[:height, :width])


def _by_tiles(
    engine: Engine,
    source: np.ndarray,
    target: np.ndarray,
    size: tuple[int, int],
    thumbnails: Images,
    progress: Callable[[float], None],
) -> None:
    shape, overlap = source.shape[:2], (int(size[0] * OVERLAP), int(size[1] * OVERLAP))
    thumbnails = _floats(thumbnails)
    agreement = None
    if not thumbnails:
        agreement = Agreement(
            lambda image: _run(engine, image, thumbnails),
            lambda rows, columns: fit.to_float(source[np.ix_(rows, columns)]),
            shape=shape,
            size=size,
        )
    rows, columns = (len(tiling.starts(*sides)) for sides in zip(shape, size, overlap, strict=True))
    done = 0

    def render(top: int, left: int) -> np.ndarray:
        nonlocal done
        part = source[top : top + size[0], left : left + size[1]]
        tile = _run(engine, fit.pad(fit.to_float(part), size), thumbnails)
        tile = tile[: part.shape[0], : part.shape[1]]
        done += 1
        progress(done / (rows * columns + 1))
        return agreement.correct(tile, top, left) if agreement else tile

    tiling.by_tiles(target, render, fit.put, size=size, overlap=overlap)


def _run(engine: Engine, image: np.ndarray, thumbnails: Images) -> np.ndarray:
    """Run one (h, w, 3) image through an engine that takes one picture and gives one."""
    (given,), (wanted,) = engine.contract.pictures, engine.contract.outputs
    return np.asarray(engine({given.name: image[None], **thumbnails})[wanted.name])[0]


def _floats(images: Images) -> Images:
    return {name: fit.to_float(image) for name, image in images.items()}
