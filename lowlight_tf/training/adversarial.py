"""A net and a critic that learn against each other, each with an optimizer of its own."""

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

PATIENCE_LINES = 5  # lines of the log in a row after which one side has lost
WIN_LOSS_FRACTION = (
    0.05  # what the critic pays, as a share of what guessing costs, below which it has won
)
SATURATED_FRACTION = 0.99  # share of patches above which they count as all

LOGGED_KEYS = (
    "adversarial",
    "critic",
    "critic_real",
    "critic_fake",
    "critic_features",
    "gradient_net",
    "gradient_critic",
)
"""What the log has of the game, features only where they are matched."""


class AdversarialLearner(Learner):
    """Train `net` on an objective and against a critic.

    In every step the critic goes first: it learns to tell real pictures from those that the net has
    just made. Then the net learns to make the objective, and `weight` times what the changed critic
    costs it, small. Either optimizer moves its own side alone. While `plays` is False there is no
    critic: the net learns by its objective alone, and the log has nothing of the game.

    With `features` the net's picture is also to look to the critic, inside, as the real one does:
    the mean distance (L1) of what comes out of each of the critic's LeakyReLUs, the mean over them,
    counts so much. What the critic tells pictures by is then a measure that the net can follow all
    the way, where its verdict alone only says in which direction real is.

    Real is the target, which the critic sees beside the net's inputs if it has a place for them. A
    net that fuses has none: what either camera saw is real in turn, each counts one half, and the
    critic sees nothing beside it. So the fused picture is to look like one that a camera took,
    whichever.

    The log has, beside what `Learner` notes: "adversarial", what the critic costs the net, not yet
    weighted; "critic_features", the distance inside it, likewise; "critic", what the critic pays;
    "critic_real" and "critic_fake", shares of the real and of the net's patches that it is right
    about; "gradient_net" and "gradient_critic", norms of the gradients before they are clipped.
    "loss" is all that the net makes small.

    Args:
        net: See `Learner`.
        objective: See `Learner`.
        contract: The net's ports; a net with one output.
        critic: From {port: images} to logits (B, h, w, 1), see `models.patch_discriminator`.
        optimizer: The critic's.
        game: What both sides pay.
        weight: Of the adversarial part.
        features: Of the distance inside the critic; 0 does without.
        teacher: See `Learner`.

    Raises:
        UsageError: If Keras does not run on TensorFlow, or features are to be matched where no
            target is known, or where the critic has no LeakyReLU.

    Reference:
        Isola et al., "Image-to-Image Translation with Conditional Adversarial Networks", CVPR 2017;
        for two cameras Ma et al., "FusionGAN", Information Fusion 2019, and "DDcGAN", IEEE TIP
        2020. For features Wang et al., "High-Resolution Image Synthesis and Semantic Manipulation
        with Conditional GANs", CVPR 2018, equation 4.

    Differences from the papers:
        Features are those of one critic, and the mean over its layers counts, where Wang et al. add
        up those of three. FusionGAN holds only the visible picture for real, DDcGAN has a critic
        for either camera; here one critic knows both.
    """

    def __init__(
        self,
        net: keras.Model,
        objective: CompositeLoss,
        *,
        contract: Contract,
        critic: keras.Model,
        optimizer: keras.optimizers.Optimizer,
        game: GANLoss,
        weight: float = 1.0,
        features: float = 0.0,
        teacher: keras.Model | None = None,
    ) -> None:
        _need_tensorflow()
        super().__init__(net, objective, teacher=teacher)
        self.critic, self.critic_optimizer = critic, optimizer
        self.game, self.weight, self.features = game, weight, features
        self._inside = _inside(critic, contract) if features else None
        self.plays = True
        (output,) = contract.outputs
        self._output = output.name
        pictures = tuple(port.name for port in contract.image_inputs)
        self._real = pictures if contract.is_fusion else ("target",)
        self._beside = tuple(name for name in pictures if name in critic.input)
        optimizer.build(critic.trainable_variables)
        self.trackers.update({name: keras.metrics.Mean(name=name) for name in LOGGED_KEYS})

    @property
    def kept(self) -> dict[str, list]:
        """See `Learner.kept`."""
        mine = {"critic": self.critic.weights, "critic_optimizer": self.critic_optimizer.variables}
        return {**super().checkpoint_variables, **mine}

    def train_step(self, data: tuple[dict, dict]) -> dict:
        """Make one step of the critic, then one of the net."""
        import tensorflow as tf

        x, y = data
        with tf.GradientTape() as tape:
            outputs = self(x, training=True)
            loss = self.compute_loss(x, y, outputs)
            if self.plays:
                loss += self._lost(x, {**x, **y}, outputs[self._output], tape)
            scaled = self.optimizer.scale_loss(loss)
        weights = self.net.trainable_variables
        self._follow(tape.gradient(scaled, weights), weights, self.optimizer, "gradient_net")
        for metric in self.metrics:
            if metric.name == "loss":
                metric.update_state(loss)
        logs = self.get_metrics_result()
        unknown = LOGGED_KEYS if not self.plays else () if self.features else ("critic_features",)
        return {name: value for name, value in logs.items() if name not in unknown}

    def _lost(self, x: Mapping, known: Mapping, made: KerasTensor, tape: Any) -> KerasTensor:
        """Make one step of the critic; return what it then costs the net, weighted."""
        with tape.stop_recording():
            self._train_critic(x, known, made)
            wanted = self._seen_inside(x, known[self._real[0]]) if self.features else []
        adversarial = ops.mean(self.game.generator(self._logits(x, made)))
        self.trackers["adversarial"].update_state(adversarial)
        lost = self.weight * adversarial
        if self.features:
            pairs = zip(wanted, self._seen_inside(x, made), strict=True)
            distance = sum(ops.mean(ops.abs(want - have)) for want, have in pairs) / len(wanted)
            self.trackers["critic_features"].update_state(distance)
            lost += self.features * distance
        return lost

    def _train_critic(self, x: Mapping, known: Mapping, made: KerasTensor) -> None:
        """Make one step of the critic."""
        import tensorflow as tf

        with tf.GradientTape() as tape:
            fake = self._logits(x, made)
            reals = [self._logits(x, known[name]) for name in self._real]
            loss = sum(ops.mean(self.game.discriminator(real, fake)) for real in reals) / len(reals)
            scaled = self.critic_optimizer.scale_loss(loss)
        weights = self.critic.trainable_variables
        gradients = tape.gradient(scaled, weights)
        self._follow(gradients, weights, self.critic_optimizer, "gradient_critic")
        self.trackers["critic"].update_state(loss)
        for real in reals:
            self.trackers["critic_real"].update_state(real > self.game.real_threshold)
        self.trackers["critic_fake"].update_state(fake <= self.game.real_threshold)

    def _logits(self, x: Mapping, picture: KerasTensor) -> KerasTensor:
        return ops.cast(self.critic(self._shown(x, picture), training=True), "float32")

    def _seen_inside(self, x: Mapping, picture: KerasTensor) -> list[KerasTensor]:
        seen = self._inside(self._shown(x, picture), training=True)
        return [ops.cast(features, "float32") for features in seen]

    def _shown(self, x: Mapping, picture: KerasTensor) -> dict[str, KerasTensor]:
        return {**{name: x[name] for name in self._beside}, self._output: picture}

    def _follow(
        self,
        gradients: Sequence[KerasTensor],
        weights: Sequence[keras.Variable],
        optimizer: keras.optimizers.Optimizer,
        name: str,
    ) -> None:
        """Note the norm of gradients, of all replicas, and move weights along them."""
        gradients = replicas_mean(gradients)
        known = (ops.cast(part, "float32") for part in gradients if part is not None)
        squares = sum(ops.sum(ops.square(part)) for part in known)
        norm = ops.sqrt(squares) / optimizer.scale_loss(ops.ones(()))
        finite = ops.isfinite(norm)  # in float16 some are not; the optimizer passes over them
        counted = ops.cast(finite, "float32")
        self.trackers[name].update_state(ops.where(finite, norm, 0.0), sample_weight=counted)
        optimizer.apply_gradients(zip(gradients, weights, strict=True))


