"""The device scripts in tflite/ and their requirements."""

import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
DEVICE = ROOT / "tflite"
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}


def test_the_requirements_of_a_device_are_those_of_the_package():
    base = re.search(r"install_requires=\[(.*?)\]", (ROOT / "setup.py").read_text(), re.DOTALL)[1]
    lines = (DEVICE / "requirements.txt").read_text().splitlines()
    assert [line for line in lines if not line.startswith("#")] == re.findall(r'"(.+?)"', base)


def command(script, *words):
    """Return a command that runs a script with TensorFlow blocked and warnings as errors."""
    code = "import runpy, sys; sys.modules.update(tensorflow=None, keras=None); "
    code += "del sys.argv[0]; runpy.run_path(sys.argv[0], run_name='__main__')"
    return [sys.executable, "-W", "error", "-c", code, str(DEVICE / script), *map(str, words)]


def run_script(script, *words, cwd, **environment):
    """Run a script and wait for it."""
    return subprocess.run(
        command(script, *words),
        capture_output=True,
        text=True,
        cwd=cwd,
        env=ENVIRONMENT | environment,
    )


@pytest.mark.slow
def test_the_script_enhances_without_tensorflow(tiny_models, tmp_path, rng):
    low = rng.integers(0, 60, (20, 30, 3), dtype=np.uint8)
    cv2.imwrite(str(tmp_path / "dark.png"), low)
    result = run_script(
        "enhance.py", tiny_models / "float.tflite", "dark.png", "bright.png", cwd=tmp_path
    )
    assert result.returncode == 0, result.stderr
    assert "30x20" in result.stdout
    expected = 255 * (1 - (1 - low / 255) ** 2)
    np.testing.assert_allclose(cv2.imread(str(tmp_path / "bright.png")), expected, atol=1)


@pytest.mark.slow
def test_the_scripts_print_escapes_to_a_terminal_that_is_not_utf8(tiny_models, tmp_path, video):
    cv2.imwrite(str(tmp_path / "dark.png"), np.zeros((20, 30, 3), np.uint8))
    video.rename(tmp_path / "\u591c.avi")
    model = tiny_models / "float.tflite"
    for words in (
        ("enhance.py", model, "dark.png", "\u591c.png"),
        ("camera.py", model, "\u591c.avi"),
    ):
        result = run_script(*words, cwd=tmp_path, PYTHONIOENCODING="latin-1")
        assert result.returncode == 0, result.stderr
        assert r"\u591c" in result.stdout


def test_the_script_reports_errors_in_one_line(tmp_path):
    result = run_script("enhance.py", "none.tflite", "dark.png", "bright.png", cwd=tmp_path)
    assert result.returncode == 2
    assert result.stderr.count("\n") == 1
    assert "No file none.tflite" in result.stderr
    assert "Expected:" in run_script("enhance.py", cwd=tmp_path).stderr


@pytest.fixture
def video(tmp_path):
    """A video of ten dark frames of 30x20, each of one gray level, brighter by 2 each."""
    path = tmp_path / "night.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 10, (30, 20))
    for grey in range(20, 40, 2):
        writer.write(np.full((20, 30, 3), grey, np.uint8))
    writer.release()
    return path


@pytest.mark.slow
def test_the_camera_loop_processes_a_video_and_saves_the_last_frame(tiny_models, video, tmp_path):
    result = run_script(
        "camera.py", tiny_models / "bytes.tflite", video, "--output=last.png", cwd=tmp_path
    )
    assert result.returncode == 0, result.stderr
    first, last = result.stdout.splitlines()
    assert first == f"30x20 frames of {video} with bytes"
    assert last.startswith("10 frames in ")
    expected = 255 * (1 - (1 - 38 / 255) ** 2)
    np.testing.assert_allclose(cv2.imread(str(tmp_path / "last.png")), expected, atol=4)


@pytest.mark.slow
def test_the_camera_loop_reads_numbered_images_and_averages_their_thumbnails(tiny_models, tmp_path):
    for index, grey in enumerate((100, 100, 100, 100, 120)):  # less than a cut
        frame = np.full((8, 12, 3), grey, np.uint8)
        frame[..., 2] += 50  # red: OpenCV writes it last
        cv2.imwrite(str(tmp_path / f"night_{index}.png"), frame)
    result = run_script(
        "camera.py",
        tiny_models / "exposed.tflite",
        "night_%d.png",
        "--output=last.png",
        cwd=tmp_path,
    )
    assert result.returncode == 0, result.stderr
    last = cv2.imread(str(tmp_path / "last.png")).astype(float)
    np.testing.assert_allclose(last[..., 2] - last[..., 0], 50, atol=1)
    # After milliseconds the average is still close to that of the first frames, 100 + 50 / 3.
    np.testing.assert_allclose(last[..., 0], 120 + 100 + 50 / 3 - 127.5, atol=4)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_camera_loop_ends_cleanly_on_a_signal(tiny_models, tmp_path, number):
    video = tmp_path / "long.avi"
    writer = cv2.VideoWriter(str(video), cv2.VideoWriter_fourcc(*"MJPG"), 10, (600, 400))
    for _ in range(100):  # in tiles of 8x12, each takes a tenth of a second
        writer.write(np.zeros((400, 600, 3), np.uint8))
    writer.release()
    words = command("camera.py", tiny_models / "bytes.tflite", video, "--output", "last.png")
    with subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path,
        env={**ENVIRONMENT, "PYTHONUNBUFFERED": "1"},
    ) as camera:  # fmt: skip
        assert camera.stdout.readline().startswith("600x400 frames")
        camera.send_signal(number)
        output, errors = camera.communicate(timeout=60)
    assert camera.returncode == 0, errors
    assert "Traceback" not in errors
    assert 1 <= int(output.split()[0]) < 100
    assert (tmp_path / "last.png").is_file()


@pytest.mark.slow
def test_the_camera_loop_ends_after_its_duration_and_notifies_the_watchdog(
    tiny_models, video, tmp_path
):
    address = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind(address)
        result = subprocess.run(
            command("camera.py", tiny_models / "bytes.tflite", video, "--seconds=0"),
            capture_output=True, text=True, env={**ENVIRONMENT, "NOTIFY_SOCKET": address},
        )  # fmt: skip
        assert result.returncode == 0, result.stderr
        assert result.stdout.splitlines()[-1].startswith("1 frames in")
        assert [server.recv(64) for _ in range(2)] == [b"READY=1", b"WATCHDOG=1"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["none.tflite"], "No file none.tflite"),
        (["MODEL", "nowhere.avi"], "nowhere.avi cannot be opened"),
        (["MODEL", "night.avi", "--output", "last.txt"], "--output must be an image"),
        (["MODEL", "night.avi", "--output", "no/last.png"], "--output must be an image"),
        (["MODEL", "night.avi", "--threads", "0"], "`threads` must be at least 1"),
    ],
)
def test_the_camera_loop_reports_errors_in_one_line(tiny_models, video, tmp_path, words, reason):
    words = [tiny_models / "bytes.tflite" if word == "MODEL" else word for word in words]
    result = run_script("camera.py", *words, cwd=tmp_path)
    assert result.returncode == 2
    lines = [line for line in result.stderr.splitlines() if not line.startswith("INFO:")]
    assert len(lines) == 1, result.stderr
    assert reason in lines[0]
