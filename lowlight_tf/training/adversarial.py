"""Training a model against a discriminator (GAN), each with an optimizer of its own."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import keras
from keras import KerasTensor, ops

from lowlight_tf.catalog import DISCRIMINATORS, GAN_LOSSES
from lowlight_tf.checks import UsageError
from lowlight_tf.config import Recipe
from lowlight_tf.contract import Contract
from lowlight_tf.losses.adversarial import GANLoss
from lowlight_tf.training.callbacks import StepCallback, TrainingState
from lowlight_tf.training.composite_loss import CompositeLoss
from lowlight_tf.training.learner import Learner, replicas_mean
from lowlight_tf.training.model_factory import create_model
from lowlight_tf.training.schedule import create_optimizer
from lowlight_tf.training.tasks import training_of

PATIENCE_LINES = 5
"""Lines of the log in a row after which a collapse is reported."""

WIN_LOSS_FRACTION = 0.05
"""Fraction of the chance loss below which the discriminator has won."""

SATURATED_FRACTION = 0.99
"""Fraction of patches above which they count as all of them."""

LOGGED_KEYS = (
    "adversarial",
    "discriminator",
    "discriminator_real",
    "discriminator_fake",
    "discriminator_features",
    "generator_gradient_norm",
    "discriminator_gradient_norm",
)
"""Columns of the log; `discriminator_features` only with feature matching."""


class AdversarialLearner(Learner):
    """Train `model` on a loss and against a discriminator.

    In every step the discriminator is updated first, to separate real images from the model's
    outputs. Then the model is updated on `loss_fn` plus `weight` times the generator loss under the
    updated discriminator. Either optimizer updates its own side alone. While
    `discriminator_active` is False there is no discriminator: the model is trained on `loss_fn`
    alone, and the log has none of `LOGGED_KEYS`.

    With `feature_weight` the model also minimizes the mean L1 distance between the discriminator's
    features of the output and of the target: those of each LeakyReLU, averaged over the layers
    (feature matching).

    Real images are the targets, which the discriminator sees concatenated with the model's inputs
    if it has ports for them. A fusion model has no target: the images of either camera are real in
    turn, each counts one half, and the discriminator gets no other input. So the fused image is to
    look like one that a camera took, whichever.

    The log has, besides the columns of `Learner`: "adversarial", the generator loss, unweighted;
    "discriminator_features", the feature distance, unweighted; "discriminator", its loss;
    "discriminator_real" and "discriminator_fake", the fractions of the real and of the generated
    patches that it classifies correctly; "generator_gradient_norm" and
    "discriminator_gradient_norm", before clipping. "loss" is all that the model minimizes.

    Args:
        model: See `Learner`.
        loss_fn: See `Learner`.
        contract: The model's ports; a model with one output.
        discriminator: {port: images} -> logits (B, h, w, 1), see `models.patch_discriminator`.
        discriminator_optimizer: Its optimizer.
        gan_loss: The losses of both sides.
        weight: Of the generator loss.
        feature_weight: Of the feature distance; 0 does without.
        teacher: See `Learner`.

    Raises:
        UsageError: If Keras does not run on TensorFlow, or features are to be matched where there
            is no target, or where the discriminator has no LeakyReLU.

    Reference:
        Isola et al., "Image-to-Image Translation with Conditional Adversarial Networks", CVPR 2017;
        for two cameras Ma et al., "FusionGAN", Information Fusion 2019, and "DDcGAN", IEEE TIP
        2020. For features Wang et al., "High-Resolution Image Synthesis and Semantic Manipulation
        with Conditional GANs", CVPR 2018, equation 4.

    Differences from the papers:
        Features are those of one discriminator, averaged over its layers, where Wang et al. add up
        those of three. FusionGAN takes only the visible image for real, DDcGAN has a discriminator
        for either camera; here one discriminator is trained on both.
    """

    def __init__(
        self,
        model: keras.Model,
        loss_fn: CompositeLoss,
        *,
        contract: Contract,
        discriminator: keras.Model,
        discriminator_optimizer: keras.optimizers.Optimizer,
        gan_loss: GANLoss,
        weight: float = 1.0,
        feature_weight: float = 0.0,
        teacher: keras.Model | None = None,
    ) -> None:
        _check_backend()
        super().__init__(model, loss_fn, teacher=teacher)
        self.discriminator = discriminator
        self.discriminator_optimizer = discriminator_optimizer
        self.gan_loss, self.weight, self.feature_weight = gan_loss, weight, feature_weight
        self._extract = _feature_extractor(discriminator, contract) if feature_weight else None
        self.discriminator_active = True
        (output,) = contract.outputs
        self._output = output.name
        self._real = training_of(contract).real_images(contract)
        inputs = (port.name for port in contract.image_inputs)
        self._conditions = tuple(name for name in inputs if name in discriminator.input)
        discriminator_optimizer.build(discriminator.trainable_variables)
        self.trackers.update({name: keras.metrics.Mean(name=name) for name in LOGGED_KEYS})

    @property
    def checkpoint_variables(self) -> dict[str, list]:
        """See `Learner.checkpoint_variables`."""
        return {
            **super().checkpoint_variables,
            "discriminator": self.discriminator.weights,
            "discriminator_optimizer": self.discriminator_optimizer.variables,
        }

    def train_step(self, data: tuple[dict, dict]) -> dict:
        """Update the discriminator, then the model."""
        import tensorflow as tf

        x, y = data
        with tf.GradientTape() as tape:
            outputs = self(x, training=True)
            loss = self.compute_loss(x, y, outputs)
            if self.discriminator_active:
                images = {**x, **y}
                loss += self._adversarial_loss(x, images, outputs[self._output], tape)
            scaled = self.optimizer.scale_loss(loss)
        weights = self.model.trainable_variables
        gradients = tape.gradient(scaled, weights)
        self._apply_gradients(gradients, weights, self.optimizer, "generator_gradient_norm")
        for metric in self.metrics:
            if metric.name == "loss":
                metric.update_state(loss)
        logs = self.get_metrics_result()
        if not self.discriminator_active:
            unused = LOGGED_KEYS
        else:
            unused = () if self.feature_weight else ("discriminator_features",)
        return {name: value for name, value in logs.items() if name not in unused}

    def _adversarial_loss(
        self, x: Mapping, images: Mapping, fake: KerasTensor, tape: Any
    ) -> KerasTensor:
        """Update the discriminator; return the model's weighted loss under the updated one.

        Args:
            x: The model's inputs.
            images: Inputs and target by name.
            fake: The model's output, (B, H, W, C).
            tape: Records the model's forward pass; paused for the discriminator's.
        """
        with tape.stop_recording():
            self._update_discriminator(x, images, fake)
            real_features = self._features(x, images[self._real[0]]) if self.feature_weight else []
        adversarial = ops.mean(self.gan_loss.generator(self._logits(x, fake)))
        self.trackers["adversarial"].update_state(adversarial)
        loss = self.weight * adversarial
        if self.feature_weight:
            pairs = zip(real_features, self._features(x, fake), strict=True)
            distances = (ops.mean(ops.abs(real - generated)) for real, generated in pairs)
            distance = sum(distances) / len(real_features)
            self.trackers["discriminator_features"].update_state(distance)
            loss += self.feature_weight * distance
        return loss

    def _update_discriminator(self, x: Mapping, images: Mapping, fake: KerasTensor) -> None:
        """Make one step of the discriminator."""
        import tensorflow as tf

        optimizer, gan_loss = self.discriminator_optimizer, self.gan_loss
        with tf.GradientTape() as tape:
            fake_logits = self._logits(x, fake)
            real_logits = [self._logits(x, images[name]) for name in self._real]
            losses = (ops.mean(gan_loss.discriminator(real, fake_logits)) for real in real_logits)
            loss = sum(losses) / len(real_logits)
            scaled = optimizer.scale_loss(loss)
        weights = self.discriminator.trainable_variables
        gradients = tape.gradient(scaled, weights)
        self._apply_gradients(gradients, weights, optimizer, "discriminator_gradient_norm")
        self.trackers["discriminator"].update_state(loss)
        for real in real_logits:
            self.trackers["discriminator_real"].update_state(real > gan_loss.real_threshold)
        self.trackers["discriminator_fake"].update_state(fake_logits <= gan_loss.real_threshold)

    def _logits(self, x: Mapping, image: KerasTensor) -> KerasTensor:
        """Return the discriminator's logits of an image, float32 (B, h, w, 1)."""
        return ops.cast(self.discriminator(self._condition(x, image), training=True), "float32")

    def _features(self, x: Mapping, image: KerasTensor) -> list[KerasTensor]:
        """Return the discriminator's features of an image, float32 (B, h, w, C) each."""
        features = self._extract(self._condition(x, image), training=True)
        return [ops.cast(feature, "float32") for feature in features]

    def _condition(self, x: Mapping, image: KerasTensor) -> dict[str, KerasTensor]:
        """Return the discriminator's inputs: an image, and the model's inputs it has ports for."""
        return {**{name: x[name] for name in self._conditions}, self._output: image}

    def _apply_gradients(
        self,
        gradients: Sequence[KerasTensor],
        weights: Sequence[keras.Variable],
        optimizer: keras.optimizers.Optimizer,
        norm_key: str,
    ) -> None:
        """Average gradients over the replicas, log their norm, and update the weights."""
        gradients = replicas_mean(gradients)
        present = (ops.cast(part, "float32") for part in gradients if part is not None)
        squares = sum(ops.sum(ops.square(part)) for part in present)
        norm = ops.sqrt(squares) / optimizer.scale_loss(ops.ones(()))
        finite = ops.isfinite(norm)  # in float16 some overflow; the optimizer skips those steps
        counted = ops.cast(finite, "float32")
        self.trackers[norm_key].update_state(ops.where(finite, norm, 0.0), sample_weight=counted)
        optimizer.apply_gradients(zip(gradients, weights, strict=True))


