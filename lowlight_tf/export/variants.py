"""Variants of a trained model: one .tflite file for each kind of quantization and fine-tuning."""

import dataclasses
import functools
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import keras
from keras import ops

from lowlight_tf import checks
from lowlight_tf.checks import UsageError
from lowlight_tf.datasets.pairing import Pair
from lowlight_tf.export.calibration_data import (
    batch_as_float32,
    calibration_images,
    parity_samples,
    representative_dataset,
)
from lowlight_tf.export.convert import check_size, convert, deployable_submodel
from lowlight_tf.export.exporter import build_card, load_run
from lowlight_tf.export.parity import parity_db
from lowlight_tf.export.quantization.cross_layer_equalization import equalize_model
from lowlight_tf.export.quantization.gptq import gptq_round
from lowlight_tf.layers.reparameterization import reparameterize_model
from lowlight_tf.pipeline.task_dataset import make_dataset
from lowlight_tf.runtime.litert_engine import LiteRTEngine


class Variant(NamedTuple):
    """How a variant is made.

    Attributes:
        quantization: One of `post_training.QUANTIZATIONS`.
        fine_tuning: "qat" (quantization-aware training), "pruned", or "" for none.
    """

    quantization: str
    fine_tuning: str = ""


VARIANTS = {
    "float32": Variant("float32"),
    "float16": Variant("float16"),
    "dynamic_range": Variant("dynamic_range"),
    "int8": Variant("int8"),
    "int16x8": Variant("int16x8"),
    "int8_qat": Variant("int8", "qat"),
    "float16_pruned": Variant("float16", "pruned"),
    "int8_pruned": Variant("int8", "pruned"),
}
"""Every variant by its name; the others are compared with the first one."""

QAT_LR_SCALE, PRUNE_LR_SCALE = 0.05, 0.5
"""Learning rates of quantization-aware training and of pruning, as factors on the recipe's: 8-bit
rounding needs small corrections, the loss of half of the weights large ones."""

DISABLED_AUGMENTATIONS = {
    "random_exposure_ev": 0.0,
    "target_blend_prob": 0.0,
    "random_gamma": 0.0,
    "mixup_prob": 0.0,
}
"""Settings that turn off augmentations of brightness: inputs brighter than the calibration samples
would be clipped in 8 bits, and compensating for that would brighten all outputs."""

LossFn = Callable[[dict[str, Any]], Any]
"""All images of a batch by name -> the scalar loss."""


@dataclasses.dataclass(frozen=True)
class FineTuneConfig:
    """Data and settings of quantization-aware training and pruning.

    Attributes:
        pairs: The run's training pairs.
        loss_fn: The run's training loss.
        qat_steps: Steps of quantization-aware training.
        prune_steps: Steps of pruning.
        sparsity: Fraction of the weights of each convolution that pruning sets to zero.
        teacher: Weight, 0 to 1, of the float model's output in place of the target (knowledge
            distillation). For a fusion model, or one whose losses use outputs that a file does not
            have, it is always 1.
    """

    pairs: Sequence[Pair]
    loss_fn: LossFn
    qat_steps: int = 300
    prune_steps: int = 600
    sparsity: float = 0.5
    teacher: float = 0.0

    def __post_init__(self) -> None:
        """Check the ranges of the settings."""
        for steps in ("qat_steps", "prune_steps"):
            checks.check_min(steps, getattr(self, steps), 1)
        for name, low, high in (("sparsity", 0.01, 0.99), ("teacher", 0, 1)):
            if not low <= getattr(self, name) <= high:
                raise UsageError(
                    f"`{name}` must be from {low} to {high}. Received: {getattr(self, name)}."
                )


