"""A net's shadow in tf_keras computes the same, learns, and gives back what it learned."""

import os

import keras
import numpy as np
import pytest
import tensorflow as tf

from lowlight_tf.checks import UsageError
from lowlight_tf.contract import FUSE
from lowlight_tf.export.convert import deployable_submodel
from lowlight_tf.layers.reparameterization import reparameterize_model
from lowlight_tf.models.dashcam_net import dashcam_net
from lowlight_tf.models.did_fuse import did_fuse
from lowlight_tf.models.driving_unet import driving_unet

pytestmark = pytest.mark.usefixtures("qat")


@pytest.fixture
def shadow():
    """The module, imported only where its packages are."""
    from lowlight_tf.export.tfmot import tf_keras_clone

    return tf_keras_clone


def enhanced(net, sample):
    return np.asarray(net(sample)["enhanced"])


def test_a_shadow_computes_what_its_net_computes(shadow, exposing_net, dark_samples):
    twin = shadow.rebuild(exposing_net).model
    expected = enhanced(exposing_net, dark_samples[0])
    assert expected.std() > 0.05
    np.testing.assert_allclose(enhanced(twin, dark_samples[0]), expected, atol=1e-6)


def test_a_shadow_takes_other_sizes_too(shadow, exposing_net, dark_samples):
    twin = shadow.rebuild(exposing_net).model
    sample = {**dark_samples[0], "low": dark_samples[0]["low"][:, :9, :14]}
    np.testing.assert_allclose(enhanced(twin, sample), enhanced(exposing_net, sample), atol=1e-6)


def test_a_dashcam_net_has_a_shadow(shadow, dark_samples):
    net = reparameterize_model(
        dashcam_net(filters=4, blocks=0, deep_filters=4, deep_blocks=0, context=4)
    )
    twin = shadow.rebuild(net).model
    expected = enhanced(net, dark_samples[0])
    assert expected.std() > 0.05
    np.testing.assert_allclose(enhanced(twin, dark_samples[0]), expected, atol=1e-6)


@pytest.fixture
def fusing_net():
    """A net that looks at two cameras with the same layers, folded."""
    keras.utils.set_random_seed(2)
    net = did_fuse(filters=4, strategy="attention", patch=2, int8_friendly=True)
    return reparameterize_model(deployable_submodel(net, FUSE))


@pytest.fixture
def two_cameras(rng):
    return {name: rng.random((1, 12, 16, 1), dtype=np.float32) for name in ("visible", "infrared")}


def test_layers_that_are_called_again_have_one_shadow(shadow, fusing_net, two_cameras):
    twin = shadow.rebuild(fusing_net)
    expected = fusing_net(two_cameras)
    assert np.std(expected["fused"]) > 0.001
    for name, image in twin.model(two_cameras).items():
        np.testing.assert_allclose(image, expected[name], atol=1e-6)
    assert sum(weight.numpy().size for weight in twin.model.weights) == fusing_net.count_params()
    calls = {layer.name for layer in twin.model.layers if layer.name.startswith("base_act")}
    assert calls == {"base_act", "base_act_call2"}
    assert len(twin.model.get_layer("base_conv").inbound_nodes) == 2


def test_a_shared_layer_gives_back_what_it_learned_from_both_cameras(
    shadow, fusing_net, two_cameras
):
    twin = shadow.rebuild(fusing_net)
    judge = lambda images: tf.reduce_mean(tf.square(images["fused"] - 0.9))  # noqa: E731
    before = judge(fusing_net(two_cameras))
    shadow.fine_tune(twin, [(two_cameras, {})] * 4, judge, steps=4, learning_rate=3e-3)
    twin.give(fusing_net)
    np.testing.assert_allclose(
        twin.model(two_cameras)["fused"], fusing_net(two_cameras)["fused"], atol=1e-6
    )
    assert judge(fusing_net(two_cameras)) < before


def test_activations_inside_convolutions_are_kept(shadow, rng):
    low = keras.Input((None, None, 3), name="low")
    x = low
    for activation in ("relu", "sigmoid", "tanh", None):
        x = keras.layers.Conv2D(3, 3, padding="same", activation=activation)(x)
    net = keras.Model({"low": low}, {"enhanced": keras.layers.PReLU(shared_axes=[1, 2])(x)})
    sample = {"low": rng.random((1, 6, 6, 3), dtype=np.float32)}
    twin = shadow.rebuild(net).model
    np.testing.assert_allclose(enhanced(twin, sample), enhanced(net, sample), atol=1e-6)


def test_what_a_shadow_learns_is_given_back(shadow, exposing_net, dark_samples):
    net = keras.models.clone_model(exposing_net)
    net.set_weights(exposing_net.get_weights())
    twin = shadow.rebuild(net)
    target = {"target": tf.sqrt(dark_samples[0]["low"])}

    def judge(images):
        return tf.reduce_mean(tf.abs(images["target"] - images["enhanced"]))

    before = judge({**target, **net(dark_samples[0])})
    batches = [(dark_samples[0], target)] * 8
    shadow.fine_tune(twin, batches, judge, steps=8, learning_rate=3e-3)
    untouched = judge({**target, **net(dark_samples[0])})
    twin.give(net)
    after = judge({**target, **net(dark_samples[0])})
    assert untouched == before
    assert after < 0.9 * before
    np.testing.assert_allclose(
        enhanced(twin.model, dark_samples[0]), enhanced(net, dark_samples[0]), atol=1e-6
    )


def test_a_layer_that_does_not_learn_stays_as_it_is_and_so_does_all_before_it(
    shadow, exposing_net, dark_samples
):
    net = keras.models.clone_model(exposing_net)
    net.get_layer("enter_conv").trainable = False
    twin = shadow.rebuild(net)
    before = {name: weights[0].numpy() for name, weights in twin.weights.items()}
    target = {"target": tf.sqrt(dark_samples[0]["low"])}
    batches = [(dark_samples[0], target)] * 2
    judge = lambda images: tf.reduce_mean(tf.abs(images["target"] - images["enhanced"]))  # noqa: E731
    shadow.fine_tune(twin, batches, judge, steps=2, learning_rate=3e-3)
    moved = {name for name, kernel in before.items() if np.any(twin.weights[name][0] != kernel)}
    assert twin.fixed == {"enter_conv", "level", "glance_a_conv", "glance_b_conv"}
    assert "offset" in moved
    assert not moved & twin.fixed


def test_refuses_a_layer_with_weights_that_it_does_not_know(shadow):
    net = driving_unet(filters=8, depth=1, groups=2, patch=4)
    with pytest.raises(UsageError, match=r"driving_unet .* is a GroupNormalization; with weights"):
        shadow.rebuild(net)


def test_refuses_a_normalization_that_was_not_folded(shadow):
    low = keras.Input((None, None, 3), name="low")
    norm = keras.layers.BatchNormalization(name="norm")
    net = keras.Model({"low": low}, {"enhanced": norm(low)})
    with pytest.raises(UsageError, match="its layer 'norm' is a BatchNormalization"):
        shadow.rebuild(reparameterize_model(net))


def test_the_toolkit_leaves_keras_as_it_was(shadow, monkeypatch):
    monkeypatch.delenv(shadow.LEGACY, raising=False)
    assert shadow.toolkit().__name__ == "tensorflow_model_optimization"
    assert shadow.LEGACY not in os.environ
    assert tf.keras.Model is keras.Model
