"""The rungs of the quantization ladder: one net in every kind of file that a device may want."""

import dataclasses
import functools
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import keras
from keras import ops

from lowlight_tf import checks
from lowlight_tf.checks import UsageError
from lowlight_tf.datasets.pairing import Pair
from lowlight_tf.export.calibration_data import (
    calibration_images,
    batch_as_float32,
    parity_samples,
    representative_dataset,
)
from lowlight_tf.export.convert import check_size, convert, deployable_submodel
from lowlight_tf.export.exporter import build_card, load_run
from lowlight_tf.export.parity import parity_db
from lowlight_tf.export.quantization.cross_layer_equalization import equalize_model
from lowlight_tf.export.quantization.gptq import gptq_round
from lowlight_tf.layers.reparameterization import reparameterize_model
from lowlight_tf.runtime.litert_engine import LiteRTEngine

VARIANTS = (
    "float32", "float16", "dynamic_range", "int8", "int16x8", "int8_qat", "float16_pruned", "int8_pruned",
)  # fmt: skip
"""Every rung; the first is what the others are compared with."""

QAT_LR_SCALE, PRUNE_LR_SCALE = 0.05, 0.5
"""Learning rates of quantization-aware training and of pruning, in rates of the recipe: what is
rounded moves little, what has lost half of its weights has much to learn again."""

DISABLED_AUGMENTATIONS = {
    "random_exposure_ev": 0.0,
    "target_blend_prob": 0.0,
    "random_gamma": 0.0,
    "mixup_prob": 0.0,
}
"""What is not done to the inputs: pictures brighter than those that ranges were taken from are cut
by eight bits, and what makes up for that would brighten all."""

LossFn = Callable[[dict[str, Any]], Any]
"""From all images of a batch by name to what training makes small."""


@dataclasses.dataclass(frozen=True)
class FineTuneConfig:
    """What a net learns from once more, rounded or pruned.

    Attributes:
        pairs: The run's training pairs.
        loss_fn: Its objective.
        qat_steps: Steps of quantization-aware training.
        prune_steps: Steps of pruning.
        sparsity: Share of the weights of each convolution that pruning makes zero.
        teacher: Weight, from 0 to 1, of the float net's own result in place of the target. A net
            that fuses, or whose losses look at more than a file gives, learns from nothing else.
    """

    pairs: Sequence[Pair]
    loss_fn: LossFn
    qat_steps: int = 300
    prune_steps: int = 600
    sparsity: float = 0.5
    teacher: float = 0.0

    def __post_init__(self) -> None:
        """Refuse what nothing can be learned from."""
        for steps in ("qat_steps", "prune_steps"):
            checks.check_min(steps, getattr(self, steps), 1)
        for share, low, high in (("sparsity", 0.01, 0.99), ("teacher", 0, 1)):
            if not low <= getattr(self, share) <= high:
                raise UsageError(
                    f"`{share}` must be from {low} to {high}. Received: {getattr(self, share)}."
                )


