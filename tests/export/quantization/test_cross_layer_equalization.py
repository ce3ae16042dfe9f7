"""An equalized model computes the same; its feature maps have similar ranges."""

import keras
import numpy as np
import pytest

from lowlight_tf.export.quantization.cross_layer_equalization import equalize_model
from lowlight_tf.layers.clip import UnitClip
from lowlight_tf.layers.pyramid import BlurPool
from lowlight_tf.layers.resample import EnlargeLinear


def enhance_sample(model, sample):
    return np.asarray(model(sample)["enhanced"])


def with_unequal_ranges(model):
    """Return a copy that computes the same with very unequal ranges in two tensors."""
    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    for first, second in (
        ("block0_a_conv", "block0_b_conv"),
        ("thumbnail_a_conv", "thumbnail_b_conv"),
    ):
        first, second = copy.get_layer(first), copy.get_layer(second)
        factors = np.float32(4.0) ** np.arange(first.filters)
        first.kernel.assign(first.kernel * factors)
        first.bias.assign(first.bias * factors)
        second.kernel.assign(second.kernel / factors[:, None])
    return copy


def max_abs(model, name, samples):
    layer = keras.Model(model.input, model.get_layer(name).output)
    return np.max([np.abs(layer(sample)).max(axis=(0, 1, 2)) for sample in samples], axis=0)


def test_an_equalized_model_computes_the_same(thumbnail_model, dark_samples):
    model = with_unequal_ranges(thumbnail_model)
    before = [weight.copy() for weight in model.get_weights()]
    copy = equalize_model(model, dark_samples)
    assert any(np.any(a != b) for a, b in zip(before, copy.get_weights(), strict=True))
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    for sample in dark_samples:
        expected = enhance_sample(model, sample)
        assert expected.std() > 0.05
        np.testing.assert_allclose(enhance_sample(copy, sample), expected, atol=1e-5)


@pytest.mark.parametrize("name", ["block0_a_act", "thumbnail_a_act"])
def test_ranges_of_maps_become_more_similar(thumbnail_model, dark_samples, name):
    model = with_unequal_ranges(thumbnail_model)
    before = max_abs(model, name, dark_samples)
    after = max_abs(equalize_model(model, dark_samples), name, dark_samples)
    nonzero = before > 0
    assert np.ptp(np.log(after[nonzero])) < 0.5 * np.ptp(np.log(before[nonzero]))
    assert after.max() == pytest.approx(before.max(), rel=1e-4)


def test_maps_that_are_added_to_an_image_keep_their_scale(rng):
    low = keras.Input((None, None, 3), name="low")
    convolved = keras.layers.Conv2D(3, 3, padding="same")(low)
    enhanced = UnitClip()(keras.layers.Add()([low, convolved]))
    model = keras.Model({"low": low}, {"enhanced": enhanced})
    assert equalize_model(model, [{"low": rng.random((1, 8, 8, 3), dtype=np.float32)}]) is model


def make_joined_model(join):
    """Return two convolutions with unequal ranges, joined, and one that reads the result."""
    low = keras.Input((None, None, 3), name="low")
    both = [keras.layers.Conv2D(4, 3, padding="same", name=name)(low) for name in ("a", "b")]
    enhanced = keras.layers.Conv2D(3, 3, padding="same", name="read")(join(both))
    model = keras.Model({"low": low}, {"enhanced": enhanced})
    for name in ("a", "b"):
        kernel = model.get_layer(name).kernel
        kernel.assign(kernel * 3.0 ** np.arange(4))
    return model


@pytest.mark.parametrize(
    "join",
    [
        keras.layers.Concatenate(name="joined"),
        keras.layers.Subtract(name="joined"),
        lambda both: EnlargeLinear(name="joined")([BlurPool()(both[0]), both[1]]),
    ],
)
def test_maps_that_are_joined_are_equalized(rng, join):
    model = make_joined_model(join)
    samples = [{"low": rng.random((1, 8, 8, 3), dtype=np.float32)}]
    copy = equalize_model(model, samples)
    before, after = (max_abs(one, "joined", samples) for one in (model, copy))
    assert np.ptp(np.log(after)) < 0.5 * np.ptp(np.log(before))
    np.testing.assert_allclose(
        enhance_sample(copy, samples[0]), enhance_sample(model, samples[0]), atol=1e-5
    )


@pytest.mark.parametrize(
    "join",
    [
        lambda both: keras.layers.Subtract()([both[0], keras.ops.tanh(both[1])]),
        lambda both: keras.ops.add(both[0], 1.0) - keras.ops.subtract(1.0, both[1]),
        lambda both: keras.layers.Concatenate()([both[0], keras.ops.tanh(both[1])]),
        lambda both: keras.layers.Concatenate(axis=1)(both),
    ],
)
def test_maps_that_are_joined_with_fixed_maps_are_not_scaled(rng, join):
    model = make_joined_model(join)
    assert equalize_model(model, [{"low": rng.random((1, 8, 8, 3), dtype=np.float32)}]) is model
