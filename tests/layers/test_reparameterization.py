"""What layers learn with is what they run with: collapsible convolutions and normalizations."""

import keras
import numpy as np
import pytest

from lowlight_tf.layers.fusion import STRATEGIES, FuseFeatures
from lowlight_tf.layers.normalization import FreezableBatchNormalization
from lowlight_tf.layers.reparameterization import CollapsibleConv2D, reparameterize_model


def stirred(net, rng):
    """Move every weight away from its beginning, so that no branch is silent."""
    for weight in net.weights:
        variance = weight.name == "moving_variance"
        weight.assign(
            0.5 + rng.random(weight.shape) if variance else rng.normal(0, 0.2, weight.shape)
        )
    return net


def kinds(net):
    return [type(layer).__name__ for layer in net.layers]


def small_net(**options):
    image = keras.Input((None, None, 4))
    x = CollapsibleConv2D(4, residual=True, name="same", **options)(image)
    x = keras.layers.ReLU(name="act")(x)
    return keras.Model(image, CollapsibleConv2D(6, 3, strides=2, name="down", **options)(x))


@pytest.mark.parametrize("expansion", [0, 2])
def test_a_folded_net_gives_what_its_branches_gave(rng, expansion):
    net = stirred(small_net(expansion=expansion), rng)
    image = rng.random((2, 9, 12, 4), dtype=np.float32)
    folded = reparameterize_model(net)
    np.testing.assert_allclose(folded(image), net(image), atol=1e-5)
    assert {type(layer).__name__ for layer in folded.layers} == {"InputLayer", "Conv2D", "ReLU"}
    assert folded.count_params() == (9 * 4 * 4 + 4) + (9 * 4 * 6 + 6)


def test_every_branch_is_part_of_the_sum(rng):
    image = rng.random((1, 5, 5, 4), dtype=np.float32)
    layer = CollapsibleConv2D(4, expansion=1)
    layer.build(image.shape)
    stirred(layer, rng)
    conv = keras.ops.conv
    expected = (
        conv(image, layer.kernel, padding="same")
        + conv(image, layer.point, padding="same")
        + conv(conv(image, layer.expand, padding="same"), layer.project[None, None])
        + layer.bias
    )
    np.testing.assert_allclose(layer(image), expected, atol=1e-5)
    layer.residual = True
    np.testing.assert_allclose(layer(image), expected + image, atol=1e-5)


def test_it_begins_as_the_plain_convolution(rng):
    image = rng.random((1, 5, 5, 3), dtype=np.float32)
    layer = CollapsibleConv2D(2)
    expected = keras.ops.conv(image, (layer(image), layer.kernel)[1], padding="same")
    np.testing.assert_allclose(layer(image), expected, atol=1e-6)


def test_folding_leaves_the_net_and_nets_without_branches_alone(rng):
    net = stirred(small_net(), rng)
    before = [np.array(weight) for weight in net.weights]
    folded = reparameterize_model(net)
    for weight in folded.weights:
        weight.assign(np.zeros(weight.shape))
    for old, weight in zip(before, net.weights, strict=True):
        np.testing.assert_array_equal(old, weight)
    assert reparameterize_model(folded) is folded


def test_a_centered_convolution_is_that_of_what_is_left(rng):
    layer = CollapsibleConv2D(3, center=0.6)
    image = rng.random((1, 9, 9, 2), dtype=np.float32)
    layer.build(image.shape)
    for weight in layer.weights:
        weight.assign(rng.normal(0, 0.3, weight.shape))
    centered = np.asarray(layer(image))[:, 1:-1, 1:-1]
    plain = keras.layers.Conv2D(3, 3)
    plain.build(image.shape)
    plain.set_weights([np.asarray(layer.folded_kernel()), np.asarray(layer.bias)])
    np.testing.assert_allclose(centered, np.asarray(plain(image - 0.6)), atol=1e-5)
    kernel, bias = layer.folded_weights()
    plain.set_weights([np.asarray(kernel), np.asarray(bias)])
    np.testing.assert_allclose(centered, np.asarray(plain(image)), atol=1e-5)


@pytest.mark.parametrize("biased", [True, False])
@pytest.mark.parametrize("options", [{}, {"scale": False}, {"center": False}, {"epsilon": 0.1}])
def test_a_normalization_becomes_part_of_the_convolution_before_it(rng, biased, options):
    image = keras.Input((None, None, 3))
    x = keras.layers.Conv2D(5, 3, strides=2, padding="same", use_bias=biased, name="conv")(image)
    x = keras.layers.BatchNormalization(name="norm", **options)(x)
    net = stirred(keras.Model(image, keras.layers.ReLU(name="act")(x)), rng)
    folded = reparameterize_model(net)
    assert kinds(folded) == ["InputLayer", "Conv2D", "ReLU"]
    assert folded.count_params() == 9 * 3 * 5 + 5
    picture = rng.random((2, 7, 8, 3), dtype=np.float32)
    before = np.asarray(net(picture))
    assert before.std() > 0.02
    np.testing.assert_allclose(folded(picture), before, atol=1e-5)


