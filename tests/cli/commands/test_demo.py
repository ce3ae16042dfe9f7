"""`lowlight-tf demo`: a page for this machine, until Ctrl-C."""

import contextlib
import json
import shutil
import signal
import socket
import subprocess
import sys
import urllib.request

import pytest

from lowlight_tf.cli.main import main
from lowlight_tf.demo import litertjs
from lowlight_tf.runtime import pretrained
from tests.served import fetched


@pytest.fixture(scope="module")
def parts():
    return fetched()


@pytest.mark.slow
@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_the_page_is_served_until_it_is_stopped(parts, tmp_path, stop):
    for suffix in ("tflite", "json"):
        shutil.copy(pretrained.MODEL_DIR / f"dashcam_net_nano_int8.{suffix}", tmp_path)
    net = tmp_path / "dashcam_net_nano_int8.tflite"
    command = [sys.executable, "-m", "lowlight_tf", "demo", "--no-open", "--port", "0"]
    command += ["--parts", str(parts), "--model", str(net)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as serving:
        with contextlib.ExitStack() as stack:
            stack.callback(serving.send_signal, stop)
            address = serving.stdout.readline().split()[0]
            with urllib.request.urlopen(f"{address}nets.json", timeout=30) as reply:
                told = json.load(reply)
        assert serving.wait(30) == 0
    assert told["chosen"] == "dashcam_net_nano_int8"
    assert len(told["nets"]) == len({net["name"] for net in told["nets"]})


def test_a_port_that_is_taken_is_said_in_one_line(parts, capsys):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        assert main(["demo", "--no-open", "--parts", str(parts), "--port", str(port)]) == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert f"Port {port} cannot be had: Address already in use. Pass another by --port" in said


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        ("did_fuse", "takes a model from one color image to one"),
        ("attention_unet", "takes a model from one color image to one"),
        ("nothing", "No shipped model is called 'nothing'"),
        ("clahe", "No shipped model is called 'clahe'"),
    ],
)
def test_what_no_page_can_run_is_refused(model, reason, capsys):
    assert main(["demo", "--no-open", "--model", model]) == 2
    assert reason in capsys.readouterr().err


def test_parts_that_are_damaged_are_refused(tmp_path, capsys):
    (tmp_path / litertjs.PACKAGES[0].archive).write_bytes(b"")
    assert main(["demo", "--no-open", "--parts", str(tmp_path)]) == 2
    assert "is not the expected file" in capsys.readouterr().err
