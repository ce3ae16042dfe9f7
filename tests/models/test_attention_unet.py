"""The attention U-Net has the published convolutions; its gates let through what they open to."""

import keras
import numpy as np
import pytest

from lowlight_tf.models.attention_unet import attention_unet, attention_unet_half


@pytest.fixture
def raw(rng):
    return {"raw": rng.random((1, 16, 24, 4), dtype=np.float32)}


@pytest.mark.slow
def test_has_the_published_convolutions():
    net = attention_unet_half()
    kernels = [
        layer.count_params() for layer in net.layers if isinstance(layer, keras.layers.Conv2D)
    ]
    assert sum(kernels) == pytest.approx(34.86e6, rel=2e-4)


def test_gives_two_by_two_pixels_for_each_place_or_one(raw):
    assert attention_unet(filters=4, depth=2)(raw)["enhanced"].shape == (1, 32, 48, 3)
    assert attention_unet_half(filters=4, depth=2)(raw)["enhanced"].shape == (1, 16, 24, 3)


def test_a_closed_gate_lets_nothing_through(raw):
    net = attention_unet(filters=4, depth=1, normalized=False)
    gate, skip = net.get_layer("gate_0_open_conv"), net.get_layer("encoder_0_b_conv")
    gate.set_weights([np.zeros_like(gate.kernel), np.float32([-100])])
    closed = net(raw)
    assert np.max(closed["attention_map"]) < 1e-6
    inner = keras.Model(net.input, net.get_layer("gate_0").output)
    np.testing.assert_allclose(inner(raw), 0, atol=1e-6)
    gate.set_weights([np.zeros_like(gate.kernel), np.float32([100])])
    kept = keras.Model(net.input, net.get_layer("encoder_0_b_act").output)
    np.testing.assert_allclose(inner(raw), kept(raw), rtol=1e-6)
    assert skip.filters == 4


def test_without_attention_and_normalization_there_is_none(raw):
    net = attention_unet(filters=4, depth=2, attention=False, normalized=False)
    assert set(net(raw)) == {"enhanced"}
    assert not any(isinstance(x, keras.layers.BatchNormalization) for x in net.layers)