class VariantBuilder:
    """Makes the rungs of a ladder from a run.

    Args:
        run: A folder that `lowlight-tf train` wrote.
        size: Height and width of the pictures that the files take (pixels).
        fine_tuning: What is learned from for the rungs that learn.
        name: What files and cards call the net; by default the model's name.
        calibration_folder: Dark pictures to take ranges from; by default the run's.

    Raises:
        UsageError: If the folder is no whole run, the size does not fit its net, or the pictures
            cannot be had.
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
        check_size(size, self.engine.contract)
        self.contract, self.size, self.fine_tuning, self.run = self.engine.contract, size, fine_tuning, run
        self.name = name or self.recipe.model
        given = deployable_submodel(self.engine.model, self.contract)
        # What is right only the net before can tell.
        self.self_distilled = self.contract.is_fusion or len(given.output) < len(self.engine.model.output)
        self.model = reparameterize_model(given)
        self.images = calibration_images(
            self.contract,
            run=run,
            folder=calibration_folder,
            preprocessing=self.recipe.preprocessing,
        )
        self.samples = representative_dataset(self.images, self.contract, size)

    def build(self, variant: str, folder: Path) -> Path:
        """Write the file of a rung and its card.

        Raises:
            UsageError: If this net has no such rung.
            ModuleNotFoundError: If the rung needs a package that is not installed.
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
            quantization=variant.partition("_")[0],
            name=stem,
        )
        card = dataclasses.replace(card, training={**card.training, **self._fine_tuning_record(variant)})
        card.save(path.with_suffix(".json"))
        compared = parity_samples(self.images, self.contract, self.size)
        parity = parity_db(
            self.engine, LiteRTEngine(path), [batch_as_float32(one) for one in compared]
        )
        dataclasses.replace(card, parity_db=parity).save(path.with_suffix(".json"))
        return path

    def convert(self, variant: str, path: Path, size: tuple[int, int], samples: Sequence) -> Path:
        """Write the file of a rung, for pictures of any size."""
        if variant == "int8_qat":
            from lowlight_tf.export.tfmot.qat import convert_qat_model

            return convert_qat_model(self._qat_clone.model, self.contract, path, size=size)
        quantization, _, pruned = variant.partition("_")
        net = self._pruned_model if pruned else self.model
        return convert(
            net, self.contract, path, size=size, quantization=quantization, samples=samples
        )

    @functools.cached_property
    def _qat_clone(self) -> Any:
        from lowlight_tf.export.tfmot.qat import create_qat_clone
        from lowlight_tf.export.tfmot.tf_keras_clone import fine_tune

        net = gptq_round(equalize_model(self.model, self.samples), self.samples)
        shadow = create_qat_clone(net, self.samples)
        batches, steps = self._batches(), self.fine_tuning.qat_steps
        fine_tune(shadow, batches, self._fine_tuning_loss, steps=steps, learning_rate=self._learning_rates["qat"])
        return shadow

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
        """Return the run's own batches, as they were at its end, but `PLAIN`."""
        if self.contract.is_fusion:
            from lowlight_tf.pipeline.fusion import fusion_dataset as feed
        elif self.contract.is_raw:
            from lowlight_tf.pipeline.raw import raw_dataset

            feed = functools.partial(raw_dataset, cache_dir=self.run / "decoded")
        else:
            from lowlight_tf.pipeline.paired import pair_dataset as feed

        plan = dataclasses.replace(self.recipe.pipeline, **DISABLED_AUGMENTATIONS)
        late = plan.progressive_start < 1
        crop, batch = (
            (plan.progressive_crop_size, plan.progressive_batch_size)
            if late
            else (plan.crop_size, plan.batch_size)
        )
        recipe = dataclasses.replace(self.recipe, pipeline=plan)
        batches = feed(self.fine_tuning.pairs, recipe, self.contract, crop=crop, batch=batch)
        for inputs, targets in batches:  # in the bytes of a camera, for net and file alike
            yield {name: ops.round(255 * image) / 255 for name, image in inputs.items()}, targets

    def _fine_tuning_loss(self, images: dict[str, Any]) -> Any:
        weight, judge = self.fine_tuning.teacher, self.fine_tuning.loss_fn
        leveled = self.recipe.training.calibrate_exposure
        if not weight and not leveled and not self.self_distilled:
            return judge(images)
        (port,) = self.contract.outputs
        taught = self.model({port.name: images[port.name] for port in self.contract.inputs})
        taught = taught[port.name]
        if self.self_distilled:
            return ops.mean(ops.abs(taught - images[port.name]))
        of_teacher = judge({**images, "target": taught}) if weight else 0.0
        if leveled:  # how bright a picture becomes, only the net can tell
            images = {**images, "target": match_mean_brightness(images["target"], taught)}
        return of_teacher if weight == 1 else weight * of_teacher + (1 - weight) * judge(images)

    def _fine_tuning_record(self, variant: str) -> dict[str, Any]:
        """Return what a card says of the training after the training."""
        lesson = self.fine_tuning
        if variant.endswith("_qat"):
            facts = {"steps": lesson.qat_steps}
            kind = "quantization_aware"
        elif variant.endswith("_pruned"):
            facts = {"steps": lesson.prune_steps, "sparsity": lesson.sparsity}
            kind = "pruning"
        else:
            return {}
        rate = self._learning_rates[variant.rpartition("_")[2]]
        teacher = 1.0 if self.self_distilled else lesson.teacher
        return {kind: {**facts, "learning_rate": rate, "teacher": teacher}}


def match_mean_brightness(images: Any, references: Any) -> Any:
    """Return images, (B, H, W, C) in [0, 1], each made as bright on average as its other."""
    means = [ops.mean(batch, axis=(1, 2, 3), keepdims=True) for batch in (images, references)]
    return ops.minimum(images * means[1] / ops.maximum(means[0], keras.config.epsilon()), 1.0)
