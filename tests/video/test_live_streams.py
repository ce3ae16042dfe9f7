"""Reading live streams: lost and reopened, stopped, recorded."""

import gc
import itertools
import resource
import shutil
import threading
from fractions import Fraction
from pathlib import Path

import pytest

from lowlight_tf.video import container_writer
from lowlight_tf.video import reader as reader_module
from lowlight_tf.video.reader import VideoReader
from lowlight_tf.video.writer import VideoWriter
from tests.camera_server import CameraServer
from tests.clips import make_frame, read_frames, write_video


@pytest.fixture
def transport_stream(tmp_path):
    return write_video(
        tmp_path / "camera.ts", timestamps=[90000 + 512 * step for step in range(10)]
    )


def test_a_lost_stream_is_reopened_and_its_timestamps_continue(transport_stream, monkeypatch):
    monkeypatch.setattr(reader_module, "BACKOFF_S", 0.05)
    content = transport_stream.read_bytes()
    camera = CameraServer(content, content[: len(content) // 2], content)
    reader = VideoReader(camera.url, reconnect_timeout_s=0.5)
    assert reader.is_live
    timestamps = [frame.pts * frame.time_base for frame in reader]
    camera.thread.join()
    assert reader.reconnects == 2
    assert "was lost: no frame for 0.5 s" in reader.error
    assert 20 < len(timestamps) <= 30
    assert timestamps[0] == 0  # whatever the camera's clock says
    assert all(later > earlier for earlier, later in itertools.pairwise(timestamps))
    assert float(timestamps[9] - timestamps[0]) == pytest.approx(9 / 25)


def test_a_stream_is_not_reopened_after_a_stop(transport_stream):
    stop_event = threading.Event()
    camera = CameraServer(transport_stream.read_bytes())
    reader = VideoReader(camera.url, reconnect_timeout_s=60, stop_event=stop_event)
    stop_event.set()
    assert len(list(reader)) == 10
    camera.thread.join()
    assert reader.reconnects == 0


def test_an_unfinished_live_recording_can_be_played(tmp_path, monkeypatch):
    monkeypatch.setattr(container_writer, "KEYFRAME_INTERVAL_S", 0.2)
    images = [make_frame(step) for step in range(60)]
    content = write_video(tmp_path / "camera.ts", images).read_bytes()
    camera = CameraServer(content)
    reader = VideoReader(camera.url, reconnect_timeout_s=0)
    writer = VideoWriter(tmp_path / "out.mp4", reader)
    for frame in reader:
        writer.write(frame)
    shutil.copy(tmp_path / "out.part.mp4", tmp_path / "unfinished.mp4")
    writer.close()
    camera.thread.join()
    frames, timestamps = read_frames(tmp_path / "unfinished.mp4")
    assert len(frames) > 20
    assert timestamps[:3] == [0, Fraction(1, 25), Fraction(2, 25)]
    assert len(read_frames(tmp_path / "out.mp4")[0]) == 60


def test_a_stream_that_is_reopened_often_needs_no_more_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(reader_module, "BACKOFF_S", 0.001)
    images = [make_frame(step, (720, 1280)) for step in range(2)]
    content = write_video(tmp_path / "camera.ts", images).read_bytes()
    camera, used = CameraServer(*[content] * 40), {}
    gc.disable()  # which would hide what is not closed
    try:
        reader = VideoReader(camera.url, reconnect_timeout_s=0.3)
        for _ in reader:
            pages = int(Path("/proc/self/statm").read_text().split()[1])
            used[reader.reconnects] = pages * resource.getpagesize()
    finally:
        gc.enable()
    camera.thread.join()
    assert reader.reconnects > 30
    assert used[reader.reconnects] - used[10] < 30e6  # without: 3 MB each time
