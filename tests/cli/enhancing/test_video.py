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
from lowlight_tf.cli.enhancing import video
from lowlight_tf.cli.enhancing.jobs import plan_jobs
from lowlight_tf.cli.main import main
from lowlight_tf.runtime import loading
from lowlight_tf.video import reader
from tests.camera_server import CameraServer
from tests.clips import LookupTableEngine, make_frame, psnr, read_frames, write_video
from tests.video.test_reader import write_two_videos

ROOT = Path(__file__).parents[3]


@pytest.fixture
def enhance(monkeypatch, tmp_path):
    """Return a function that runs the command with a lookup table in place of a model."""
    monkeypatch.setattr(loading, "load_model", lambda *_, **__: LookupTableEngine())
    return lambda *args: main(["enhance", *map(str, args)])


def test_the_result_of_a_video_is_the_file_that_is_named(enhance, tmp_path, capsys):
    source = write_video(tmp_path / "in.mp4", rotation=90, with_audio=True)
    assert enhance(source, "--output", tmp_path / "out.mp4", "--smoothing", "0") == 0
    assert "1 of 1 files enhanced by lookup_table" in capsys.readouterr().out
    (before, expected), (after, timestamps) = read_frames(source), read_frames(tmp_path / "out.mp4")
    assert timestamps == expected
    assert psnr(LookupTableEngine().table[before[4]], after[4]) > 30
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert len(container.streams.audio) == 1
        assert next(container.decode(video=0)).rotation == 90


