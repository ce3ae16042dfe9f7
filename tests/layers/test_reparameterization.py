"""Collapsible convolutions: what they learn with is what they run with."""

import keras
import numpy as np
import pytest

from lowlight_tf.layers.reparameterization import CollapsibleConv2D, fold


def stirred(net, rng):
    """Move every weight away from its beginning, so that no branch is silent."""
    for weight in net.weights:
        weight.assign(rng.normal(0, 0.2, weight.shape))
    return net


def small_net(**options):
    image = keras.Input((None, None, 4))
    x = CollapsibleConv2D(4, residual=True, name="same", **options)(image)
    x = keras.layers.ReLU(name="act")(x)
    return keras.Model(image, CollapsibleConv2D(6, 3, strides=2, name="down", **options)(x))


@pytest.mark.parametrize("expansion", [0, 2])
def test_a_folded_net_gives_what_its_branches_gave(rng, expansion):
    net = stirred(small_net(expansion=expansion), rng)
    image = rng.random((2, 9, 12, 4), dtype=np.float32)
    folded = fold(net)
    np.testing.assert_allclose(folded(image), net(image), atol=1e-5)
    assert {type(layer).__name__ for layer in folded.layers} == {"InputLayer", "Conv2D", "ReLU"}
    assert folded.count_params() == (9 * 4 * 4 + 4) + (9 * 4 * 6 + 6)


def test_every_branch_is_part_of_the_sum(rng):
    image = rng.random((1, 5, 5, 4), dtype=np.float32)
    layer = CollapsibleConv2D(4, expansion=1)
    layer.build(image.shape)
    stirred(layer, rng)
    conv = keras.ops.conv
    expected = (
        conv(image, layer.kernel, padding="same")
        + conv(image, layer.point, padding="same")
        + conv(conv(image, layer.expand, padding="same"), layer.project[None, None])
        + layer.bias
    )
    np.testing.assert_allclose(layer(image), expected, atol=1e-5)
    layer.residual = True
    np.testing.assert_allclose(layer(image), expected + image, atol=1e-5)


def test_it_begins_as_the_plain_convolution(rng):
    image = rng.random((1, 5, 5, 3), dtype=np.float32)
    layer = CollapsibleConv2D(2)
    expected = keras.ops.conv(image, (layer(image), layer.kernel)[1], padding="same")
    np.testing.assert_allclose(layer(image), expected, atol=1e-6)


def test_folding_leaves_the_net_and_nets_without_branches_alone(rng):
    net = stirred(small_net(), rng)
    before = [np.array(weight) for weight in net.weights]
    folded = fold(net)
    for weight in folded.weights:
        weight.assign(np.zeros(weight.shape))
    for old, weight in zip(before, net.weights, strict=True):
        np.testing.assert_array_equal(old, weight)
    assert fold(folded) is folded


def test_a_centered_convolution_is_that_of_what_is_left(rng):
    layer = CollapsibleConv2D(3, center=0.6)
    image = rng.random((1, 9, 9, 2), dtype=np.float32)
    layer.build(image.shape)
    for weight in layer.weights:
        weight.assign(rng.normal(0, 0.3, weight.shape))
    centered = np.asarray(layer(image))[:, 1:-1, 1:-1]
    plain = keras.layers.Conv2D(3, 3)
    plain.build(image.shape)
    plain.set_weights([np.asarray(layer.folded_kernel()), np.asarray(layer.bias)])
    np.testing.assert_allclose(centered, np.asarray(plain(image - 0.6)), atol=1e-5)
    kernel, bias = layer.folded_weights()
    plain.set_weights([np.asarray(kernel), np.asarray(bias)])
    np.testing.assert_allclose(centered, np.asarray(plain(image)), atol=1e-5)
