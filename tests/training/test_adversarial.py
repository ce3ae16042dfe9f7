"""Model and discriminator are trained against each other, each by its own optimizer."""

import re
import subprocess
import sys

import keras
import numpy as np
import pytest
from keras import ops

from lowlight_tf.catalog import GAN_LOSSES
from lowlight_tf.checks import UsageError
from lowlight_tf.config import Recipe
from lowlight_tf.contract import ENHANCE, Contract, Port
from lowlight_tf.training import adversarial
from lowlight_tf.training.adversarial import AdversarialLearner, GANCollapseMonitor
from lowlight_tf.training.callbacks import TrainingState
from lowlight_tf.training.composite_loss import CompositeLoss

GRAY = Contract((Port("low", 1),), (Port("enhanced", 1),))
CAMERAS = Contract((Port("visible", 1), Port("infrared", 1)), (Port("fused", 1),))
DISCRIMINATOR = [
    "discriminator.model=patch_discriminator",
    "discriminator.options.filters=2",
]


def pixels(*values):
    """One gray image of a row of pixels."""
    return ops.convert_to_tensor(np.float32(values)[None, None, :, None])


def linear_model(inputs, output, **weights):
    """A model that adds its inputs up, each by its own factor, and a constant."""
    inputs = {port: keras.Input((None, None, 1), name=port) for port in inputs}
    layer = keras.layers.Conv2D(1, 1)
    tensors = list(inputs.values())
    x = keras.layers.Concatenate()(tensors) if len(tensors) > 1 else tensors[0]
    result = layer(x)
    model = keras.Model(inputs, {output: result} if output else result)
    factors = np.float32([weights.get(port, 0.0) for port in inputs])
    layer.set_weights([factors.reshape(1, 1, -1, 1), np.zeros(1, np.float32)])
    return model


def create_learner(
    gan_loss,
    rate,
    discriminator_rate,
    *,
    contract=GRAY,
    weight=1.0,
    slope=1.0,
    unconditional=False,
    **factors,
):
    """A learner of one pixel's gain and one discriminator's slope; its other loss hardly counts."""
    inputs = [port.name for port in contract.inputs]
    (output,) = (port.name for port in contract.outputs)
    conditions = [] if contract.is_fusion or unconditional else inputs
    loss = "max_intensity" if contract.is_fusion else "l1"
    learner = AdversarialLearner(
        linear_model(inputs, output, **factors),
        CompositeLoss({loss: 1e-9}),
        contract=contract,
        discriminator=linear_model([*conditions, output], "", **{output: slope}),
        discriminator_optimizer=keras.optimizers.SGD(discriminator_rate),
        gan_loss=GAN_LOSSES.find(gan_loss).load(),
        weight=weight,
    )
    learner.compile(optimizer=keras.optimizers.SGD(rate))
    learner.optimizer.build(learner.model.trainable_variables)
    return learner


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


TWO_PIXELS = {"low": pixels(0.2, 0.4)}, {"target": pixels(0.5, 0.9)}


def test_one_step_on_two_pixels_by_hand():
    low, real = np.array([0.2, 0.4]), np.array([0.5, 0.9])
    learner = create_learner("bce", 0.5, 0.5, weight=3.0, low=1.0)
    logs = learner.train_step(TWO_PIXELS)
    # The discriminator: logit = v, halved, real up and generated down. generated = low.
    up, down = -sigmoid(-real), sigmoid(low)
    slope = 1 - 0.5 * np.mean(up * real + down * low) / 2
    condition = -0.5 * np.mean(up * low + down * low) / 2
    constant = -0.5 * np.mean(up + down) / 2
    kernel, bias = learner.discriminator.get_weights()
    np.testing.assert_allclose(kernel.ravel(), [condition, slope], rtol=1e-5)
    np.testing.assert_allclose(bias, [constant], rtol=1e-5)
    # Then the model, by the logits of the updated discriminator.
    logits = condition * low + slope * low + constant
    pull = -3.0 * sigmoid(-logits) * slope / 2
    gradient = np.array([np.sum(pull * low), np.sum(pull)])
    kernel, bias = learner.model.get_weights()
    np.testing.assert_allclose([kernel.item(), bias.item()], [1, 0] - 0.5 * gradient, rtol=1e-5)
    norm = float(logs["generator_gradient_norm"])
    assert norm == pytest.approx(np.linalg.norm(gradient), rel=1e-5)
    assert float(logs["adversarial"]) == pytest.approx(np.mean(np.log1p(np.exp(-logits))), rel=1e-5)
    assert float(logs["loss"]) == pytest.approx(3 * float(logs["adversarial"]), rel=1e-5)
    losses = (np.log1p(np.exp(-real)) + np.log1p(np.exp(low))) / 2
    assert float(logs["discriminator"]) == pytest.approx(losses.mean(), rel=1e-5)
    assert (float(logs["discriminator_real"]), float(logs["discriminator_fake"])) == (1, 0)


