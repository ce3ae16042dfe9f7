"""`lowlight-tf enhance`, from videos and live streams to files."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import av
import cv2
import pytest

from lowlight_tf.checks import UsageError
from lowlight_tf.cli.commands.enhance import plan
from lowlight_tf.cli.main import main
from lowlight_tf.runtime import engine
from lowlight_tf.video import reader
from tests.clips import LookupTableEngine, write_video, read_frames, make_frame, psnr
from tests.video.test_reader import Camera

ROOT = Path(__file__).parents[3]


@pytest.fixture
def enhance(monkeypatch, tmp_path):
    """Run the command with a curve in place of a net."""
    monkeypatch.setattr(engine, "open_engine", lambda *_, **__: LookupTableEngine())
    return lambda *words: main(["enhance", *map(str, words)])


def test_a_video_becomes_the_file_that_is_named(enhance, tmp_path, capsys):
    source = write_video(tmp_path / "in.mp4", turned=90, sound=True)
    assert enhance(source, "--output", tmp_path / "out.mp4", "--steady", "0") == 0
    assert "1 of 1 files enhanced by curve" in capsys.readouterr().out
    (before, expected), (after, stamps) = read_frames(source), read_frames(tmp_path / "out.mp4")
    assert stamps == expected
    assert psnr(LookupTableEngine().table[before[4]], after[4]) > 30
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert len(container.streams.audio) == 1
        assert next(container.decode(video=0)).rotation == 90


def test_in_a_folder_videos_and_pictures_lie_under_their_inputs_names(enhance, tmp_path):
    write_video(tmp_path / "in/deep/drive.mkv")
    cv2.imwrite(str(tmp_path / "in/still.png"), make_frame(0))
    assert enhance(tmp_path / "in", "--output", tmp_path / "out") == 0
    assert len(read_frames(tmp_path / "out/deep/drive.mkv")[0]) == 10
    assert cv2.imread(str(tmp_path / "out/still.png")).shape == (48, 64, 3)


def test_bright_scenes_stay_when_only_dark_ones_are_asked_for(enhance, tmp_path):
    source = write_video(tmp_path / "in.mp4", [make_frame(0, level=150)] * 6)
    assert enhance(source, "--output", tmp_path / "out.mp4", "--when-dark") == 0
    assert psnr(read_frames(source)[0][3], read_frames(tmp_path / "out.mp4")[0][3]) > 38
    words = ("--when-dark", "--dark-below", "0.9", "--bright-above", "0.95", "--overwrite")
    assert enhance(source, "--output", tmp_path / "out.mp4", *words) == 0
    assert read_frames(tmp_path / "out.mp4")[0][3].mean() > read_frames(source)[0][3].mean() + 20


def test_a_cut_video_is_done_as_far_as_it_goes_and_the_others_are_done(enhance, tmp_path, capsys):
    good = write_video(tmp_path / "in/good.mp4", [make_frame(step) for step in range(40)])
    cut = write_video(tmp_path / "in/cut.mkv", [make_frame(step) for step in range(40)])
    cut.write_bytes(cut.read_bytes()[: cut.stat().st_size // 2])
    (tmp_path / "in/text.mp4").write_text("hello")
    assert enhance(tmp_path / "in", "--output", tmp_path / "out") == 1
    said = capsys.readouterr()
    assert "1 of 3 files" in said.out
    assert "cut.mkv ends early" in said.err
    assert "text.mp4 cannot be opened" in said.err
    assert said.err.count("\n") == 2
    assert len(read_frames(tmp_path / "out/cut.mkv")[0]) > 10
    assert len(read_frames(tmp_path / "out/good.mp4")[0]) == 40
    assert good.exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["in.mp4", "--output", "out.mp4", "--codec", "nonsense"], "no encoder 'nonsense'"),
        (["in.mp4", "--output", "out.mp4", "--steady", "-1"], "`seconds` must be at least 0"),
        (["in.mp4", "--output", "out.mp4", "--when-dark", "--dark-below", "0.5"], "dark below 0.5"),
        (["in.mp4", "--output", "there.mp4"], "there.mp4 exists. Pass --overwrite"),
        (["in.mp4", "--output", "in.mp4", "--overwrite"], "is the input itself"),
        (["none.mp4", "--output", "out.mp4"], "none.mp4 cannot be opened: No such file"),
        (["tcp://127.0.0.1:1", "--output", "out.mp4"], "cannot be opened: Connection refused"),
        (["tcp://127.0.0.1:1", "--output", "out"], "name the result, as --output FILE.mp4"),
        (["/dev/null", "--output", "out.mp4"], "/dev/null cannot be opened"),
        (["-", "--output", "out"], "- is no file"),
    ],
)
def test_what_cannot_be_done_is_one_line(enhance, tmp_path, monkeypatch, capsys, words, said):
    monkeypatch.chdir(tmp_path)
    write_video(tmp_path / "in.mp4")
    (tmp_path / "there.mp4").write_bytes(b"precious")
    assert enhance(*words) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.mp4", "there.mp4"]
    assert (tmp_path / "there.mp4").read_bytes() == b"precious"


def test_without_pyav_the_extra_is_named_and_pictures_are_done(
    enhance, tmp_path, monkeypatch, capsys
):
    write_video(tmp_path / "in/drive.mp4")
    cv2.imwrite(str(tmp_path / "in/still.png"), make_frame(0))
    for name in [name for name in sys.modules if name.split(".")[0] == "av"]:
        monkeypatch.setitem(sys.modules, name, None)
    for name in ("imaging.video", "imaging.recording", "runtime.stream"):
        monkeypatch.delitem(sys.modules, f"lowlight_tf.{name}", raising=False)
    assert enhance(tmp_path / "in", "--output", tmp_path / "out") == 1
    assert "pip install 'lowlight_tf[video]'" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["still.png"]


def test_a_video_is_never_written_over_itself(tmp_path):
    write_video(tmp_path / "a.mp4")
    with pytest.raises(UsageError, match="is an input itself"):
        plan([tmp_path / "a.mp4"], tmp_path)


def test_a_live_stream_is_enhanced_until_it_is_lost(enhance, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(reader, "BACKOFF_S", 0.05)
    content = write_video(tmp_path / "camera.ts").read_bytes()
    camera = Camera(content, content)
    words = ("--output", tmp_path / "out.mp4", "--reconnect", "0.5")
    assert enhance(camera.url, *words) == 1
    camera.thread.join()
    said = capsys.readouterr().err
    assert "was lost, and gave no frame for 0.5 s" in said
    assert "reopened 1 times" in said
    found, stamps = read_frames(tmp_path / "out.mp4")
    assert stamps[0] == 0
    dropped = int(said.split(" frames dropped")[0].split()[-1])
    assert len(found) + dropped == 20


def command(*words):
    return [sys.executable, "-m", "lowlight_tf", "enhance", *map(str, words)]


ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}


@pytest.mark.slow
def test_the_standard_input_is_a_source(tmp_path):
    source = write_video(tmp_path / "in.ts")
    with source.open("rb") as given:
        done = subprocess.run(
            command("-", "--output", tmp_path / "out.mp4"),
            stdin=given,
            capture_output=True,
            text=True,
            env=ENVIRONMENT,
        )
    assert done.returncode == 0, done.stderr
    assert len(read_frames(tmp_path / "out.mp4")[0]) == 10
    assert read_frames(tmp_path / "out.mp4")[1] == read_frames(source)[1]


def test_a_named_pipe_is_a_source_and_nothing_is_dropped(enhance, tmp_path):
    source = write_video(tmp_path / "in.ts", [make_frame(step) for step in range(40)])
    os.mkfifo(tmp_path / "pipe")
    thread = threading.Thread(target=lambda: (tmp_path / "pipe").write_bytes(source.read_bytes()))
    thread.start()
    assert enhance(tmp_path / "pipe", "--output", tmp_path / "out.mp4") == 0
    thread.join()
    assert len(read_frames(tmp_path / "out.mp4")[0]) == 40


def interrupted(words, ready, number=signal.SIGINT):
    """Run a command, send it a signal once `ready()` is true, and return how it ended."""
    process = subprocess.Popen(
        command(*words), stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT
    )
    deadline = time.monotonic() + 60
    while not ready() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    return process.returncode, said


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_file_plays(tmp_path, number):
    source = write_video(tmp_path / "in.mp4", [make_frame(step) for step in range(2000)], sound=True)
    part = tmp_path / "out.part.mp4"
    words = (source, "--output", tmp_path / "out.mp4")
    status, said = interrupted(words, lambda: part.exists() and part.stat().st_size, number)
    assert status == 130
    assert "stopped after" in said
    assert "Traceback" not in said
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.mp4", "out.mp4"]
    found, stamps = read_frames(tmp_path / "out.mp4")
    assert 0 < len(found) < 2000
    assert stamps == read_frames(source)[1][: len(found)]


@pytest.mark.slow
def test_a_silent_pipe_can_be_interrupted(tmp_path):
    begun = time.monotonic()
    status, said = interrupted(
        ("-", "--output", tmp_path / "out.mp4"), lambda: time.monotonic() > begun + 3
    )
    assert status == 130
    assert "interrupted" in said
    assert not list(tmp_path.iterdir())
