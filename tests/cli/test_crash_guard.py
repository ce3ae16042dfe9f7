"""A decoder that crashes costs its file, and no other."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from lowlight_tf.cli import crash_guard
from lowlight_tf.imaging import image_io

ROOT = Path(__file__).parents[2]

CRASHING_DECODER = """
import ctypes, os, sys, time
import cv2
from lowlight_tf.cli.crash_guard import run

read_image = cv2.imread

def imread(path, *options):
    if "abort" in path:
        os.abort()
    if "null" in path and "high" not in path:
        ctypes.string_at(0)
    if "hang" in path:
        open(path + ".reached", "w").write(str(os.getpid()))
        time.sleep(60)
    return read_image(path, *options)

cv2.imread = imread
sys.exit(run())
"""
"""The command line, with a decoder that crashes on some names."""

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1"}

pytestmark = pytest.mark.skipif(
    not hasattr(signal, "sigwaitinfo"), reason="signals cannot be waited for here"
)


def restore_signals():
    """Undo what a shell in the background and `nohup` leave to their children: ignored signals."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def start(*words):
    return subprocess.Popen(
        [sys.executable, "-c", CRASHING_DECODER, *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=ENVIRONMENT,
        preexec_fn=restore_signals,
    )


def run_command(*words):
    """Return the status, the output, and the lines of the command on stderr."""
    process = start(*words)
    output, errors = process.communicate()
    lines = [line for line in errors.splitlines() if line.startswith("lowlight-tf")]
    assert "Traceback" not in errors
    return process.returncode, output, lines


@pytest.fixture
def write_images(rng, tmp_path):
    def write_images(folder, *names):
        (tmp_path / folder).mkdir(parents=True)
        for name in names:
            pixels = rng.integers(0, 256, (32, 32, 3), np.uint8)
            image_io.save_image(tmp_path / folder / name, pixels)
        return tmp_path / folder

    return write_images


@pytest.mark.slow
def test_enhance_goes_on_after_crashes_and_names_the_files(write_images, tmp_path):
    folder = write_images("in", "a.png", "b_null.png", "c.png", "d_abort.png", "e.png")
    (folder / "c.png").write_bytes(b"damaged")
    status, output, lines = run_command("enhance", folder, "--output", tmp_path / "out")
    assert status == 1
    assert output.startswith("2 of 5 images enhanced")
    assert [line.partition(" (")[0] for line in lines[0::2]] == [
        f"lowlight-tf enhance: {folder / 'b_null.png'} crashed its decoder",
        f"lowlight-tf enhance: {folder / 'd_abort.png'} crashed its decoder",
    ]
    assert "c.png" in lines[1]  # once, though the command began again after it
    assert len(lines) == 3
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.png", "e.png"]


@pytest.mark.slow
def test_a_crash_on_the_only_file_is_one_line(write_images, tmp_path):
    folder = write_images("in", "null.png")
    status, output, lines = run_command("enhance", folder / "null.png", "--output", tmp_path)
    assert status == 2
    assert output.startswith("0 of 1 images enhanced")
    assert len(lines) == 1


@pytest.mark.slow
def test_evaluate_leaves_out_the_pairs_that_decoders_crash_on(write_images, tmp_path):
    names = ("a.png", "b_null.png", "c.png", "d_abort.png", "e.png", "f.png", "g.png")
    low = write_images("low", *names)
    write_images("high", *names[:-1])
    (low / "a.png").write_bytes(b"damaged")
    status, output, lines = run_command("evaluate", "--model", "input", "--data", tmp_path)
    assert status == 1
    assert len(set(lines)) == len(lines)  # none is printed again by the processes after a crash
    assert lines[-1].endswith("3 of 6 pairs cannot be read and are left out")
    assert "|      3 |" in output


@pytest.mark.slow
def test_train_leaves_out_the_pairs_that_decoders_crash_on(write_images, tmp_path):
    names = ("a.png", "b_null.png", "c.png", "d.png")
    write_images("data/low", *names)
    write_images("data/high", *names)
    status, _, lines = run_command(
        *("train", "--model", "driving_unet", "--data", tmp_path / "data", "--steps", 1),
        *("--batch-size", 1, "--crop-size", 16, "--output", tmp_path / "run"),
        *("--set", "options.filters=4", "options.depth=1"),
    )
    assert status == 1, lines
    assert "1 of 4 pairs cannot be read and are left out" in lines[1]
    assert (tmp_path / "run" / "model.keras").is_file()


@pytest.mark.slow
def test_a_crash_while_no_file_is_read_ends_the_command_in_one_line(tmp_path):
    code = (
        "import argparse, ctypes, sys; from lowlight_tf.cli.crash_guard import run\n"
        "argparse.ArgumentParser.parse_args = lambda *words: ctypes.string_at(0)\n"
        "sys.exit(run())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "enhance"], capture_output=True, text=True, env=ENVIRONMENT
    )
    assert done.returncode == 128 + signal.SIGSEGV
    assert done.stderr == "lowlight-tf enhance: crashed (Segmentation fault).\n"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "status"),
    [
        (signal.SIGINT, 130),
        (signal.SIGTERM, -signal.SIGTERM),
        (signal.SIGHUP, -signal.SIGHUP),
        (signal.SIGKILL, -signal.SIGKILL),
    ],
)
def test_a_signal_ends_both_processes(write_images, tmp_path, number, status):
    folder = write_images("in", "hang.png")
    reached = folder / "hang.png.reached"
    process = start("enhance", folder, "--output", tmp_path / "out")
    while not (reached.exists() and reached.read_text()):
        assert process.poll() is None
        time.sleep(0.05)
    worker = int(reached.read_text())
    assert worker != process.pid
    process.send_signal(number)
    process.communicate(timeout=30)
    assert process.returncode == status
    deadline = time.monotonic() + 10
    while Path(f"/proc/{worker}").exists() and time.monotonic() < deadline:
        time.sleep(0.05)  # init reaps it
    stat = Path(f"/proc/{worker}/stat")
    assert not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] == "Z"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["enhance", "a.png", "--output", "out"], True),
        (["evaluate", "--data", "folder"], True),
        (["enhance", "-", "--output", "out.mp4"], False),
        (["enhance", "--input=-"], False),
        (["enhance", "rtsp://camera/stream"], False),
        (["enhance", "/dev/null"], False),
        (["enhance", "pipe"], False),
        (["demo"], False),
        (["--help"], False),
        ([], False),
    ],
)
def test_commands_over_files_are_guarded_and_streams_are_not(
    words, expected, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe")
    assert crash_guard._can_guard(words) is expected


def test_the_waiting_process_imports_no_heavy_module():
    code = (
        "import sys, lowlight_tf.cli.crash_guard\n"
        "print({'numpy', 'cv2', 'argparse', 'ctypes'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-S", "-c", code], capture_output=True, text=True, env=ENVIRONMENT
    )
    assert done.stdout == "set()\n", done.stderr