def test_layers_that_are_called_several_times_are_folded_once(rng):
    images = [keras.Input((None, None, 3), name=name) for name in ("left", "right")]
    conv = keras.layers.Conv2D(4, 3, padding="same", name="conv")
    norm = FreezableBatchNormalization(name="norm")
    first, second = norm(conv(images[0])), norm(conv(images[1]), passed=True)
    net = stirred(keras.Model(images, {"first": first, "second": second}), rng)
    folded = reparameterize_model(net)
    assert sorted(kinds(folded)) == ["Conv2D", "InputLayer", "InputLayer"]
    pictures = [rng.random((1, 6, 5, 3), dtype=np.float32) for _ in images]
    before, after = net(pictures), folded(pictures)
    for name, image in before.items():
        np.testing.assert_allclose(after[name], image, atol=1e-5)
    assert np.abs(before["first"] - before["second"]).max() > 0.05


def unfoldable():
    """Return nets with a normalization that cannot go into a convolution, by why."""
    image = keras.Input((None, None, 3), name="image")
    conv = lambda **options: keras.layers.Conv2D(3, 3, padding="same", **options)  # noqa: E731
    norm = keras.layers.BatchNormalization
    read, shared = conv()(image), conv()
    rows = norm(axis=1)
    fixed = keras.Input((6, 5, 3), name="fixed")
    twice = norm()
    return {
        "behind the input": keras.Model(image, norm()(image)),
        "behind an activation": keras.Model(image, norm()(conv(activation="relu")(image))),
        "behind a sum": keras.Model(image, norm()(conv()(image) + image)),
        "its convolution is read elsewhere": keras.Model(image, norm()(read) + read),
        "its convolution is shown": keras.Model(image, [norm()(read), read]),
        "two of one convolution": keras.Model(image, norm()(shared(image)) + norm()(shared(image))),
        "one of two convolutions": keras.Model(image, twice(conv()(image)) + twice(conv()(image))),
        "of rows": keras.Model(fixed, rows(conv()(fixed))),
    }


@pytest.mark.parametrize("why", unfoldable())
def test_a_normalization_behind_anything_else_stays(rng, why):
    net = unfoldable()[why]
    assert reparameterize_model(net) is net
    # ... while others in the same net are folded.
    x = keras.layers.BatchNormalization()(keras.layers.Conv2D(2, 1)(net.outputs[0]))
    longer = stirred(keras.Model(net.input, x), rng)
    folded = reparameterize_model(longer)
    gone = kinds(longer).count("BatchNormalization") - kinds(folded).count("BatchNormalization")
    assert gone == (2 if why == "its convolution is shown" else 1)
    picture = rng.random((1, 6, 5, 3), dtype=np.float32)
    np.testing.assert_allclose(folded(picture), longer(picture), atol=1e-5)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_what_joins_two_cameras_becomes_what_it_is_made_of(rng, strategy):
    count = 4 if strategy == "attention" else 2
    images = [keras.Input((None, None, 3 if place < 2 else 1)) for place in range(count)]
    net = keras.Model(images, FuseFeatures(strategy)(images))
    folded = reparameterize_model(net)
    assert "FuseFeatures" not in kinds(folded)
    pictures = [rng.random((1, 6, 5, image.shape[-1]), dtype=np.float32) for image in images]
    np.testing.assert_array_equal(folded(pictures), net(pictures))
    names = [operation.name for operation in folded.operations]
    own = [name for name in names if name.startswith(net.layers[-1].name)]
    assert len(own) == len(names) - count  # none that a loaded net may have already


def test_a_slope_is_folded_whatever_its_sign(rng):
    picture = keras.Input((4, 4, 3))
    x = keras.layers.PReLU(keras.initializers.Constant(0.3), shared_axes=[1, 2, 3])(picture)
    x = keras.layers.PReLU(keras.initializers.Constant(-0.2), shared_axes=[1, 2, 3])(x - 0.4)
    net = keras.Model(picture, x)
    folded = reparameterize_model(net)
    kinds = [type(layer).__name__ for layer in folded.layers if "LU" in type(layer).__name__]
    assert kinds == ["LeakyReLU", "PReLU"]
    assert folded.layers[-1].alpha.shape == (1, 1, 3)  # one for each map
    pictures = rng.normal(size=(2, 4, 4, 3)).astype(np.float32)
    np.testing.assert_allclose(folded(pictures), net(pictures), atol=1e-6)
