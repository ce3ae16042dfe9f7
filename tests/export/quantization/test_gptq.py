"""Rounded kernels lie on 8-bit steps, and outputs hardly change."""

import keras
import numpy as np
import pytest

from lowlight_tf.export.quantization.gptq import INT8_MAX, gptq_round


@pytest.fixture
def samples(rng):
    """Smooth images of different brightness: the inputs of a kernel are correlated."""
    noise = (rng.random((1, 16, 16, 3), dtype=np.float32) for _ in range(8))
    return [{"low": np.float32(0.1 * index + 0.05 * x)} for index, x in enumerate(noise)]


@pytest.fixture
def model(rng):
    low = keras.Input((None, None, 3), name="low")
    x = keras.layers.Conv2D(8, 5, strides=2, padding="same", name="first")(low)
    x = keras.layers.Conv2D(3, 3, padding="same", use_bias=False, name="last")(keras.ops.relu(x))
    model = keras.Model({"low": low}, {"enhanced": x})
    for name in ("first", "last"):
        kernel = model.get_layer(name).kernel
        kernel.assign(rng.normal(size=kernel.shape) ** 3)
    return model


def round_to_nearest(model):
    """Return the model with each weight rounded by itself."""
    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    for name in ("first", "last"):
        kernel = copy.get_layer(name).kernel
        scale = np.abs(kernel).max(axis=(0, 1, 2)) / INT8_MAX
        kernel.assign(np.rint(kernel / scale) * scale)
    return copy


def rmse(model, other, samples):
    differences = [model(sample)["enhanced"] - other(sample)["enhanced"] for sample in samples]
    return np.sqrt(np.mean(np.square(differences)))


def test_kernels_lie_on_the_steps_and_keep_their_scale(model, samples):
    copy = gptq_round(model, samples)
    for name in ("first", "last"):
        before, after = (np.asarray(one.get_layer(name).kernel) for one in (model, copy))
        top = np.abs(before).max(axis=(0, 1, 2))
        np.testing.assert_allclose(np.abs(after).max(axis=(0, 1, 2)), top, rtol=1e-6)
        steps = after / top * INT8_MAX
        np.testing.assert_allclose(steps, np.rint(steps), atol=1e-4)
        assert np.abs(after - before).max() > 0


def test_outputs_change_far_less_than_by_rounding_to_nearest(model, samples):
    assert (
        rmse(model, gptq_round(model, samples), samples)
        < rmse(model, round_to_nearest(model), samples) / 4
    )


def test_the_original_model_is_not_modified(model, samples):
    before = [weight.copy() for weight in model.get_weights()]
    gptq_round(model, samples)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_a_kernel_of_zeros_and_an_input_of_zeros_are_handled(model, samples):
    model.get_layer("last").kernel.assign(np.zeros((3, 3, 8, 3)))
    black = [{"low": np.zeros_like(sample["low"])} for sample in samples]
    copy = gptq_round(model, black)
    assert not np.any(copy.get_layer("last").kernel)
    assert np.all(np.isfinite(copy.get_layer("first").kernel))
