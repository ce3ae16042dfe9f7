"""Training batches in NumPy, for JAX or PyTorch backends without TensorFlow."""

from collections.abc import Sequence

import keras
import numpy as np

from lowlight_tf.checks import UsageError
from lowlight_tf.config import Recipe
from lowlight_tf.contract import Contract
from lowlight_tf.datasets.pairing import Pair
from lowlight_tf.imaging import dtypes
from lowlight_tf.pipeline.image_cache import PairCache, exposure_normalization_factors


class NumpyPairDataset(keras.utils.PyDataset):
    """Batches that depend on the seed and the step alone, as a `keras.utils.PyDataset`.

    Of the recipe's pipeline, crops, `random_d4`, `normalize_target_exposure`, `random_exposure_ev`,
    `random_gamma` and `noise_sigma_max` are supported. Blur, imgaug, mixup, target blending,
    thumbnail crops and night synthesis need TensorFlow.

    Args:
        pairs: Training pairs.
        recipe: Its `pipeline`, `seed` and `training.steps` are read.
        contract: Ports of the model: one image, and thumbnails of it.
        first_sample: Number of the first sample.
        crop_size: Side of the crops (pixels), 0 for full images; None takes the recipe's.
        batch_size: Pairs in a batch; None takes the recipe's.
        shard: Part of every batch, as in `pair_dataset`.

    Raises:
        UsageError: If the recipe asks for what needs TensorFlow.
    """

    def __init__(
        self,
        pairs: Sequence[Pair],
        recipe: Recipe,
        contract: Contract,
        *,
        first_sample: int = 0,
        crop_size: int | None = None,
        batch_size: int | None = None,
        shard: tuple[int, int] = (0, 1),
    ) -> None:
        super().__init__()
        options = recipe.pipeline
        (self._port,) = (port.name for port in contract.image_inputs)
        self._thumbnails = contract.thumbnail_inputs
        self._cache = PairCache(pairs, port=self._port, cache_mb=options.cache_mb)
        unsupported = (
            options.blur_prob
            or options.mixup_prob
            or options.target_blend_prob
            or options.thumbnail_crop_min
            or contract.controls
            or options.synthesize_night
            or options.augmentation != "native"
            or any(self._cache.is_target_only(index) for index in range(len(pairs)))
        )
        if unsupported:
            raise UsageError(
                "Without TensorFlow only crops, flips, exposure, gamma and noise are supported. "
                "Received a recipe or pairs that need blur_prob, mixup_prob, target_blend_prob, "
                "thumbnail_crop_min, imgaug or synthesize_night, or a model with a brightness "
                "control; set these to 0 or install TensorFlow."
            )
        self._factors = exposure_normalization_factors(
            self._cache, options.normalize_target_exposure
        )
        self._recipe, self._first_sample = recipe, first_sample
        self._crop_size = options.crop_size if crop_size is None else crop_size
        self._batch_size = batch_size or options.batch_size
        self._shard_index, self._shard_count = shard

    def __len__(self) -> int:
        return self._recipe.training.steps

    def __getitem__(self, step: int) -> tuple[dict, dict]:
        """Return a batch, ({port: images}, {"target": images}), counted from `first_sample`."""
        size = self._batch_size // self._shard_count
        first = self._first_sample + step * self._batch_size + self._shard_index * size
        samples = [self._make_sample(number) for number in range(first, first + size)]
        batch = {name: np.stack([sample[name] for sample in samples]) for name in samples[0]}
        target = batch.pop("target")
        return batch, {"target": target}

    def _make_sample(self, number: int) -> dict[str, np.ndarray]:
        options = self._recipe.pipeline
        epoch, position = divmod(number, len(self._cache))
        order = np.random.default_rng([self._recipe.seed, epoch]).permutation(len(self._cache))
        rng = np.random.default_rng([self._recipe.seed, epoch, position])
        index = int(order[position])
        images = self._cache.read(index)
        if self._crop_size:
            images = self._random_crop(images, rng)
        image, target = map(dtypes.img_as_float32, images)
        max_stops = options.random_exposure_ev
        gain = np.float32(2 ** rng.uniform(-max_stops, max_stops))
        max_gamma = 1 + options.random_gamma
        gamma = np.float32(max_gamma ** rng.uniform(-1, 1)) if options.random_gamma else 1
        noise = rng.standard_normal(image.shape, np.float32)
        noise *= np.float32(rng.uniform(0, options.noise_sigma_max))
        inputs = {self._port: image}
        for port in self._thumbnails:
            thumbnail = self._cache.thumbnail(index, port.size)
            inputs[port.name] = dtypes.img_as_float32(thumbnail)
        inputs = {name: np.clip(one * gain, 0, 1) ** gamma for name, one in inputs.items()}
        inputs[self._port] = np.clip(inputs[self._port] + noise, 0, 1)
        return {**inputs, "target": np.minimum(target * self._factors[index], 1)}

    def _random_crop(
        self, images: Sequence[np.ndarray], rng: np.random.Generator
    ) -> list[np.ndarray]:
        """Cut the same random square out of all images; flip and rotate them alike."""
        size = self._crop_size
        height, width, _ = images[0].shape
        top, left = (int(rng.integers(side - size + 1)) for side in (height, width))
        crops = [image[top : top + size, left : left + size] for image in images]
        if self._recipe.pipeline.random_d4:
            symmetry = int(rng.integers(8))
            flip = slice(None, None, 1 - 2 * (symmetry // 4))
            crops = [np.rot90(crop[:, flip], symmetry % 4) for crop in crops]
        return crops
