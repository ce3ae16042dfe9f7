"""Training batches of pairs: ({port: images}, {"target": images})."""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from lowlight_tf.config import Recipe
from lowlight_tf.contract import Contract, Port
from lowlight_tf.datasets.image_size import image_size
from lowlight_tf.datasets.pairing import Pair
from lowlight_tf.pipeline import augmentations
from lowlight_tf.pipeline.brightness_target import (
    adjust_brightness,
    brightness_port,
    random_brightness,
)
from lowlight_tf.pipeline.image_cache import (
    PairCache,
    dark_quantiles,
    exposure_normalization_factors,
)
from lowlight_tf.pipeline.imgaug_adapter import Augment, load_augmenter
from lowlight_tf.pipeline.lowlight_synthesis import synthesize_night

RANDOM_OPS = (
    "crop",
    "night",
    "d4",
    "exposure",
    "blur",
    "noise",
    "imgaug",
    "gamma",
    "thumbnail_crop",
    "target_blend",
    "mixup",
)
"""Random operations of a sample; the order determines their seeds."""


def pair_dataset(
    pairs: Sequence[Pair],
    recipe: Recipe,
    contract: Contract,
    *,
    first_sample: int = 0,
    crop_size: int | None = None,
    batch_size: int | None = None,
    shard: tuple[int, int] = (0, 1),
) -> tf.data.Dataset:
    """Return an endless dataset of training batches.

    The order and all random operations depend on the recipe's seed and the number of the sample
    alone: a dataset that begins at a sample is the remainder of the one that begins at 0.

    Args:
        pairs: Training pairs; the input of a pair without inputs is synthesized from its target.
        recipe: Its `pipeline` and `seed` are read.
        contract: Ports of the model: one image, and thumbnails of it.
        first_sample: Number of the first sample.
        crop_size: Side of the crops (pixels), 0 for full images; None takes the recipe's.
        batch_size: Pairs in a batch; None takes the recipe's.
        shard: (index, count) returns one of `count` equal parts of every batch; `count` must divide
            `batch_size`. The concatenated parts are the batch of (0, 1).

    Returns:
        Batches ({port: (B, h, w, C)}, {"target": (B, h, w, C)}), float32 sRGB in [0, 1].

    Reference:
        Random blur, noise and night as in the night-driving U-Net, see `lowlight_synthesis`.
    """
    options = recipe.pipeline
    crop_size = options.crop_size if crop_size is None else crop_size
    batch_size = batch_size or options.batch_size
    (port,) = contract.image_inputs
    cache = PairCache(pairs, port=port.name, cache_mb=options.cache_mb)
    full_size = (None, None) if crop_size else _common_size(pairs)
    is_night = tf.constant(
        [options.synthesize_night or cache.is_target_only(index) for index in range(len(cache))]
    )
    any_night = bool(tf.reduce_any(is_night))
    quantiles = tf.constant(dark_quantiles(cache)) if any_night else None
    augment = load_augmenter(options.augmentation) if options.augmentation != "native" else None
    factors = tf.constant(exposure_normalization_factors(cache, options.normalize_target_exposure))

    def make_sample(seeds: dict[str, tf.Tensor], index: tf.Tensor) -> tuple[dict, dict]:
        image, target = tf.numpy_function(cache.read, [index], [tf.uint8] * 2, stateful=False)
        image, target = (tf.ensure_shape(one, [*full_size, 3]) for one in (image, target))
        (image, target), window = augmentations.random_crop(
            [image, target], crop_size, seeds["crop"]
        )
        image, target = (tf.cast(one, tf.float32) / 255 for one in (image, target))
        thumbnails = {
            small.name: read_thumbnail(small, index, of_target=is_night[index])
            for small in contract.thumbnail_inputs
        }
        if any_night:
            image, target, thumbnails = add_night(
                image, target, thumbnails, window, is_night[index], seeds["night"]
            )
        if options.normalize_target_exposure:
            target = tf.minimum(target * factors[index], 1)
        if options.target_blend_prob:
            weight = augmentations.random_target_blend_weight(
                options.target_blend_prob, seeds["target_blend"]
            )
            image += weight * (target - image)
            for small in contract.thumbnail_inputs:
                bright = read_thumbnail(small, index, of_target=True)
                bright = tf.minimum(bright * factors[index], 1)
                thumbnails[small.name] += weight * (bright - thumbnails[small.name])
        if options.random_d4 and crop_size:
            image, target = augmentations.random_d4([image, target], seeds["d4"])
        if options.thumbnail_crop_min:
            thumbnails = {
                small.name: augmentations.random_thumbnail_crop(
                    thumbnails[small.name],
                    small.size,
                    options.thumbnail_crop_min,
                    seeds["thumbnail_crop"],
                )
                for small in contract.thumbnail_inputs
            }
        inputs = {port.name: image, **thumbnails}
        for operation, amount, seed in (
            (augmentations.random_exposure, options.random_exposure_ev, seeds["exposure"]),
            (augmentations.random_gamma, options.random_gamma, seeds["gamma"]),
        ):
            if amount:
                inputs = {name: operation(one, amount, seed) for name, one in inputs.items()}
        if options.black_level_max:
            # A seed of its own, not one more draw: the draws of older recipes stay as they were.
            seed = tf.random.fold_in(seeds["noise"], 9)
            inputs = {
                name: augmentations.random_black_level(one, options.black_level_max, seed)
                for name, one in inputs.items()
            }
        image = inputs[port.name]
        if options.blur_prob:
            image = augmentations.random_gaussian_blur(
                image, options.blur_prob, options.blur_sigma, seeds["blur"]
            )
        if options.noise_sigma_max:
            image = augmentations.add_gaussian_noise(image, options.noise_sigma_max, seeds["noise"])
        if augment:
            image = _apply_augmenter(image, augment, seeds["imgaug"])
        image, target = (tf.ensure_shape(one, target.shape) for one in (image, target))
        if contract.controls:
            seed = tf.random.fold_in(seeds["target_blend"], 8)  # as above
            ev = random_brightness(options.random_brightness_prob, seed)
            target = adjust_brightness(target, ev)
            inputs |= {control.name: brightness_port(ev) for control in contract.controls}
        return {**inputs, port.name: image}, {"target": target}

    def add_night(
        image: tf.Tensor,
        target: tf.Tensor,
        thumbnails: dict[str, tf.Tensor],
        window: tf.Tensor,
        is_night: tf.Tensor,
        seed: tf.Tensor,
    ) -> tuple[tf.Tensor, tf.Tensor, dict[str, tf.Tensor]]:
        """Synthesize image and thumbnails of the same night from the target, if `is_night`."""
        synthesize = functools.partial(
            synthesize_night,
            quantiles=quantiles,
            options=options,
            seed=seed,
            full_image=next(iter(thumbnails.values()), None),
        )
        dark = {
            name: tf.cond(
                is_night, lambda one=thumbnail: synthesize(one)[0], lambda one=thumbnail: one
            )
            for name, thumbnail in thumbnails.items()
        }
        image, target = tf.cond(
            is_night,
            lambda: synthesize(target, window=window if thumbnails else None),
            lambda: (image, target),
        )
        return image, target, dark

    def read_thumbnail(small: Port, index: tf.Tensor, *, of_target: tf.Tensor | bool) -> tf.Tensor:
        """Return a thumbnail of the full input or target, as large as random crops of it need."""
        scale = 1 / (options.thumbnail_crop_min or 1)
        height, width = (round(side * scale) for side in small.size)
        image = tf.numpy_function(
            lambda i, target: cache.thumbnail(int(i), (height, width), of_target=bool(target)),
            [index, of_target], tf.uint8, stateful=False,
        )  # fmt: skip
        image = tf.ensure_shape(image, (height, width, small.channels))
        return tf.cast(image, tf.float32) / 255

    def mix(number: tf.Tensor, batch: tuple[dict, dict]) -> tuple[dict, dict]:
        """Apply mixup to a full batch, then take the shard of it."""
        seed = sample_seeds(recipe.seed, number, RANDOM_OPS)["mixup"]
        inputs, targets = batch
        images = augmentations.mixup({**inputs, **targets}, options.mixup_prob, seed)
        images = {name: image[shard_slice] for name, image in images.items()}
        return {name: images[name] for name in inputs}, {name: images[name] for name in targets}

    shard_index, shard_count = shard
    shard_slice = slice(
        shard_index * batch_size // shard_count, (shard_index + 1) * batch_size // shard_count
    )
    batches = batch_samples(
        make_sample,
        RANDOM_OPS,
        len(pairs),
        recipe.seed,
        first_sample=first_sample,
        batch_size=batch_size,
        shard=(0, 1) if options.mixup_prob else shard,  # mixup needs the full batch
    )
    if options.mixup_prob:
        batches = batches.enumerate(first_sample // batch_size).map(mix).prefetch(tf.data.AUTOTUNE)
    return batches


def batch_samples(
    make_sample: Callable[[dict[str, tf.Tensor], tf.Tensor], Any],
    random_ops: Sequence[str],
    count: int,
    seed: int,
    *,
    first_sample: int,
    batch_size: int,
    shard: tuple[int, int] = (0, 1),
) -> tf.data.Dataset:
    """Return an endless dataset of batches of samples.

    Args:
        make_sample: (random operation -> seed, index of a pair) -> sample.
        random_ops: Names of the random operations.
        count: Number of pairs.
        seed: Seed of the order and of the random operations.
        first_sample: See `pair_dataset`, as the rest.
        batch_size: Samples in a batch.
        shard: Part of every batch.
    """
    shard_index, shard_count = shard
    shard_size = batch_size // shard_count
    numbers = shuffle_indices(count, seed).skip(first_sample)
    if shard_count > 1:
        numbers = numbers.filter(
            lambda number, _: (number - first_sample) % batch_size // shard_size == shard_index
        )
    samples = numbers.map(
        lambda number, index: make_sample(sample_seeds(seed, number, random_ops), index),
        num_parallel_calls=tf.data.AUTOTUNE,
        deterministic=True,
    )
    return samples.batch(shard_size, drop_remainder=True).prefetch(tf.data.AUTOTUNE)


def sample_seeds(seed: int, number: tf.Tensor, random_ops: Sequence[str]) -> dict[str, tf.Tensor]:
    """Return random operation -> seed, (2,), of one sample."""
    key = tf.constant([seed, 0], tf.int32)
    sample_key = tf.random.fold_in(key, tf.cast(number, tf.int32))
    seeds = tf.unstack(tf.random.split(sample_key, len(random_ops)))
    return dict(zip(random_ops, seeds, strict=True))


def shuffle_indices(count: int, seed: int) -> tf.data.Dataset:
    """Return an endless dataset of (sample number, pair index); each epoch has its own order."""

    def epoch(number: tf.Tensor) -> tf.data.Dataset:
        shuffled = tf.random.experimental.stateless_shuffle(
            tf.range(count, dtype=tf.int64), seed=tf.stack([tf.cast(seed, tf.int64), number])
        )
        return tf.data.Dataset.from_tensor_slices(shuffled)

    return tf.data.Dataset.range(np.iinfo(np.int64).max).flat_map(epoch).enumerate()


def _common_size(pairs: Sequence[Pair]) -> tuple[int | None, int | None]:
    """Return height and width of all targets; None where they differ."""
    sizes = {image_size(pair.inputs.get(pair.resize_to, pair.target)) for pair in pairs}
    return sizes.pop() if len(sizes) == 1 else (None, None)


def _apply_augmenter(image: tf.Tensor, augment: Augment, seed: tf.Tensor) -> tf.Tensor:
    """Apply an imgaug augmenter, which works on uint8, to a float32 image in [0, 1]."""
    pixels = tf.cast(tf.round(image * 255), tf.uint8)
    pixels = tf.numpy_function(augment, [pixels, seed[0]], tf.uint8, stateful=False)
    return tf.ensure_shape(tf.cast(pixels, tf.float32) / 255, image.shape)
