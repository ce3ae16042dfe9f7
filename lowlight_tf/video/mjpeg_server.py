"""Video output over HTTP: JPEG images that any number of browsers and recorders read."""

import collections
import http.server
import socket
import threading
from urllib.parse import urlsplit

import av
import cv2
import numpy as np

from lowlight_tf.checks import UsageError
from lowlight_tf.imaging.yuv import YuvConverter
from lowlight_tf.video.container import count_tracks
from lowlight_tf.video.frame_conversion import yuv_planes
from lowlight_tf.video.pacing import RealTimePacer
from lowlight_tf.video.reader import CopiedPacket, VideoReader

LOOPBACK, DEFAULT_PORT = "127.0.0.1", 8080

MAX_READERS = 32
"""Readers that are served at the same time; others are told to come back (status 503)."""

SEND_TIMEOUT_S = 5.0
"""Time in which a reader must take an image or send its request (seconds)."""

JPEG_QUALITY = 90

BOUNDARY = "frame"


class MjpegServer:
    """Serves the frames of one video: the stream at /, one image at /snapshot.jpg.

    Each reader gets the latest frame as soon as it has taken the one before; a slow one skips
    frames. Frames are encoded only while somebody reads. A video that is a file is served at its
    own speed.

    Args:
        url: http://HOST:PORT/; without a host it is the loopback interface.
        like: The video whose frames are written.

    Attributes:
        frame_count: Number of frames written so far.
        left_out: Kind -> number of what the input holds and the stream does not.
        port: Where it listens.

    Raises:
        UsageError: If it cannot listen there.
    """

    drops_late_frames, delayed_frames, notes = True, 0, ()

    def __init__(self, url: str, like: VideoReader) -> None:
        self._like, self.frame_count = like, 0
        self.left_out: collections.Counter[str] = count_tracks(like)
        self._converter = YuvConverter(like.yuv_format)
        self._image_buffer = np.empty((*like.size, 3), np.uint8)
        self._pacer = RealTimePacer()
        self._image, self._number, self._readers = b"", 0, 0
        self._changed = threading.Condition()
        self._is_closed = False
        address = urlsplit(url)
        try:
            port = DEFAULT_PORT if address.port is None else address.port
            self._server = _Server((address.hostname or LOOPBACK, port), self)
        except (OSError, ValueError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or error
            raise UsageError(
                f"{url} cannot be served: {reason}. Pass an address of this machine and a port "
                "that is free, such as http://127.0.0.1:8081/."
            ) from None
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def write(self, frame: av.VideoFrame, image: np.ndarray | None = None) -> None:
        """Make a frame, or in its place an RGB image, (H, W, 3) uint8, the one that is served."""
        if not self._like.is_live:
            self._pacer.wait_for(frame.time)
        self.frame_count += 1
        if self._readers:
            jpeg = self._encode(frame, image)
            with self._changed:
                self._image, self._number = jpeg, self._number + 1
                self._changed.notify_all()

    def write_packet(self, copied: CopiedPacket) -> None:
        """Sound is left out."""

    def close(self) -> None:
        """Stop serving."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def next_image(self, last: int | None = None) -> tuple[bytes, int]:
        """Wait for an image, for a limited time.

        Args:
            last: Number of the image before; None for the next one that is encoded.

        Returns:
            The latest image, b"" if there is none, and its number.
        """
        with self._changed:
            last = self._number if last is None else last
            self._changed.wait_for(lambda: self._number > last or self._is_closed, SEND_TIMEOUT_S)
            is_new = self._number > last and not self._is_closed
            return (self._image if is_new else b""), self._number

    def count_reader(self, change: int) -> bool:
        """Add or remove a reader; return whether there is room for it."""
        with self._changed:
            if change > 0 and self._readers >= MAX_READERS:
                return False
            self._readers += change
            return True

    @property
    def is_closed(self) -> bool:
        """Whether serving ends."""
        return self._is_closed

    def _encode(self, frame: av.VideoFrame, image: np.ndarray | None) -> bytes:
        """Return a frame, or the RGB image in its place, as JPEG."""
        if image is None:
            image = self._image_buffer
            self._converter.to_rgb(yuv_planes(frame), image)
        bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
        return cv2.imencode(".jpg", bgr, (cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY))[1].tobytes()


class _Server(http.server.ThreadingHTTPServer):
    """Listens, with a thread for each reader."""

    daemon_threads = True

    def __init__(self, place: tuple[str, int], images: MjpegServer) -> None:
        self.images = images
        super().__init__(place, _Handler)

    def handle_error(self, request: socket.socket, client_address: tuple) -> None:
        """A reader that went away, or sent garbage, is no matter."""


class _Handler(http.server.BaseHTTPRequestHandler):
    """Answers one reader."""

    timeout = SEND_TIMEOUT_S
    server: _Server

    def do_GET(self) -> None:
        """Send the stream, or one image."""
        images, path = self.server.images, urlsplit(self.path).path
        if path not in ("/", "/snapshot.jpg"):
            self.send_error(404)
        elif not images.count_reader(1):
            self.send_error(503)
        else:
            try:
                self._send_stream(images) if path == "/" else self._send_snapshot(images)
            finally:
                images.count_reader(-1)

    def log_message(self, format: str, *args) -> None:
        """Nothing is logged."""

    def _send_snapshot(self, images: MjpegServer) -> None:
        image, _ = images.next_image()
        if not image:
            self.send_error(503)
            return
        self.send_response(200)
        self._send_headers("image/jpeg", {"Content-Length": len(image)})
        self.wfile.write(image)

    def _send_stream(self, images: MjpegServer) -> None:
        self.send_response(200)
        self._send_headers(f"multipart/x-mixed-replace; boundary={BOUNDARY}", {})
        last = None
        while not images.is_closed:
            image, last = images.next_image(last)
            if image:
                head = f"Content-Type: image/jpeg\r\nContent-Length: {len(image)}\r\n\r\n"
                self.wfile.write(f"--{BOUNDARY}\r\n{head}".encode() + image + b"\r\n")

    def _send_headers(self, content_type: str, headers: dict[str, int]) -> None:
        cache = {"Cache-Control": "no-store", "Connection": "close"}
        for name, value in {"Content-Type": content_type, **headers, **cache}.items():
            self.send_header(name, str(value))
        self.end_headers()