class VariantBuilder:
    """Builds the variants of a run.

    Args:
        run: A folder that `lowlight-tf train` wrote.
        size: Height and width of the images that the files take (pixels).
        fine_tuning: Data and settings of the fine-tuned variants.
        name: Name of the model in files and cards; default: the architecture's.
        calibration_folder: Low-light images to calibrate with; default: the run's.

    Raises:
        UsageError: If the folder lacks a file of a run, the size does not fit its model, or there
            are no calibration images.
    """

    def __init__(
        self,
        run: Path,
        *,
        size: tuple[int, int],
        fine_tuning: FineTuneConfig,
        name: str | None = None,
        calibration_folder: Path | None = None,
    ) -> None:
        self.recipe, self.engine = load_run(run)
        if self.engine.contract.is_planar:
            raise UsageError(
                f"`ladder` compares models of RGB images. Received a run of {self.recipe.model}, "
                "whose images are planes: write its files with `lowlight-tf export`."
            )
        check_size(size, self.engine.contract)
        self.contract, self.size, self.run = self.engine.contract, size, run
        self.fine_tuning = fine_tuning
        self.name = name or self.recipe.model
        deployed = deployable_submodel(self.engine.model, self.contract)
        # The training loss cannot be computed from the deployed outputs: distill the float model.
        self.self_distilled = self.contract.task == "fuse" or (
            len(deployed.output) < len(self.engine.model.output)
        )
        self.model = reparameterize_model(deployed)
        self.images = calibration_images(
            self.contract,
            run=run,
            folder=calibration_folder,
            preprocessing=self.recipe.preprocessing,
        )
        self.samples = representative_dataset(self.images, self.contract, size)

    def build(self, variant: str, folder: Path) -> Path:
        """Write the file of a variant and its card.

        Args:
            variant: A name of `VARIANTS`.
            folder: Where to write NAME_HEIGHTxWIDTH_VARIANT.tflite and .json.

        Raises:
            UsageError: If this model has no such variant.
            ModuleNotFoundError: If the variant needs a package that is not installed.
        """
        height, width = self.size
        stem = f"{self.name}_{height}x{width}_{variant}"
        path = self.convert(variant, folder / f"{stem}.tflite", self.size, self.samples)
        card = build_card(
            path,
            self.run,
            self.recipe,
            self.engine,
            size=self.size,
            quantization=VARIANTS[variant].quantization,
            name=stem,
        )
        training = {**card.training, **self._fine_tuning_record(variant)}
        card = dataclasses.replace(card, training=training)
        card.save(path.with_suffix(".json"))
        batches = parity_samples(self.images, self.contract, self.size)
        batches = [batch_as_float32(batch, self.contract) for batch in batches]
        parity = parity_db(self.engine, LiteRTEngine(path), batches)
        dataclasses.replace(card, parity_db=parity).save(path.with_suffix(".json"))
        return path

    def convert(self, variant: str, path: Path, size: tuple[int, int], samples: Sequence) -> Path:
        """Write the file of a variant for images of any size, calibrated on `samples`."""
        quantization, fine_tuning = VARIANTS[variant]
        if fine_tuning == "qat":
            from lowlight_tf.export.tfmot.qat import convert_qat_model

            return convert_qat_model(self._qat_clone.model, self.contract, path, size=size)
        model = self._pruned_model if fine_tuning == "pruned" else self.model
        return convert(
            model, self.contract, path, size=size, quantization=quantization, samples=samples
        )

    @functools.cached_property
    def _qat_clone(self) -> Any:
        from lowlight_tf.export.tfmot.qat import create_qat_clone
        from lowlight_tf.export.tfmot.tf_keras_clone import fine_tune

        model = gptq_round(equalize_model(self.model, self.samples), self.samples)
        clone = create_qat_clone(model, self.samples)
        fine_tune(
            clone,
            self._batches(),
            self._fine_tuning_loss,
            steps=self.fine_tuning.qat_steps,
            learning_rate=self._learning_rates["qat"],
        )
        return clone

    @functools.cached_property
    def _pruned_model(self) -> keras.Model:
        from lowlight_tf.export.tfmot.prune import prune_model

        return prune_model(
            self.model,
            self._batches(),
            self._fine_tuning_loss,
            sparsity=self.fine_tuning.sparsity,
            steps=self.fine_tuning.prune_steps,
            learning_rate=self._learning_rates["pruned"],
        )

    @property
    def _learning_rates(self) -> dict[str, float]:
        rate = self.recipe.training.learning_rate
        return {"qat": QAT_LR_SCALE * rate, "pruned": PRUNE_LR_SCALE * rate}

    def _batches(self) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
        """Yield batches of the run's last training stage, without `DISABLED_AUGMENTATIONS`."""
        pipeline = dataclasses.replace(self.recipe.pipeline, **DISABLED_AUGMENTATIONS)
        crop, batch = (
            (pipeline.progressive_crop_size, pipeline.progressive_batch_size)
            if pipeline.progressive_start < 1
            else (pipeline.crop_size, pipeline.batch_size)
        )
        recipe = dataclasses.replace(self.recipe, pipeline=pipeline)
        dataset = make_dataset(
            self.fine_tuning.pairs,
            recipe,
            self.contract,
            cache_dir=self.run / "decoded",
            crop_size=crop,
            batch_size=batch,
        )
        for inputs, targets in dataset:  # as 8-bit inputs, for the teacher and the clone alike
            yield {name: ops.round(255 * image) / 255 for name, image in inputs.items()}, targets

    def _fine_tuning_loss(self, images: dict[str, Any]) -> Any:
        """Return the loss of a batch: the run's, or one against the float model's output."""
        weight, loss_fn = self.fine_tuning.teacher, self.fine_tuning.loss_fn
        match_exposure = self.recipe.training.calibrate_exposure
        if not weight and not match_exposure and not self.self_distilled:
            return loss_fn(images)
        (port,) = self.contract.outputs
        inputs = {port.name: images[port.name] for port in self.contract.inputs}
        teacher_output = self.model(inputs)[port.name]
        if self.self_distilled:
            return ops.mean(ops.abs(teacher_output - images[port.name]))
        teacher_loss = loss_fn({**images, "target": teacher_output}) if weight else 0.0
        if match_exposure:  # the run's targets are exposure-normalized, the outputs are not
            target = match_mean_brightness(images["target"], teacher_output)
            images = {**images, "target": target}
        if weight == 1:
            return teacher_loss
        return weight * teacher_loss + (1 - weight) * loss_fn(images)

    def _fine_tuning_record(self, variant: str) -> dict[str, Any]:
        """Return the entry of a card's `training` for a fine-tuned variant."""
        config, kind = self.fine_tuning, VARIANTS[variant].fine_tuning
        if not kind:
            return {}
        record = {
            "qat": {"steps": config.qat_steps},
            "pruned": {"steps": config.prune_steps, "sparsity": config.sparsity},
        }[kind]
        record["learning_rate"] = self._learning_rates[kind]
        record["teacher"] = 1.0 if self.self_distilled else config.teacher
        return {{"qat": "quantization_aware", "pruned": "pruning"}[kind]: record}


def match_mean_brightness(images: Any, references: Any) -> Any:
    """Return images, (B, H, W, C) in [0, 1], each scaled to the mean of its reference."""
    means = [ops.mean(batch, axis=(1, 2, 3), keepdims=True) for batch in (images, references)]
    return ops.minimum(images * means[1] / ops.maximum(means[0], keras.config.epsilon()), 1.0)
