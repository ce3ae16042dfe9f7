"""`lowlight-tf export`: from a run to files with cards, one line of output each."""

import json
import shutil

import numpy as np
import pytest

from lowlight_tf.cli.main import main
from lowlight_tf.imaging import image_io
from lowlight_tf.model_card import ModelCard


@pytest.mark.slow
def test_a_file_and_its_parity_are_written_for_each_quantization(untrained_run, tmp_path, capsys):
    words = ["export", str(untrained_run), "--size=16x24,8x8", "--quantize"]
    words += ["float32", "int8", "--output", str(tmp_path), "--name=night"]
    assert main(words) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 4
    assert "night_8x8_int8.tflite" in lines[3]
    assert "night_16x24_float32.tflite" in lines[0]
    assert "dB from Keras" in lines[1]
    card = ModelCard.load(tmp_path / "night_16x24_int8.json")
    assert f"{card.parity_db:.1f} dB" in lines[1]
    assert "TOO LOW" not in "".join(lines)


@pytest.mark.slow
def test_the_names_of_0_1_0_stand_for_those_of_today(untrained_run, tmp_path):
    words = ["export", str(untrained_run), "--size", "8x8", "--quantize", "none,dynamic"]
    assert main([*words, "--output", str(tmp_path)]) == 0
    names = sorted(path.stem for path in tmp_path.glob("*.tflite"))
    assert names == ["driving_unet_8x8_dynamic_range", "driving_unet_8x8_float32"]
    for name in names:
        fields = json.loads((tmp_path / f"{name}.json").read_text())
        assert fields["quantization"] == name.removeprefix("driving_unet_8x8_")


@pytest.mark.slow
def test_the_default_output_folder_is_in_the_run(untrained_run, tmp_path, capsys):
    run = tmp_path / "run"
    shutil.copytree(untrained_run, run)
    assert main(["export", str(run), "--size", "8x8", "--quantize=float16", "--golden"]) == 0
    names = sorted(path.name for path in (run / "export").iterdir())
    ends = ("json", "npz", "tflite", "tflite.modelinfo")
    assert names == [f"driving_unet_8x8_float16.{end}" for end in ends]


@pytest.mark.slow
def test_a_damaged_calibration_image_is_named_with_status_1(untrained_run, tmp_path, rng, capsys):
    for name in ("a.png", "b.png"):
        image_io.save_image(tmp_path / "in" / name, rng.integers(0, 99, (8, 8, 3), np.uint8))
    (tmp_path / "in" / "b.png").write_bytes(b"damaged")
    words = ["export", str(untrained_run), "--size=8x8,16x16", "--quantize=int8"]
    words += [f"--calibration={tmp_path / 'in'}", f"--output={tmp_path / 'out'}"]
    assert main(words) == 1
    output = capsys.readouterr()
    assert output.err.count("b.png is not") == 1
    assert output.out.count("dB from Keras") == 2


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--size=400"], "`size` must be HEIGHTxWIDTH, such as 400x600. Received: 400."),
        (["--size=0x600"], "Received: 0x600."),
        (["--size=8x8", "--quantize=int4"], "`quantize` must be one of: dynamic_range, float16"),
        (["--size=8x8", "--quantize="], "`quantize` must name at least one"),
        (["--size=8x8", "--calibration=nowhere"], "nowhere (nothing there)"),
        ([], "the following arguments are required: --size"),
    ],
)
def test_invalid_arguments_are_refused_in_one_line_and_nothing_is_written(
    words, message, untrained_run, tmp_path, capsys
):
    try:
        status = main(["export", str(untrained_run), "--output", str(tmp_path / "out"), *words])
    except SystemExit as stop:  # raised by argparse
        status = stop.code
    assert status == 2
    error = capsys.readouterr().err.strip()
    assert message in error
    assert "\n" not in error
    assert not (tmp_path / "out").exists()


def test_a_missing_run_is_named(tmp_path, capsys):
    assert main(["export", str(tmp_path / "nowhere"), "--size=8x8"]) == 2
    assert "nowhere (nothing there)" in capsys.readouterr().err
