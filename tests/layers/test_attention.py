"""What features are weighed by: shares over branches, extents over maps."""

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


def test_extent_is_the_largest_and_the_mean_of_a_pixel():
    x = np.float32([[[[1, 5, 3], [-4, -2, -6]]]])
    np.testing.assert_allclose(ChannelPool()(x), [[[[5, 3], [-2, -4]]]])


def test_two_branches_by_hand():
    # Feature map 0: equal; feature map 1: e to 1.
    shares = BranchSoftmax(2)(np.float32([7, 7, 1, 0]).reshape(1, 1, 1, 4))
    e = np.e
    np.testing.assert_allclose(np.ravel(shares[0]), [0.5, e / (e + 1)], rtol=1e-6)
    np.testing.assert_allclose(np.ravel(shares[1]), [0.5, 1 / (e + 1)], rtol=1e-6)


@pytest.mark.parametrize("branches", [2, 3, 4])
def test_is_the_plain_softmax_across_branches(branches, rng):
    logits = rng.normal(0, 3, (2, 1, 1, 5 * branches)).astype(np.float32)
    plain = ops.softmax(logits.reshape(2, 5, branches).transpose(2, 0, 1), axis=0)
    layer = BranchSoftmax(branches)
    shares = layer(logits)
    assert [share.shape for share in shares] == layer.compute_output_shape(logits.shape)
    for share, expected in zip(shares, plain, strict=True):
        assert share.shape == (2, 1, 1, 5)
        np.testing.assert_allclose(share[:, 0, 0], expected, atol=1e-6)
    np.testing.assert_allclose(sum(shares), 1, atol=1e-6)


def test_both_come_back_from_their_configuration(rng):
    x = rng.random((1, 1, 1, 6), dtype=np.float32)
    for layer in (BranchSoftmax(3), ChannelPool()):
        again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
        np.testing.assert_array_equal(layer(x)[0], again(x)[0])


def test_an_additive_gate_by_hand():
    # Features 2 and guide 3, each weighed by 1: relu(2 + 3) = 5, opened by 0.2 x 5 - 1 = 0.
    inputs = [keras.Input((1, 1, 1)), keras.Input((1, 1, 1))]
    net = keras.Model(inputs, additive_gate(*inputs, 1, "gate", normalized=False))
    weights = {"gate_features_conv": (1, 0), "gate_guide_conv": (1, 0), "gate_open_conv": (0.2, -1)}
    for name, (kernel, bias) in weights.items():
        net.get_layer(name).set_weights([np.full((1, 1, 1, 1), kernel), np.full(1, bias)])
    through, opened = net([np.full((1, 1, 1, 1), value, np.float32) for value in (2, 3)])
    assert float(opened[0, 0, 0, 0]) == pytest.approx(0.5)
    assert float(through[0, 0, 0, 0]) == pytest.approx(1.0)


def test_a_gate_weighs_channels_by_their_means_and_then_places():
    picture = keras.Input((4, 4, 2))
    net = keras.Model(picture, attention_gate(2, "gate")(picture))
    for name in ("gate_channels", "gate_places"):
        layer = net.get_layer(name)
        layer.set_weights([np.zeros_like(layer.kernel), np.full(layer.filters, np.log(3))])
    weighed, score = net(np.ones((1, 4, 4, 2), np.float32))
    np.testing.assert_allclose(score, np.log(3), rtol=1e-6)
    np.testing.assert_allclose(weighed, (2 * 0.75) ** 2, rtol=1e-5)  # both sigmoids are 3/4
