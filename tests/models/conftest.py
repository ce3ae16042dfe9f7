"""Fixtures of the tests of several models: checks on the GPU delegate."""

import keras
import numpy as np
import pytest

from lowlight_tf.contract import ENHANCE
from lowlight_tf.export import gpu_delegate
from lowlight_tf.export.convert import convert


@pytest.fixture
def check_on_gpu():
    """`gpu_delegate.check_gpu_delegate`, which skips the test without a driver."""

    def check(path, images):
        try:
            return gpu_delegate.check_gpu_delegate(path, images)
        except gpu_delegate.VulkanUnavailableError as error:
            pytest.skip(str(error))

    return check


@pytest.fixture(params=["float32", "float16", "int8"])
def gpu_report(request, check_on_gpu, tmp_path, rng):
    """The delegate's report on an enhancement model, exported with each quantization in turn."""
    keras.utils.set_random_seed(1)

    def report(model):
        low = rng.integers(0, 90, (1, 16, 24, 3), dtype=np.uint8)
        floats = np.divide(low, 255, dtype=np.float32)
        path = convert(
            model, ENHANCE, tmp_path / "model.tflite", size=(16, 24),
            quantization=request.param, samples=[{"low": floats}],
        )  # fmt: skip
        return check_on_gpu(path, {"low": low if request.param == "int8" else floats})

    return report