class GANCollapseMonitor(StepCallback):
    """Print a line when one side has lost, because neither is trained any further then.

    The discriminator has won when its loss is below a twentieth of the chance loss: it separates
    the model's outputs from real images almost without error. It has failed when it classifies
    nearly all patches as real, or nearly none, whatever they are. Either must hold in five lines of
    the log in a row, and is reported again only if it ended in between. (A discriminator that is
    right about half of both kinds has not failed: that is the equilibrium.)

    Comes after `ProgressLogger`, whose rows of the history it reads. Rows from before a restart
    count too.

    Args:
        state: See `StepCallback`.
        every: Steps between two lines of the log.
        last_step: See `StepCallback`.
        chance_loss: The discriminator's loss when it guesses, `GANLoss.chance_loss`.
    """

    def __init__(
        self, state: TrainingState, every: int, last_step: int, *, chance_loss: float
    ) -> None:
        super().__init__(state, every, last_step)
        self.chance_loss = chance_loss
        self._verdict, self._count = "", 0
        for row in state.history.rows:
            self._update(row)

    def on_step(self, logs: dict) -> None:
        """Read the newest row of the history and report a collapse."""
        if self._update(self.state.history.rows[-1]) == PATIENCE_LINES and self._verdict:
            print(
                f"step {self.state.step:>6}  one-sided for {PATIENCE_LINES} lines: {self._verdict}"
            )

    def _update(self, row: Mapping[str, Any]) -> int:
        """Return how many rows in a row have had the verdict of this one."""
        if "discriminator" not in row:
            return 0
        verdict = self._diagnose(row)
        self._count = self._count + 1 if verdict == self._verdict else 1
        self._verdict = verdict
        return self._count

    def _diagnose(self, row: Mapping[str, Any]) -> str:
        """Return which side has lost and what to do, or an empty string."""
        real, fake = row["discriminator_real"], row["discriminator_fake"]
        if row["discriminator"] < WIN_LOSS_FRACTION * self.chance_loss:
            return (
                "the discriminator separates all outputs of the model from real images, the model "
                "learns little from it now. Lower discriminator.learning_rate or raise "
                "discriminator.weight."
            )
        if max(real, fake) >= SATURATED_FRACTION and min(real, fake) <= 1 - SATURATED_FRACTION:
            return (
                f"the discriminator calls everything {'real' if real > fake else 'generated'}, the "
                "model learns nothing from it now. Raise discriminator.learning_rate or lower "
                "discriminator.weight."
            )
        return ""


