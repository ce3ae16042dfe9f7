"""The LPIPS loss equals the metric, and has a gradient."""

import keras
import numpy as np
import pytest
from keras import ops

from lowlight_tf.checks import UsageError
from lowlight_tf.losses.perceptual import lpips, lpips_half_res
from lowlight_tf.metrics import perceptual


def numpy(value):
    return np.asarray(ops.convert_to_numpy(value))


@pytest.mark.parametrize("size", [(31, 31), (34, 49), (64, 63)])
def test_the_loss_equals_the_metric(size, rng):
    target, enhanced = rng.integers(0, 256, (2, 2, *size, 3), dtype=np.uint8)
    expected = [perceptual.lpips(*pair) for pair in zip(target, enhanced, strict=True)]
    loss = numpy(lpips(np.float32(target) / 255, np.float32(enhanced) / 255))
    np.testing.assert_allclose(loss, expected, atol=1e-5)


def test_lpips_half_res_is_lpips_at_half_the_resolution(rng):
    halves = rng.integers(0, 256, (2, 1, 32, 40, 3)).astype(np.float32) / 255
    doubled = halves.repeat(2, 2).repeat(2, 3)
    np.testing.assert_allclose(numpy(lpips_half_res(*doubled)), numpy(lpips(*halves)), atol=1e-6)


def test_crops_that_are_too_small_are_rejected():
    image = np.zeros((1, 60, 40, 3), np.float32)
    with pytest.raises(UsageError, match=r"at least 31 pixels a side\. Received: 20"):
        lpips_half_res(image, image)


@pytest.mark.slow
@pytest.mark.parametrize("loss", [lpips, lpips_half_res])
def test_gradient_descent_reduces_the_loss_compiled_by_xla(loss, rng):
    tf = pytest.importorskip("tensorflow")
    if keras.backend.backend() != "tensorflow":
        pytest.skip("needs the TensorFlow backend")
    target = tf.constant(rng.random((1, 64, 64, 3), dtype=np.float32))

    @tf.function(jit_compile=True)
    def step(enhanced):
        with tf.GradientTape() as tape:
            tape.watch(enhanced)
            distance = loss(target, enhanced)
        return distance, tape.gradient(distance, enhanced)

    enhanced = tf.fill(target.shape, 0.5)
    distances = []
    for _ in range(10):
        distance, gradient = step(enhanced)
        distances.append(float(distance[0]))
        enhanced -= 0.01 * gradient / tf.reduce_max(tf.abs(gradient))
    assert np.isfinite(distances).all()
    assert distances[-1] < 0.9 * distances[0]
    gradient = step(target)[1]  # equal images: the minimum, no NaN
    assert float(tf.reduce_max(tf.abs(gradient))) < 1e-6
