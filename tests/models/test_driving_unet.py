"""The night-driving U-Net as in its authors' code. The rest is in test_every_model.py."""

import keras
import numpy as np
import pytest

from lowlight_tf.checks import UsageError
from lowlight_tf.layers.normalization import GroupNormalization
from lowlight_tf.models.driving_unet import driving_unet

PUBLISHED = [  # kernel side, channels in, channels out; in the order of the graph
    (3, 3, 32), (3, 32, 32),
    (3, 32, 64), (1, 64, 64),
    (3, 64, 128), (1, 128, 128),
    (3, 128, 256), (1, 256, 256),
    (3, 256, 512), (1, 512, 512),
    (2, 512, 256), (1, 512, 256), (3, 256, 256),  # 2: transposed, as 1x1 and depth-to-space
    (2, 256, 128), (1, 256, 128), (3, 128, 128),
    (2, 128, 64), (1, 128, 64), (3, 64, 64),
    (2, 64, 32), (1, 64, 32), (3, 32, 32),
    (1, 32, 16), (3, 16, 16), (1, 16, 3), (3, 3, 3),
]  # fmt: skip


def convolutions(model):
    return [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]


@pytest.fixture(scope="module")
def published():
    return driving_unet()


def test_has_the_published_convolutions_in_order(published):
    layers = []
    for layer in convolutions(published):
        side, _, before, after = layer.kernel.shape
        layers.append((2, before, after // 4) if "up" in layer.name else (side, before, after))
    assert layers == PUBLISHED


def test_has_the_published_number_of_weights(published):
    kernels = sum(int(np.prod(layer.kernel.shape)) for layer in convolutions(published))
    assert kernels == sum(side**2 * before * after for side, before, after in PUBLISHED)
    assert round(kernels / 1e6, 2) == 3.58


def test_normalizes_before_every_activation_in_at_most_32_groups(published):
    norms = [layer for layer in published.layers if isinstance(layer, GroupNormalization)]
    for norm in norms:
        assert norm.groups == min(32, norm.gamma.shape[0])
        assert norm.epsilon == 1e-5
    norm_of = {id(norm.output): norm for norm in norms}
    leaky = [layer for layer in published.layers if isinstance(layer, keras.layers.LeakyReLU)]
    assert all(layer.negative_slope == pytest.approx(0.2) for layer in leaky)
    assert all(id(layer.input) in norm_of for layer in leaky)
    assert len(leaky) == len([c for c in PUBLISHED if c[0] != 2]) - 1  # all but the last
    assert len(norms) == len(leaky) + 1  # the last is normalized, then the range


@pytest.mark.parametrize("patch", [1, 2, 4])
@pytest.mark.parametrize("size", [(1, 1), (13, 22), (17, 9), (16, 32)])
def test_takes_any_size(patch, size, rng):
    model = driving_unet(filters=4, depth=2, groups=2, patch=patch)
    low = rng.random((1, *size, 3), dtype=np.float32)
    enhanced = np.asarray(model({"low": low})["enhanced"])
    assert enhanced.shape == low.shape
    assert 0 <= enhanced.min() <= enhanced.max() <= 1


def test_a_patch_changes_the_first_kernel_but_not_the_inner_ones():
    plain, patched = (driving_unet(filters=4, depth=1, groups=2, patch=p) for p in (1, 4))
    names = {"enc0b_conv", "enc1a_conv", "dec0b_conv"}
    for name in names:
        assert plain.get_layer(name).kernel.shape == patched.get_layer(name).kernel.shape
    assert patched.get_layer("enc0a_conv").kernel.shape == (3, 3, 48, 4)


def test_without_output_normalization_the_mean_of_the_output_is_free(rng):
    low = rng.random((1, 16, 16, 3), dtype=np.float32)
    means = []
    for normalized in (True, False):
        model = driving_unet(filters=4, depth=1, groups=2, output_normalized=normalized)
        model.get_layer("color").bias.assign([1.0, 1.0, 1.0])
        means.append(float(np.mean(model({"low": low})["enhanced"])))
    assert means[0] == pytest.approx(0.5, abs=0.05)
    assert means[1] > 0.7


@pytest.fixture
def curved():
    """Return a model with a curve head whose weights are random, biases included."""
    keras.utils.set_random_seed(0)
    model = driving_unet(
        filters=8, depth=2, groups=2, patch=4, output_normalized=False, curve_head=True
    )
    for weight in model.trainable_variables:
        if weight.name == "bias":
            weight.assign(keras.random.normal(weight.shape))
    return model


@pytest.mark.parametrize("level", [0.0, 1.0])
def test_a_curve_head_keeps_black_and_white_whatever_the_weights(curved, level):
    image = np.full((1, 20, 28, 3), level, np.float32)
    np.testing.assert_allclose(curved({"low": image})["enhanced"], image, atol=1e-5)


def test_a_curve_head_lifts_by_the_absolute_level(curved, rng):
    """The U-Net's features are normalized; the head also sees how dark the image is."""
    low = rng.random((1, 16, 16, 3), dtype=np.float32)
    strengths = keras.Model(curved.input, curved.get_layer("strength").output)
    dark, bright = (np.asarray(strengths({"low": low * scale})) for scale in (0.01, 1))
    assert np.abs(dark - bright).mean() > 0.01


def test_a_curve_head_lifts_a_place_by_the_mean_of_the_image(curved, rng):
    low = rng.random((1, 64, 64, 3), dtype=np.float32)
    brighter = low.copy()
    brighter[:, :, 32:] = 1
    means = keras.Model(curved.input, curved.get_layer("mean_out").output)
    assert np.abs(np.asarray(means({"low": low})) - means({"low": brighter})).max() > 0.01


@pytest.mark.parametrize("option", ["output_normalized", "predict_gain"])
def test_a_curve_head_replaces_the_other_tails(option):
    with pytest.raises(UsageError, match="curve_head"):
        driving_unet(curve_head=True, **{"output_normalized": False, option: True})


@pytest.mark.parametrize("option", ["filters", "depth", "groups", "patch"])
def test_options_below_one_are_rejected(option):
    with pytest.raises(UsageError, match=option):
        driving_unet(**{option: 0})
