"""Fixtures of the tests of videos."""

import threading
import time

import av
import pytest

from lowlight_tf.video.mjpeg_server import MjpegServer
from lowlight_tf.video.reader import VideoReader
from tests.clips import write_video


@pytest.fixture
def serve(tmp_path):
    """Return a function that serves a video again and again until the test ends."""
    ends, stop = [], threading.Event()

    def start(images=None, **options):
        reader = VideoReader(write_video(tmp_path / "in.mp4", images, **options))
        frames = [frame for frame in reader if isinstance(frame, av.VideoFrame)]
        server = MjpegServer("http://127.0.0.1:0/", reader)

        def run():
            while not stop.is_set():
                for frame in frames:
                    server.write(frame)
                    time.sleep(0.01)

        thread = threading.Thread(target=run)
        thread.start()
        ends.append((server, thread))
        return server

    yield start
    stop.set()
    for server, thread in ends:
        thread.join()
        server.close()
