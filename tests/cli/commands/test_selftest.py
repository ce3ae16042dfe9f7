"""`lowlight-tf selftest`: pass or fail, by output line and by exit status."""

import shutil
import subprocess
import sys

import numpy as np
import pytest

from lowlight_tf.cli.main import main
from lowlight_tf.runtime import pretrained


@pytest.fixture
def file(tmp_path):
    """A copy of a shipped model: file, card and golden pair with its inputs."""
    for suffix in ("tflite", "json", "npz"):
        shutil.copy(pretrained.MODEL_DIR / f"driving_unet.{suffix}", tmp_path / f"model.{suffix}")
    return tmp_path / "model.tflite"


def test_a_model_that_reproduces_its_golden_output_passes(file, capsys):
    assert main(["selftest", str(file), "driving_unet_int8"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines] == [f"pass  {file}", "pass  driving_unet_int8"]
    assert all("dB, at least 40 needed" in line for line in lines)


def test_a_model_with_another_output_fails_and_the_others_are_tested(file, capsys):
    pair = file.with_suffix(".npz")
    with np.load(pair) as arrays:
        low, enhanced = arrays["low"], arrays["enhanced"]
    np.savez(pair, low=low, enhanced=enhanced ^ 8)
    assert main(["selftest", str(file), "driving_unet_int8"]) == 1
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("FAIL")
    assert "reproduced to 30.1 dB" in first
    assert second.startswith("pass")


@pytest.mark.parametrize(
    ("suffix", "reason"),
    [("tflite", "the checksums differ"), ("json", "No card at"), ("npz", "No golden pair at")],
)
def test_a_damaged_or_incomplete_model_fails_in_one_line(file, capsys, suffix, reason):
    if suffix == "tflite":
        file.write_bytes(file.read_bytes()[:-9])
    else:
        file.with_suffix(f".{suffix}").unlink()
    assert main(["selftest", str(file)]) == 1
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("FAIL")
    assert reason in line


@pytest.mark.parametrize("model", ["none.tflite", "driving_unet_int9", "."])
def test_anything_that_is_no_model_is_refused(model, capsys):
    assert main(["selftest", model]) == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.slow
def test_all_shipped_models_are_tested_without_tensorflow():
    code = (
        "import sys; sys.modules.update(tensorflow=None, keras=None); "
        "from lowlight_tf.cli.main import main; sys.exit(main(['selftest']))"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("pass") == len(pretrained.list_pretrained())
