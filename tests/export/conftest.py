"""Fixtures for the tests of quantization-aware training, pruning and the sweep."""

import importlib.util

import numpy as np
import pytest

from lowlight_tf.contract import ENHANCE_WITH_THUMBNAIL

THUMBNAIL_SIZE = ENHANCE_WITH_THUMBNAIL.thumbnail_inputs[0].size


@pytest.fixture(scope="session")
def qat():
    """Skip where the [qat] extra is not installed."""
    if importlib.util.find_spec("tensorflow_model_optimization") is None:
        pytest.skip("the [qat] extra (tensorflow-model-optimization) is not installed")


@pytest.fixture(scope="session")
def thumbnail_model():
    """A tiny reparameterized model with every layer of a dashcam_net. Read only."""
    import keras
    from keras import layers

    from lowlight_tf.layers.clip import UnitClip
    from lowlight_tf.layers.resample import DepthToSpace, SpaceToDepth

    def conv(x, filters, name, size=3, **options):
        return layers.Conv2D(filters, size, padding="same", name=name, **options)(x)

    def relu(x, name):
        return layers.ReLU(name=f"{name}_act")(x)

    keras.utils.set_random_seed(3)
    low = keras.Input((None, None, 3), name="low")
    thumbnail = keras.Input((*THUMBNAIL_SIZE, 3), name="thumbnail")
    v = SpaceToDepth(4, name="thumbnail_fold")(thumbnail)
    v = relu(conv(v, 4, "thumbnail_a_conv"), "thumbnail_a")
    v = relu(conv(v, 4, "thumbnail_b_conv", strides=2), "thumbnail_b")
    v = layers.GlobalAveragePooling2D(keepdims=True, name="thumbnail_mean")(v)
    level = 8.0 * conv(v, 1, "level", 1, activation="sigmoid")
    weight = conv(v, 4, "weight", 1, activation="sigmoid")

    folded = SpaceToDepth(4, name="fold")(low)
    lifted = layers.Multiply(name="lifted_raw")([folded, level])
    lifted = UnitClip(straight_through=False, name="lifted")(lifted)
    x = relu(conv(lifted, 4, "enter_conv"), "enter")
    y = relu(conv(x, 4, "down_conv", strides=2), "down")
    y = DepthToSpace(2, name="up")([conv(y, 16, "up_conv", 1), x])
    x = layers.Add(name="join")([x, y])
    y = conv(relu(conv(x, 4, "block0_a_conv"), "block0_a"), 4, "block0_b_conv")
    x = relu(layers.Add(name="block0")([x, y]), "block0_b")
    x = layers.Multiply(name="weighted")([x, weight])
    gain = conv(x, 48, "gain", 1, activation="relu", bias_initializer="ones")
    gain = layers.Multiply(name="total_gain")([gain, level])
    bright = UnitClip(name="bright")(layers.Multiply(name="bright_raw")([folded, gain]))
    offset = conv(x, 48, "offset", 1)
    result = UnitClip(name="result")(layers.Add(name="result_raw")([bright, offset]))
    enhanced = DepthToSpace(4, name="unfold")([result, low])
    return keras.Model(
        {"low": low, "thumbnail": thumbnail}, {"enhanced": enhanced}, name="thumbnail_model"
    )


@pytest.fixture(scope="session")
def dark_samples():
    """Four dark samples for `thumbnail_model`, 16 x 24 pixels."""
    rng = np.random.default_rng(4)
    return [
        {
            "low": rng.random((1, 16, 24, 3), dtype=np.float32) ** 3,
            "thumbnail": rng.random((1, *THUMBNAIL_SIZE, 3), dtype=np.float32) ** 3,
        }
        for _ in range(4)
    ]
