"""A model's clone in tf_keras computes the same, is trained, and copies its weights back."""

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
def tfk():
    """The module, imported only if its packages are installed."""
    from lowlight_tf.export.tfmot import tf_keras_clone

    return tf_keras_clone


def enhance_sample(model, sample):
    return np.asarray(model(sample)["enhanced"])


def test_a_clone_computes_what_its_model_computes(tfk, thumbnail_model, dark_samples):
    clone = tfk.clone_to_tf_keras(thumbnail_model).model
    expected = enhance_sample(thumbnail_model, dark_samples[0])
    assert expected.std() > 0.05
    np.testing.assert_allclose(enhance_sample(clone, dark_samples[0]), expected, atol=1e-6)


def test_a_clone_accepts_other_sizes(tfk, thumbnail_model, dark_samples):
    clone = tfk.clone_to_tf_keras(thumbnail_model).model
    sample = {**dark_samples[0], "low": dark_samples[0]["low"][:, :9, :14]}
    np.testing.assert_allclose(
        enhance_sample(clone, sample), enhance_sample(thumbnail_model, sample), atol=1e-6
    )


def test_a_dashcam_net_can_be_cloned(tfk, dark_samples):
    model = reparameterize_model(
        dashcam_net(filters=4, blocks=0, deep_filters=4, deep_blocks=0, context=4)
    )
    clone = tfk.clone_to_tf_keras(model).model
    expected = enhance_sample(model, dark_samples[0])
    assert expected.std() > 0.05
    np.testing.assert_allclose(enhance_sample(clone, dark_samples[0]), expected, atol=1e-6)


@pytest.fixture
def fusion_model():
    """A reparameterized model that applies the same layers to both cameras."""
    keras.utils.set_random_seed(2)
    model = did_fuse(filters=4, strategy="attention", patch=2, int8_friendly=True)
    return reparameterize_model(deployable_submodel(model, FUSE))


@pytest.fixture
def two_cameras(rng):
    return {name: rng.random((1, 12, 16, 1), dtype=np.float32) for name in ("visible", "infrared")}


def test_layers_that_are_called_again_have_one_clone(tfk, fusion_model, two_cameras):
    clone = tfk.clone_to_tf_keras(fusion_model)
    expected = fusion_model(two_cameras)
    assert np.std(expected["fused"]) > 0.001
    for name, image in clone.model(two_cameras).items():
        np.testing.assert_allclose(image, expected[name], atol=1e-6)
    assert sum(weight.numpy().size for weight in clone.model.weights) == fusion_model.count_params()
    calls = {layer.name for layer in clone.model.layers if layer.name.startswith("base_act")}
    assert calls == {"base_act", "base_act_call2"}
    assert len(clone.model.get_layer("base_conv").inbound_nodes) == 2


def test_a_shared_layer_is_trained_on_both_cameras_and_copied_back(tfk, fusion_model, two_cameras):
    clone = tfk.clone_to_tf_keras(fusion_model)
    loss_fn = lambda images: tf.reduce_mean(tf.square(images["fused"] - 0.9))  # noqa: E731
    before = loss_fn(fusion_model(two_cameras))
    tfk.fine_tune(clone, [(two_cameras, {})] * 4, loss_fn, steps=4, learning_rate=3e-3)
    clone.copy_weights_to(fusion_model)
    np.testing.assert_allclose(
        clone.model(two_cameras)["fused"], fusion_model(two_cameras)["fused"], atol=1e-6
    )
    assert loss_fn(fusion_model(two_cameras)) < before


def test_activations_inside_convolutions_are_kept(tfk, rng):
    low = keras.Input((None, None, 3), name="low")
    x = low
    for activation in ("relu", "sigmoid", "tanh", None):
        x = keras.layers.Conv2D(3, 3, padding="same", activation=activation)(x)
    model = keras.Model({"low": low}, {"enhanced": keras.layers.PReLU(shared_axes=[1, 2])(x)})
    sample = {"low": rng.random((1, 6, 6, 3), dtype=np.float32)}
    clone = tfk.clone_to_tf_keras(model).model
    np.testing.assert_allclose(
        enhance_sample(clone, sample), enhance_sample(model, sample), atol=1e-6
    )


def test_trained_weights_are_copied_back(tfk, thumbnail_model, dark_samples):
    model = keras.models.clone_model(thumbnail_model)
    model.set_weights(thumbnail_model.get_weights())
    clone = tfk.clone_to_tf_keras(model)
    target = {"target": tf.sqrt(dark_samples[0]["low"])}

    def loss_fn(images):
        return tf.reduce_mean(tf.abs(images["target"] - images["enhanced"]))

    before = loss_fn({**target, **model(dark_samples[0])})
    batches = [(dark_samples[0], target)] * 8
    tfk.fine_tune(clone, batches, loss_fn, steps=8, learning_rate=3e-3)
    untouched = loss_fn({**target, **model(dark_samples[0])})
    clone.copy_weights_to(model)
    after = loss_fn({**target, **model(dark_samples[0])})
    assert untouched == before
    assert after < 0.9 * before
    np.testing.assert_allclose(
        enhance_sample(clone.model, dark_samples[0]),
        enhance_sample(model, dark_samples[0]),
        atol=1e-6,
    )


def test_a_layer_that_is_not_trainable_and_all_layers_before_it_are_frozen(
    tfk, thumbnail_model, dark_samples
):
    model = keras.models.clone_model(thumbnail_model)
    model.get_layer("enter_conv").trainable = False
    clone = tfk.clone_to_tf_keras(model)
    before = {name: weights[0].numpy() for name, weights in clone.weights.items()}
    target = {"target": tf.sqrt(dark_samples[0]["low"])}
    batches = [(dark_samples[0], target)] * 2
    loss_fn = lambda images: tf.reduce_mean(tf.abs(images["target"] - images["enhanced"]))  # noqa: E731
    tfk.fine_tune(clone, batches, loss_fn, steps=2, learning_rate=3e-3)
    changed = {name for name, kernel in before.items() if np.any(clone.weights[name][0] != kernel)}
    assert clone.frozen == {"enter_conv", "level", "thumbnail_a_conv", "thumbnail_b_conv"}
    assert "offset" in changed
    assert not changed & clone.frozen


def test_an_unsupported_layer_with_weights_is_refused(tfk):
    model = driving_unet(filters=8, depth=1, groups=2, patch=4)
    with pytest.raises(UsageError, match=r"driving_unet .* is a GroupNormalization; with weights"):
        tfk.clone_to_tf_keras(model)


def test_a_normalization_that_was_not_merged_is_refused(tfk):
    low = keras.Input((None, None, 3), name="low")
    norm = keras.layers.BatchNormalization(name="norm")
    model = keras.Model({"low": low}, {"enhanced": norm(low)})
    with pytest.raises(UsageError, match="its layer 'norm' is a BatchNormalization"):
        tfk.clone_to_tf_keras(reparameterize_model(model))


def test_importing_tfmot_does_not_change_the_environment(tfk, monkeypatch):
    monkeypatch.delenv(tfk.LEGACY_ENV, raising=False)
    assert tfk.import_tfmot().__name__ == "tensorflow_model_optimization"
    assert tfk.LEGACY_ENV not in os.environ
    assert tf.keras.Model is keras.Model
