"""The parts of a training run as plain data: how batches are made, how weights are found."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from lowlight_tf import checks
from lowlight_tf.checks import UsageError


@dataclasses.dataclass(frozen=True)
class PipelineConfig:
    """How batches are made: crops, augmentations, synthetic low light, cache.

    Attributes:
        crop_size: Side of the square that is cut from each image (pixels); 0 takes full images.
        batch_size: Images in a batch.
        progressive_start: Fraction of the steps after which `progressive_crop_size` and
            `progressive_batch_size` hold (progressive learning, as Restormer): structure is learned
            sooner from small crops, exposure from large ones. 1 keeps `crop_size` to the end.
        progressive_crop_size: As `crop_size`.
        progressive_batch_size: As `batch_size`.
        random_d4: Flip and rotate at random, the eight symmetries of the square.
        random_exposure_ev: Random exposure change of the input, at most this many stops.
        normalize_target_exposure: How far each target is scaled towards the mean brightness of all
            targets, from 0 (not at all) to 1 (to that mean). The brightness of a target correlates
            weakly with its input, so that a model of full images would memorize it.
        target_blend_prob: Fraction of the inputs that their targets are blended over, with random
            opacity: the model learns to leave alone what is bright already.
        random_gamma: Raise the input to a random power, at most 1 + this and at least
            1 / (1 + this).
        mixup_prob: Fraction of the batches whose images are blended with each other (MixUp).
        thumbnail_crop_min: Give a thumbnail input a random crop of the image, at least this
            fraction of each side, flipped at random; 0 gives it the full image.
        blur_prob: Fraction of the inputs that are blurred by a Gaussian.
        blur_sigma: Range of its standard deviation (pixels).
        black_level_max: Largest level to which the black of the input is raised, in every other
            sample; in [0, 1] units.
        noise_sigma_max: Largest standard deviation of Gaussian noise on the input, in [0, 1] units.
        contrast_min: Smallest random factor of the contrast of either of two cameras; 1 leaves it.
        glare_prob: Fraction of the pairs of two cameras by night whose visible image gets the glare
            of lights, which infrared does not show.
        swap_cameras_prob: Fraction of the pairs of two cameras whose images are exchanged, so that
            a model chooses by what they show and not by which camera it is.
        random_brightness_prob: Fraction of the samples with a random setting of the brightness
            control and a target to match, for models that have one.
        synthesize_night: Make the input from the target even where a pair has one; images without
            an input are always made so.
        night_gamma: Range of the exponent that darkens an image.
        night_gain: Range of the factor that darkens it further.
        night_histogram_prob: Fraction of the synthetic nights that take on the histogram of a dark
            image instead.
        night_pools_prob: Fraction of the synthetic nights with pools of light in them.
        night_headlights_prob: Fraction of the synthetic nights with headlights, which are kept lit
            in the target too.
        augmentation: "native", "imgaug", or "imgaug:MODULE:OBJECT" for an augmenter of your own.
        cache_mb: How much decoded data is kept in memory (MB).
    """

    crop_size: int = 128
    batch_size: int = 10
    progressive_start: float = 1.0
    progressive_crop_size: int = 256
    progressive_batch_size: int = 4
    random_d4: bool = True
    random_exposure_ev: float = 0.0
    normalize_target_exposure: float = 0.0
    target_blend_prob: float = 0.0
    random_gamma: float = 0.0
    mixup_prob: float = 0.0
    thumbnail_crop_min: float = 0.0
    blur_prob: float = 0.0
    blur_sigma: tuple[float, float] = (0.0, 0.5)
    black_level_max: float = 0.0
    noise_sigma_max: float = 0.0
    contrast_min: float = 1.0
    glare_prob: float = 0.0
    swap_cameras_prob: float = 0.0
    random_brightness_prob: float = 0.0
    synthesize_night: bool = False
    night_gamma: tuple[float, float] = (2.0, 6.0)
    night_gain: tuple[float, float] = (0.1, 0.5)
    night_histogram_prob: float = 0.6
    night_pools_prob: float = 0.3
    night_headlights_prob: float = 0.3
    augmentation: str = "native"
    cache_mb: int = 4000

    def __post_init__(self) -> None:
        """Refuse values that no batch can be made with."""
        checks.check_min("batch_size", self.batch_size, 1)
        checks.check_min("crop_size", self.crop_size, 0)
        checks.check_min("progressive_batch_size", self.progressive_batch_size, 1)
        checks.check_min("progressive_crop_size", self.progressive_crop_size, 0)
        for fraction in (
            "progressive_start",
            "mixup_prob",
            "blur_prob",
            "contrast_min",
            "glare_prob",
            "swap_cameras_prob",
            "random_brightness_prob",
            "night_histogram_prob",
            "night_pools_prob",
            "night_headlights_prob",
        ):
            if not 0 <= getattr(self, fraction) <= 1:
                raise UsageError(
                    f"`{fraction}` must be a fraction in [0, 1]. "
                    f"Received: {getattr(self, fraction)}."
                )
        if self.augmentation.partition(":")[0] not in ("native", "imgaug"):
            raise UsageError(
                "`augmentation` must be native, imgaug or imgaug:MODULE:OBJECT. "
                f"Received: augmentation={self.augmentation!r}."
            )


@dataclasses.dataclass(frozen=True)
class TrainingConfig:
    """How the weights are found: length, optimizer, schedule, validation.

    Attributes:
        steps: Number of batches.
        epochs: Length of the run in passes over the training pairs instead, with a validation after
            each unless `validate_every` says otherwise; 0 uses `steps`.
        learning_rate: Of Adam, at its highest.
        beta_1: Of Adam.
        schedule: "constant", "step" (a tenth after a third of the steps), "cosine" (to a
            hundredth) or "plateau" (reduced when validation stops improving, see
            `training.reduce_lr_on_plateau`; it takes no warm-up).
        plateau_patience: Validations in a row without a better metric, after which the rate is cut.
        plateau_factor: Factor of a cut.
        plateau_min_lr: Learning rate below which it is never cut.
        warmup: Steps in which the learning rate rises from 0.
        weight_decay: Decoupled from the gradient, as in AdamW; 0 is plain Adam.
        clip_value: Largest absolute value of a gradient's element; 0 clips nothing.
        clip_norm: Largest norm of the whole gradient; 0 clips nothing.
        ema_momentum: Momentum of the exponential moving average of the weights that is validated
            and kept; 0 averages nothing.
        calibrate_exposure: After the last step, fit the model's exposure layer to the brightness
            that the targets had before normalization, see `training.exposure_calibration`.
        teacher: Folder of a run whose model the loss `distillation` compares with; "" for none.
        initial_weights: Folder of a run whose weights layers of the same name begin with; "" for
            none.
        precision: "float32", "mixed_float16" or "mixed_bfloat16".
        jit_compile: Compile the step with XLA: slower to begin, faster to run.
        log_every: Steps between two lines of progress and of the history.
        summary_every: Steps between two sets of TensorBoard scalars.
        save_every: Steps between two checkpoints.
        validate_every: Steps between two validations; 0 makes twenty in a run.
        monitor: The metric by whose mean over the validation pairs the best model is kept: psnr,
            ssim or lpips (the lowest); for models that fuse, which have no target, one of
            `evaluation.evaluator.FUSION_METRICS`.
        validation_split: Fraction of a folder's pairs that is held out for validation, where it has
            no `val/` of its own.
        split_file: The `split.json` of another run, to train on what that one trained on; "" goes
            by `validation_split`.
    """

    steps: int = 50_000
    epochs: int = 0
    learning_rate: float = 1e-3
    beta_1: float = 0.9
    schedule: str = "constant"
    plateau_patience: int = 5
    plateau_factor: float = 0.5
    plateau_min_lr: float = 1e-6
    warmup: int = 0
    weight_decay: float = 0.0
    clip_value: float = 0.0
    clip_norm: float = 0.0
    ema_momentum: float = 0.0
    calibrate_exposure: bool = False
    teacher: str = ""
    initial_weights: str = ""
    precision: str = "float32"
    jit_compile: bool = False
    log_every: int = 20
    summary_every: int = 100
    save_every: int = 1000
    validate_every: int = 0
    monitor: str = "psnr"
    validation_split: float = 0.1
    split_file: str = ""

    def __post_init__(self) -> None:
        """Refuse values that no run can be made with."""
        for count in ("steps", "log_every", "summary_every", "save_every", "plateau_patience"):
            checks.check_min(count, getattr(self, count), 1)
        checks.check_min("epochs", self.epochs, 0)
        checks.check_positive("learning_rate", self.learning_rate)
        checks.check_choice("schedule", self.schedule, ("constant", "step", "cosine", "plateau"))
        precisions = ("float32", "mixed_float16", "mixed_bfloat16")
        checks.check_choice("precision", self.precision, precisions)
        _check_momentum("ema_momentum", self.ema_momentum)
        _check_momentum("beta_1", self.beta_1)
        if self.clip_value and self.clip_norm:
            raise UsageError(
                "Gradients are clipped by `clip_value` or by `clip_norm`. Received: both, "
                f"{self.clip_value} and {self.clip_norm}. Set one of them to 0."
            )
        for name in ("validation_split", "plateau_factor"):
            if not 0 < getattr(self, name) < 1:
                raise UsageError(
                    f"`{name}` must be a fraction between 0 and 1. Received: {getattr(self, name)}."
                )
        if self.schedule == "plateau":
            if not 0 <= self.plateau_min_lr <= self.learning_rate:
                raise UsageError(
                    "`plateau_min_lr` must be at least 0 and at most the learning rate. "
                    f"Received: {self.plateau_min_lr}, with learning_rate={self.learning_rate}."
                )
            if self.warmup:
                raise UsageError(
                    f"`schedule` plateau takes no warm-up. Received: warmup={self.warmup}. "
                    "Set it to 0, or use the cosine schedule."
                )


def _check_momentum(name: str, value: float) -> None:
    if not 0 <= value < 1:
        raise UsageError(f"`{name}` must be in [0, 1). Received: {name}={value}.")


@dataclasses.dataclass(frozen=True)
class DiscriminatorConfig:
    """A second model that learns to tell the model's output from real images, as in a GAN.

    Attributes:
        model: A discriminator of the catalog; "" for none.
        options: Arguments of the function that builds it.
        loss: "bce", "least_squares" or "hinge", see `losses.adversarial`.
        weight: Of the adversarial loss, relative to the losses of the recipe.
        feature_matching_weight: Of the distance between the features that the discriminator
            computes of the output and of the target (pix2pixHD), see `training.adversarial`; 0
            does without.
        learning_rate: Of the discriminator's own Adam, at its highest. It follows the schedule of
            `training` in the steps that the discriminator takes part in; under "plateau" it stays.
        beta_1: Of its Adam.
        start_fraction: Fraction of the steps after which the discriminator takes part.
    """

    model: str = ""
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    loss: str = "bce"
    weight: float = 1.0
    feature_matching_weight: float = 0.0
    learning_rate: float = 2e-4
    beta_1: float = 0.5
    start_fraction: float = 0.0

    def __post_init__(self) -> None:
        """Refuse values that no discriminator can be trained with."""
        checks.check_positive("discriminator.weight", self.weight)
        checks.check_min("discriminator.feature_matching_weight", self.feature_matching_weight, 0)
        checks.check_positive("discriminator.learning_rate", self.learning_rate)
        _check_momentum("discriminator.beta_1", self.beta_1)
        if not 0 <= self.start_fraction < 1:
            raise UsageError(
                "`discriminator.start_fraction` must be in [0, 1). "
                f"Received: {self.start_fraction}."
            )

    def start_step(self, steps: int) -> int:
        """Return the step, of `steps`, from which on the discriminator takes part."""
        return round(self.start_fraction * steps)
