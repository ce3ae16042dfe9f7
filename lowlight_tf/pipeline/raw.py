"""Training batches of RAW pairs: ({"raw": packed}, {"target": images})."""

from collections.abc import Callable, Sequence
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
from lowlight_tf.pipeline.paired import batch_samples

RANDOM_OPS = ("sample",)
"""Random operations of a sample: one seed for all that NumPy draws."""

CFA_PERIOD = 2
"""Pixels of the Bayer pattern in a row."""


def raw_dataset(
    pairs: Sequence[Pair],
    recipe: Recipe,
    contract: Contract,
    *,
    cache_dir: Path,
    report: Callable[[str], None] = print,
    first_sample: int = 0,
    crop_size: int | None = None,
    batch_size: int | None = None,
    shard: tuple[int, int] = (0, 1),
) -> tf.data.Dataset:
    """Return an endless dataset of training batches of RAW images.

    Pairs are decoded once, into files of which only the crops are read: memory is independent of
    the size of the dataset. Pairs that cannot be decoded are reported and skipped. A sample is
    amplified as at inference (`raw_image.amplify`), then flipped and transposed at random so that
    the color filter pattern is kept. As in `pair_dataset`, a sample depends on the seed and its
    number alone.

    Args:
        pairs: Short exposures ("raw") with their targets.
        recipe: Its `pipeline` (`crop_size`, `batch_size`, `random_d4`, `random_exposure_ev`) and
            `seed` are read.
        contract: Ports of the model; with a scale of 1 targets are resized to half.
        cache_dir: Folder of the decoded pairs.
        report: Called with one line for each pair that is skipped.
        first_sample: See `pair_dataset`, as the rest.
        crop_size: Side of the crops (packed pixels).
        batch_size: Pairs in a batch.
        shard: Part of every batch.

    Returns:
        Batches ({"raw": (B, h, w, 4)}, {"target": (B, scale h, scale w, 3)}), float32 in [0, 1].

    Raises:
        UsageError: If no pair can be decoded, or the first is not of a Bayer sensor.
    """
    options = recipe.pipeline
    crop_size = options.crop_size if crop_size is None else crop_size
    (port,) = contract.image_inputs
    _check_sensor(pairs, port)
    cache = build_raw_cache(pairs, cache_dir, report=report)
    target_size = crop_size * contract.scale

    def read(index: np.ndarray, seed: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return random_raw_crop(
            cache,
            int(index),
            crop_size,
            np.random.default_rng(seed.view(np.uint32)),
            scale=contract.scale,
            random_d4=options.random_d4,
            max_stops=options.random_exposure_ev,
        )

    def make_sample(seeds: dict[str, tf.Tensor], index: tf.Tensor) -> tuple[dict, dict]:
        arguments = [index, seeds["sample"]]
        packed, target = tf.numpy_function(read, arguments, [tf.float32] * 2, stateful=False)
        packed = tf.ensure_shape(packed, (crop_size, crop_size, port.channels))
        target = tf.ensure_shape(target, (target_size, target_size, 3))
        return {port.name: packed}, {"target": target}

    return batch_samples(
        make_sample,
        RANDOM_OPS,
        len(cache),
        recipe.seed,
        first_sample=first_sample,
        batch_size=batch_size or options.batch_size,
        shard=shard,
    )


def _check_sensor(pairs: Sequence[Pair], port: Port) -> None:
    """Check the sensor of the first file, before hours of decoding."""
    first = pairs[0].inputs[port.name]
    try:
        channels = len(raw_image.read_raw(first, black_level=0).metadata.black_level)
    except UsageError:
        return  # `build_raw_cache` reports and skips it
    if channels != port.channels:
        raise UsageError(
            f"The model trains on Bayer sensors ({port.channels} channels). Received: {first}, "
            f"X-Trans ({channels} channels). Pass other data, such as sid_sony."
        )


def random_raw_crop(
    cache: RawCache,
    index: int,
    crop_size: int,
    rng: np.random.Generator,
    *,
    scale: int = 2,
    random_d4: bool = True,
    max_stops: float = 0.0,
) -> tuple[np.ndarray, np.ndarray]:
    """Return a random crop of a pair, as model input and target.

    Args:
        cache: Decoded pairs.
        index: Index of the pair.
        crop_size: Side (packed pixels).
        rng: Random generator.
        scale: Pixels of the target in a row for each packed pixel, 1 or 2.
        random_d4: Whether to flip and transpose at random, eight ways.
        max_stops: The exposure ratio is changed by at most so many stops, at random.

    Returns:
        (crop_size, crop_size, 4) and (scale x crop_size, scale x crop_size, 3), float32 in [0, 1].
    """
    read_size = crop_size + random_d4  # flipping costs a row or a column, see `flip_cfa`
    positions = np.subtract(cache.size(index), read_size) + 1
    top, left = (int(rng.integers(count)) for count in positions)
    sample = cache.read(index, crop=(top, left, read_size, read_size))
    ratio = sample.ratio * 2 ** rng.uniform(-max_stops, max_stops)
    packed, target = raw_image.amplify(sample.packed, sample.metadata, ratio), sample.target
    if random_d4:
        for axis in (0, 1):
            if rng.random() < 0.5:
                packed, target = flip_cfa(packed, target, axis)
            else:
                packed, _ = np.split(packed, [crop_size], axis)
                target, _ = np.split(target, [CFA_PERIOD * crop_size], axis)
        if rng.random() < 0.5:
            packed, target = transpose_cfa(packed, target)
    if scale == 1:
        target = cv2.resize(target, (crop_size, crop_size), interpolation=cv2.INTER_AREA)
    return np.ascontiguousarray(packed), np.ascontiguousarray(target)


def flip_cfa(packed: np.ndarray, target: np.ndarray, axis: int) -> tuple[np.ndarray, np.ndarray]:
    """Flip a packed mosaic and its target so that the color filter pattern is kept.

    The flipped mosaic begins with the other color. It is read from its second row or column on,
    and is one packed pixel smaller.

    Args:
        packed: (h, w, 4): R, G1, G2, B.
        target: (2h, 2w, 3).
        axis: 0 to flip vertically, 1 horizontally.

    Returns:
        Both, one packed pixel smaller along the axis.

    Reference:
        Liu et al., "Learning Raw Image Denoising with Bayer Pattern Unification and Bayer
        Preserving Augmentation", CVPR Workshops 2019.
    """
    cells = packed.reshape(*packed.shape[:2], CFA_PERIOD, CFA_PERIOD)
    cells = np.moveaxis(cells, (axis, 2 + axis), (0, 1))  # position and phase along the axis first
    flipped = cells[::-1].copy()
    flipped = np.stack([flipped[:-1, 0], flipped[1:, 1]], axis=1)
    flipped = np.moveaxis(flipped, (0, 1), (axis, 2 + axis)).reshape(
        *(side - (axis == i) for i, side in enumerate(packed.shape[:2])), packed.shape[2]
    )
    target = np.flip(target, axis)
    return flipped, target[1:-1] if axis == 0 else target[:, 1:-1]


def transpose_cfa(packed: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Transpose both: red and blue keep their positions, the two greens are swapped."""
    return packed[..., [0, 2, 1, 3]].swapaxes(0, 1), target.swapaxes(0, 1)
