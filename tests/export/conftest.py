"""What the tests of quantization-aware training, pruning and the ladder share."""

import importlib.util

import numpy as np
import pytest

from lowlight_tf.contract import ENHANCE_WITH_THUMBNAIL

GLANCE = ENHANCE_WITH_THUMBNAIL.thumbnail_inputs[0].size


@pytest.fixture(scope="session")
def qat():
    """Skip where the [qat] extra is not installed."""
    if importlib.util.find_spec("tensorflow_model_optimization") is None:
        pytest.skip("the [qat] extra (tensorflow-model-optimization) is not installed")


@pytest.fixture(scope="session")
def exposing_net():
    """A tiny net of all that a dashcam_net is made of, folded. Do not change it."""
    import keras
    from keras import layers

    from lowlight_tf.layers.clip import UnitClip
    from lowlight_tf.layers.resample import DepthToSpace, SpaceToDepth

    def conv(x, filters, name, size=3, **options):
        return layers.Conv2D(filters, size, padding="same", name=name, **options)(x)

    def active(x, name):
        return layers.ReLU(name=f"{name}_act")(x)

    keras.utils.set_random_seed(3)
    low = keras.Input((None, None, 3), name="low")
    thumbnail = keras.Input((*GLANCE, 3), name="thumbnail")
    v = SpaceToDepth(4, name="glance")(thumbnail)
    v = active(conv(v, 4, "glance_a_conv"), "glance_a")
    v = active(conv(v, 4, "glance_b_conv", strides=2), "glance_b")
    v = layers.GlobalAveragePooling2D(keepdims=True, name="glance_mean")(v)
    level = 8.0 * conv(v, 1, "level", 1, activation="sigmoid")
    weight = conv(v, 4, "weight", 1, activation="sigmoid")

    folded = SpaceToDepth(4, name="fold")(low)
    seen = UnitClip(strict=True, name="seen")(layers.Multiply(name="seen_raw")([folded, level]))
    x = active(conv(seen, 4, "enter_conv"), "enter")
    y = active(conv(x, 4, "down_conv", strides=2), "down")
    y = DepthToSpace(2, name="up")([conv(y, 16, "up_conv", 1), x])
    x = layers.Add(name="join")([x, y])
    y = conv(active(conv(x, 4, "block0_a_conv"), "block0_a"), 4, "block0_b_conv")
    x = active(layers.Add(name="block0")([x, y]), "block0_b")
    x = layers.Multiply(name="weighted")([x, weight])
    gain = conv(x, 48, "gain", 1, activation="relu", bias_initializer="ones")
    gain = layers.Multiply(name="whole_gain")([gain, level])
    bright = UnitClip(name="bright")(layers.Multiply(name="bright_raw")([folded, gain]))
    offset = conv(x, 48, "offset", 1)
    whole = UnitClip(name="whole")(layers.Add(name="whole_raw")([bright, offset]))
    enhanced = DepthToSpace(4, name="unfold")([whole, low])
    return keras.Model(
        {"low": low, "thumbnail": thumbnail}, {"enhanced": enhanced}, name="exposing_net"
    )


@pytest.fixture(scope="session")
def dark_samples():
    """Four dark batches for `exposing_net`, 16 x 24 pixels."""
    rng = np.random.default_rng(4)
    return [
        {
            "low": rng.random((1, 16, 24, 3), dtype=np.float32) ** 3,
            "thumbnail": rng.random((1, *GLANCE, 3), dtype=np.float32) ** 3,
        }
        for _ in range(4)
    ]
