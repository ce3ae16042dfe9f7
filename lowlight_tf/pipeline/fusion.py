"""Training batches of visible and infrared images: ({port: images}, {"visible_mean": means})."""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf
from tensorflow.random import fold_in

from lowlight_tf.config import Recipe
from lowlight_tf.constants import NIGHT_BELOW
from lowlight_tf.contract import Contract, Port
from lowlight_tf.datasets import multi_camera
from lowlight_tf.datasets.pairing import Pair
from lowlight_tf.imaging import color, dtypes
from lowlight_tf.imaging.registration.pair_preprocessing import PairPreprocessing, preprocess_pair
from lowlight_tf.imaging.resize import resize_image
from lowlight_tf.pipeline import augmentations
from lowlight_tf.pipeline.image_cache import ArrayCache
from lowlight_tf.pipeline.paired import batch_samples

RANDOM_OPS = ("crop", "d4", "exposure", "gamma", "noise", "contrast", "blur", "swap", "glare")
"""Random operations of a sample; the order determines their seeds."""


class MultiCameraCache:
    """Preprocessed images of pairs of cameras, decoded on demand and cached as uint8.

    Args:
        pairs: Pairs to read.
        contract: Ports whose images are read; a port of one channel gets the luma of a color image.
        preprocessing: Applied to both images before they are cached.
        cache_mb: Capacity (MB); images that do not fit are decoded each time.
    """

    def __init__(
        self,
        pairs: Sequence[Pair],
        contract: Contract,
        *,
        preprocessing: PairPreprocessing,
        cache_mb: int,
    ) -> None:
        self._pairs, self._ports, self._preprocessing = pairs, contract.image_inputs, preprocessing
        self._images = ArrayCache(cache_mb)
        self._thumbnails: dict[tuple[int, str], np.ndarray] = {}

    def read(self, index: int) -> tuple[np.ndarray, ...]:
        """Return the images of one pair, (H, W, C) uint8 each, in the order of the ports."""
        return self._images.get(index, lambda: self._decode(self._pairs[index]))

    def thumbnail(self, index: int, port: Port, source: str) -> np.ndarray:
        """Return the image of port `source`, resized to the thumbnail `port`: (h, w, C) uint8."""
        key = index, port.name
        if key not in self._thumbnails:
            names = [image_port.name for image_port in self._ports]
            image = self.read(index)[names.index(source)]
            self._thumbnails[key] = resize_image(image, port.size)
        return self._thumbnails[key]

    def _decode(self, pair: Pair) -> tuple[np.ndarray, ...]:
        images = multi_camera.read_cameras(pair, [port.name for port in self._ports])
        images = preprocess_pair(*map(dtypes.img_as_float32, images.values()), self._preprocessing)
        images = (
            color.luma(image)[..., None] if image.shape[2] > port.channels else image
            for port, image in zip(self._ports, images, strict=True)
        )
        return tuple(dtypes.img_as_uint8(image.clip(0, 1)) for image in images)


