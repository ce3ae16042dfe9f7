"""Half and twice the size: worked out by hand, and the same numbers in training and on a device."""

import keras
import numpy as np
import pytest

from lowlight_tf.layers.pyramid import BilinearUpsample, BlurPool, FoldedConv2DTranspose
from lowlight_tf.layers.resample import DepthToSpace

SIZES = [(8, 12), (7, 9), (1, 2), (2, 1), (6, 11)]


def image(values):
    return np.float32(values)[None, ..., None]


@pytest.mark.parametrize("training", [False, True])
def test_halving_blurs_by_1_2_1_around_even_pixels(training):
    x = np.zeros((6, 6))
    x[2, 2] = 16  # an even pixel: all of it goes to one result
    x[3, 5] = 16  # an odd one: a quarter to each of the rows around it
    expected = [[0, 0, 0], [0, 4, 2 / 2], [0, 0, 1]]
    expected[1][2] = 1
    np.testing.assert_allclose(BlurPool()(image(x), training=training), image(expected), atol=1e-6)


def test_halving_turns_fine_stripes_grey():
    stripes = np.tile([0.0, 1.0], (8, 8))
    halved = np.asarray(BlurPool()(image(stripes)))
    np.testing.assert_allclose(halved[:, 1:, 1:], 0.5, atol=1e-6)
    assert np.ptp(stripes[:, ::2]) == 0  # what keeping every other pixel makes of them: black


@pytest.mark.parametrize("training", [False, True])
def test_doubling_is_bilinear_and_ends_as_the_picture_ends(training):
    x = image([[0.0, 4.0]])
    doubled = BilinearUpsample()([x, np.zeros((1, 2, 4, 1), np.float32)], training=training)
    np.testing.assert_allclose(doubled, image([[0, 1, 3, 4]] * 2), atol=1e-6)


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_training_sees_what_a_device_gives(height, width, rng):
    x = rng.random((2, height, width, 3), dtype=np.float32)
    half = BlurPool()
    small = np.asarray(half(x))
    assert (
        small.shape == (2, -(-height // 2), -(-width // 2), 3) == half.compute_output_shape(x.shape)
    )
    np.testing.assert_allclose(half(x, training=True), small, atol=1e-6)
    double = BilinearUpsample()
    large = np.asarray(double([small, x]))
    assert large.shape == x.shape == double.compute_output_shape([small.shape, x.shape])
    np.testing.assert_allclose(double([small, x], training=True), large, atol=1e-6)


def test_both_have_the_same_gradient_in_both_forms(rng):
    import tensorflow as tf

    x = tf.constant(rng.random((1, 6, 8, 2), dtype=np.float32))
    weigh = [
        tf.constant(rng.random(shape, dtype=np.float32)) for shape in ((1, 3, 4, 2), (1, 12, 16, 2))
    ]
    gradients = []
    for training in (False, True):
        with tf.GradientTape(persistent=True) as tape:
            tape.watch(x)
            half = tf.reduce_sum(BlurPool()(x, training=training) * weigh[0])
            double = BilinearUpsample()([x, weigh[1]], training=training)
            double = tf.reduce_sum(double * weigh[1])
        gradients.append([tape.gradient(half, x), tape.gradient(double, x)])
    for once, again in zip(*gradients, strict=True):
        np.testing.assert_allclose(once, again, atol=1e-5)


def test_a_transposed_convolution_by_hand():
    layer = FoldedConv2DTranspose(1)
    layer.build((None, None, None, 1))
    layer.kernel.assign(np.arange(1, 10).reshape(3, 3, 1, 1))
    x = image([[1.0, 0.0], [0.0, 10.0]])
    large = DepthToSpace(2)([layer(x), np.zeros((1, 4, 4, 1))])
    # Kernel middle (5) on every pixel of x; the last row and column find nothing beyond.
    expected = [
        [5, 6, 0, 0],
        [8, 9 + 10 * 1, 10 * 2, 10 * 3],
        [0, 10 * 4, 50, 60],
        [0, 10 * 7, 80, 90],
    ]
    np.testing.assert_allclose(np.asarray(large)[0, ..., 0], expected)


def test_a_transposed_convolution_is_that_of_keras_from_the_other_corner(rng):
    layer = FoldedConv2DTranspose(3)
    x = rng.random((2, 5, 4, 2), dtype=np.float32)
    folded = layer(x)
    large = np.asarray(DepthToSpace(2)([folded, np.zeros((2, 10, 8, 3))]))
    theirs = keras.layers.Conv2DTranspose(3, 3, strides=2, padding="same", use_bias=False)
    theirs.build(x.shape)
    theirs.kernel.assign(np.flip(np.asarray(layer.kernel), (0, 1)).swapaxes(2, 3))
    turned = np.asarray(theirs(x[:, ::-1, ::-1]))[:, ::-1, ::-1]
    np.testing.assert_allclose(large, turned, atol=1e-5)
    assert folded.shape == layer.compute_output_shape(x.shape) == (2, 5, 4, 12)
