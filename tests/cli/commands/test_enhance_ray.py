"""`lowlight-tf enhance --runner ray`: many files are enhanced once, whatever fails."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from lowlight_tf.cli.main import main
from tests.clips import make_frame, read_frames, write_video

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[3]


@pytest.fixture
def folder(tmp_path):
    """Four images, a video, a broken image."""
    root = tmp_path / "in"
    (root / "deep").mkdir(parents=True)
    for index in range(4):
        cv2.imwrite(str(root / "deep" / f"{index}.png"), make_frame(index))
    write_video(root / "drive.mp4", [make_frame(step) for step in range(3)])
    (root / "broken.png").write_bytes(b"no image")
    return root


def enhance(folder, *words):
    output = folder.parent / "out"
    more = ("--output", output, "--runner", "ray", "--threads", "1")
    return main(["enhance", *map(str, (folder, *more, *words))])


def results(folder):
    output = folder.parent / "out"
    files = sorted(path for path in output.rglob("*") if path.is_file())
    return {str(path.relative_to(output)): path.stat().st_mtime_ns for path in files}


def test_a_broken_file_is_reported_and_a_second_run_resumes(cluster, folder, capsys):
    names = [*(f"deep/{index}.png" for index in range(4)), "drive.mp4"]
    assert enhance(folder) == 1
    output = capsys.readouterr()
    assert "5 of 6 files enhanced" in output.out
    assert output.err.count("\n") == 1
    assert "broken.png is not" in output.err
    first = results(folder)
    assert sorted(first) == names
    assert len(read_frames(folder.parent / "out/drive.mp4")[0]) == 3

    (folder.parent / "out/deep/2.png").unlink()
    (folder.parent / "out/drive.part.mp4").write_bytes(b"left by a worker that was killed")
    (folder.parent / "out/drive.mp4").unlink()
    cv2.imwrite(str(folder / "broken.png"), make_frame(9))
    assert enhance(folder) == 0
    assert "3 of 6 exist already\n6 of 6 files enhanced" in capsys.readouterr().out
    second = results(folder)
    assert sorted(second) == ["broken.png", *names]
    kept = [name for name in first if first[name] == second[name]]
    assert kept == ["deep/0.png", "deep/1.png", "deep/3.png"]

    assert enhance(folder) == 0
    assert results(folder) == second
    assert enhance(folder, "--overwrite") == 0
    assert not set(second.values()) & set(results(folder).values())


def test_the_results_equal_those_of_one_process(cluster, folder, tmp_path):
    (folder / "broken.png").unlink()
    assert enhance(folder) == 0
    assert main(["enhance", str(folder), "--output", str(tmp_path / "local")]) == 0
    for index in range(4):
        one, other = (
            cv2.imread(str(tmp_path / root / f"deep/{index}.png")) for root in ("out", "local")
        )
        np.testing.assert_allclose(np.int16(one), np.int16(other), atol=1)


def test_if_every_file_fails_the_status_is_2(cluster, tmp_path, capsys):
    (tmp_path / "in").mkdir()
    (tmp_path / "in/broken.png").write_bytes(b"no image")
    assert enhance(tmp_path / "in") == 2
    assert "0 of 1 images" in capsys.readouterr().out
    assert not results(tmp_path / "in")


def test_a_stream_is_refused(cluster, tmp_path, capsys):
    words = ["enhance", "rtsp://camera", "--output", str(tmp_path / "out.mp4"), "--runner", "ray"]
    assert main(words) == 2
    assert "--runner ray takes files and folders" in capsys.readouterr().err


def test_the_missing_extra_is_named(folder, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "ray", None)
    assert enhance(folder) == 2
    assert "pip install 'lowlight_tf[ray]'" in capsys.readouterr().err


def test_an_interrupted_run_leaves_no_partial_results(folder):
    pytest.importorskip("ray", reason="Ray is not installed ([ray] extra)")
    (folder / "broken.png").unlink()
    images = [make_frame(step) for step in range(20)]
    write_video(folder / "drive.mp4", images * 400)  # too long for the grace of an interruption
    output = folder.parent / "out"
    words = ("enhance", folder, "--output", output, "--runner", "ray", "--threads", "1")
    words += ("--model", "driving_unet")  # the slowest
    process = subprocess.Popen(
        [sys.executable, "-c", SHORT, *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        start_new_session=True,
    )
    deadline = time.monotonic() + 240
    part = output / "drive.part.mp4"
    while process.poll() is None and time.monotonic() < deadline:
        if len(results(folder)) >= 5 and part.exists():
            break
        time.sleep(0.1)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    _, output = process.communicate(timeout=120)
    assert process.returncode == 130, output
    assert output.endswith("lowlight-tf enhance: interrupted\n")
    assert "Traceback" not in output
    assert sorted(results(folder)) == [*(f"deep/{i}.png" for i in range(4)), "drive.part.mp4"]


SHORT = """
import signal
import sys
from lowlight_tf.cli.main import main
from lowlight_tf.runtime import ray_pool

signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in a shell's background
ray_pool.SHUTDOWN_GRACE_S = 0.5
sys.exit(main(sys.argv[1:]))
"""


def test_images_of_two_cameras_are_fused_by_several_workers(cluster, tmp_path, capsys):
    for side, level in (("visible", 60), ("infrared", 150)):
        (tmp_path / side).mkdir()
        for index in range(3):
            gray = make_frame(index, level=level)[..., 0]
            cv2.imwrite(str(tmp_path / side / f"{index}.png"), gray)
    (tmp_path / "infrared/2.png").unlink()
    words = ("--infrared", tmp_path / "infrared", "--model", "average")
    assert enhance(tmp_path / "visible", *words) == 1
    output = capsys.readouterr()
    assert "2 of 3 images fused by average" in output.out
    assert "2.png has no infrared partner" in output.err
    assert cv2.imread(str(tmp_path / "out/1.png")).mean() == pytest.approx(105, abs=2)
