"""GroupNormalization equals that of Keras in value and gradient; AdaptiveNormalization."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from lowlight_tf.checks import UsageError
from lowlight_tf.layers.normalization import AdaptiveNormalization, GroupNormalization


def make_layer_pair(groups, channels, rng):
    """Return our and Keras's layer with the same random scale and shift."""
    ours, theirs = GroupNormalization(groups), keras.layers.GroupNormalization(groups, epsilon=1e-5)
    for layer in (ours, theirs):
        layer.build((None, None, None, channels))
    weights = [rng.normal(size=channels), rng.normal(size=channels)]
    ours.set_weights(weights)
    theirs.set_weights(weights)
    return ours, theirs


@pytest.mark.parametrize("groups", [1, 2, 3, 12])
def test_group_normalization_equals_that_of_keras_in_value_and_gradient(groups, rng):
    ours, theirs = make_layer_pair(groups, 12, rng)
    x = tf.constant(rng.normal(3, 2, (2, 7, 5, 12)).astype(np.float32))
    weight = rng.normal(size=x.shape).astype(np.float32)
    results = []
    for layer in (ours, theirs):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x)
            total = tf.reduce_sum(y * weight)
        variables = [v.value for v in layer.trainable_variables]
        results.append([y, *tape.gradient(total, [x, *variables])])
    for actual, expected in zip(*results, strict=True):
        scale = float(np.abs(expected).max())
        np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-5 * max(scale, 1))


def test_group_normalization_does_not_overflow_in_float16(rng):
    layer = GroupNormalization(2, dtype="mixed_float16")
    x = rng.normal(0, 300, (1, 16, 16, 4)).astype(np.float16)  # squares reach beyond 65504
    y = layer(x)
    assert y.dtype == "float16"
    exact = GroupNormalization(2)(x.astype(np.float32))
    np.testing.assert_allclose(np.float32(y), exact, atol=2e-3)


def test_group_normalization_averages_within_each_group_and_image(rng):
    x = rng.normal(size=(2, 6, 4, 6)).astype(np.float32)
    y = np.asarray(GroupNormalization(3)(x)).reshape(2, 24, 3, 2)
    np.testing.assert_allclose(y.mean((1, 3)), 0, atol=1e-5)
    np.testing.assert_allclose(y.var((1, 3)), 1, atol=1e-3)


@pytest.mark.parametrize("groups", [0, 4])
def test_groups_that_do_not_divide_the_channels_are_rejected(groups):
    with pytest.raises(UsageError, match="must divide the number of channels, 6"):
        GroupNormalization(groups)(np.zeros((1, 2, 2, 6), np.float32))


def test_group_normalization_is_rebuilt_from_its_config():
    layer = GroupNormalization(3, epsilon=1e-3)
    rebuilt = GroupNormalization.from_config(layer.get_config())
    assert (rebuilt.groups, rebuilt.epsilon) == (3, 1e-3)


def make_trained_adaptive_layer(rng):
    """Return an adaptive normalization with other than the initial weights, and its weights."""
    layer = AdaptiveNormalization(momentum=0.5)
    layer.build((None, None, None, 4))
    beta, mean, variance = rng.normal(size=4), rng.normal(size=4), rng.uniform(0.1, 2, 4)
    layer.norm.set_weights([beta, mean, variance])
    layer.identity_weight.assign(0.7)
    layer.norm_weight.assign(-0.4)
    return layer, beta, mean, variance


def test_an_adaptive_normalization_is_the_identity_at_first(rng):
    x = rng.normal(3, 2, (2, 5, 6, 4)).astype(np.float32)
    np.testing.assert_allclose(AdaptiveNormalization()(x), x, rtol=1e-6)
    np.testing.assert_allclose(AdaptiveNormalization()(x, training=True), x, rtol=1e-6)


def test_an_adaptive_normalization_blends_input_and_batch_normalization(rng):
    layer, beta, mean, variance = make_trained_adaptive_layer(rng)
    x = rng.normal(3, 2, (2, 5, 6, 4)).astype(np.float32)
    expected = 0.7 * x - 0.4 * ((x - mean) / np.sqrt(variance + 1e-3) + beta)
    np.testing.assert_allclose(layer(x), expected, atol=1e-5)
    batch = x.mean(axis=(0, 1, 2)), x.var(axis=(0, 1, 2))
    expected = 0.7 * x - 0.4 * ((x - batch[0]) / np.sqrt(batch[1] + 1e-3) + beta)
    np.testing.assert_allclose(layer(x, training=True), expected, atol=1e-5)
    np.testing.assert_allclose(layer.norm.moving_mean, (mean + batch[0]) / 2, rtol=1e-5)


def test_both_weights_of_an_adaptive_normalization_are_trained(rng):
    layer = AdaptiveNormalization()
    x = rng.normal(3, 2, (2, 5, 6, 4)).astype(np.float32)
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(layer(x, training=True) * x)
    weights = [layer.identity_weight.value, layer.norm_weight.value]
    assert all(float(tf.abs(gradient)) > 0 for gradient in tape.gradient(total, weights))
