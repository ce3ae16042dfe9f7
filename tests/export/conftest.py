"""What the tests of quantization-aware training, pruning and the ladder share."""

import importlib.util

import numpy as np
import pytest


@pytest.fixture(scope="session")
def qat():
    """Skip where the [qat] extra is not installed."""
    if importlib.util.find_spec("tensorflow_model_optimization") is None:
        pytest.skip("the [qat] extra (tensorflow-model-optimization) is not installed")


@pytest.fixture(scope="session")
def exposing_net():
    """A tiny dashcam_net, folded, whose branches all do something. Do not change it."""
    import keras

    from lowlight_tf.layers.reparameterization import fold
    from lowlight_tf.models.dashcam_net import dashcam_net

    keras.utils.set_random_seed(3)
    net = dashcam_net(filters=4, blocks=1, deep_filters=4, deep_blocks=1, context=4)
    rng = np.random.default_rng(3)
    for weight in net.weights:
        weight.assign(weight + rng.normal(0, 0.02, weight.shape))
    return fold(net)


@pytest.fixture(scope="session")
def dark_samples():
    """Four dark batches for `exposing_net`, 16 x 24 pixels."""
    rng = np.random.default_rng(4)
    return [
        {
            "low": rng.random((1, 16, 24, 3), dtype=np.float32) ** 3,
            "thumbnail": rng.random((1, 128, 192, 3), dtype=np.float32) ** 3,
        }
        for _ in range(4)
    ]
