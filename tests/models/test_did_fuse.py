"""DIDFuse has the published convolutions, and one set of weights for every strategy."""

import keras
import numpy as np
import pytest

from lowlight_tf.checks import UsageError
from lowlight_tf.layers.fusion import STRATEGIES
from lowlight_tf.models.did_fuse import did_fuse


@pytest.fixture
def images(rng):
    return {name: rng.random((1, 20, 28, 1), dtype=np.float32) for name in ("visible", "infrared")}


def test_has_the_published_convolutions():
    convolutions = [
        layer
        for layer in did_fuse(attention=False).layers
        if isinstance(layer, keras.layers.Conv2D)
    ]
    assert sum(layer.count_params() for layer in convolutions) == 260_161
    assert len(convolutions) == 7


@pytest.mark.parametrize("attention", [True, False])
def test_both_cameras_share_one_encoder_and_one_decoder(attention, images):
    model = did_fuse(filters=4, attention=attention)
    outputs = model({"visible": images["visible"], "infrared": images["visible"]})
    for part in ("base", "detail", "reconstructed"):
        np.testing.assert_array_equal(outputs[f"visible_{part}"], outputs[f"infrared_{part}"])


@pytest.mark.parametrize("strategy", ["average", "l1_norm", "attention"])
def test_two_equal_images_are_fused_to_the_reconstruction_of_one(strategy, images):
    model = did_fuse(filters=4, strategy=strategy)
    outputs = model({"visible": images["visible"], "infrared": images["visible"]})
    np.testing.assert_allclose(outputs["fused"], outputs["visible_reconstructed"], atol=1e-5)


def test_every_strategy_runs_on_the_same_weights(images):
    models = [did_fuse(filters=4, strategy=strategy) for strategy in STRATEGIES]
    for model in models[1:]:
        model.set_weights(models[0].get_weights())
    fused = [np.array(model(images)["fused"]) for model in models]
    for index, one in enumerate(fused):
        assert all(not np.allclose(one, other) for other in fused[:index])


def test_the_attention_weight_of_base_and_detail_is_at_most_four(images):
    outputs = did_fuse(filters=4)(images)
    assert np.abs(outputs["visible_detail"]).max() <= 4  # 2 sigmoid x 2 sigmoid x tanh


def test_the_fused_image_does_not_update_the_running_statistics(images):
    models = [did_fuse(filters=4, strategy=strategy) for strategy in ("sum", "average")]
    models[1].set_weights(models[0].get_weights())
    for model in models:
        model(images, training=True)
    for one, other in zip(*(model.non_trainable_weights for model in models), strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_int8_friendly_model_with_a_patch_takes_any_size(rng):
    model = did_fuse(filters=4, patch=4, int8_friendly=True)
    images = {n: rng.random((1, 13, 22, 1), dtype=np.float32) for n in ("visible", "infrared")}
    assert model(images)["fused"].shape == (1, 13, 22, 1)
    kinds = {type(layer).__name__ for layer in model.layers}
    assert not kinds & {"PReLU", "ReflectionPadding2D"}


def test_the_attention_strategy_without_attention_is_rejected():
    with pytest.raises(UsageError, match="attention"):
        did_fuse(strategy="attention", attention=False)
    with pytest.raises(UsageError, match="strategy"):
        did_fuse(strategy="max")


@pytest.mark.parametrize("patch", [1, 2])
def test_a_new_blend_is_the_average_of_both_images(patch, rng):
    model = did_fuse(filters=4, patch=patch, blend=True)
    images = {n: rng.random((1, 13, 22, 1), dtype=np.float32) for n in ("visible", "infrared")}
    np.testing.assert_allclose(model(images)["fused"], sum(images.values()) / 2, atol=1e-6)


def test_a_blend_of_equal_images_is_the_image_and_a_residual(images):
    model = did_fuse(filters=4, blend=True)
    equal = {"visible": images["visible"], "infrared": images["visible"]}
    model.get_layer("blend_conv").bias.assign([3, 0.1])
    expected = np.minimum(images["visible"] + 0.1, 1)
    np.testing.assert_allclose(model(equal)["fused"], expected, atol=1e-6)


def test_a_blend_sees_how_far_each_image_is_from_its_mean(images):
    model = did_fuse(filters=4, blend=True)
    shifted = {name: image / 2 + 0.25 for name, image in images.items()}
    deviations = keras.Model(model.inputs, model.get_layer("visible_deviation").output)
    np.testing.assert_allclose(deviations(shifted), deviations(images) / 2, atol=1e-6)
    assert float(np.mean(deviations(images))) == pytest.approx(0, abs=1e-6)
