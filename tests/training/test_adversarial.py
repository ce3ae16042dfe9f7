"""Net and critic learn against each other, each by its own optimizer, and a run goes on exactly."""

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
CRITIC = ["critic.model=patch_discriminator", "critic.options.filters=2"]


def pixels(*values):
    """One gray picture of a row of pixels."""
    return ops.convert_to_tensor(np.float32(values)[None, None, :, None])


def line(inputs, name, **weights):
    """A net that adds its inputs up, each by its own factor, and a constant."""
    inputs = {port: keras.Input((None, None, 1), name=port) for port in inputs}
    layer = keras.layers.Conv2D(1, 1)
    merged = list(inputs.values())
    together = keras.layers.Concatenate()(merged) if len(merged) > 1 else merged[0]
    answer = layer(together)
    net = keras.Model(inputs, {name: answer} if name else answer)
    factors = np.float32([weights.get(port, 0.0) for port in inputs])
    layer.set_weights([factors.reshape(1, 1, -1, 1), np.zeros(1, np.float32)])
    return net


def against(
    game, net_rate, critic_rate, *, contract=GRAY, weight=1.0, slope=1.0, alone=False, **factors
):
    """A learner of one pixel's gain and one critic's slope; the objective hardly counts."""
    inputs = [port.name for port in contract.inputs]
    (output,) = (port.name for port in contract.outputs)
    beside = [] if contract.is_fusion or alone else inputs
    loss = "max_intensity" if contract.is_fusion else "l1"
    learner = AdversarialLearner(
        line(inputs, output, **factors),
        CompositeLoss({loss: 1e-9}),
        contract=contract,
        critic=line([*beside, output], "", **{output: slope}),
        optimizer=keras.optimizers.SGD(critic_rate),
        game=GAN_LOSSES.find(game).load(),
        weight=weight,
    )
    learner.compile(optimizer=keras.optimizers.SGD(net_rate))
    learner.optimizer.build(learner.net.trainable_variables)
    return learner


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


TWO = {"low": pixels(0.2, 0.4)}, {"target": pixels(0.5, 0.9)}


def test_one_step_on_two_pixels_by_hand():
    low, real = np.array([0.2, 0.4]), np.array([0.5, 0.9])
    learner = against("bce", 0.5, 0.5, weight=3.0, low=1.0)
    logs = learner.train_step(TWO)
    # The critic: logit = v, halved, real up and made down. made = low.
    up, down = -sigmoid(-real), sigmoid(low)
    slope = 1 - 0.5 * np.mean(up * real + down * low) / 2
    beside = -0.5 * np.mean(up * low + down * low) / 2
    constant = -0.5 * np.mean(up + down) / 2
    kernel, bias = learner.critic.get_weights()
    np.testing.assert_allclose(kernel.ravel(), [beside, slope], rtol=1e-5)
    np.testing.assert_allclose(bias, [constant], rtol=1e-5)
    # Then the net, by what the changed critic says.
    logits = beside * low + slope * low + constant
    pull = -3.0 * sigmoid(-logits) * slope / 2
    gradient = np.array([np.sum(pull * low), np.sum(pull)])
    kernel, bias = learner.net.get_weights()
    np.testing.assert_allclose([kernel.item(), bias.item()], [1, 0] - 0.5 * gradient, rtol=1e-5)
    assert float(logs["gradient_net"]) == pytest.approx(np.linalg.norm(gradient), rel=1e-5)
    assert float(logs["adversarial"]) == pytest.approx(np.mean(np.log1p(np.exp(-logits))), rel=1e-5)
    assert float(logs["loss"]) == pytest.approx(3 * float(logs["adversarial"]), rel=1e-5)
    critics = (np.log1p(np.exp(-real)) + np.log1p(np.exp(low))) / 2
    assert float(logs["critic"]) == pytest.approx(critics.mean(), rel=1e-5)
    assert (float(logs["critic_real"]), float(logs["critic_fake"])) == (1, 0)


@pytest.mark.parametrize("game", tuple(GAN_LOSSES))
@pytest.mark.parametrize("real", [(0.1, 0.2), (0.8, 0.9)])
def test_the_net_moves_towards_the_real_pixels_whichever_way_they_are(game, real):
    low = {"low": pixels(0.4, 0.6)}
    learner = against(game, 0.05, 0.5, slope=0.0, low=1.0)
    for _ in range(10):
        learner.train_step((low, {"target": pixels(*real)}))
    made = np.asarray(learner.net(low)["enhanced"]).ravel()
    assert (np.abs(made - real) < np.abs(np.array([0.4, 0.6]) - real)).all()


@pytest.mark.parametrize("game", tuple(GAN_LOSSES))
def test_each_optimizer_moves_its_own_side_alone(game):
    for rates, moved in (((0.0, 0.1), "critic"), ((0.1, 0.0), "net")):
        learner = against(game, *rates, low=1.0)
        before = {side: getattr(learner, side).get_weights() for side in ("net", "critic")}
        learner.train_step(TWO)
        for side, weights in before.items():
            kernel = getattr(learner, side).get_weights()[0]
            assert np.allclose(kernel, weights[0], atol=1e-7) is (side != moved)


