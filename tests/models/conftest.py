"""What the tests of several models share: the GPU delegate's word on them."""

import keras
import numpy as np
import pytest

from lowlight_tf.contract import ENHANCE
from lowlight_tf.export import gpu_delegate
from lowlight_tf.export.convert import convert


@pytest.fixture
def prove():
    """`delegate.prove`, which skips where there is no driver."""

    def prove(path, images):
        try:
            return gpu_delegate.check_gpu_delegate(path, images)
        except gpu_delegate.VulkanUnavailableError as error:
            pytest.skip(str(error))

    return prove


@pytest.fixture(params=["float32", "float16", "int8"])
def proof(request, prove, tmp_path, rng):
    """What the delegate makes of a net that brightens, exported in each way in turn."""
    keras.utils.set_random_seed(1)

    def proof(net):
        low = rng.integers(0, 90, (1, 16, 24, 3), dtype=np.uint8)
        floats = np.divide(low, 255, dtype=np.float32)
        path = convert(
            net, ENHANCE, tmp_path / "net.tflite", size=(16, 24),
            quantization=request.param, samples=[{"low": floats}],
        )  # fmt: skip
        return prove(path, {"low": low if request.param == "int8" else floats})

    return proof