@pytest.mark.parametrize("gan_loss", tuple(GAN_LOSSES))
@pytest.mark.parametrize("real", [(0.1, 0.2), (0.8, 0.9)])
def test_the_output_moves_towards_the_real_pixels_in_either_direction(gan_loss, real):
    low = {"low": pixels(0.4, 0.6)}
    learner = create_learner(gan_loss, 0.05, 0.5, slope=0.0, low=1.0)
    for _ in range(10):
        learner.train_step((low, {"target": pixels(*real)}))
    output = np.asarray(learner.model(low)["enhanced"]).ravel()
    assert (np.abs(output - real) < np.abs(np.array([0.4, 0.6]) - real)).all()


@pytest.mark.parametrize("gan_loss", tuple(GAN_LOSSES))
def test_each_optimizer_updates_its_own_side_alone(gan_loss):
    for rates, updated in (((0.0, 0.1), "discriminator"), ((0.1, 0.0), "model")):
        learner = create_learner(gan_loss, *rates, low=1.0)
        before = {side: getattr(learner, side).get_weights() for side in ("model", "discriminator")}
        learner.train_step(TWO_PIXELS)
        for side, weights in before.items():
            kernel = getattr(learner, side).get_weights()[0]
            assert np.allclose(kernel, weights[0], atol=1e-7) is (side != updated)


def test_of_two_cameras_either_image_is_real_and_counts_one_half():
    visible, infrared = np.array([0.2, 0.6]), np.array([0.9, 0.5])
    learner = create_learner("bce", 0.0, 0.5, contract=CAMERAS, visible=1.0)
    images = {"visible": pixels(*visible), "infrared": pixels(*infrared)}
    learner.train_step((images, {}))
    real = (-sigmoid(-visible) * visible - sigmoid(-infrared) * infrared) / 2
    fake = sigmoid(visible) * visible  # the output is the visible image
    slope = 1 - 0.5 * np.mean(real + fake) / 2
    np.testing.assert_allclose(learner.discriminator.get_weights()[0].item(), slope, rtol=1e-5)


def test_a_discriminator_without_ports_for_the_inputs_sees_the_image_alone():
    learner = create_learner("bce", 0.0, 0.5, unconditional=True, low=1.0)
    learner.train_step(TWO_PIXELS)
    low, real = np.array([0.2, 0.4]), np.array([0.5, 0.9])
    slope = 1 - 0.5 * np.mean(-sigmoid(-real) * real + sigmoid(low) * low) / 2
    kernel, _ = learner.discriminator.get_weights()
    np.testing.assert_allclose(kernel.ravel(), [slope], rtol=1e-5)


