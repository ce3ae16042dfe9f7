"""Folded models equal their originals: collapsible convolutions, normalizations, slopes."""

import keras
import numpy as np
import pytest

from lowlight_tf.layers.fusion import STRATEGIES, FuseFeatures
from lowlight_tf.layers.normalization import FreezableBatchNormalization
from lowlight_tf.layers.reparameterization import CollapsibleConv2D, reparameterize_model


def randomize_weights(model, rng):
    """Set every weight to a random value, so that no branch is 0."""
    for weight in model.weights:
        variance = weight.name == "moving_variance"
        weight.assign(
            0.5 + rng.random(weight.shape) if variance else rng.normal(0, 0.2, weight.shape)
        )
    return model


def layer_types(model):
    return [type(layer).__name__ for layer in model.layers]


def small_model(**options):
    image = keras.Input((None, None, 4))
    x = CollapsibleConv2D(4, residual=True, name="same", **options)(image)
    x = keras.layers.ReLU(name="act")(x)
    return keras.Model(image, CollapsibleConv2D(6, 3, strides=2, name="down", **options)(x))


@pytest.mark.parametrize("expansion", [0, 2])
def test_a_folded_model_equals_its_branches(rng, expansion):
    model = randomize_weights(small_model(expansion=expansion), rng)
    image = rng.random((2, 9, 12, 4), dtype=np.float32)
    folded = reparameterize_model(model)
    np.testing.assert_allclose(folded(image), model(image), atol=1e-5)
    assert {type(layer).__name__ for layer in folded.layers} == {"InputLayer", "Conv2D", "ReLU"}
    assert folded.count_params() == (9 * 4 * 4 + 4) + (9 * 4 * 6 + 6)


def test_every_branch_contributes_to_the_sum(rng):
    image = rng.random((1, 5, 5, 4), dtype=np.float32)
    layer = CollapsibleConv2D(4, expansion=1)
    layer.build(image.shape)
    randomize_weights(layer, rng)
    conv = keras.ops.conv
    expected = (
        conv(image, layer.kernel, padding="same")
        + conv(image, layer.pointwise, padding="same")
        + conv(conv(image, layer.expand, padding="same"), layer.project[None, None])
        + layer.bias
    )
    np.testing.assert_allclose(layer(image), expected, atol=1e-5)
    layer.residual = True
    np.testing.assert_allclose(layer(image), expected + image, atol=1e-5)


def test_it_is_initialized_as_the_plain_convolution(rng):
    image = rng.random((1, 5, 5, 3), dtype=np.float32)
    layer = CollapsibleConv2D(2)
    expected = keras.ops.conv(image, (layer(image), layer.kernel)[1], padding="same")
    np.testing.assert_allclose(layer(image), expected, atol=1e-6)


def test_folding_does_not_change_the_model_or_models_without_branches(rng):
    model = randomize_weights(small_model(), rng)
    before = [np.array(weight) for weight in model.weights]
    folded = reparameterize_model(model)
    for weight in folded.weights:
        weight.assign(np.zeros(weight.shape))
    for old, weight in zip(before, model.weights, strict=True):
        np.testing.assert_array_equal(old, weight)
    assert reparameterize_model(folded) is folded


@pytest.mark.parametrize("center", [0.6, (0.6, 1.5)])
def test_a_centered_convolution_subtracts_the_center_from_its_input(rng, center):
    layer = CollapsibleConv2D(3, center=center)
    image = rng.random((1, 9, 9, 2), dtype=np.float32)
    layer.build(image.shape)
    for weight in layer.weights:
        weight.assign(rng.normal(0, 0.3, weight.shape))
    centered = np.asarray(layer(image))[:, 1:-1, 1:-1]
    plain = keras.layers.Conv2D(3, 3)
    plain.build(image.shape)
    plain.set_weights([np.asarray(layer.fold_kernel()), np.asarray(layer.bias)])
    np.testing.assert_allclose(centered, np.asarray(plain(image - np.float32(center))), atol=1e-5)
    kernel, bias = layer.fold_weights()
    plain.set_weights([np.asarray(kernel), np.asarray(bias)])
    np.testing.assert_allclose(centered, np.asarray(plain(image)), atol=1e-5)


@pytest.mark.parametrize("use_bias", [True, False])
@pytest.mark.parametrize("options", [{}, {"scale": False}, {"center": False}, {"epsilon": 0.1}])
def test_a_normalization_is_folded_into_the_convolution_before_it(rng, use_bias, options):
    image = keras.Input((None, None, 3))
    x = keras.layers.Conv2D(5, 3, strides=2, padding="same", use_bias=use_bias, name="conv")(image)
    x = keras.layers.BatchNormalization(name="norm", **options)(x)
    model = randomize_weights(keras.Model(image, keras.layers.ReLU(name="act")(x)), rng)
    folded = reparameterize_model(model)
    assert layer_types(folded) == ["InputLayer", "Conv2D", "ReLU"]
    assert folded.count_params() == 9 * 3 * 5 + 5
    image = rng.random((2, 7, 8, 3), dtype=np.float32)
    before = np.asarray(model(image))
    assert before.std() > 0.02
    np.testing.assert_allclose(folded(image), before, atol=1e-5)


