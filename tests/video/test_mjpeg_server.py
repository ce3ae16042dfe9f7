"""Serving a video as JPEG images over HTTP to several readers."""

import http.client
import socket
import time

import av
import cv2
import numpy as np
import pytest

from lowlight_tf.checks import UsageError
from lowlight_tf.imaging.yuv import YuvConverter
from lowlight_tf.video import mjpeg_server
from lowlight_tf.video.frame_conversion import yuv_planes
from lowlight_tf.video.mjpeg_server import MjpegServer
from lowlight_tf.video.reader import VideoReader
from tests.clips import make_frame, psnr, write_video


def get(server, path="/snapshot.jpg"):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    connection.request("GET", path)
    return connection.getresponse()


def read_images(response, count):
    """Return the first images of a stream."""
    images = []
    while len(images) < count:
        line = response.readline()
        if line.startswith(b"Content-Length"):
            response.readline()
            images.append(response.read(int(line.split()[1])))
    return images


@pytest.mark.parametrize("color_range", [1, 2])
def test_an_image_has_the_colors_of_the_frame(serve, tmp_path, color_range):
    server = serve([make_frame(0, (96, 128), level=110)] * 3, matrix=1, color_range=color_range)
    response = get(server)
    assert response.status == 200
    assert response.headers["Content-Type"] == "image/jpeg"
    decoded = cv2.imdecode(np.frombuffer(response.read(), np.uint8), cv2.IMREAD_COLOR_RGB)
    reader, expected = VideoReader(tmp_path / "in.mp4"), np.empty((96, 128, 3), np.uint8)
    frame = next(item for item in reader if isinstance(item, av.VideoFrame))
    YuvConverter(reader.yuv_format).to_rgb(yuv_planes(frame), expected)
    assert psnr(decoded, expected) > 36
    np.testing.assert_allclose(decoded.mean((0, 1)), expected.mean((0, 1)), atol=1.5)


def test_several_readers_get_the_stream_and_a_slow_one_does_not_hold_up_others(serve):
    server = serve()
    slow = get(server, "/")
    read_images(slow, 1)
    streams = [get(server, "/") for _ in range(3)]
    start = time.monotonic()
    for stream in streams:
        assert stream.headers["Content-Type"] == "multipart/x-mixed-replace; boundary=frame"
        images = read_images(stream, 5)
        assert all(image.startswith(b"\xff\xd8") for image in images)
    assert time.monotonic() - start < 3
    for stream in (slow, *streams):
        stream.close()


def test_frames_are_encoded_only_while_somebody_reads(serve, monkeypatch):
    server, encoded = serve(), []
    original = server._encode
    monkeypatch.setattr(server, "_encode", lambda *images: encoded.append(1) or original(*images))
    time.sleep(0.1)
    assert not encoded
    assert get(server).status == 200
    assert encoded


def test_garbage_and_unknown_paths_are_answered_and_the_server_goes_on(serve):
    server = serve()
    with socket.create_connection(("127.0.0.1", server.port)) as client:
        client.sendall(b"\x00\xffgarbage\r\n\r\n")
        assert b"400" in client.recv(1000)
    assert get(server, "/etc/passwd").status == 404
    assert get(server).status == 200


def test_too_many_readers_are_refused(serve, monkeypatch):
    monkeypatch.setattr(mjpeg_server, "MAX_READERS", 1)
    server = serve()
    stream = get(server, "/")
    read_images(stream, 1)
    assert get(server).status == 503
    stream.close()


def test_a_snapshot_without_frames_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(mjpeg_server, "SEND_TIMEOUT_S", 0.05)
    server = MjpegServer("http://127.0.0.1:0/", VideoReader(write_video(tmp_path / "in.mp4")))
    assert get(server).status == 503
    server.close()


def test_a_port_in_use_and_an_address_of_others_are_refused(tmp_path):
    reader = VideoReader(write_video(tmp_path / "in.mp4", with_audio=True))
    server = MjpegServer("http://:0/", reader)
    assert server.left_out == {"audio track": 1}
    for url in (f"http://127.0.0.1:{server.port}/", "http://203.0.113.1:8080/", "http://x:99999/"):
        with pytest.raises(UsageError, match=r"cannot be served: .* a port that is free"):
            MjpegServer(url, reader)
    server.close()