def test_while_the_discriminator_is_inactive_the_model_is_trained_on_its_other_loss_alone():
    learner = create_learner("bce", 0.5, 0.5, low=1.0)
    learner.discriminator_active, learner.loss_fn = False, CompositeLoss({"l1": 1.0})
    before = learner.discriminator.get_weights()
    logs = learner.train_step(TWO_PIXELS)
    # Both pixels are too dark: l1 pulls the gain by the mean of the inputs, and the constant.
    kernel, bias = learner.model.get_weights()
    np.testing.assert_allclose([kernel.item(), bias.item()], [1 + 0.5 * 0.3, 0.5], rtol=1e-5)
    for old, new in zip(before, learner.discriminator.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    assert float(logs["loss"]) == pytest.approx(0.4)
    assert not set(adversarial.LOGGED_KEYS) & set(logs)


def test_features_are_the_outputs_of_leaky_relus_for_the_output_and_for_the_real_image():
    inputs = {name: keras.Input((None, None, 1), name=name) for name in ("low", "enhanced")}
    x = keras.layers.Conv2D(1, 1, use_bias=False)(keras.layers.Concatenate()([*inputs.values()]))
    x = keras.layers.LeakyReLU(0.5)(x)
    discriminator = keras.Model(inputs, keras.layers.Conv2D(1, 1)(x))
    doubles = np.float32([0, 2]).reshape(1, 1, 2, 1)
    discriminator.set_weights([doubles, np.zeros((1, 1, 1, 1)), np.zeros(1)])
    learner = AdversarialLearner(
        linear_model(["low"], "enhanced", low=-1.0),
        CompositeLoss({"l1": 1e-9}),
        contract=GRAY,
        discriminator=discriminator,
        discriminator_optimizer=keras.optimizers.SGD(0.0),
        gan_loss=GAN_LOSSES.find("bce").load(),
        feature_weight=3.0,
    )
    learner.compile(optimizer=keras.optimizers.SGD(0.5))
    learner.optimizer.build(learner.model.trainable_variables)
    logs = learner.train_step(TWO_PIXELS)
    # Generated: -0.2 and -0.4, doubled by the kernel and halved by the slope; real: 1.0 and 1.8.
    assert float(logs["discriminator_features"]) == pytest.approx((1.2 + 2.2) / 2)
    assert float(logs["loss"]) == pytest.approx(np.log(2) + 3 * 1.7, rel=1e-5)
    kernel, bias = learner.model.get_weights()
    np.testing.assert_allclose([kernel.item(), bias.item()], [-1 + 1.5 * 0.3, 1.5], rtol=1e-5)


def test_feature_matching_needs_a_target_and_a_discriminator_with_features(recipe):
    matching = recipe.replace([*DISCRIMINATOR, "discriminator.feature_matching_weight=1"])
    adversarial.check_adversarial(matching, GRAY)
    with pytest.raises(UsageError, match="a fusion model has none"):
        adversarial.check_adversarial(matching, CAMERAS)
    with pytest.raises(UsageError, match=r"outputs of LeakyReLUs\. Received: blank"):
        AdversarialLearner(
            linear_model(["low"], "enhanced"),
            CompositeLoss({"l1": 1.0}),
            contract=GRAY,
            discriminator=keras.Model(*[keras.Input((None, None, 1))] * 2, name="blank"),
            discriminator_optimizer=keras.optimizers.SGD(0.0),
            gan_loss=GAN_LOSSES.find("bce").load(),
            feature_weight=1.0,
        )


@pytest.mark.parametrize("start", [0.0, 0.5, 0.9])
def test_the_schedule_of_the_discriminator_ends_with_the_models(start, recipe):
    schedule = ["training.steps=1000", "training.schedule=cosine", "training.warmup=0"]
    late = recipe.replace([*DISCRIMINATOR, *schedule, f"discriminator.start_fraction={start}"])
    optimizer = adversarial.discriminator_kwargs(late, GRAY)["discriminator_optimizer"]
    optimizer.build([])
    rates = []
    for step in (0, round(1000 * (1 - start))):
        optimizer.iterations.assign(step)
        rates.append(float(optimizer.learning_rate))
    np.testing.assert_allclose(rates, [2e-4, 2e-6], rtol=1e-5)


def test_a_discriminator_needs_tensorflow(monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    recipe = Recipe().replace(["discriminator.model=patch_discriminator"])
    with pytest.raises(UsageError, match=r"TensorFlow backend\. Received: KERAS_BACKEND=jax"):
        adversarial.check_adversarial(recipe, ENHANCE)
    adversarial.check_adversarial(Recipe(), ENHANCE)


def log_rows(state, rows, last_step, chance_loss=0.7):
    """Log rows of (discriminator, discriminator_real, discriminator_fake) under the monitor."""
    monitor = GANCollapseMonitor(state, 1, last_step, chance_loss=chance_loss)
    for loss, real, fake in rows:
        state.step += 1
        state.history.add(
            state.step, discriminator=loss, discriminator_real=real, discriminator_fake=fake
        )
        state.history.add(state.step, val_psnr=20.0)
        monitor.on_train_batch_end(0)


FAIR, WON, ALL_REAL, NONE_REAL = (0.6, 0.7, 0.6), (0.03, 1, 1), (0.7, 0.995, 0.0), (0.8, 0, 1)


@pytest.mark.parametrize(
    ("rows", "steps"),
    [
        ([FAIR] * 8, []),
        ([(0.7, 0.5, 0.5)] * 8, []),  # the equilibrium
        ([(0.2, 1.0, 1.0)] * 8, []),  # right, but not certain: something is left to learn
        ([WON] * 4 + [FAIR] + [WON] * 4, []),
        ([WON] * 8, [5]),
        ([FAIR] + [WON] * 6 + [FAIR] + [WON] * 6, [6, 13]),
        ([WON] * 5 + [ALL_REAL] * 5, [5, 10]),
    ],
)
@pytest.mark.parametrize("stop", [0, 3, 5, 7])
def test_a_collapse_is_reported_once_after_five_lines_also_by_a_resumed_run(
    rows, steps, stop, capsys
):
    state = TrainingState()
    log_rows(state, rows[:stop], len(rows))
    resumed = TrainingState.from_fields(state.step, state.fields())
    log_rows(resumed, rows[stop:], len(rows))
    lines = capsys.readouterr().out.splitlines()
    assert [int(line.split()[1]) for line in lines] == steps


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (
            WON,
            "separates all outputs of the model from real images.* Lower "
            "discriminator.learning_rate",
        ),
        (ALL_REAL, "calls everything real.* Raise discriminator.learning_rate"),
        (NONE_REAL, "calls everything generated.* Raise discriminator.learning_rate"),
    ],
)
def test_a_collapse_is_reported_with_advice(row, message, capsys):
    log_rows(TrainingState(), [row] * 5, 5)
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("step      5  one-sided for 5 lines: the discriminator ")
    assert re.search(message, line)


