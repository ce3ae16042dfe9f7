"""`lowlight-tf selftest`: pass or fail, by a line and by the exit status."""

import shutil
import subprocess
import sys

import numpy as np
import pytest

from lowlight_tf.cli.main import main
from lowlight_tf.runtime import pretrained


@pytest.fixture
def net(tmp_path):
    """A net of our own: its file, its card and its golden pair, which holds its inputs."""
    for suffix in ("tflite", "json", "npz"):
        shutil.copy(pretrained.MODEL_DIR / f"driving_unet.{suffix}", tmp_path / f"net.{suffix}")
    return tmp_path / "net.tflite"


def test_a_net_that_does_what_it_did_passes(net, capsys):
    assert main(["selftest", str(net), "driving_unet_int8"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in said] == [f"pass  {net}", "pass  driving_unet_int8"]
    assert all("dB, at least 40 needed" in line for line in said)


def test_a_net_that_does_something_else_fails_and_the_others_are_tested(net, capsys):
    pair = net.with_suffix(".npz")
    with np.load(pair) as arrays:
        low, enhanced = arrays["low"], arrays["enhanced"]
    np.savez(pair, low=low, enhanced=enhanced ^ 8)
    assert main(["selftest", str(net), "driving_unet_int8"]) == 1
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("FAIL")
    assert "reproduced to 30.1 dB" in first
    assert second.startswith("pass")


@pytest.mark.parametrize(
    ("suffix", "reason"),
    [("tflite", "the checksums differ"), ("json", "No card at"), ("npz", "No golden pair at")],
)
def test_a_net_that_is_not_whole_fails_in_one_line(net, capsys, suffix, reason):
    if suffix == "tflite":
        net.write_bytes(net.read_bytes()[:-9])
    else:
        net.with_suffix(f".{suffix}").unlink()
    assert main(["selftest", str(net)]) == 1
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("FAIL")
    assert reason in line


@pytest.mark.parametrize("model", ["none.tflite", "driving_unet_int9", "."])
def test_what_is_no_net_is_refused(model, capsys):
    assert main(["selftest", model]) == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.slow
def test_all_that_ship_are_tested_without_tensorflow():
    code = (
        "import sys; sys.modules.update(tensorflow=None, keras=None); "
        "from lowlight_tf.cli.main import main; sys.exit(main(['selftest']))"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("pass") == len(pretrained.list_pretrained())
