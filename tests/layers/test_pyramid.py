"""Resampling by 2, computed by hand, with the same numbers in training and in inference."""

import keras
import numpy as np
import pytest

from lowlight_tf.layers.pyramid import BilinearUpsample, BlurPool, FoldedConv2DTranspose
from lowlight_tf.layers.resample import DepthToSpace

SIZES = [(8, 12), (7, 9), (1, 2), (2, 1), (6, 11)]


def image(values):
    return np.float32(values)[None, ..., None]


@pytest.mark.parametrize("training", [False, True])
def test_blur_pool_has_the_weights_1_2_1_around_even_pixels(training):
    x = np.zeros((6, 6))
    x[2, 2] = 16  # an even pixel: contributes to one output
    x[3, 5] = 16  # an odd one: a quarter to each of the adjacent rows
    expected = [[0, 0, 0], [0, 4, 2 / 2], [0, 0, 1]]
    expected[1][2] = 1
    np.testing.assert_allclose(BlurPool()(image(x), training=training), image(expected), atol=1e-6)


def test_blur_pool_averages_fine_stripes_to_grey():
    stripes = np.tile([0.0, 1.0], (8, 8))
    pooled = np.asarray(BlurPool()(image(stripes)))
    np.testing.assert_allclose(pooled[:, 1:, 1:], 0.5, atol=1e-6)
    assert np.ptp(stripes[:, ::2]) == 0  # subsampling without a blur gives black


@pytest.mark.parametrize("training", [False, True])
def test_upsampling_is_bilinear_and_replicates_the_border(training):
    x = image([[0.0, 4.0]])
    upsampled = BilinearUpsample()([x, np.zeros((1, 2, 4, 1), np.float32)], training=training)
    np.testing.assert_allclose(upsampled, image([[0, 1, 3, 4]] * 2), atol=1e-6)


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_training_and_inference_have_equal_outputs(height, width, rng):
    x = rng.random((2, height, width, 3), dtype=np.float32)
    blur_pool = BlurPool()
    small = np.asarray(blur_pool(x))
    assert (
        small.shape
        == (2, -(-height // 2), -(-width // 2), 3)
        == blur_pool.compute_output_shape(x.shape)
    )
    np.testing.assert_allclose(blur_pool(x, training=True), small, atol=1e-6)
    upsample = BilinearUpsample()
    large = np.asarray(upsample([small, x]))
    assert large.shape == x.shape == upsample.compute_output_shape([small.shape, x.shape])
    np.testing.assert_allclose(upsample([small, x], training=True), large, atol=1e-6)


def test_a_model_upsamples_batches_of_several_sizes(rng):
    """From the second size on, height and width are unknown to the graph."""
    small, like = keras.Input((None, None, 2)), keras.Input((None, None, 2))
    model = keras.Model([small, like], BilinearUpsample()([small, like]))
    for height, width in ((3, 4), (5, 2), (2, 7)):
        x = rng.random((1, height, width, 2), dtype=np.float32)
        image = np.zeros((1, 2 * height - 1, 2 * width, 2), np.float32)
        expected = BilinearUpsample()([x, image])
        np.testing.assert_allclose(model.predict_on_batch([x, image]), expected, atol=1e-6)


def test_training_and_inference_have_equal_gradients(rng):
    import tensorflow as tf

    x = tf.constant(rng.random((1, 6, 8, 2), dtype=np.float32))
    weights = [
        tf.constant(rng.random(shape, dtype=np.float32)) for shape in ((1, 3, 4, 2), (1, 12, 16, 2))
    ]
    gradients = []
    for training in (False, True):
        with tf.GradientTape(persistent=True) as tape:
            tape.watch(x)
            pooled = tf.reduce_sum(BlurPool()(x, training=training) * weights[0])
            upsampled = BilinearUpsample()([x, weights[1]], training=training)
            upsampled = tf.reduce_sum(upsampled * weights[1])
        gradients.append([tape.gradient(pooled, x), tape.gradient(upsampled, x)])
    for inference, training in zip(*gradients, strict=True):
        np.testing.assert_allclose(inference, training, atol=1e-5)


def test_a_folded_transposed_convolution_is_as_computed_by_hand():
    layer = FoldedConv2DTranspose(1)
    layer.build((None, None, None, 1))
    layer.kernel.assign(np.arange(1, 10).reshape(3, 3, 1, 1))
    x = image([[1.0, 0.0], [0.0, 10.0]])
    large = DepthToSpace(2)([layer(x), np.zeros((1, 4, 4, 1))])
    # Kernel center (5) on every pixel of x; zero padding after the last row and column.
    expected = [
        [5, 6, 0, 0],
        [8, 9 + 10 * 1, 10 * 2, 10 * 3],
        [0, 10 * 4, 50, 60],
        [0, 10 * 7, 80, 90],
    ]
    np.testing.assert_allclose(np.asarray(large)[0, ..., 0], expected)


def test_a_folded_transposed_convolution_is_that_of_keras_flipped(rng):
    layer = FoldedConv2DTranspose(3)
    x = rng.random((2, 5, 4, 2), dtype=np.float32)
    folded = layer(x)
    large = np.asarray(DepthToSpace(2)([folded, np.zeros((2, 10, 8, 3))]))
    theirs = keras.layers.Conv2DTranspose(3, 3, strides=2, padding="same", use_bias=False)
    theirs.build(x.shape)
    theirs.kernel.assign(np.flip(np.asarray(layer.kernel), (0, 1)).swapaxes(2, 3))
    flipped = np.asarray(theirs(x[:, ::-1, ::-1]))[:, ::-1, ::-1]
    np.testing.assert_allclose(large, flipped, atol=1e-5)
    assert folded.shape == layer.compute_output_shape(x.shape) == (2, 5, 4, 12)
