"""The real GPU delegate supports our models entirely and names what it lacks for others."""

import keras
import numpy as np
import pytest

from lowlight_tf.contract import ENHANCE
from lowlight_tf.export import gpu_delegate
from lowlight_tf.export.calibration_data import representative_dataset
from lowlight_tf.export.convert import convert
from lowlight_tf.models.driving_unet import driving_unet

SIZE = (16, 24)


@pytest.fixture(scope="module")
def low():
    """A dark uint8 image with bright spots."""
    rng = np.random.default_rng(0)
    coarse = rng.random((1, 4, 6, 3)).repeat(4, axis=1).repeat(4, axis=2)
    return np.rint(80 * coarse + 10 * rng.random((1, *SIZE, 3))).astype(np.uint8)


def delegate_report(model, low, folder, quantization):
    floats = np.divide(low, 255, dtype=np.float32)
    samples = representative_dataset([{"low": floats[0]}], ENHANCE, SIZE)
    path = convert(
        model,
        ENHANCE,
        folder / "model.tflite",
        size=SIZE,
        quantization=quantization,
        samples=samples,
    )
    try:
        return gpu_delegate.check_gpu_delegate(
            path, {"low": low if quantization == "int8" else floats}
        )
    except gpu_delegate.VulkanUnavailableError as error:
        pytest.skip(str(error))


@pytest.mark.slow
@pytest.mark.parametrize("quantization", ["float32", "float16", "int8"])
@pytest.mark.parametrize("patch", [1, 4])
def test_every_operation_of_driving_unet_is_supported(patch, quantization, low, tmp_path):
    keras.utils.set_random_seed(1)
    is_deployed = patch > 1
    model = driving_unet(
        filters=4,
        depth=1,
        groups=2,
        patch=patch,
        output_normalized=not is_deployed,
        predict_gain=is_deployed,
    )
    report = delegate_report(model, low, tmp_path, quantization)
    assert report.unsupported_ops == ()
    if quantization == "int8":  # the delegate computes in float what the CPU does in integers
        assert report.psnr_db > 30
    else:
        assert report.max_difference < 1e-4


@pytest.mark.slow
def test_a_size_that_no_level_divides_is_supported(low, tmp_path):
    keras.utils.set_random_seed(1)
    model = driving_unet(filters=4, depth=2, groups=2, patch=4)
    samples = {"low": np.divide(low, 255, dtype=np.float32)[:, :14, :22]}
    path = convert(model, ENHANCE, tmp_path / "model.tflite", size=(14, 22))
    try:
        report = gpu_delegate.check_gpu_delegate(path, samples)
    except gpu_delegate.VulkanUnavailableError as error:
        pytest.skip(str(error))
    assert report.unsupported_ops == ()
    assert report.max_difference < 1e-4


@pytest.mark.slow
def test_unsupported_operations_of_the_normalization_of_keras_are_named(low, tmp_path):
    image = keras.Input((None, None, 3), name="low")
    x = keras.layers.Conv2D(4, 3, padding="same")(image)
    x = keras.layers.GroupNormalization(2)(x)
    enhanced = keras.layers.Conv2D(3, 1, activation="sigmoid")(x)
    model = keras.Model({"low": image}, {"enhanced": enhanced})
    report = delegate_report(model, low, tmp_path, "float32")
    assert report.max_difference is None
    assert "will run on the CPU" in report.summary
    unsupported = dict(line.split(": ", 1) for line in report.unsupported_ops)
    assert "Tensor dimensions must be less than 5" in unsupported["RSQRT"]
    assert {"MEAN", "SUB"} <= set(unsupported)


def test_without_a_driver_the_error_says_how_to_install_one(monkeypatch, tmp_path):
    for name in ("VK_DRIVER_FILES", "VK_ICD_FILENAMES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(gpu_delegate, "DRIVER_FILES", (str(tmp_path / "*.json"),))
    with pytest.raises(
        gpu_delegate.VulkanUnavailableError, match="apt-get install chromium libvulkan1"
    ):
        gpu_delegate.check_gpu_delegate(tmp_path / "model.tflite", {})


def test_a_driver_of_the_environment_has_priority(monkeypatch, tmp_path):
    monkeypatch.setattr(gpu_delegate, "DRIVER_FILES", (str(tmp_path / "*.json"),))
    (tmp_path / "found.json").touch()
    monkeypatch.delenv("VK_ICD_FILENAMES", raising=False)
    monkeypatch.delenv("VK_DRIVER_FILES", raising=False)
    assert gpu_delegate.find_vulkan_driver() == str(tmp_path / "found.json")
    monkeypatch.setenv("VK_ICD_FILENAMES", "mine.json")
    assert gpu_delegate.find_vulkan_driver() == "mine.json"


@pytest.mark.slow
def test_an_invalid_driver_is_distinguished_from_an_unsupported_operation(
    monkeypatch, low, tmp_path
):
    try:
        gpu_delegate.check_vulkan_loader()
    except gpu_delegate.VulkanUnavailableError as error:
        pytest.skip(str(error))
    monkeypatch.setenv("VK_DRIVER_FILES", str(tmp_path / "absent.json"))
    image = keras.Input((None, None, 3), name="low")
    model = keras.Model({"low": image}, {"enhanced": 0.5 * image})
    path = convert(model, ENHANCE, tmp_path / "model.tflite", size=SIZE)
    with pytest.raises(
        gpu_delegate.VulkanUnavailableError, match="accepts none of the installed Vulkan drivers"
    ):
        gpu_delegate.check_gpu_delegate(path, {"low": np.divide(low, 255, dtype=np.float32)})


def test_a_crash_is_an_error_with_the_end_of_the_log():
    log = "Selected adapter: SwiftShader Device, arch=x\none\ntwo\nSegmentation fault\n"
    with pytest.raises(RuntimeError, match=r"status -11: one \| two \| Segmentation fault"):
        gpu_delegate._parse_report(-11, "", log)
