"""Pairs + recipe -> batches of ({port: images}, {"target": images})."""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from lowlight_tf.config import Recipe
from lowlight_tf.contract import Contract, Port
from lowlight_tf.datasets.pairing import Pair
from lowlight_tf.pipeline import augmentations
from lowlight_tf.pipeline.image_cache import (
    PairCache,
    dark_quantiles,
    exposure_normalization_factors,
)
from lowlight_tf.pipeline.imgaug_adapter import load_augmenter
from lowlight_tf.pipeline.lowlight_synthesis import synthesize_night

RANDOM_OPS = (
    "crop",
    "night",
    "turn",
    "expose",
    "blur",
    "noise",
    "imgaug",
    "bend",
    "glance",
    "lit",
    "mix",
)


def paired_dataset(
    pairs: Sequence[Pair],
    recipe: Recipe,
    contract: Contract,
    *,
    first: int = 0,
    crop: int | None = None,
    batch: int | None = None,
    part: tuple[int, int] = (0, 1),
) -> tf.data.Dataset:
    """Return the endless stream of training batches, from sample `first` on.

    The order and every random draw follow from the recipe's seed and the number of the sample
    alone, so the stream that begins at a sample is the rest of the one that begins at 0.

    Args:
        pairs: What to learn from; a pair without inputs is a day picture.
        recipe: Its `pipeline` and `seed` are read.
        contract: The model's ports: one picture, and thumbnails of it.
        first: Number of the first sample.
        crop: Side of the crops (pixels), 0 for whole pictures; None takes the recipe's.
        batch: Pictures in a batch; None takes the recipe's.
        part: (k, n) gives the k-th of n equal parts of every batch; n must divide `batch`. Beside
            each other the parts are the batch that one would have got whole.

    Returns:
        Batches ({port: (B, h, w, C)}, {"target": (B, h, w, C)}), float32 sRGB in [0, 1].

    Reference:
        Random blur, noise and night as in the night-driving U-Net, see `pipeline.night`.
    """
    options = recipe.pipeline
    crop = options.crop_size if crop is None else crop
    batch = batch or options.batch_size
    (port,) = contract.image_inputs
    store = PairCache(pairs, port=port.name, cache_mb=options.cache_mb)
    days = tf.constant(
        [options.synthesize_night or store.is_target_only(index) for index in range(len(store))]
    )
    nights = bool(tf.reduce_any(days))
    quantiles = tf.constant(dark_quantiles(store)) if nights else None
    change = load_augmenter(options.augmentation) if options.augmentation != "native" else None
    factors = tf.constant(exposure_normalization_factors(store, options.normalize_target_exposure))

    def sample(seeds: dict[str, tf.Tensor], index: tf.Tensor) -> tuple[dict, dict]:
        low, target = tf.numpy_function(store.read, [index], [tf.uint8, tf.uint8], stateful=False)
        low, target = (tf.ensure_shape(image, [None, None, 3]) for image in (low, target))
        (low, target), window = augmentations.random_crop([low, target], crop, seeds["crop"])
        low, target = (tf.cast(image, tf.float32) / 255 for image in (low, target))
        glances = {
            small.name: glance(small, index, days[index]) for small in contract.thumbnail_inputs
        }
        if nights:
            whole = next(iter(glances.values()), None)
            window = window if glances else None
            dark = functools.partial(synthesize_night, quantiles=quantiles, options=options)
            draw = {"seed": seeds["night"], "full_size": whole}
            glances = {
                name: tf.cond(days[index], lambda g=image: dark(g, **draw)[0], lambda g=image: g)
                for name, image in glances.items()
            }
            low, target = tf.cond(
                days[index], lambda: dark(target, window=window, **draw), lambda: (low, target)
            )
        if options.normalize_target_exposure:
            target = tf.minimum(target * factors[index], 1)
        if options.target_blend_prob:
            light = augmentations.random_target_blend_weight(
                options.target_blend_prob, seeds["lit"]
            )
            low += light * (target - low)
            for small in contract.thumbnail_inputs:
                bright = tf.minimum(glance(small, index, True) * factors[index], 1)
                glances[small.name] += light * (bright - glances[small.name])
        if options.random_d4 and crop:
            low, target = augmentations.random_d4([low, target], seeds["turn"])
        if options.thumbnail_crop_min:
            glances = {
                small.name: augmentations.random_thumbnail_crop(
                    glances[small.name], small.size, options.thumbnail_crop_min, seeds["glance"]
                )
                for small in contract.thumbnail_inputs
            }
        seen = {port.name: low, **glances}
        if options.random_exposure_ev:
            seen = _map_sample(
                seen, augmentations.random_exposure, options.random_exposure_ev, seeds["expose"]
            )
        if options.random_gamma:
            seen = _map_sample(
                seen, augmentations.random_gamma, options.random_gamma, seeds["bend"]
            )
        low = seen[port.name]
        if options.blur_prob:
            low = augmentations.random_gaussian_blur(
                low, options.blur_prob, options.blur_sigma, seeds["blur"]
            )
        if options.noise_sigma_max:
            low = augmentations.add_gaussian_noise(low, options.noise_sigma_max, seeds["noise"])
        if change:
            low = _through_imgaug(low, change, seeds["imgaug"])
        low, target = (tf.ensure_shape(image, target.shape) for image in (low, target))
        return {**seen, port.name: low}, {"target": target}

    def glance(small: Port, index: tf.Tensor, day: tf.Tensor | bool) -> tf.Tensor:
        """Return a thumbnail of the whole input, or of the whole target if `day`."""
        larger = 1 / (options.thumbnail_crop_min or 1)
        height, width = (round(side * larger) for side in small.size)
        image = tf.numpy_function(
            lambda i, day: store.thumbnail(int(i), (height, width), day=bool(day)),
            [index, day], tf.uint8, stateful=False,
        )  # fmt: skip
        image = tf.ensure_shape(image, (height, width, small.channels))
        return tf.cast(image, tf.float32) / 255

    def mixed(count: tf.Tensor, samples: tuple[dict, dict]) -> tuple[dict, dict]:
        draw = sample_seeds(recipe.seed, count, RANDOM_OPS)["mix"]
        inputs, targets = samples
        both = augmentations.mixup({**inputs, **targets}, options.mixup_prob, draw)
        own = {name: image[here] for name, image in both.items()}
        return {name: own[name] for name in inputs}, {name: own[name] for name in targets}

    place, parts = part
    here = slice(place * batch // parts, (place + 1) * batch // parts)
    whole = (
        (0, 1) if options.mixup_prob else part
    )  # pictures are mixed with those of the whole batch
    batches = batched_samples(
        sample, RANDOM_OPS, len(pairs), recipe.seed, first=first, batch=batch, part=whole
    )
    if options.mixup_prob:
        batches = batches.enumerate(first // batch).map(mixed).prefetch(tf.data.AUTOTUNE)
    return batches


def batched_samples(
    sample: Callable[[dict[str, tf.Tensor], tf.Tensor], Any],
    names: Sequence[str],
    count: int,
    seed: int,
    *,
    first: int,
    batch: int,
    part: tuple[int, int] = (0, 1),
) -> tf.data.Dataset:
    """Return the endless stream of batches of samples, from sample `first` on.

    Args:
        sample: Makes a sample of a seed for each draw and the index of its pair.
        names: The draws.
        count: How many pairs there are.
        seed: Of the order and of the draws.
        first: See `training_feed`, as the rest.
        batch: Samples in a batch.
        part: Which part of every batch.
    """
    place, parts = part
    own = batch // parts
    numbers = shuffled_indices(count, seed).skip(first)
    if parts > 1:
        numbers = numbers.filter(lambda number, _: (number - first) % batch // own == place)
    samples = numbers.map(
        lambda number, index: sample(sample_seeds(seed, number, names), index),
        num_parallel_calls=tf.data.AUTOTUNE,
        deterministic=True,
    )
    return samples.batch(own, drop_remainder=True).prefetch(tf.data.AUTOTUNE)


def _map_sample(images: dict, change: Callable, amount: float, seed: tf.Tensor) -> dict:
    """Change all images alike."""
    return {name: change(image, amount, seed) for name, image in images.items()}


def sample_seeds(seed: int, number: tf.Tensor, names: Sequence[str]) -> dict[str, tf.Tensor]:
    """Return a seed for each draw of a sample."""
    key = tf.constant([seed, 0], tf.int32)
    own = tf.random.fold_in(key, tf.cast(number, tf.int32))
    return dict(zip(names, tf.unstack(tf.random.split(own, len(names))), strict=True))


def shuffled_indices(count: int, seed: int) -> tf.data.Dataset:
    """Return (number of the sample, index of its pair) for ever, each epoch in its own order."""

    def epoch(number: tf.Tensor) -> tf.data.Dataset:
        shuffled = tf.random.experimental.stateless_shuffle(
            tf.range(count, dtype=tf.int64), seed=tf.stack([tf.cast(seed, tf.int64), number])
        )
        return tf.data.Dataset.from_tensor_slices(shuffled)

    return tf.data.Dataset.range(np.iinfo(np.int64).max).flat_map(epoch).enumerate()


def _through_imgaug(low: tf.Tensor, change, seed: tf.Tensor) -> tf.Tensor:
    eight_bit = tf.cast(tf.round(low * 255), tf.uint8)
    changed = tf.numpy_function(change, [eight_bit, seed[0]], tf.uint8, stateful=False)
    return tf.ensure_shape(tf.cast(changed, tf.float32) / 255, low.shape)
