"""An equalized net computes the same; its feature maps reach equally far."""

import keras
import numpy as np
import pytest

from lowlight_tf.export.quantization.cross_layer_equalization import equalize_model
from lowlight_tf.layers.clip import UnitClip


def enhanced(net, sample):
    return np.asarray(net(sample)["enhanced"])


def uneven(net):
    """Return a copy that computes the same with the maps of two convolutions far apart."""
    copy = keras.models.clone_model(net)
    copy.set_weights(net.get_weights())
    for made, read in (("block0_a_conv", "block0_b_conv"), ("glance_a_conv", "glance_b_conv")):
        made, read = copy.get_layer(made), copy.get_layer(read)
        factors = np.float32(4.0) ** np.arange(made.filters)
        made.kernel.assign(made.kernel * factors)
        made.bias.assign(made.bias * factors)
        read.kernel.assign(read.kernel / factors[:, None])
    return copy


def reach(net, name, samples):
    layer = keras.Model(net.input, net.get_layer(name).output)
    return np.max([np.abs(layer(sample)).max(axis=(0, 1, 2)) for sample in samples], axis=0)


def test_an_equalized_net_computes_the_same(exposing_net, dark_samples):
    net = uneven(exposing_net)
    before = [weight.copy() for weight in net.get_weights()]
    copy = equalize_model(net, dark_samples)
    assert any(np.any(a != b) for a, b in zip(before, copy.get_weights(), strict=True))
    for old, new in zip(before, net.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    for sample in dark_samples:
        expected = enhanced(net, sample)
        assert expected.std() > 0.05
        np.testing.assert_allclose(enhanced(copy, sample), expected, atol=1e-5)


@pytest.mark.parametrize("name", ["block0_a_act", "glance_a_act"])
def test_maps_come_nearer_to_each_other(exposing_net, dark_samples, name):
    net = uneven(exposing_net)
    before = reach(net, name, dark_samples)
    after = reach(equalize_model(net, dark_samples), name, dark_samples)
    alive = before > 0
    assert np.ptp(np.log(after[alive])) < 0.5 * np.ptp(np.log(before[alive]))
    assert after.max() == pytest.approx(before.max(), rel=1e-4)


def test_what_is_added_to_a_picture_stays_as_it_is(rng):
    low = keras.Input((None, None, 3), name="low")
    convolved = keras.layers.Conv2D(3, 3, padding="same")(low)
    enhanced = UnitClip()(keras.layers.Add()([low, convolved]))
    net = keras.Model({"low": low}, {"enhanced": enhanced})
    assert equalize_model(net, [{"low": rng.random((1, 8, 8, 3), dtype=np.float32)}]) is net


def joining_net(joined):
    """Two convolutions whose maps reach unlike far, joined, and one that reads what that gives."""
    low = keras.Input((None, None, 3), name="low")
    both = [keras.layers.Conv2D(4, 3, padding="same", name=name)(low) for name in ("a", "b")]
    enhanced = keras.layers.Conv2D(3, 3, padding="same", name="read")(joined(both))
    net = keras.Model({"low": low}, {"enhanced": enhanced})
    for name in ("a", "b"):
        kernel = net.get_layer(name).kernel
        kernel.assign(kernel * 3.0 ** np.arange(4))
    return net


@pytest.mark.parametrize("kind", ["Concatenate", "Subtract"])
def test_maps_that_are_joined_are_equalized(rng, kind):
    net = joining_net(getattr(keras.layers, kind)(name="joined"))
    samples = [{"low": rng.random((1, 8, 8, 3), dtype=np.float32)}]
    copy = equalize_model(net, samples)
    before, after = (reach(one, "joined", samples) for one in (net, copy))
    assert np.ptp(np.log(after)) < 0.5 * np.ptp(np.log(before))
    np.testing.assert_allclose(enhanced(copy, samples[0]), enhanced(net, samples[0]), atol=1e-5)


@pytest.mark.parametrize(
    "joined",
    [
        lambda both: keras.layers.Subtract()([both[0], keras.ops.tanh(both[1])]),
        lambda both: keras.ops.add(both[0], 1.0) - keras.ops.subtract(1.0, both[1]),
        lambda both: keras.layers.Concatenate()([both[0], keras.ops.tanh(both[1])]),
        lambda both: keras.layers.Concatenate(axis=1)(both),
    ],
)
def test_maps_that_are_joined_with_what_must_stay_stay_too(rng, joined):
    net = joining_net(joined)
    assert equalize_model(net, [{"low": rng.random((1, 8, 8, 3), dtype=np.float32)}]) is net