def test_a_name_with_a_colon_is_a_file(enhance, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_video(tmp_path / "rec-12:30:05.mp4")
    assert enhance("rec-12:30:05.mp4", "--output", "out-12:30.mp4") == 0
    assert len(read_frames(tmp_path / "out-12:30.mp4")[0]) == 10


def test_results_of_a_folder_have_the_names_of_their_inputs(enhance, tmp_path):
    write_video(tmp_path / "in/deep/drive.mkv")
    cv2.imwrite(str(tmp_path / "in/still.png"), make_frame(0))
    assert enhance(tmp_path / "in", "--output", tmp_path / "out") == 0
    assert len(read_frames(tmp_path / "out/deep/drive.mkv")[0]) == 10
    assert cv2.imread(str(tmp_path / "out/still.png")).shape == (48, 64, 3)


def test_videos_alone_have_a_default_model_of_their_own(tmp_path):
    for name in ("drive/a.mp4", "drive/deep/b.MKV", "drive/notes.txt", "both/a.mp4", "both/b.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / name).touch()
    assert video.are_videos([tmp_path / "drive", "rtsp://camera/1", tmp_path / "drive/a.mp4"])
    assert not video.are_videos([tmp_path / "both"])
    assert not video.are_videos([tmp_path / "drive", tmp_path / "both/b.png"])
    assert not video.are_videos([])


def test_bright_scenes_are_not_enhanced_with_auto_night(enhance, tmp_path):
    source = write_video(tmp_path / "in.mp4", [make_frame(0, level=150)] * 6)
    assert enhance(source, "--output", tmp_path / "out.mp4", "--auto-night") == 0
    assert psnr(read_frames(source)[0][3], read_frames(tmp_path / "out.mp4")[0][3]) > 38
    flags = ("--auto-night", "--night-threshold", "0.9", "--day-threshold", "0.95", "--overwrite")
    assert enhance(source, "--output", tmp_path / "out.mp4", *flags) == 0
    assert read_frames(tmp_path / "out.mp4")[0][3].mean() > read_frames(source)[0][3].mean() + 20


def test_a_truncated_video_is_enhanced_up_to_its_end_and_the_others_too(enhance, tmp_path, capsys):
    good = write_video(tmp_path / "in/good.mp4", [make_frame(step) for step in range(40)])
    truncated = write_video(tmp_path / "in/truncated.mkv", [make_frame(step) for step in range(40)])
    truncated.write_bytes(truncated.read_bytes()[: truncated.stat().st_size // 2])
    (tmp_path / "in/text.mp4").write_text("hello")
    assert enhance(tmp_path / "in", "--output", tmp_path / "out") == 1
    output = capsys.readouterr()
    assert "1 of 3 files" in output.out
    assert "truncated.mkv ends early" in output.err
    assert "text.mp4 cannot be opened" in output.err
    assert output.err.count("\n") == 2
    assert len(read_frames(tmp_path / "out/truncated.mkv")[0]) > 10
    assert len(read_frames(tmp_path / "out/good.mp4")[0]) == 40
    assert good.exists()


def test_a_second_video_track_is_named_and_can_be_chosen(enhance, tmp_path, capsys):
    frames = [make_frame(step, (32, 32)) for step in range(10)]
    source = write_two_videos(tmp_path / "in.mp4", frames, codec="libx264")
    assert enhance(source, "--output", tmp_path / "out.mp4") == 0
    line = f"left out of {source}: 1 video track. --track 2 enhances another video track\n"
    assert capsys.readouterr().err.endswith(line)
    flags = ("--track", "2", "--overwrite")
    assert enhance(source, "--output", tmp_path / "out.mp4", *flags) == 0
    assert "--track 1 enhances" in capsys.readouterr().err
    assert read_frames(tmp_path / "out.mp4")[0][0].shape == (48, 64, 3)
    assert enhance(source, "--output", tmp_path / "none.mp4", "--track", "3") == 2
    assert "--track must be 1 to 2" in capsys.readouterr().err


def test_former_names_of_flags_are_accepted(enhance, tmp_path):
    source = write_video(tmp_path / "in.mp4", [make_frame(0, level=150)] * 6)
    flags = ("--when-dark", "--dark-below", "0.9", "--bright-above", "0.95", "--steady", "0")
    assert enhance(source, "--output", tmp_path / "out.mp4", *flags, "--reconnect", "1") == 0
    assert read_frames(tmp_path / "out.mp4")[0][3].mean() > read_frames(source)[0][3].mean() + 20


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["in.mp4", "--output", "out.mp4", "--codec", "nonsense"], "no encoder 'nonsense'"),
        (
            ["in.mp4", "--output", "out.mp4", "--smoothing", "-1"],
            "`smoothing_s` must be at least 0",
        ),
        (
            ["in.mp4", "--output", "out.mp4", "--auto-night", "--night-threshold", "0.5"],
            "night below 0.5",
        ),
        (["in.mp4", "--output", "there.mp4"], "there.mp4 exists. Pass --overwrite"),
        (["in.mp4", "--output", "in.mp4", "--overwrite"], "is the input itself"),
        (["none.mp4", "--output", "out.mp4"], "none.mp4 cannot be opened: No such file"),
        (["tcp://127.0.0.1:1", "--output", "out.mp4"], "cannot be opened: Connection refused"),
        (["tcp://127.0.0.1:1", "--output", "out"], "name the result, as --output FILE.mp4"),
        (["/dev/null", "--output", "out.mp4"], "/dev/null cannot be opened"),
        (["-", "--output", "out"], "- is no file"),
    ],
)
def test_an_error_is_reported_in_one_line(enhance, tmp_path, monkeypatch, capsys, args, message):
    monkeypatch.chdir(tmp_path)
    write_video(tmp_path / "in.mp4")
    (tmp_path / "there.mp4").write_bytes(b"precious")
    assert enhance(*args) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.mp4", "there.mp4"]
    assert (tmp_path / "there.mp4").read_bytes() == b"precious"


def test_without_pyav_the_extra_is_named_and_images_are_enhanced(
    enhance, tmp_path, monkeypatch, capsys
):
    write_video(tmp_path / "in/drive.mp4")
    cv2.imwrite(str(tmp_path / "in/still.png"), make_frame(0))
    for name in [name for name in sys.modules if name.split(".")[0] == "av"]:
        monkeypatch.setitem(sys.modules, name, None)
    for name in [name for name in sys.modules if name.startswith("lowlight_tf.video.")]:
        monkeypatch.delitem(sys.modules, name)
    assert enhance(tmp_path / "in", "--output", tmp_path / "out") == 1
    assert "pip install 'lowlight_tf[video]'" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["still.png"]


def test_a_video_is_never_overwritten_by_its_result(tmp_path):
    write_video(tmp_path / "a.mp4")
    with pytest.raises(UsageError, match="is an input itself"):
        plan_jobs([tmp_path / "a.mp4"], tmp_path)


def test_a_live_stream_is_enhanced_until_it_is_lost(enhance, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(reader, "BACKOFF_S", 0.05)
    content = write_video(tmp_path / "camera.ts").read_bytes()
    camera = CameraServer(content, content)
    flags = ("--output", tmp_path / "out.mp4", "--reconnect-timeout", "0.5")
    assert enhance(camera.url, *flags) == 1
    camera.thread.join()
    errors = capsys.readouterr().err
    assert "was lost: no frame for 0.5 s" in errors
    assert "reopened 1 times" in errors
    frames, timestamps = read_frames(tmp_path / "out.mp4")
    assert timestamps[0] == 0
    dropped = int(errors.split(" frames dropped")[0].split()[-1])
    assert len(frames) + dropped == 20


def command_line(*args):
    return [sys.executable, "-m", "lowlight_tf", "enhance", *map(str, args)]


ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}


@pytest.mark.slow
def test_a_video_is_read_from_standard_input(tmp_path):
    source = write_video(tmp_path / "in.ts")
    with source.open("rb") as stdin:
        process = subprocess.run(
            command_line("-", "--output", tmp_path / "out.mp4"),
            stdin=stdin,
            capture_output=True,
            text=True,
            env=ENVIRONMENT,
        )
    assert process.returncode == 0, process.stderr
    assert len(read_frames(tmp_path / "out.mp4")[0]) == 10
    assert read_frames(tmp_path / "out.mp4")[1] == read_frames(source)[1]


def test_a_video_is_read_from_a_named_pipe_without_dropping_frames(enhance, tmp_path):
    source = write_video(tmp_path / "in.ts", [make_frame(step) for step in range(40)])
    os.mkfifo(tmp_path / "pipe")
    thread = threading.Thread(target=lambda: (tmp_path / "pipe").write_bytes(source.read_bytes()))
    thread.start()
    assert enhance(tmp_path / "pipe", "--output", tmp_path / "out.mp4") == 0
    thread.join()
    assert len(read_frames(tmp_path / "out.mp4")[0]) == 40


def run_and_interrupt(args, is_ready, number=signal.SIGINT):
    """Run a command, send a signal once `is_ready()`, and return its exit status and stderr."""
    process = subprocess.Popen(
        command_line(*args),
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=ENVIRONMENT,
    )
    deadline = time.monotonic() + 60
    while not is_ready() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    return process.returncode, errors


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_result_of_an_interrupted_file_can_be_played(tmp_path, number):
    source = write_video(
        tmp_path / "in.mp4", [make_frame(step) for step in range(2000)], with_audio=True
    )
    part = tmp_path / "out.part.mp4"
    args = (source, "--output", tmp_path / "out.mp4")
    status, errors = run_and_interrupt(args, lambda: part.exists() and part.stat().st_size, number)
    assert status == 130
    assert "stopped after" in errors
    assert "Traceback" not in errors
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.mp4", "out.mp4"]
    frames, timestamps = read_frames(tmp_path / "out.mp4")
    assert 0 < len(frames) < 2000
    assert timestamps == read_frames(source)[1][: len(frames)]


@pytest.mark.slow
def test_a_silent_pipe_can_be_interrupted(tmp_path):
    start = time.monotonic()
    status, errors = run_and_interrupt(
        ("-", "--output", tmp_path / "out.mp4"), lambda: time.monotonic() > start + 3
    )
    assert status == 130
    assert "interrupted" in errors
    assert not list(tmp_path.iterdir())