def fusion_dataset(
    pairs: Sequence[Pair],
    recipe: Recipe,
    contract: Contract,
    *,
    first_sample: int = 0,
    crop_size: int | None = None,
    batch_size: int | None = None,
    shard: tuple[int, int] = (0, 1),
) -> tf.data.Dataset:
    """Return an endless dataset of training batches of two cameras.

    Both images of a pair are cropped and flipped alike. Random exposure, gamma and noise change the
    visible image and its thumbnail only: infrared does not depend on visible light. Glare is added
    to the visible image alone. Contrast and blur change each image by itself; then the two may be
    exchanged, but for their thumbnails. As in `pair_dataset`, a sample depends on the seed and its
    number alone.

    Args:
        pairs: Training pairs.
        recipe: Its `pipeline` (`crop_size`, `batch_size`, `random_d4`, `random_exposure_ev`,
            `random_gamma`, `noise_sigma_max`, `glare_prob`, `contrast_min`, `blur_prob`,
            `blur_sigma`, `swap_cameras_prob`, `cache_mb`), `preprocessing` and `seed` are read.
        contract: Ports of the model: an image of each camera, and thumbnails of them.
        first_sample: See `pair_dataset`, as the rest.
        crop_size: Side of the crops (pixels).
        batch_size: Pairs in a batch.
        shard: Part of every batch.

    Returns:
        Batches ({port: (B, h, w, C)}, {"visible_mean": (B, 1, 1, 1)}), float32 in [0, 1]. The mean
        is of the full visible image, of which a crop says little: whether it is night.
    """
    options = recipe.pipeline
    crop_size = options.crop_size if crop_size is None else crop_size
    ports, thumbnails = contract.image_inputs, contract.thumbnail_inputs
    visible = ports[0].name
    exposed = [visible, *(p.name for p in thumbnails if contract.source_of(p) == visible)]
    cache = MultiCameraCache(
        pairs, contract, preprocessing=recipe.preprocessing, cache_mb=options.cache_mb
    )

    def make_sample(seeds: dict[str, tf.Tensor], index: tf.Tensor) -> tuple[dict, dict]:
        images = tf.numpy_function(cache.read, [index], [tf.uint8] * len(ports), stateful=False)
        images = [
            tf.ensure_shape(image, [None, None, port.channels])
            for image, port in zip(images, ports, strict=True)
        ]
        frames = [tf.cast(image[::4, ::4], tf.float32) / 255 for image in images]
        frames[0] = expose(frames[0], seeds)
        means = [tf.reduce_mean(frame, (0, 1), keepdims=True) for frame in frames]
        images, _ = augmentations.random_crop(images, crop_size, seeds["crop"])
        if options.random_d4 and crop_size:
            images = augmentations.random_d4(images, seeds["d4"])
        inputs = {
            port.name: tf.cast(image, tf.float32) / 255
            for port, image in zip(ports, images, strict=True)
        }
        inputs |= {port.name: read_thumbnail(port, index) for port in thumbnails}
        for name in exposed:
            inputs[name] = expose(inputs[name], seeds)
        if options.noise_sigma_max:
            inputs[visible] = augmentations.add_gaussian_noise(
                inputs[visible], options.noise_sigma_max, seeds["noise"]
            )
        if options.glare_prob:
            glaring = augmentations.random_glare(
                inputs[visible], options.glare_prob, seeds["glare"]
            )
            inputs[visible] = tf.where(means[0] < NIGHT_BELOW, glaring, inputs[visible])
        images = {
            port.name: degrade(inputs[port.name], number, seeds)
            for number, port in enumerate(ports)
        }
        means = dict(zip(images, means, strict=True))
        if options.swap_cameras_prob:
            images, means = (
                augmentations.random_swap(both, options.swap_cameras_prob, seeds["swap"])
                for both in (images, means)
            )
        return inputs | images, {"visible_mean": means[visible]}

    def expose(image: tf.Tensor, seeds: dict[str, tf.Tensor]) -> tf.Tensor:
        if options.random_exposure_ev:
            image = augmentations.random_exposure(
                image, options.random_exposure_ev, seeds["exposure"]
            )
        if options.random_gamma:
            image = augmentations.random_gamma(image, options.random_gamma, seeds["gamma"])
        return image

    def degrade(image: tf.Tensor, number: int, seeds: dict[str, tf.Tensor]) -> tf.Tensor:
        contrast, blur = (fold_in(seeds[key], number) for key in ("contrast", "blur"))
        if options.contrast_min < 1:
            image = augmentations.random_contrast(image, options.contrast_min, contrast)
        if options.blur_prob:
            image = augmentations.random_gaussian_blur(
                image, options.blur_prob, options.blur_sigma, blur
            )
        return image

    def read_thumbnail(port: Port, index: tf.Tensor) -> tf.Tensor:
        image = tf.numpy_function(
            lambda i: cache.thumbnail(int(i), port, contract.source_of(port)),
            [index], tf.uint8, stateful=False,
        )  # fmt: skip
        image = tf.ensure_shape(image, (*port.size, port.channels))
        return tf.cast(image, tf.float32) / 255

    return batch_samples(
        make_sample,
        RANDOM_OPS,
        len(pairs),
        recipe.seed,
        first_sample=first_sample,
        batch_size=batch_size or options.batch_size,
        shard=shard,
    )