def test_layers_that_are_called_several_times_are_folded_once(rng):
    images = [keras.Input((None, None, 3), name=name) for name in ("left", "right")]
    conv = keras.layers.Conv2D(4, 3, padding="same", name="conv")
    norm = FreezableBatchNormalization(name="norm")
    first, second = norm(conv(images[0])), norm(conv(images[1]), frozen=True)
    model = randomize_weights(keras.Model(images, {"first": first, "second": second}), rng)
    folded = reparameterize_model(model)
    assert sorted(layer_types(folded)) == ["Conv2D", "InputLayer", "InputLayer"]
    images = [rng.random((1, 6, 5, 3), dtype=np.float32) for _ in images]
    before, after = model(images), folded(images)
    for name, image in before.items():
        np.testing.assert_allclose(after[name], image, atol=1e-5)
    assert np.abs(before["first"] - before["second"]).max() > 0.05


def unfoldable():
    """Return models with a normalization that cannot be folded, by the reason."""
    image = keras.Input((None, None, 3), name="image")
    conv = lambda **options: keras.layers.Conv2D(3, 3, padding="same", **options)  # noqa: E731
    norm = keras.layers.BatchNormalization
    convolved, shared = conv()(image), conv()
    rows = norm(axis=1)
    fixed = keras.Input((6, 5, 3), name="fixed")
    twice = norm()
    return {
        "after the input": keras.Model(image, norm()(image)),
        "after an activation": keras.Model(image, norm()(conv(activation="relu")(image))),
        "after a sum": keras.Model(image, norm()(conv()(image) + image)),
        "its convolution has another consumer": keras.Model(image, norm()(convolved) + convolved),
        "its convolution is an output": keras.Model(image, [norm()(convolved), convolved]),
        "two of one convolution": keras.Model(image, norm()(shared(image)) + norm()(shared(image))),
        "one of two convolutions": keras.Model(image, twice(conv()(image)) + twice(conv()(image))),
        "of rows": keras.Model(fixed, rows(conv()(fixed))),
    }


@pytest.mark.parametrize("reason", unfoldable())
def test_a_normalization_after_anything_else_is_kept(rng, reason):
    model = unfoldable()[reason]
    assert reparameterize_model(model) is model
    # ... while others in the same model are folded.
    x = keras.layers.BatchNormalization()(keras.layers.Conv2D(2, 1)(model.outputs[0]))
    longer = randomize_weights(keras.Model(model.input, x), rng)
    folded = reparameterize_model(longer)
    folded_count = layer_types(longer).count("BatchNormalization") - layer_types(folded).count(
        "BatchNormalization"
    )
    assert folded_count == (2 if reason == "its convolution is an output" else 1)
    image = rng.random((1, 6, 5, 3), dtype=np.float32)
    np.testing.assert_allclose(folded(image), longer(image), atol=1e-5)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_the_fusion_layer_is_expanded_into_its_operations(rng, strategy):
    count = 4 if strategy == "attention" else 2
    images = [keras.Input((None, None, 3 if index < 2 else 1)) for index in range(count)]
    model = keras.Model(images, FuseFeatures(strategy)(images))
    folded = reparameterize_model(model)
    assert "FuseFeatures" not in layer_types(folded)
    images = [rng.random((1, 6, 5, image.shape[-1]), dtype=np.float32) for image in images]
    np.testing.assert_array_equal(folded(images), model(images))
    names = [operation.name for operation in folded.operations]
    expanded = [name for name in names if name.startswith(model.layers[-1].name)]
    assert len(expanded) == len(names) - count  # no name that a loaded model may contain


def test_a_slope_of_either_sign_is_folded(rng):
    image = keras.Input((4, 4, 3))
    x = keras.layers.PReLU(keras.initializers.Constant(0.3), shared_axes=[1, 2, 3])(image)
    x = keras.layers.PReLU(keras.initializers.Constant(-0.2), shared_axes=[1, 2, 3])(x - 0.4)
    model = keras.Model(image, x)
    folded = reparameterize_model(model)
    types = [type(layer).__name__ for layer in folded.layers if "LU" in type(layer).__name__]
    assert types == ["LeakyReLU", "PReLU"]
    assert folded.layers[-1].alpha.shape == (1, 1, 3)  # one for each channel
    images = rng.normal(size=(2, 4, 4, 3)).astype(np.float32)
    np.testing.assert_allclose(folded(images), model(images), atol=1e-6)