class GANCollapseMonitor(StepCallback):
    """Say it in one line when one side has lost, for there is nothing to learn from then.

    The critic has won when it pays less than a twentieth of what guessing costs: it tells the net's
    pictures from real ones with hardly a doubt. It has lost when it calls nearly all patches real,
    or nearly none, whoever they are from: it tells nothing apart. Either must hold in five lines of
    the log in a row, and is said again only if it was over in between. (A critic who is right about
    half of both kinds has lost nothing: that is where the game ends.)

    Comes after `Log`, in whose history it looks; a run that goes on says what it would have said.

    Args:
        progress: See `StepCallback`.
        every: Steps between two lines of the log.
        last: See `StepCallback`.
        guess: What guessing costs, `Game.guess`.
    """

    def __init__(self, progress: TrainingState, every: int, last: int, *, guess: float) -> None:
        super().__init__(progress, every, last)
        self.guess = guess

    def on_step(self, logs: dict) -> None:
        """Look, and say it."""
        rows = [row for row in self.progress.history.rows if "critic" in row]
        verdicts = [self._verdict(row) for row in rows[-PATIENCE_LINES - 1 :]]
        before = verdicts.pop(0) if len(verdicts) > PATIENCE_LINES else ""
        verdict = verdicts[-1] if verdicts else ""
        if verdict and verdict != before and verdicts == [verdict] * PATIENCE_LINES:
            print(f"step {self.progress.step:>6}  one-sided for {PATIENCE_LINES} lines: {verdict}")

    def _verdict(self, row: Mapping[str, Any]) -> str:
        """Return who has lost and what to do, or nothing."""
        real, fake = row["critic_real"], row["critic_fake"]
        if row["critic"] < WIN_LOSS_FRACTION * self.guess:
            return (
                "the critic tells all pictures of the net from real ones, which learns little from "
                "it now. Lower critic.learning_rate or raise critic.weight."
            )
        if max(real, fake) >= SATURATED_FRACTION and min(real, fake) <= 1 - SATURATED_FRACTION:
            return (
                f"the critic calls everything {'real' if real > fake else 'made'}, the net learns "
                "nothing from it now. Raise critic.learning_rate or lower critic.weight."
            )
        return ""