def test_of_two_cameras_either_picture_is_real_and_counts_one_half():
    visible, infrared = np.array([0.2, 0.6]), np.array([0.9, 0.5])
    learner = against("bce", 0.0, 0.5, contract=CAMERAS, visible=1.0)
    images = {"visible": pixels(*visible), "infrared": pixels(*infrared)}
    learner.train_step((images, {}))
    real = (-sigmoid(-visible) * visible - sigmoid(-infrared) * infrared) / 2
    made = sigmoid(visible) * visible  # it gives back what it sees
    slope = 1 - 0.5 * np.mean(real + made) / 2
    np.testing.assert_allclose(learner.critic.get_weights()[0].item(), slope, rtol=1e-5)


def test_a_critic_without_a_place_for_the_inputs_sees_the_picture_alone():
    learner = against("bce", 0.0, 0.5, alone=True, low=1.0)
    learner.train_step(TWO)
    low, real = np.array([0.2, 0.4]), np.array([0.5, 0.9])
    slope = 1 - 0.5 * np.mean(-sigmoid(-real) * real + sigmoid(low) * low) / 2
    kernel, _ = learner.critic.get_weights()
    np.testing.assert_allclose(kernel.ravel(), [slope], rtol=1e-5)


def test_until_the_critic_plays_the_net_learns_by_its_objective_alone():
    learner = against("bce", 0.5, 0.5, low=1.0)
    learner.plays, learner.objective = False, CompositeLoss({"l1": 1.0})
    before = learner.critic.get_weights()
    logs = learner.train_step(TWO)
    # Both pixels are too dark: l1 pulls the gain by the mean of what comes in, and the constant.
    kernel, bias = learner.net.get_weights()
    np.testing.assert_allclose([kernel.item(), bias.item()], [1 + 0.5 * 0.3, 0.5], rtol=1e-5)
    for old, new in zip(before, learner.critic.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    assert float(logs["loss"]) == pytest.approx(0.4)
    assert not set(adversarial.LOGGED_KEYS) & set(logs)


def test_features_are_what_leaky_relus_give_of_the_picture_and_of_the_real_one():
    inputs = {name: keras.Input((None, None, 1), name=name) for name in ("low", "enhanced")}
    seen = keras.layers.Conv2D(1, 1, use_bias=False)(keras.layers.Concatenate()([*inputs.values()]))
    felt = keras.layers.LeakyReLU(0.5)(seen)
    critic = keras.Model(inputs, keras.layers.Conv2D(1, 1)(felt))
    doubles = np.float32([0, 2]).reshape(1, 1, 2, 1)
    critic.set_weights([doubles, np.zeros((1, 1, 1, 1)), np.zeros(1)])
    learner = AdversarialLearner(
        line(["low"], "enhanced", low=-1.0),
        CompositeLoss({"l1": 1e-9}),
        contract=GRAY,
        critic=critic,
        optimizer=keras.optimizers.SGD(0.0),
        game=GAN_LOSSES.find("bce").load(),
        features=3.0,
    )
    learner.compile(optimizer=keras.optimizers.SGD(0.5))
    learner.optimizer.build(learner.net.trainable_variables)
    logs = learner.train_step(TWO)
    # Made: -0.2 and -0.4, which the critic doubles and its slope halves; real: 1.0 and 1.8.
    assert float(logs["critic_features"]) == pytest.approx((1.2 + 2.2) / 2)
    assert float(logs["loss"]) == pytest.approx(np.log(2) + 3 * 1.7, rel=1e-5)
    kernel, bias = learner.net.get_weights()
    np.testing.assert_allclose([kernel.item(), bias.item()], [-1 + 1.5 * 0.3, 1.5], rtol=1e-5)


def test_features_need_a_target_and_a_critic_that_has_some(recipe):
    matching = recipe.replace([*CRITIC, "critic.features=1"])
    adversarial.check_adversarial(matching, GRAY)
    with pytest.raises(UsageError, match="a net that fuses has none"):
        adversarial.check_adversarial(matching, CAMERAS)
    with pytest.raises(UsageError, match=r"LeakyReLUs give\. Received: blank"):
        AdversarialLearner(
            line(["low"], "enhanced"),
            CompositeLoss({"l1": 1.0}),
            contract=GRAY,
            critic=keras.Model(*[keras.Input((None, None, 1))] * 2, name="blank"),
            optimizer=keras.optimizers.SGD(0.0),
            game=GAN_LOSSES.find("bce").load(),
            features=1.0,
        )


@pytest.mark.parametrize("begin", [0.0, 0.5, 0.9])
def test_the_critic_learns_as_long_as_the_net(begin, recipe):
    plan = ["training.steps=1000", "training.schedule=cosine", "training.warmup=0"]
    late = recipe.replace([*CRITIC, *plan, f"critic.begin={begin}"])
    optimizer = adversarial.discriminator_kwargs(late, GRAY)["optimizer"]
    optimizer.build([])
    rates = []
    for step in (0, round(1000 * (1 - begin))):
        optimizer.iterations.assign(step)
        rates.append(float(optimizer.learning_rate))
    np.testing.assert_allclose(rates, [2e-4, 2e-6], rtol=1e-5)


def test_a_critic_needs_tensorflow(monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    recipe = Recipe().replace(["critic.model=patch_discriminator"])
    with pytest.raises(UsageError, match=r"TensorFlow backend\. Received: KERAS_BACKEND=jax"):
        adversarial.check_adversarial(recipe, ENHANCE)
    adversarial.check_adversarial(Recipe(), ENHANCE)


def lines_of(capsys, rows, guess=0.7):
    """What is said of a log, (critic, critic_real, critic_fake) a line."""
    progress = TrainingState()
    watch = GANCollapseMonitor(progress, 1, len(rows), guess=guess)
    for critic, real, fake in rows:
        progress.step += 1
        progress.history.add(progress.step, critic=critic, critic_real=real, critic_fake=fake)
        progress.history.add(progress.step, val_psnr=20.0)
        watch.on_train_batch_end(0)
    return capsys.readouterr().out.splitlines()


FAIR, WON, ALL_REAL, NONE_REAL = (0.6, 0.7, 0.6), (0.03, 1, 1), (0.7, 0.995, 0.0), (0.8, 0, 1)


@pytest.mark.parametrize(
    ("rows", "steps"),
    [
        ([FAIR] * 8, []),
        ([(0.7, 0.5, 0.5)] * 8, []),  # the end of the game
        ([(0.2, 1.0, 1.0)] * 8, []),  # right, but not sure: something is left to learn
        ([WON] * 4 + [FAIR] + [WON] * 4, []),
        ([WON] * 8, [5]),
        ([FAIR] + [WON] * 6 + [FAIR] + [WON] * 6, [6, 13]),
        ([WON] * 5 + [ALL_REAL] * 5, [5, 10]),
    ],
)
def test_a_side_that_has_lost_is_said_once_after_five_lines(rows, steps, capsys):
    said = lines_of(capsys, rows)
    assert [int(line.split()[1]) for line in said] == steps


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (WON, "tells all pictures of the net from real ones.* Lower critic.learning_rate"),
        (ALL_REAL, "calls everything real.* Raise critic.learning_rate"),
        (NONE_REAL, "calls everything made.* Raise critic.learning_rate"),
    ],
)
def test_who_has_lost_is_said_with_what_to_do(row, message, capsys):
    (said,) = lines_of(capsys, [row] * 5)
    assert said.startswith("step      5  one-sided for 5 lines: the critic ")
    assert re.search(message, said)


