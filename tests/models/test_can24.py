"""What the paper says of CAN24. What holds for every model is in test_every_model.py."""

import keras
import numpy as np
import pytest

from lowlight_tf.checks import UsageError
from lowlight_tf.models.can24 import can24


def test_its_taps_lie_ever_farther_apart():
    apart = [
        layer.dilation_rate[0] for layer in can24().layers if isinstance(layer, keras.layers.Conv2D)
    ]
    assert apart == [1, 2, 4, 8, 16, 32, 64, 1, 1]


def test_has_the_weights_of_nine_layers():
    # Eight kernels without a bias; a shift for each map and two shares in each normalization; a
    # convolution of single pixels with a bias.
    kernels = 9 * 3 * 24 + 7 * 9 * 24 * 24
    learned = sum(np.prod(weight.shape, dtype=int) for weight in can24().trainable_weights)
    assert learned == kernels + 8 * (24 + 2) + 24 * 3 + 3 == 37_219


def test_at_first_every_layer_passes_the_picture_on(rng):
    net = can24(filters=5, depth=3)
    inside = keras.Model(net.input, net.get_layer("act3").output)
    low = rng.random((1, 9, 11, 3), dtype=np.float32)
    np.testing.assert_allclose(inside({"low": low})[..., :3], low, atol=1e-6)
    np.testing.assert_array_equal(inside({"low": low})[..., 3:], 0)


def test_a_pixel_is_seen_from_as_far_as_all_taps_reach(rng):
    # 1 + 2 + 4 and once more 1: eight pixels to every side.
    keras.utils.set_random_seed(1)
    net = can24(filters=4, depth=3)
    for layer in net.layers:
        if isinstance(layer, keras.layers.Conv2D):
            kernel, *bias = layer.get_weights()
            layer.set_weights([np.abs(rng.normal(0.1, 0.02, kernel.shape)), *bias])
    low = np.full((1, 25, 25, 3), 1e-3, np.float32)
    lit = low.copy()
    lit[0, 12, 12] = 2e-3
    inside = keras.Model(net.input, net.get_layer("color").output)
    seen = np.abs(inside({"low": lit}) - inside({"low": low})).max(axis=(0, 3)) > 0
    expected = np.zeros((25, 25), bool)
    expected[4:21, 4:21] = True
    np.testing.assert_array_equal(seen, expected)


def test_refuses_no_depth():
    with pytest.raises(UsageError, match="`depth` must be at least 1"):
        can24(depth=0)


@pytest.mark.slow
def test_the_delegate_takes_every_operation(proof):
    assert proof(can24(filters=8, depth=3)).refused == ()
