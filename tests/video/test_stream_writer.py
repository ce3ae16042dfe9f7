"""Sending a video while it is made: to pipes, to addresses, and to real receivers."""

import socket
import subprocess
import threading
import time

import av
import imageio_ffmpeg
import pytest

from lowlight_tf.checks import UsageError
from lowlight_tf.video import stream_writer
from lowlight_tf.video.reader import VideoReader
from lowlight_tf.video.stream_writer import StreamWriter
from tests.camera_server import CameraServer
from tests.clips import make_frame, read_frames, write_video

FFMPEG = imageio_ffmpeg.get_ffmpeg_exe()


def send(reader, writer):
    """Write all frames and packets of a video."""
    for item in reader:
        if isinstance(item, av.VideoFrame):
            writer.write(item)
        else:
            writer.write_packet(item)
    writer.close()


@pytest.mark.parametrize("address", ["rtsp://127.0.0.1:{port}/night", "tcp://127.0.0.1:{port}"])
def test_ffmpeg_receives_what_is_sent(tmp_path, free_port, address):
    url = address.format(port=free_port)
    listen = ["-rtsp_flags", "listen", "-listen_timeout", "10"] if url.startswith("rtsp") else []
    source = url if listen else f"{url}?listen=1"
    received = tmp_path / "received.mkv"
    command = [FFMPEG, "-v", "error", *listen, "-i", source, "-c", "copy", str(received)]
    images = [make_frame(step) for step in range(25)]
    reader = VideoReader(write_video(tmp_path / "in.mp4", images, with_audio=True))
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            writer, start = open_when_it_listens(url, reader), time.monotonic()
            send(reader, writer)
            assert time.monotonic() - start > 0.9  # at the video's own speed
            assert process.wait(10) == 0, process.stderr.read()
        finally:
            process.kill()
    assert len(read_frames(received)[0]) >= 24
    with av.open(str(received)) as container:
        assert len(container.streams.audio) == 1


def open_when_it_listens(url, reader):
    """Return a writer to a receiver that is being started."""
    for _ in range(100):
        try:
            return StreamWriter(url, reader)
        except UsageError:
            time.sleep(0.05)
    raise AssertionError(f"nothing listens at {url}")


def test_frames_of_a_live_video_without_a_receiver_are_lost_until_it_is_back(
    tmp_path, free_port, monkeypatch
):
    monkeypatch.setattr(stream_writer, "RETRY_INTERVAL_S", 0.0)
    content = write_video(tmp_path / "in.ts", [make_frame(step) for step in range(60)])
    camera, second = CameraServer(content.read_bytes()), None
    reader = VideoReader(camera.url, reconnect_timeout_s=0.1)
    receivers = [CountingReceiver(free_port, limit=5)]
    writer = open_when_it_listens(f"tcp://127.0.0.1:{free_port}", reader)
    for index, frame in enumerate(filter(lambda item: isinstance(item, av.VideoFrame), reader)):
        writer.write(frame)
        if index == 30:
            second = CountingReceiver(free_port, limit=10**9)
            receivers.append(second)
    writer.close()
    camera.thread.join()
    for receiver in receivers:
        receiver.thread.join(5)
    assert second.size > 0
    assert writer.frame_count < 60
    (note,) = writer.notes
    assert note.endswith("frames had no receiver")


class CountingReceiver(CameraServer):
    """Receives from one client, and goes away after some bytes."""

    def __init__(self, port, limit):
        self.server = socket.create_server(("127.0.0.1", port))
        self.limit, self.size = limit, 0
        self.thread = threading.Thread(target=self.serve)
        self.thread.start()

    def serve(self):
        client, _ = self.server.accept()
        with client:
            while self.size < self.limit and (data := client.recv(65536)):
                self.size += len(data)
        self.server.close()


@pytest.mark.parametrize(
    ("target", "options", "reason"),
    [
        ("rtsp://127.0.0.1:1/x", {}, r"rtsp://127.0.0.1:1/x cannot be written: Connection refused"),
        ("ftp://host/x", {}, "Videos are sent to rtsp://.* Received: ftp://host/x"),
        ("/dev/video250", {}, "is no video device. Make one with the kernel module v4l2loopback"),
        ("-", {"container_format": "gif"}, "--format` must be one of: mpegts, nut"),
        ("-", {"codec": "nonsense"}, "no encoder 'nonsense'"),
    ],
)
def test_targets_that_cannot_be_reached_are_refused(tmp_path, target, options, reason):
    reader = VideoReader(write_video(tmp_path / "in.mp4"))
    with pytest.raises(UsageError, match=reason):
        StreamWriter(target, reader, **options)