SHARED = """
import numpy as np, tensorflow as tf
halves = [tf.config.LogicalDeviceConfiguration()] * 2
tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], halves)
import keras
from lowlight_tf.catalog import GAMES
from lowlight_tf.contract import ENHANCE
from lowlight_tf.models.driving_unet import driving_unet
from lowlight_tf.models.patch_discriminator import patch_discriminator
from lowlight_tf.training_config import Training
from lowlight_tf.training.adversarial import AdversarialLearner
from lowlight_tf.training.objective import Objective
from lowlight_tf.training.schedule import adam

def gentle():  # steps as long as the gradients are, lest noise is made large
    optimizer = adam(Training(clip_norm=0.05))
    optimizer.epsilon = 1.0
    return optimizer

low = np.random.default_rng(0).random((4, 16, 16, 3), np.float32) / 3
found = []
for devices in (["CPU:0"], ["CPU:0", "CPU:1"]):
    keras.utils.set_random_seed(1)
    with tf.distribute.MirroredStrategy(devices).scope():
        net = driving_unet(filters=4, depth=1, groups=2)
        learner = AdversarialLearner(
            net, Objective({"l1": 1.0}), contract=ENHANCE, game=GAMES.find("bce").load(),
            critic=patch_discriminator(ENHANCE, filters=2), optimizer=gentle())
        learner.compile(optimizer=gentle())
    pairs = tf.data.Dataset.from_tensor_slices(({"low": low}, {"target": low ** 0.5})).batch(4)
    learner.fit(pairs, epochs=2, verbose=0, shuffle=False)
    found.append(list(map(keras.ops.convert_to_numpy, sum(learner.kept.values(), []))))
for one, two in zip(*found, strict=True):
    np.testing.assert_allclose(one, two, atol=1e-5)
"""


@pytest.mark.slow
def test_two_replicas_make_the_steps_of_one():
    done = subprocess.run([sys.executable, "-c", SHARED], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
