"""`lowlight-tf demo` serves a page on localhost until Ctrl-C."""

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
from tests.demo_server import download_litertjs


@pytest.fixture(scope="module")
def litertjs_dir():
    return download_litertjs()


@pytest.mark.slow
@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_the_page_is_served_until_it_is_stopped(litertjs_dir, tmp_path, stop):
    for suffix in ("tflite", "json"):
        shutil.copy(pretrained.MODEL_DIR / f"dashcam_net_nano_int8.{suffix}", tmp_path)
    model = tmp_path / "dashcam_net_nano_int8.tflite"
    command = [sys.executable, "-m", "lowlight_tf", "demo", "--no-open", "--port", "0"]
    command += ["--parts", str(litertjs_dir), "--model", str(model)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        with contextlib.ExitStack() as stack:
            stack.callback(process.send_signal, stop)
            address = process.stdout.readline().split()[0]
            with urllib.request.urlopen(f"{address}models.json", timeout=30) as reply:
                settings = json.load(reply)
        assert process.wait(30) == 0
    assert settings["selected"] == "dashcam_net_nano_int8"
    names = [model["name"] for model in settings["models"]]
    assert len(names) == len(set(names))


def test_a_port_in_use_is_reported_in_one_line(litertjs_dir, capsys):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        assert main(["demo", "--no-open", "--parts", str(litertjs_dir), "--port", str(port)]) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert f"Port {port} cannot be used: Address already in use. Pass another by --port" in error


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        ("did_fuse", "takes a model from one color image to one"),
        ("attention_unet", "takes a model from one color image to one"),
        ("nothing", "No shipped model is called 'nothing'"),
        ("clahe", "No shipped model is called 'clahe'"),
    ],
)
def test_a_model_that_the_page_cannot_run_is_refused(model, reason, capsys):
    assert main(["demo", "--no-open", "--model", model]) == 2
    assert reason in capsys.readouterr().err


def test_damaged_archives_of_litertjs_are_refused(tmp_path, capsys):
    (tmp_path / litertjs.PACKAGES[0].archive).write_bytes(b"")
    assert main(["demo", "--no-open", "--parts", str(tmp_path)]) == 2
    assert "is not the expected file" in capsys.readouterr().err
