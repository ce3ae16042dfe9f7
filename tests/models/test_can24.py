"""CAN24 as in the paper. Tests of every model are in test_every_model.py."""

import keras
import numpy as np
import pytest

from lowlight_tf.checks import UsageError
from lowlight_tf.models.can24 import can24


def test_the_dilation_rates_double_from_layer_to_layer():
    rates = [
        layer.dilation_rate[0] for layer in can24().layers if isinstance(layer, keras.layers.Conv2D)
    ]
    assert rates == [1, 2, 4, 8, 16, 32, 64, 1, 1]


def test_has_the_weights_of_nine_layers():
    # Eight kernels without a bias; a shift for each channel and two weights in each normalization;
    # a 1x1 convolution with a bias.
    kernels = 9 * 3 * 24 + 7 * 9 * 24 * 24
    trainable = sum(np.prod(weight.shape, dtype=int) for weight in can24().trainable_weights)
    assert trainable == kernels + 8 * (24 + 2) + 24 * 3 + 3 == 37_219


def test_every_hidden_layer_is_the_identity_at_initialization(rng):
    model = can24(filters=5, depth=3)
    hidden = keras.Model(model.input, model.get_layer("act3").output)
    low = rng.random((1, 9, 11, 3), dtype=np.float32)
    np.testing.assert_allclose(hidden({"low": low})[..., :3], low, atol=1e-6)
    np.testing.assert_array_equal(hidden({"low": low})[..., 3:], 0)


def test_the_receptive_field_is_the_sum_of_the_dilation_rates(rng):
    # 1 + 2 + 4 and 1 again: eight pixels on every side.
    keras.utils.set_random_seed(1)
    model = can24(filters=4, depth=3)
    for layer in model.layers:
        if isinstance(layer, keras.layers.Conv2D):
            kernel, *bias = layer.get_weights()
            layer.set_weights([np.abs(rng.normal(0.1, 0.02, kernel.shape)), *bias])
    low = np.full((1, 25, 25, 3), 1e-3, np.float32)
    changed = low.copy()
    changed[0, 12, 12] = 2e-3
    hidden = keras.Model(model.input, model.get_layer("color").output)
    affected = np.abs(hidden({"low": changed}) - hidden({"low": low})).max(axis=(0, 3)) > 0
    expected = np.zeros((25, 25), bool)
    expected[4:21, 4:21] = True
    np.testing.assert_array_equal(affected, expected)


def test_a_depth_of_0_is_rejected():
    with pytest.raises(UsageError, match="`depth` must be at least 1"):
        can24(depth=0)


@pytest.mark.slow
def test_the_gpu_delegate_runs_every_operation(gpu_report):
    assert gpu_report(can24(filters=8, depth=3)).unsupported_ops == ()
