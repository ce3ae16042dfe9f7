"""The parts of a training run as plain data: how batches are made, how weights are found."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lowlight_tf import checks
from lowlight_tf.checks import UsageError


@dataclasses.dataclass(frozen=True)
class PipelineConfig:
    """How batches are made.

    Attributes:
        crop: Side of the square that is cut from each picture (pixels); 0 takes pictures whole.
        batch: Pictures in a batch.
        late_from: Share of the steps after which `late_crop` and `late_batch` hold; exposure is
            learned from large crops, structure sooner from small ones. 1 keeps `crop` to the end.
        late_crop: As `crop`.
        late_batch: As `batch`.
        turned: Flip and turn at random, eight ways.
        exposure_ev: Expose the input more or less at random, by at most this many stops.
        leveled: How far each target is scaled towards the mean brightness of all of them, from 0
            (not at all) to 1 (to that mean). How bright a photographer made a picture can hardly be
            told from its dark twin; what cannot be told is only learned by heart.
        lit: Share of the inputs over which their targets are laid, opaque to a random degree: who
            has seen pictures of all brightnesses leaves alone what is bright already.
        bend: Raise the input to a random power, at most 1 + this and at least 1 / (1 + this).
        mixed: Share of the batches whose pictures are laid over each other, transparent to a random
            degree (MixUp).
        glance: Show a thumbnail port a random part of the picture, at least this share of each
            side, flipped at random; 0 shows it the whole as it is.
        blur: Share of the inputs that a Gaussian blurs.
        blur_sigma: Range of its standard deviation (pixels).
        noise: Largest standard deviation of Gaussian noise on the input, in [0, 1] units.
        night: Make the input from the target, as for day pictures, even where a pair has one.
        night_gamma: Range of the exponent that darkens a day picture.
        night_gain: Range of the factor that darkens it further.
        night_histogram: Share of the nights that take on the histogram of a dark picture instead.
        night_pools: Share of the nights with pools of light in them.
        night_headlights: Share of the nights with headlights, kept lit in the target too.
        augmenter: "native", or "imgaug", or "imgaug:MODULE:OBJECT" for an augmenter of one's own.
        cache_mb: How much decoded data is kept in memory (MB).
    """

    crop: int = 128
    batch: int = 10
    late_from: float = 1.0
    late_crop: int = 256
    late_batch: int = 4
    turned: bool = True
    exposure_ev: float = 0.0
    leveled: float = 0.0
    lit: float = 0.0
    bend: float = 0.0
    mixed: float = 0.0
    glance: float = 0.0
    blur: float = 0.0
    blur_sigma: tuple[float, float] = (0.0, 0.5)
    noise: float = 0.0
    night: bool = False
    night_gamma: tuple[float, float] = (2.0, 6.0)
    night_gain: tuple[float, float] = (0.1, 0.5)
    night_histogram: float = 0.6
    night_pools: float = 0.3
    night_headlights: float = 0.3
    augmenter: str = "native"
    cache_mb: int = 4000

    def __post_init__(self) -> None:
        """Refuse what no batch can be made of."""
        checks.check_min("batch_size", self.batch, 1)
        checks.check_min("crop", self.crop, 0)
        checks.check_min("late_batch", self.late_batch, 1)
        checks.check_min("late_crop", self.late_crop, 0)
        for share in (
            "late_from",
            "mixed",
            "blur",
            "night_histogram",
            "night_pools",
            "night_headlights",
        ):
            if not 0 <= getattr(self, share) <= 1:
                raise UsageError(
                    f"`{share}` must be a share in [0, 1]. Received: {getattr(self, share)}."
                )
        if self.augmenter.partition(":")[0] not in ("native", "imgaug"):
            raise UsageError(
                "`augmenter` must be native, imgaug or imgaug:MODULE:OBJECT. "
                f"Received: augmenter={self.augmenter!r}."
            )


def _parse_number(text: str) -> float | None:
    """Return the number that a text is, if it is one."""
    try:
        return float(text)
    except ValueError:
        return None


@dataclasses.dataclass(frozen=True)
class TrainingConfig:
    """How the weights are found.

    Attributes:
        steps: Batches to learn from.
        epochs: Length of the run in passes over the training pairs instead, with a validation after
            each unless `validate_every` says otherwise; 0 goes by `steps`.
        learning_rate: Of Adam, at its highest.
        beta_1: Of Adam: how much of the mean gradient stays from step to step.
        schedule: "constant", "third" (a tenth after a third of the steps), "cosine" (to a
            hundredth) or "plateau" (lower whenever validation stands still, see
            `training.plateau`; it knows no warm-up).
        plateau_patience: Validations in a row without a better PSNR, after which the rate is cut.
        plateau_factor: What a cut multiplies it by.
        plateau_floor: Learning rate below which it is never cut.
        warmup: Steps in which the learning rate rises from 0.
        weight_decay: Decoupled from the gradient, as AdamW does; 0 is plain Adam.
        clip_value: Largest absolute value of a gradient's element; 0 clips nothing.
        clip_norm: Largest norm of the whole gradient; 0 clips nothing.
        ema: Momentum of the running average of the weights that is validated and kept; 0 averages
            nothing.
        exposure: After the last step, fit the net's layer `lift` to how bright the targets were
            before they were leveled, see `training.exposure`.
        teacher: Folder of a run whose net the loss `distilled` compares with; "" for none.
        precision: "float32", "mixed_float16" or "mixed_bfloat16".
        compiled: Compile the step with XLA: slower to begin, faster to run.
        log_every: Steps between two lines of progress and of the history.
        summary_every: Steps between two sets of TensorBoard scalars.
        save_every: Steps between two checkpoints.
        validate_every: Steps between two validations; 0 makes twenty in a run.
        judge: The metric by whose mean over the validation pairs the best net is kept: psnr,
            ssim or lpips (the lowest); for nets that fuse, who have no target, one of
            `evaluation.evaluate.FUSION`.
        validation: Share of a folder's pairs that is held back, where it has no `val/` of its own.
        split: The same the other way round: share of the pairs to learn from ("0.7"), or the
            `split.json` of another run, to learn from what that one learned from. "" goes by
            `validation`.
    """

    steps: int = 50_000
    epochs: int = 0
    learning_rate: float = 1e-3
    beta_1: float = 0.9
    schedule: str = "constant"
    plateau_patience: int = 5
    plateau_factor: float = 0.5
    plateau_floor: float = 1e-6
    warmup: int = 0
    weight_decay: float = 0.0
    clip_value: float = 0.0
    clip_norm: float = 0.0
    ema: float = 0.0
    exposure: bool = False
    teacher: str = ""
    precision: str = "float32"
    compiled: bool = False
    log_every: int = 20
    summary_every: int = 100
    save_every: int = 1000
    validate_every: int = 0
    judge: str = "psnr"
    validation: float = 0.1
    split: str = ""

    def __post_init__(self) -> None:
        """Refuse what no run can be made of."""
        for count in ("steps", "log_every", "summary_every", "save_every", "plateau_patience"):
            checks.check_min(count, getattr(self, count), 1)
        checks.check_min("epochs", self.epochs, 0)
        checks.check_positive("learning_rate", self.learning_rate)
        checks.check_choice("schedule", self.schedule, ("constant", "third", "cosine", "plateau"))
        checks.check_choice(
            "precision", self.precision, ("float32", "mixed_float16", "mixed_bfloat16")
        )
        _check_momentum("ema", self.ema)
        _check_momentum("beta_1", self.beta_1)
        if self.clip_value and self.clip_norm:
            raise UsageError(
                "Gradients are clipped by `clip_value` or by `clip_norm`. Received: both, "
                f"{self.clip_value} and {self.clip_norm}. Set one of them to 0."
            )
        for name in ("validation", "plateau_factor"):
            if not 0 < getattr(self, name) < 1:
                raise UsageError(
                    f"`{name}` must be a share between 0 and 1. Received: {getattr(self, name)}."
                )
        if self.schedule == "plateau":
            if not 0 <= self.plateau_floor <= self.learning_rate:
                raise UsageError(
                    "`plateau_floor` must be at least 0 and at most the learning rate. "
                    f"Received: {self.plateau_floor}, with learning_rate={self.learning_rate}."
                )
            if self.warmup:
                raise UsageError(
                    f"`schedule` plateau knows no warm-up. Received: warmup={self.warmup}. "
                    "Set it to 0, or take the cosine."
                )
        if _parse_number(self.split) is not None and not 0 < _parse_number(self.split) < 1:
            raise UsageError(
                "`split` must be a share between 0 and 1, such as 0.7, or the split.json of a run. "
                f"Received: {self.split}."
            )

    @property
    def validation_fraction(self) -> float:
        """Share of the pairs that is held back for validation, where no list says which."""
        share = _parse_number(self.split)
        return self.validation if share is None else 1 - share

    @property
    def split_file(self) -> Path | None:
        """List of a run that says which pairs are held back, if one is named."""
        return Path(self.split) if self.split and _parse_number(self.split) is None else None


def _check_momentum(name: str, value: float) -> None:
    if not 0 <= value < 1:
        raise UsageError(f"`{name}` must be in [0, 1). Received: {name}={value}.")


@dataclasses.dataclass(frozen=True)
class DiscriminatorConfig:
    """A second net that learns to tell what the net makes from real pictures, while it learns.

    Attributes:
        model: A critic of the catalog; "" for none.
        options: What it is built with.
        loss: "bce", "least_squares" or "hinge", see `losses.adversarial`.
        weight: Of what the critic costs the net, beside the losses of the objective.
        features: Of how far the net's picture is from the target inside the critic, see
            `training.adversarial`; 0 does without.
        learning_rate: Of the critic's own Adam, at its highest. It follows the schedule of
            `training` in the steps that it plays; under "plateau" it stays.
        beta_1: Of its Adam.
        begin: Share of the steps after which the critic comes: a net that already makes pictures
            has no blunders left for it to look at.
    """

    model: str = ""
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    loss: str = "bce"
    weight: float = 1.0
    features: float = 0.0
    learning_rate: float = 2e-4
    beta_1: float = 0.5
    begin: float = 0.0

    def __post_init__(self) -> None:
        """Refuse what no critic can learn with."""
        checks.check_positive("critic.weight", self.weight)
        checks.check_min("critic.features", self.features, 0)
        checks.check_positive("critic.learning_rate", self.learning_rate)
        _check_momentum("critic.beta_1", self.beta_1)
        if not 0 <= self.begin < 1:
            raise UsageError(f"`critic.begin` must be in [0, 1). Received: {self.begin}.")

    def start_step(self, steps: int) -> int:
        """Return the step, of so many, from which on the critic plays."""
        return round(self.begin * steps)