def check_adversarial(recipe: Recipe, contract: Contract) -> None:
    """Refuse a discriminator that cannot be built, before anything is written.

    Raises:
        UsageError: If Keras does not run on TensorFlow, a name is unknown, or an option does not
            fit.
    """
    config = recipe.discriminator
    if config.model:
        _check_backend()
        GAN_LOSSES.find(config.loss)
        discriminator = create_model(DISCRIMINATORS, config.model, config.options, contract)
        if config.feature_matching_weight:
            _feature_extractor(discriminator, contract)


def _feature_extractor(discriminator: keras.Model, contract: Contract) -> keras.Model:
    """Return a model from a discriminator's inputs to a list of its LeakyReLUs' outputs."""
    if "target" not in training_of(contract).real_images(contract):
        raise UsageError(
            "`discriminator.feature_matching_weight` needs a target, and a fusion model has none. "
            "Set it to 0."
        )
    features = [
        layer.output for layer in discriminator.layers if isinstance(layer, keras.layers.LeakyReLU)
    ]
    if not features:
        raise UsageError(
            "`discriminator.feature_matching_weight` compares the outputs of LeakyReLUs. "
            f"Received: {discriminator.name}, which has none. Set it to 0."
        )
    return keras.Model(discriminator.input, features)


def discriminator_kwargs(recipe: Recipe, contract: Contract) -> dict[str, Any]:
    """Return the arguments of `AdversarialLearner` that other learners do not have."""
    config, training = recipe.discriminator, recipe.training
    # No weight decay and no running average: only the model is kept. The schedule ends with the
    # model's, however late the discriminator starts: one that is still trained at a high rate while
    # the model's has decayed wins, and its gradients are of no use then.
    discriminator_training = dataclasses.replace(
        training,
        steps=training.steps - config.start_step(training.steps),
        learning_rate=config.learning_rate,
        beta_1=config.beta_1,
        plateau_min_lr=0.0,
        weight_decay=0.0,
        ema_momentum=0.0,
    )
    return {
        "contract": contract,
        "discriminator": create_model(
            DISCRIMINATORS, config.model, config.options, contract, precision=training.precision
        ),
        "discriminator_optimizer": create_optimizer(discriminator_training),
        "gan_loss": GAN_LOSSES.find(config.loss).load(),
        "weight": config.weight,
        "feature_weight": config.feature_matching_weight,
    }


def discriminator_callbacks(recipe: Recipe, state: TrainingState) -> list[StepCallback]:
    """Return the callbacks that a run with a discriminator needs; none without."""
    if not recipe.discriminator.model:
        return []
    training = recipe.training
    chance_loss = GAN_LOSSES.find(recipe.discriminator.loss).load().chance_loss
    return [GANCollapseMonitor(state, training.log_every, training.steps, chance_loss=chance_loss)]


def _check_backend() -> None:
    if keras.backend.backend() != "tensorflow":
        raise UsageError(
            "A discriminator needs the TensorFlow backend. "
            f"Received: KERAS_BACKEND={keras.backend.backend()}. Set it to tensorflow, or train "
            "without a discriminator: discriminator.model=''."
        )
