"""`lowlight-tf enhance` from and to pipes, streams, servers and segments."""

import argparse
import http.client
import subprocess
import sys
import threading
import time

import av
import imageio_ffmpeg
import numpy as np
import pytest

from lowlight_tf.cli.enhancing import video_output
from lowlight_tf.cli.main import main
from lowlight_tf.runtime import loading
from lowlight_tf.video import reader
from tests.camera_server import SlowCameraServer
from tests.clips import LookupTableEngine, make_frame, read_frames, write_video

COMMAND = (sys.executable, "-m", "lowlight_tf", "enhance")
MODEL = "--model", "v2_nano_int8"


@pytest.fixture
def enhance(monkeypatch):
    """Return a function that runs the command with a lookup table in place of a model."""
    monkeypatch.setattr(loading, "load_model", lambda *_, **__: LookupTableEngine())
    return lambda *args: main(["enhance", *map(str, args)])


def test_raw_frames_go_in_and_a_transport_stream_comes_out_of_a_pipe(tmp_path):
    luma = np.full((48, 64), 60, np.uint8)
    frames = np.concatenate([luma.ravel(), np.full(64 * 24, 128, np.uint8)]).tobytes() * 12
    flags = ("--format", "mpegts", "--size", "64x48", "--pixel-format", "nv12", "--fps", "20")
    result = subprocess.run(
        [*COMMAND, "-", *flags, "--output", "-", *MODEL, "--stats"],
        input=frames,
        capture_output=True,
        check=False,
        timeout=60,
    )
    messages = result.stderr.decode()
    assert result.returncode == 0, messages
    (tmp_path / "out.ts").write_bytes(result.stdout)  # nothing else is printed there
    images, timestamps = read_frames(tmp_path / "out.ts")
    assert len(images) == 12
    assert images[0].mean() > 60
    assert float(timestamps[1] - timestamps[0]) == pytest.approx(1 / 20)
    assert "1 of 1 files enhanced" in messages
    assert "12 frames, " in messages
    assert "latency p50 " in messages


@pytest.mark.parametrize("format_name", ["nut", "yuv4mpegpipe"])
def test_ffmpeg_reads_the_pipe(tmp_path, format_name):
    source = write_video(tmp_path / "in.mp4")
    out = tmp_path / "out.mkv"
    ffmpeg = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-i", "-", "-c:v", "ffv1", str(out)]
    command = [*COMMAND, str(source), "--output", "-", "--format", format_name, *MODEL]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        subprocess.run(ffmpeg, stdin=process.stdout, check=True, timeout=60)
    assert process.returncode == 0
    assert len(read_frames(out)[0]) == 10


def test_a_video_is_served_over_http(enhance, tmp_path, free_port, capsys):
    source = write_video(tmp_path / "in.mp4", [make_frame(step) for step in range(50)])
    url, sizes = f"http://127.0.0.1:{free_port}/", []

    def read():
        for _ in range(200):
            try:
                connection = http.client.HTTPConnection("127.0.0.1", free_port, timeout=5)
                connection.request("GET", "/snapshot.jpg")
                sizes.append(len(connection.getresponse().read()))
                return
            except OSError:
                time.sleep(0.02)

    thread = threading.Thread(target=read)
    thread.start()
    assert enhance(source, "--output", url) == 0
    thread.join()
    assert sizes[0] > 300
    assert f"1 of 1 files enhanced by lookup_table, in {url}" in capsys.readouterr().out


def test_a_live_stream_becomes_segments(enhance, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(reader, "BACKOFF_S", 0.05)
    content = write_video(tmp_path / "in.ts", [make_frame(step) for step in range(45)])
    camera, folder = SlowCameraServer(content.read_bytes(), 45 / 25), tmp_path / "loop"
    flags = ("--segment", "0.004", "--keep", "1G", "--format", "matroska", "--stats")
    assert enhance(camera.url, "--output", folder, *flags, "--reconnect-timeout", "0.1") == 1
    camera.thread.join()
    files = list(folder.iterdir())
    assert len(files) >= 2
    assert {path.suffix for path in files} == {".mkv"}
    assert sum(len(read_frames(path)[0]) for path in files) >= 4  # late ones are dropped
    assert "was lost: no frame for 0.1 s" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["a.mp4", "b.mp4", "--output", "-"], "- takes one video. Name one file"),
        (["a.png", "--output", "udp://127.0.0.1:9"], "udp://127.0.0.1:9 takes one video"),
        (["a.mp4", "--output", "x", "--keep", "1G"], "--keep is for segments. Pass --segment"),
        (["a.mp4", "--output", "-", "--segment", "1"], "Segments are written into a folder"),
        (["a.mp4", "--output", "x", "--segment", "0"], "--segment must be a positive number"),
        (["a.mp4", "--output", "b.mp4", "--format", "nut"], "--format is for --output - and for"),
        (["a.mp4", "--output", "x", "--segment", "1", "--format", "nut"], "--format` must be one"),
        (["a.mp4", "--output", "x.mp4", "--video-size", "64x48"], "--video-size is for the raw"),
        (["a.mp4", "--output", "ftp://h/x"], "Videos are sent to rtsp://"),
        (["a.mp4", "--output", "/dev/video250"], "is no video device"),
        (["a.mp4", "--output", "http://203.0.113.1:80/"], "cannot be served"),
        (["-", "--video-size", "64x48", "--pixel-format", "nv99", "--output", "x.mp4"], "nv12"),
        (["-", "--video-size", "0x48", "--output", "x.mp4"], "--video-size and --fps"),
    ],
)
def test_what_cannot_work_is_refused_in_a_line_and_nothing_is_written(
    enhance, tmp_path, monkeypatch, capsys, words, reason
):
    monkeypatch.chdir(tmp_path)
    write_video(tmp_path / "a.mp4")
    assert enhance(*words) == 2
    captured = capsys.readouterr()
    assert reason in captured.err
    assert not list(tmp_path.glob("*.part.*"))
    assert not (tmp_path / "x.mp4").exists()


def test_sizes_and_numbers_of_bytes():
    assert video_output.parse_bytes("8G") == 8_000_000_000
    assert video_output.parse_bytes("1.5mb") == 1_500_000
    assert video_output.parse_size("1920x1080") == (1080, 1920)
    for parse, text in ((video_output.parse_bytes, "0"), (video_output.parse_size, "1080p")):
        with pytest.raises(argparse.ArgumentTypeError, match="is expected, not"):
            parse(text)
    with pytest.raises(argparse.ArgumentTypeError):
        video_output.parse_bytes("many")


def test_a_pipe_of_a_camera_drops_late_frames(tmp_path):
    video = reader.VideoReader(write_video(tmp_path / "in.ts"), live=True)
    assert video.is_live
    assert len([item for item in video if isinstance(item, av.VideoFrame)]) == 10
    assert video.reconnects == 0  # a pipe cannot be opened again
