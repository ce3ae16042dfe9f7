"""Batches without TensorFlow, for machines that train under JAX or PyTorch alone."""

from collections.abc import Sequence

import keras
import numpy as np

from lowlight_tf.checks import UsageError
from lowlight_tf.config import Recipe
from lowlight_tf.contract import Contract
from lowlight_tf.datasets.pairing import Pair
from lowlight_tf.pipeline.image_cache import PairCache, exposure_normalization_factors


class NumpyPairDataset(keras.utils.PyDataset):
    """Cropped, turned and exposed batches in NumPy, the same for the same seed and step.

    Of the recipe's pipeline `crop`, `turned`, `leveled`, `exposure_ev`, `bend` and `noise` are
    honoured; blur, imgaug, mixing, lit inputs, glances and night synthesis need TensorFlow's
    pipeline and are refused.

    Args:
        pairs: What to learn from.
        recipe: Its `pipeline`, `seed` and `training.steps` are read.
        contract: The model's ports: one picture, and thumbnails of it.
        first: Number of the first sample.
        crop: Side of the crops (pixels), 0 for whole pictures; None takes the recipe's.
        batch: Pictures in a batch; None takes the recipe's.

    Raises:
        UsageError: If the recipe asks for what is not made here.
    """

    def __init__(
        self,
        pairs: Sequence[Pair],
        recipe: Recipe,
        contract: Contract,
        *,
        first: int = 0,
        crop: int | None = None,
        batch: int | None = None,
    ) -> None:
        super().__init__()
        options = recipe.pipeline
        (self._port,) = (port.name for port in contract.image_inputs)
        self._thumbnails = contract.thumbnail_inputs
        self._store = PairCache(pairs, port=self._port, cache_mb=options.cache_mb)
        days = any(self._store.is_target_only(index) for index in range(len(pairs)))
        unmade = (
            options.blur_prob
            or options.mixup_prob
            or options.target_blend_prob
            or options.thumbnail_crop_min
        )
        if unmade or options.augmentation != "native" or options.synthesize_night or days:
            raise UsageError(
                "Without TensorFlow only crops, turns, exposure and noise are made. Received a "
                "recipe with blur, mixed, lit, glance, imgaug or night; set these to 0 or install "
                "TensorFlow."
            )
        self._levels = exposure_normalization_factors(
            self._store, options.normalize_target_exposure
        )
        self._recipe, self._first = recipe, first
        self._crop = options.crop_size if crop is None else crop
        self._batch = batch or options.batch_size

    def __len__(self) -> int:
        return self._recipe.training.steps

    def __getitem__(self, step: int) -> tuple[dict, dict]:
        """Return the batch of a step counted from `first`."""
        first = self._first + step * self._batch
        samples = [self._sample(number) for number in range(first, first + self._batch)]
        batch = {name: np.stack([sample[name] for sample in samples]) for name in samples[0]}
        target = batch.pop("target")
        return batch, {"target": target}

    def _sample(self, number: int) -> dict[str, np.ndarray]:
        options = self._recipe.pipeline
        epoch, place = divmod(number, len(self._store))
        order = np.random.default_rng([self._recipe.seed, epoch]).permutation(len(self._store))
        draw = np.random.default_rng([self._recipe.seed, epoch, place])
        index = int(order[place])
        images = self._store.read(index)
        if self._crop:
            height, width, _ = images[0].shape
            top, left = (int(draw.integers(side - self._crop + 1)) for side in (height, width))
            images = [i[top : top + self._crop, left : left + self._crop] for i in images]
            if options.random_d4:
                way = int(draw.integers(8))
                images = [np.rot90(i[:, :: 1 - 2 * (way // 4)], way % 4) for i in images]
        low, target = (np.float32(image) / 255 for image in images)
        seen = {port.name: self._store.thumbnail(index, port.size) for port in self._thumbnails}
        gain = np.float32(
            2 ** draw.uniform(-options.random_exposure_ev, options.random_exposure_ev)
        )
        power = (
            np.float32((1 + options.random_gamma) ** draw.uniform(-1, 1))
            if options.random_gamma
            else 1
        )
        grain = draw.standard_normal(low.shape, np.float32) * np.float32(
            draw.uniform(0, options.noise_sigma_max)
        )
        exposed = {
            name: np.clip(image * gain, 0, 1) ** power
            for name, image in {
                self._port: low, **{name: np.float32(image) / 255 for name, image in seen.items()},
            }.items()
        }  # fmt: skip
        exposed[self._port] = np.clip(exposed[self._port] + grain, 0, 1)
        return {**exposed, "target": np.minimum(target * self._levels[index], 1)}
