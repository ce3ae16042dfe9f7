"""Short and long exposures + recipe -> batches of ({"raw": packed}, {"target": pictures})."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import tensorflow as tf

from lowlight_tf.checks import UsageError
from lowlight_tf.config import Recipe
from lowlight_tf.contract import Contract, Port
from lowlight_tf.datasets.pairing import Pair
from lowlight_tf.datasets.raw_cache import RawCache, build_raw_cache
from lowlight_tf.imaging.raw import raw_image
from lowlight_tf.pipeline.paired import batched_samples

RANDOM_OPS = ("sample",)

CFA_PERIOD = 2
"""Pixels of a Bayer cell in a row."""


def raw_dataset(
    pairs: Sequence[Pair],
    recipe: Recipe,
    contract: Contract,
    *,
    folder: Path,
    first: int = 0,
    crop: int | None = None,
    batch: int | None = None,
    part: tuple[int, int] = (0, 1),
) -> tf.data.Dataset:
    """Return the endless stream of training batches of RAW pictures, from sample `first` on.

    Pairs are decoded once, into files of which only the crops are read: memory stays small however
    large the dataset. One that cannot be decoded is said and left out. A sample is exposed as on
    the device (`imaging.raw.exposed`), then flipped and transposed at random so that every color
    filter stays in its place. As in `pipeline.build`, what a sample is follows from the seed and
    its number alone.

    Args:
        pairs: Short exposures ("raw") with their targets.
        recipe: Its `pipeline` (`crop`, `batch`, `turned`, `exposure_ev`) and `seed` are read.
        contract: The model's ports; with a scale of 1 targets are shrunk to half.
        folder: Where decoded pairs are kept.
        first: See `pipeline.build.training_feed`, as the rest.
        crop: Side of the crops (packed pixels).
        batch: Pairs in a batch.
        part: Which part of every batch.

    Returns:
        Batches ({"raw": (B, h, w, 4)}, {"target": (B, scale h, scale w, 3)}), float32 in [0, 1].

    Raises:
        UsageError: If no pair can be decoded, or the first is of a sensor that is not Bayer's.
    """
    options = recipe.pipeline
    crop = options.crop_size if crop is None else crop
    (port,) = contract.image_inputs
    _check_filters(pairs, port)
    store = build_raw_cache(pairs, folder, told=print)
    side = crop * contract.scale

    def read(index: np.ndarray, seed: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        rng = np.random.default_rng(seed.view(np.uint32))
        return random_raw_crop(
            store, int(index), crop, rng,
            scale=contract.scale, turned=options.random_d4, stops=options.random_exposure_ev,
        )  # fmt: skip

    def load(seeds: dict[str, tf.Tensor], index: tf.Tensor) -> tuple[dict, dict]:
        asked = [index, seeds["sample"]]
        packed, target = tf.numpy_function(read, asked, [tf.float32] * 2, stateful=False)
        packed = tf.ensure_shape(packed, (crop, crop, port.channels))
        return {port.name: packed}, {"target": tf.ensure_shape(target, (side, side, 3))}

    batch = batch or options.batch_size
    return batched_samples(
        load, RANDOM_OPS, len(store), recipe.seed, first=first, batch=batch, part=part
    )


def _check_filters(pairs: Sequence[Pair], port: Port) -> None:
    """Refuse a dataset of another kind of sensor, by its first file, before hours of decoding."""
    first = pairs[0].inputs[port.name]
    try:
        channels = len(raw_image.read_raw(first, black_level=0).metadata.black_level)
    except UsageError:
        return  # one that cannot be read is left out, and said
    if channels != port.channels:
        raise UsageError(
            f"The net learns from Bayer sensors ({port.channels} channels). Received: {first}, "
            f"X-Trans ({channels} channels). Name other data, such as sid_sony."
        )


def random_raw_crop(
    store: RawCache,
    index: int,
    crop: int,
    rng: np.random.Generator,
    *,
    scale: int = 2,
    turned: bool = True,
    stops: float = 0.0,
) -> tuple[np.ndarray, np.ndarray]:
    """Return a random crop of a pair: what a net is shown, and what it should make of it.

    Args:
        store: Decoded pairs.
        index: Which.
        crop: Side (packed pixels).
        rng: Decides about everything random.
        scale: Pixels of the target in a row for each packed pixel, 1 or 2.
        turned: Flip and transpose at random, eight ways.
        stops: The ratio is off by at most so many stops, at random.

    Returns:
        (crop, crop, 4) and (scale x crop, scale x crop, 3), float32 in [0, 1].
    """
    wide = crop + turned  # flipping a mosaic costs a row or a column of cells, see `flipped`
    room = np.subtract(store.size(index), wide) + 1
    top, left = (int(rng.integers(side)) for side in room)
    found = store.read(index, crop=(top, left, wide, wide))
    ratio = found.ratio * 2 ** rng.uniform(-stops, stops)
    packed, target = raw_image.amplify(found.packed, found.metadata, ratio), found.target
    if turned:
        for axis in (0, 1):
            if rng.random() < 0.5:
                packed, target = flip_cfa(packed, target, axis)
            else:
                packed, _ = np.split(packed, [crop], axis)
                target, _ = np.split(target, [CFA_PERIOD * crop], axis)
        if rng.random() < 0.5:
            packed, target = transpose_cfa(packed, target)
    if scale == 1:
        target = cv2.resize(target, (crop, crop), interpolation=cv2.INTER_AREA)
    return np.ascontiguousarray(packed), np.ascontiguousarray(target)


def flip_cfa(packed: np.ndarray, target: np.ndarray, axis: int) -> tuple[np.ndarray, np.ndarray]:
    """Flip what a sensor saw, and the picture of it, so that every filter stays in its place.

    The flipped mosaic begins with the other color: it is read from its second row or column on, and
    one cell less is left.

    Args:
        packed: (h, w, 4): R, G1, G2, B.
        target: (2h, 2w, 3).
        axis: 0 for top and bottom, 1 for left and right.

    Returns:
        Both, with one cell less along the axis.

    Reference:
        Liu et al., "Learning Raw Image Denoising with Bayer Pattern Unification and Bayer
        Preserving Augmentation", CVPR Workshops 2019.
    """
    cells = packed.reshape(*packed.shape[:2], CFA_PERIOD, CFA_PERIOD)
    cells = np.moveaxis(cells, (axis, 2 + axis), (0, 1))  # along the axis, first and second of each
    turned = cells[::-1].copy()
    turned = np.stack([turned[:-1, 0], turned[1:, 1]], axis=1)
    turned = np.moveaxis(turned, (0, 1), (axis, 2 + axis)).reshape(
        *(side - (axis == place) for place, side in enumerate(packed.shape[:2])), packed.shape[2]
    )
    picture = np.flip(target, axis)
    return turned, picture[1:-1] if axis == 0 else picture[:, 1:-1]


def transpose_cfa(packed: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Transpose both: red and blue stay in their places, the greens change theirs."""
    return packed[..., [0, 2, 1, 3]].swapaxes(0, 1), target.swapaxes(0, 1)