def check_adversarial(recipe: Recipe, contract: Contract) -> None:
    """Refuse a critic that cannot be had, before anything is written.

    Raises:
        UsageError: If Keras runs on something else than TensorFlow, a name is unknown, or an option
            does not fit.
    """
    if recipe.discriminator.model:
        _need_tensorflow()
        GAN_LOSSES.find(recipe.discriminator.loss)
        critic = create_model(
            DISCRIMINATORS, recipe.discriminator.model, recipe.discriminator.options, contract
        )
        if recipe.discriminator.feature_matching_weight:
            _inside(critic, contract)


def _inside(critic: keras.Model, contract: Contract) -> keras.Model:
    """Return a critic from the same inputs to a list of what its LeakyReLUs give."""
    if contract.is_fusion:
        raise UsageError(
            "`critic.features` compares with a target, and a net that fuses has none. Set it to 0."
        )
    hidden = [layer.output for layer in critic.layers if isinstance(layer, keras.layers.LeakyReLU)]
    if not hidden:
        raise UsageError(
            f"`critic.features` compares what LeakyReLUs give. Received: {critic.name}, which has "
            "none. Set it to 0."
        )
    return keras.Model(critic.input, hidden)


def discriminator_kwargs(recipe: Recipe, contract: Contract) -> dict[str, Any]:
    """Return what `AdversarialLearner` needs besides what every learner does."""
    plan, training = recipe.discriminator, recipe.training
    # Its average is of no use to anybody, and its weights need not be small. Its schedule ends with
    # the net's, however late it came: a critic that goes on learning beside a net that stands still
    # wins, and then says nothing of use.
    own = dataclasses.replace(
        training,
        steps=training.steps - plan.start_step(training.steps),
        learning_rate=plan.learning_rate,
        beta_1=plan.beta_1,
        plateau_floor=0.0,
        weight_decay=0.0,
        ema=0.0,
    )
    return {
        "contract": contract,
        "critic": create_model(
            DISCRIMINATORS, plan.model, plan.options, contract, precision=training.precision
        ),
        "optimizer": create_optimizer(own),
        "game": GAN_LOSSES.find(plan.loss).load(),
        "weight": plan.weight,
        "features": plan.feature_matching_weight,
    }


def discriminator_callbacks(recipe: Recipe, progress: TrainingState) -> list[StepCallback]:
    """Return what looks after the game, if there is one."""
    if not recipe.discriminator.model:
        return []
    plan, guess = recipe.training, GAN_LOSSES.find(recipe.discriminator.loss).load().guess
    return [GANCollapseMonitor(progress, plan.log_every, plan.steps, guess=guess)]


def _need_tensorflow() -> None:
    if keras.backend.backend() != "tensorflow":
        raise UsageError(
            "A critic needs the TensorFlow backend. "
            f"Received: KERAS_BACKEND={keras.backend.backend()}. Set it to tensorflow, or leave "
            "the critic out: critic.model=''."
        )