TWO_REPLICAS = """
import numpy as np, tensorflow as tf
halves = [tf.config.LogicalDeviceConfiguration()] * 2
tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], halves)
import keras
from lowlight_tf.catalog import GAN_LOSSES
from lowlight_tf.contract import ENHANCE
from lowlight_tf.models.driving_unet import driving_unet
from lowlight_tf.models.patch_discriminator import patch_discriminator
from lowlight_tf.training_config import TrainingConfig
from lowlight_tf.training.adversarial import AdversarialLearner
from lowlight_tf.training.composite_loss import CompositeLoss
from lowlight_tf.training.schedule import create_optimizer

def optimizer():  # steps in proportion to the gradients, so that rounding errors are not amplified
    optimizer = create_optimizer(TrainingConfig(clip_norm=0.05))
    optimizer.epsilon = 1.0
    return optimizer

low = np.random.default_rng(0).random((4, 16, 16, 3), np.float32) / 3
results = []
for devices in (["CPU:0"], ["CPU:0", "CPU:1"]):
    keras.utils.set_random_seed(1)
    with tf.distribute.MirroredStrategy(devices).scope():
        learner = AdversarialLearner(
            driving_unet(filters=4, depth=1, groups=2), CompositeLoss({"l1": 1.0}),
            contract=ENHANCE, gan_loss=GAN_LOSSES.find("bce").load(),
            discriminator=patch_discriminator(ENHANCE, filters=2),
            discriminator_optimizer=optimizer())
        learner.compile(optimizer=optimizer())
    pairs = tf.data.Dataset.from_tensor_slices(({"low": low}, {"target": low ** 0.5})).batch(4)
    learner.fit(pairs, epochs=2, verbose=0, shuffle=False)
    variables = sum(learner.checkpoint_variables.values(), [])
    results.append(list(map(keras.ops.convert_to_numpy, variables)))
for one, two in zip(*results, strict=True):
    np.testing.assert_allclose(one, two, atol=1e-5)
"""


@pytest.mark.slow
def test_two_replicas_make_the_steps_of_one():
    done = subprocess.run([sys.executable, "-c", TWO_REPLICAS], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
