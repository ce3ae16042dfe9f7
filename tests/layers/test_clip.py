"""UnitClip: its values and its gradients."""

import numpy as np
import tensorflow as tf

from lowlight_tf.layers.clip import UnitClip

VALUES = np.float32([[-0.5, 0.25, 1.0, 1.75]])


def test_values_are_clipped_to_0_and_1():
    np.testing.assert_array_equal(UnitClip()(VALUES), [[0, 0.25, 1, 1]])
    np.testing.assert_allclose(UnitClip()(VALUES, training=True), [[0, 0.25, 1, 1]], atol=1e-6)


def test_the_gradient_is_straight_through_by_default():
    values = tf.constant(VALUES)
    with tf.GradientTape() as tape:
        tape.watch(values)
        total = tf.reduce_sum(UnitClip()(values, training=True))
    np.testing.assert_array_equal(tape.gradient(total, values), np.ones_like(VALUES))


def test_without_straight_through_the_gradient_is_that_of_a_clip():
    values = tf.constant(VALUES)
    with tf.GradientTape() as tape:
        tape.watch(values)
        total = tf.reduce_sum(UnitClip(straight_through=False)(values, training=True)[:, ::3])
    np.testing.assert_array_equal(tape.gradient(total, values), np.zeros_like(VALUES))
