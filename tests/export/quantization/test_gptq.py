"""Rounded kernels lie on the steps of eight bits, and pictures hardly change."""

import keras
import numpy as np
import pytest

from lowlight_tf.export.quantization.gptq import INT8_MAX, gptq_round


@pytest.fixture
def samples(rng):
    """Smooth pictures, each with a brightness of its own: what a kernel sees goes together."""
    noise = (rng.random((1, 16, 16, 3), dtype=np.float32) for _ in range(8))
    return [{"low": np.float32(0.1 * number + 0.05 * x)} for number, x in enumerate(noise)]


@pytest.fixture
def net(rng):
    low = keras.Input((None, None, 3), name="low")
    x = keras.layers.Conv2D(8, 5, strides=2, padding="same", name="first")(low)
    x = keras.layers.Conv2D(3, 3, padding="same", use_bias=False, name="last")(keras.ops.relu(x))
    net = keras.Model({"low": low}, {"enhanced": x})
    for name in ("first", "last"):
        kernel = net.get_layer(name).kernel
        kernel.assign(rng.normal(size=kernel.shape) ** 3)
    return net


def nearest(net):
    """Return the net with each weight rounded by itself."""
    copy = keras.models.clone_model(net)
    copy.set_weights(net.get_weights())
    for name in ("first", "last"):
        kernel = copy.get_layer(name).kernel
        scale = np.abs(kernel).max(axis=(0, 1, 2)) / INT8_MAX
        kernel.assign(np.rint(kernel / scale) * scale)
    return copy


def error(net, other, samples):
    apart = [net(sample)["enhanced"] - other(sample)["enhanced"] for sample in samples]
    return np.sqrt(np.mean(np.square(apart)))


def test_kernels_lie_on_the_steps_and_keep_their_scale(net, samples):
    copy = gptq_round(net, samples)
    for name in ("first", "last"):
        before, after = (np.asarray(one.get_layer(name).kernel) for one in (net, copy))
        top = np.abs(before).max(axis=(0, 1, 2))
        np.testing.assert_allclose(np.abs(after).max(axis=(0, 1, 2)), top, rtol=1e-6)
        steps = after / top * INT8_MAX
        np.testing.assert_allclose(steps, np.rint(steps), atol=1e-4)
        assert np.abs(after - before).max() > 0


def test_pictures_change_far_less_than_by_the_nearest_steps(net, samples):
    assert error(net, gptq_round(net, samples), samples) < error(net, nearest(net), samples) / 4


def test_the_net_itself_stays_as_it_is(net, samples):
    before = [weight.copy() for weight in net.get_weights()]
    gptq_round(net, samples)
    for old, new in zip(before, net.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_a_kernel_of_zeros_and_a_silent_input_are_borne(net, samples):
    net.get_layer("last").kernel.assign(np.zeros((3, 3, 8, 3)))
    silent = [{"low": np.zeros_like(sample["low"])} for sample in samples]
    copy = gptq_round(net, silent)
    assert not np.any(copy.get_layer("last").kernel)
    assert np.all(np.isfinite(copy.get_layer("first").kernel))
