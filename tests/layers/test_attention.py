"""Attention layers and gates against values computed by hand."""

import keras
import numpy as np
import pytest
from keras import ops

from lowlight_tf.layers.attention import (
    BranchSoftmax,
    ChannelPool,
    additive_gate,
    attention_gate,
)


def test_channel_pool_is_the_maximum_and_the_mean_of_a_pixel():
    x = np.float32([[[[1, 5, 3], [-4, -2, -6]]]])
    np.testing.assert_allclose(ChannelPool()(x), [[[[5, 3], [-2, -4]]]])


def test_the_softmax_of_two_branches_is_as_computed_by_hand():
    # Channel 0: equal logits; channel 1: e to 1.
    weights = BranchSoftmax(2)(np.float32([7, 7, 1, 0]).reshape(1, 1, 1, 4))
    e = np.e
    np.testing.assert_allclose(np.ravel(weights[0]), [0.5, e / (e + 1)], rtol=1e-6)
    np.testing.assert_allclose(np.ravel(weights[1]), [0.5, 1 / (e + 1)], rtol=1e-6)


@pytest.mark.parametrize("branches", [2, 3, 4])
def test_branch_softmax_is_the_softmax_over_the_branches(branches, rng):
    logits = rng.normal(0, 3, (2, 1, 1, 5 * branches)).astype(np.float32)
    softmax = ops.softmax(logits.reshape(2, 5, branches).transpose(2, 0, 1), axis=0)
    layer = BranchSoftmax(branches)
    weights = layer(logits)
    assert [weight.shape for weight in weights] == layer.compute_output_shape(logits.shape)
    for weight, expected in zip(weights, softmax, strict=True):
        assert weight.shape == (2, 1, 1, 5)
        np.testing.assert_allclose(weight[:, 0, 0], expected, atol=1e-6)
    np.testing.assert_allclose(sum(weights), 1, atol=1e-6)


def test_layers_are_rebuilt_from_their_configuration(rng):
    x = rng.random((1, 1, 1, 6), dtype=np.float32)
    for layer in (BranchSoftmax(3), ChannelPool()):
        rebuilt = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
        np.testing.assert_array_equal(layer(x)[0], rebuilt(x)[0])


def test_an_additive_gate_is_as_computed_by_hand():
    # Features 2 and gating signal 3 with weights 1: relu(2 + 3) = 5, logit 0.2 x 5 - 1 = 0.
    inputs = [keras.Input((1, 1, 1)), keras.Input((1, 1, 1))]
    model = keras.Model(inputs, additive_gate(*inputs, 1, "gate", normalized=False))
    weights = {"gate_features_conv": (1, 0), "gate_guide_conv": (1, 0), "gate_open_conv": (0.2, -1)}
    for name, (kernel, bias) in weights.items():
        model.get_layer(name).set_weights([np.full((1, 1, 1, 1), kernel), np.full(1, bias)])
    gated, coefficients = model([np.full((1, 1, 1, 1), value, np.float32) for value in (2, 3)])
    assert float(coefficients[0, 0, 0, 0]) == pytest.approx(0.5)
    assert float(gated[0, 0, 0, 0]) == pytest.approx(1.0)


@pytest.mark.parametrize("pooled", [True, False])
def test_an_attention_gate_weighs_channels_and_then_pixels(pooled):
    image = keras.Input((4, 4, 2))
    model = keras.Model(image, attention_gate(2, "gate", pooled=pooled)(image))
    for name in ("gate_channels", "gate_places"):
        layer = model.get_layer(name)
        layer.set_weights([np.zeros_like(layer.kernel), np.full(layer.filters, np.log(3))])
    weighed, logits = model(np.ones((1, 4, 4, 2), np.float32))
    assert logits.shape == (1, 4, 4, 1 if pooled else 2)
    np.testing.assert_allclose(logits, np.log(3), rtol=1e-6)
    np.testing.assert_allclose(weighed, (2 * 0.75) ** 2, rtol=1e-5)  # both sigmoids are 3/4
