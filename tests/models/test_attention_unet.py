"""The attention U-Net has the published convolutions; its gates scale the skip connections."""

import keras
import numpy as np
import pytest

from lowlight_tf.models.attention_unet import attention_unet, attention_unet_half


@pytest.fixture
def raw(rng):
    return {"raw": rng.random((1, 16, 24, 4), dtype=np.float32)}


@pytest.mark.slow
def test_has_the_published_convolutions():
    model = attention_unet_half()
    kernels = [
        layer.count_params() for layer in model.layers if isinstance(layer, keras.layers.Conv2D)
    ]
    assert sum(kernels) == pytest.approx(34.86e6, rel=2e-4)


def test_the_output_has_twice_or_once_the_size_of_the_packed_input(raw):
    assert attention_unet(filters=4, depth=2)(raw)["enhanced"].shape == (1, 32, 48, 3)
    assert attention_unet_half(filters=4, depth=2)(raw)["enhanced"].shape == (1, 16, 24, 3)


def test_a_closed_gate_gives_0_and_an_open_gate_the_features(raw):
    model = attention_unet(filters=4, depth=1, normalized=False)
    gate, skip = model.get_layer("gate_0_open_conv"), model.get_layer("encoder_0_b_conv")
    gate.set_weights([np.zeros_like(gate.kernel), np.float32([-100])])
    closed = model(raw)
    assert np.max(closed["attention_map"]) < 1e-6
    inner = keras.Model(model.input, model.get_layer("gate_0").output)
    np.testing.assert_allclose(inner(raw), 0, atol=1e-6)
    gate.set_weights([np.zeros_like(gate.kernel), np.float32([100])])
    skip_model = keras.Model(model.input, model.get_layer("encoder_0_b_act").output)
    np.testing.assert_allclose(inner(raw), skip_model(raw), rtol=1e-6)
    assert skip.filters == 4


def test_without_attention_and_normalization_there_is_none(raw):
    model = attention_unet(filters=4, depth=2, attention=False, normalized=False)
    assert set(model(raw)) == {"enhanced"}
    assert not any(isinstance(x, keras.layers.BatchNormalization) for x in model.layers)
