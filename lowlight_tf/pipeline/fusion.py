"""Pairs of two cameras + recipe -> batches of ({port: images}, {}): nobody knows a target."""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from lowlight_tf.config import Recipe
from lowlight_tf.contract import Contract, Port
from lowlight_tf.datasets import multi_camera
from lowlight_tf.datasets.pairing import Pair
from lowlight_tf.imaging import color, dtypes
from lowlight_tf.imaging.registration.pair_preprocessing import PairPreprocessing, preprocess_pair
from lowlight_tf.imaging.resize import resize_image
from lowlight_tf.pipeline import augmentations
from lowlight_tf.pipeline.image_cache import ArrayCache
from lowlight_tf.pipeline.paired import batched_samples

RANDOM_OPS = ("crop", "turn", "expose", "bend", "noise")


class MultiCameraCache:
    """What two cameras saw, decoded when asked for and kept as 8 bit while room lasts.

    Args:
        pairs: What to read.
        contract: Its pictures are read; one channel is a color picture's luma.
        preparation: What is done to both before.
        cache_mb: Room for decoded pictures (MB); what does not fit is decoded each time.
    """

    def __init__(
        self,
        pairs: Sequence[Pair],
        contract: Contract,
        *,
        preparation: PairPreprocessing,
        cache_mb: int,
    ) -> None:
        self._pairs, self._ports, self._preparation = pairs, contract.image_inputs, preparation
        self._shelf = ArrayCache(cache_mb)
        self._glances: dict[tuple[int, str], np.ndarray] = {}

    def read(self, index: int) -> tuple[np.ndarray, ...]:
        """Return the pictures of one pair, (H, W, C) uint8 each, in the order of the ports."""
        return self._shelf.get(index, lambda: self._decode(self._pairs[index]))

    def thumbnail(self, index: int, small: Port, whole: str) -> np.ndarray:
        """Return the picture of the port `whole` as the thumbnail port `small` is shown it."""
        key = index, small.name
        if key not in self._glances:
            place = [port.name for port in self._ports].index(whole)
            image = self.read(index)[place]
            self._glances[key] = resize_image(image, small.size)
        return self._glances[key]

    def _decode(self, pair: Pair) -> tuple[np.ndarray, ...]:
        both = multi_camera.read_cameras(pair, [port.name for port in self._ports])
        prepared = preprocess_pair(*map(dtypes.img_as_float32, both.values()), self._preparation)
        lumas = (
            color.luma(image)[..., None] if image.shape[2] > port.channels else image
            for port, image in zip(self._ports, prepared, strict=True)
        )
        return tuple(np.uint8(np.rint(luma.clip(0, 1) * 255)) for luma in lumas)


def fusion_dataset(
    pairs: Sequence[Pair],
    recipe: Recipe,
    contract: Contract,
    *,
    first: int = 0,
    crop: int | None = None,
    batch: int | None = None,
    part: tuple[int, int] = (0, 1),
) -> tf.data.Dataset:
    """Return the endless stream of training batches of two cameras, from sample `first` on.

    All pictures of a pair are cut and turned alike; only what the first camera, the visible one,
    saw is exposed, bent and made noisy at random, its thumbnails with it: infrared light knows no
    night. As in `pipeline.build`, what a sample is follows from the seed and its number alone.

    Args:
        pairs: What to learn from.
        recipe: Its `pipeline` (`crop`, `batch`, `turned`, `exposure_ev`, `bend`, `noise`,
            `cache_mb`), `preparation` and `seed` are read.
        contract: The model's ports: a picture for each camera, and thumbnails of them.
        first: See `pipeline.build.training_feed`, as the rest.
        crop: Side of the crops (pixels).
        batch: Pairs in a batch.
        part: Which part of every batch.

    Returns:
        Batches ({port: (B, h, w, C)}, {}), float32 in [0, 1].
    """
    options = recipe.pipeline
    crop = options.crop_size if crop is None else crop
    ports, smalls = contract.image_inputs, contract.thumbnail_inputs
    store = MultiCameraCache(
        pairs, contract, preparation=recipe.preprocessing, cache_mb=options.cache_mb
    )

    def sample(seeds: dict[str, tf.Tensor], index: tf.Tensor) -> tuple[dict, dict]:
        images = tf.numpy_function(store.read, [index], [tf.uint8] * len(ports), stateful=False)
        images = [
            tf.ensure_shape(image, [None, None, port.channels])
            for image, port in zip(images, ports, strict=True)
        ]
        images, _ = augmentations.random_crop(images, crop, seeds["crop"])
        if options.random_d4 and crop:
            images = augmentations.random_d4(images, seeds["turn"])
        names = [port.name for port in ports]
        seen = {name: tf.cast(i, tf.float32) / 255 for name, i in zip(names, images, strict=True)}
        glances = {small.name: glance(small, index) for small in smalls}
        dimmed = [names[0], *(s.name for s in smalls if contract.source_of(s) == names[0])]
        seen |= glances
        for name in dimmed:
            if options.random_exposure_ev:
                seen[name] = augmentations.random_exposure(
                    seen[name], options.random_exposure_ev, seeds["expose"]
                )
            if options.random_gamma:
                seen[name] = augmentations.random_gamma(
                    seen[name], options.random_gamma, seeds["bend"]
                )
        if options.noise_sigma_max:
            seen[names[0]] = augmentations.add_gaussian_noise(
                seen[names[0]], options.noise_sigma_max, seeds["noise"]
            )
        return seen, {}

    def glance(small: Port, index: tf.Tensor) -> tf.Tensor:
        image = tf.numpy_function(
            lambda i: store.thumbnail(int(i), small, contract.source_of(small)),
            [index], tf.uint8, stateful=False,
        )  # fmt: skip
        image = tf.ensure_shape(image, (*small.size, small.channels))
        return tf.cast(image, tf.float32) / 255

    batch = batch or options.batch_size
    return batched_samples(
        sample, RANDOM_OPS, len(pairs), recipe.seed, first=first, batch=batch, part=part
    )
