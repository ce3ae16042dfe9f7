"""`lowlight-tf verify`: every check of a file, and the right exit status."""

import shutil
import sys

import numpy as np
import pytest

from lowlight_tf.cli.main import main
from lowlight_tf.config import Recipe
from lowlight_tf.contract import ENHANCE_WITH_BRIGHTNESS
from lowlight_tf.export import gpu_delegate, npu
from lowlight_tf.export.exporter import export_run
from lowlight_tf.fileio import sha256
from lowlight_tf.model_card import ModelCard
from lowlight_tf.models.dashcam_net_yuv import dashcam_net_yuv

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def exported(untrained_run, tmp_path_factory):
    """A folder with a float and an int8 file, cards and golden outputs."""
    folder = tmp_path_factory.mktemp("exported")
    export_run(
        untrained_run, size=(16, 24), quantize=["float32", "int8"], output=folder, golden=True
    )
    return folder


@pytest.fixture
def without_driver(monkeypatch):
    """A machine without a Vulkan driver."""
    for name in ("VK_DRIVER_FILES", "VK_ICD_FILENAMES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(gpu_delegate, "DRIVER_FILES", ())


def verify(capsys, *words):
    status = main(["verify", *map(str, words)])
    return status, capsys.readouterr().out


def test_every_passed_check_is_reported(exported, untrained_run, capsys):
    files = sorted(exported.glob("*.tflite"))
    status, output = verify(capsys, *files, "--run", untrained_run)
    assert status == 0
    assert output.count("ok     card: checksum, ports and types agree with the file") == 2
    assert output.count("ok     golden output: reproduced") == 2
    assert output.count("ok     Keras: ") == 2
    try:
        gpu_delegate.check_vulkan_loader()
        driver = gpu_delegate.find_vulkan_driver()
    except gpu_delegate.VulkanUnavailableError:
        driver = None
    if driver:
        assert output.count("supports every operation; differs from the CPU by at most") == 2
    else:
        assert output.count("open   GPU delegate: not run.") == 2


def test_a_missing_driver_is_a_failure_only_if_it_is_required(exported, without_driver, capsys):
    file = exported / "driving_unet_16x24_float32.tflite"
    status, output = verify(capsys, file)
    assert status == 0
    assert "open   GPU delegate: not run. No Vulkan driver was found. On Debian run: apt" in output
    assert "open   Keras: not compared; name the run folder with --run" in output
    status, output = verify(capsys, file, "--require-delegate")
    assert status == 1
    assert "FAILED GPU delegate: not run." in output


def test_the_run_around_a_file_is_found(exported, untrained_run, without_driver, tmp_path, capsys):
    run = tmp_path / "run"
    shutil.copytree(untrained_run, run)
    shutil.copytree(exported, run / "export")
    status, output = verify(capsys, run / "export" / "driving_unet_16x24_int8.tflite")
    assert status == 0
    assert "ok     Keras: " in output


def test_a_changed_file_fails_and_the_others_are_still_checked(
    exported, without_driver, tmp_path, capsys
):
    folder = tmp_path / "copy"
    shutil.copytree(exported, folder)
    first, second = sorted(folder.glob("*.tflite"))
    first.write_bytes(first.read_bytes()[:-1] + b"x")
    status, output = verify(capsys, first, second)
    assert status == 1
    assert "FAILED" in output.split(str(second))[0]
    assert "the checksums differ" in output
    assert "ok     golden output" in output.split(str(second))[1]


def test_a_golden_output_of_another_model_fails(exported, without_driver, tmp_path, capsys):
    folder = tmp_path / "copy"
    shutil.copytree(exported, folder)
    golden = folder / "driving_unet_16x24_float32.npz"
    with np.load(golden) as arrays:
        low, enhanced = arrays["low"], arrays["enhanced"]
    np.savez(golden, low=low, enhanced=255 - enhanced)
    status, output = verify(capsys, golden.with_suffix(".tflite"))
    assert status == 1
    assert "FAILED golden output" in output


def test_a_run_with_other_weights_fails(exported, untrained_run, without_driver, tmp_path, capsys):
    from lowlight_tf.export.keras_engine import KerasEngine

    run = tmp_path / "run"
    shutil.copytree(untrained_run, run)
    model = KerasEngine(run).model
    model.get_layer("color").bias.assign_add(np.ones(48, np.float32))
    model.save(run / "model.keras")
    status, output = verify(capsys, exported / "driving_unet_16x24_float32.tflite", "--run", run)
    assert status == 1
    assert "FAILED Keras: " in output


def test_operations_that_the_delegate_does_not_support_are_named(untrained_run, tmp_path, capsys):
    import keras

    from lowlight_tf.contract import ENHANCE
    from lowlight_tf.export.convert import convert

    low = keras.Input((None, None, 3), name="low")
    x = keras.layers.Conv2D(4, 3, padding="same")(low)
    x = keras.layers.GroupNormalization(2)(x)
    model = keras.Model({"low": low}, {"enhanced": keras.layers.Conv2D(3, 1)(x)})
    path = convert(model, ENHANCE, tmp_path / "keras.tflite", size=(8, 8))
    ModelCard(
        name="keras", model="driving_unet", contract=ENHANCE, height=8, width=8,
        quantization="float32", dtype="float32", value_range=(0, 1), sha256=sha256(path),
        size_bytes=path.stat().st_size, weights=model.count_params(),
    ).save(path.with_suffix(".json"))  # fmt: skip
    status, output = verify(capsys, path)
    if "GPU delegate: not run" in output:
        pytest.skip(output.split("not run. ")[1].strip())
    assert status == 1
    assert "FAILED GPU delegate" in output
    assert "RSQRT: Tensor dimensions must be less than 5" in output


def test_a_file_that_the_delegate_computes_wrongly_fails(exported, monkeypatch, capsys):
    report = gpu_delegate.DelegateReport("a GPU", max_difference=0.7, psnr_db=8.5)
    monkeypatch.setattr(gpu_delegate, "check_gpu_delegate", lambda path, inputs: report)
    status, output = verify(capsys, exported / "driving_unet_16x24_float32.tflite")
    assert status == 1
    assert "FAILED GPU delegate (a GPU): supports every operation; differs" in output
    assert "8.5 dB (at least 80)" in output


def test_int16x8_is_not_run_on_the_delegate(untrained_run, tmp_path, capsys):
    (path,) = export_run(untrained_run, size=(8, 8), quantize=["int16x8"], output=tmp_path)
    status, output = verify(capsys, path)
    assert status == 0
    assert "open   GPU delegate: not run; it has no 16-bit integers" in output


@pytest.mark.parametrize("name", ["nowhere.tflite", "recipe.toml"])
def test_a_missing_or_other_file_is_refused(name, untrained_run, capsys):
    assert main(["verify", str(untrained_run / name)]) == 2
    error = capsys.readouterr().err
    assert "must be .tflite files that exist" in error
    assert error.count("\n") == 1


def test_a_packed_file_is_exported_and_proven_for_neural_processors(
    untrained_run, without_driver, tmp_path, capsys
):
    run = tmp_path / "run"
    shutil.copytree(untrained_run, run)
    options = {"filters": 6, "blocks": 1, "deep_filters": 6, "deep_blocks": 1, "context": 4}
    dashcam_net_yuv(**options).save(run / "model.keras")
    ENHANCE_WITH_BRIGHTNESS.save(run / "contract.json")
    recipe = Recipe(model="dashcam_net_yuv", options=options).dump()
    (run / "recipe.toml").write_text(recipe, encoding="utf-8")
    words = ["--size=32x48", "--quantize=int8", "--packed", "--golden"]
    assert main(["export", str(run), *words]) == 0
    capsys.readouterr()
    status, output = verify(capsys, run / "export" / "dashcam_net_yuv_32x48_int8_packed.tflite")
    assert status == 0
    assert "ok     golden output: reproduced to 120.0 dB" in output
    assert "ok     Keras: " in output
    for processor in npu.ETHOS_U:
        assert f"ok     Arm {processor}: every operation runs on it; Vela estimates" in output
    assert "open   Edge TPU: falls back for ELU, LEAKY_RELU" in output


def test_operations_that_fall_back_are_named(exported, without_driver, capsys):
    status, output = verify(capsys, exported / "driving_unet_16x24_int8.tflite")
    assert status == 0
    assert "open   Arm ethos-u55-256: " in output
    assert "operations fall back; Vela estimates" in output
    assert "\n           SPACE_TO_DEPTH (" in output


def test_without_vela_the_check_is_open(exported, without_driver, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "ethosu", None)
    status, output = verify(capsys, exported / "driving_unet_16x24_int8.tflite")
    assert status == 0
    assert "open   Arm Ethos-U: not compiled. Vela is not installed: pip install" in output
