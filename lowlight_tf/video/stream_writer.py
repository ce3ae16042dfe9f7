"""Video output that is read while it is written: a pipe, a network stream, a virtual camera."""

import collections
import time

import av
import numpy as np

from lowlight_tf import checks
from lowlight_tf.checks import UsageError
from lowlight_tf.video.container import is_camera
from lowlight_tf.video.container_writer import RAW_ENCODER, ContainerWriter
from lowlight_tf.video.pacing import RealTimePacer
from lowlight_tf.video.reader import CopiedPacket, VideoReader

STDOUT = "-"
"""Name of the standard output."""

PIPE_FORMATS = {"mpegts": None, "nut": None, "yuv4mpegpipe": RAW_ENCODER, "rawvideo": RAW_ENCODER}
"""Formats of a pipe -> the only encoder of each; None for any."""

URL_FORMATS = {"rtsp": "rtsp", "rtmp": "flv", "udp": "mpegts", "tcp": "mpegts", "srt": "mpegts"}
"""Scheme of an address -> the container that is sent to it."""

SEND_TIMEOUT_S = 5.0
"""Time in which a network stream must take data (seconds)."""

RETRY_INTERVAL_S = 1.0
"""Time between two attempts to reach a receiver that is gone (seconds)."""

VIRTUAL_CAMERA_HINT = (
    "Make one with the kernel module v4l2loopback: sudo modprobe v4l2loopback video_nr=9, then "
    "--output /dev/video9."
)


class StreamWriter:
    """Sends the frames of one video to a receiver that reads them at once.

    Encoders keep no frame back. A video that is a file is sent at its own speed, except to a pipe,
    whose reader sets the speed. If a receiver of a live video goes away, frames are lost until it
    is back.

    Args:
        target: "-" for the standard output, a URL, or a V4L2 loopback device (/dev/video9).
        like: The video whose frames are written.
        container_format: Of a pipe, one of `PIPE_FORMATS`; None for MPEG-TS.
        codec: See `ContainerWriter`.
        retry_timeout_s: How long to try to reach a receiver again (seconds).

    Attributes:
        frame_count: Number of frames sent.
        delayed_frames: See `ContainerWriter`.
        notes: How many frames had no receiver.
        left_out: Kind -> number of what the input holds and the stream does not.

    Raises:
        UsageError: If the target is unknown or cannot be reached, or as `ContainerWriter`.
    """

    drops_late_frames = True

    def __init__(
        self,
        target: str,
        like: VideoReader,
        *,
        container_format: str | None = None,
        codec: str | None = None,
        retry_timeout_s: float = 60.0,
    ) -> None:
        self._name, self._like, self._retry_timeout_s = target, like, retry_timeout_s
        scheme = target.partition("://")[0]
        self._is_pipe = target == STDOUT
        if self._is_pipe:
            self._format = container_format or "mpegts"
            checks.check_choice("--format", self._format, tuple(PIPE_FORMATS))
            codec = PIPE_FORMATS[self._format] or codec
        elif target.startswith("/dev/video"):
            if not is_camera(target):
                raise UsageError(f"{target} is no video device. {VIRTUAL_CAMERA_HINT}")
            self._format, codec = "v4l2", RAW_ENCODER
        elif scheme in URL_FORMATS:
            self._format = URL_FORMATS[scheme]
        else:
            raise UsageError(
                f"Videos are sent to {', '.join(f'{name}://' for name in URL_FORMATS)} or "
                f"http:// addresses. Received: {target}."
            )
        self._codec, self._lost, self.frame_count = codec, 0, 0
        self._pacer = RealTimePacer()
        self._failed_s = self._retry_s = 0.0
        self._writer: ContainerWriter | None = self._open()
        self.left_out: collections.Counter[str] = self._writer.left_out

    @property
    def notes(self) -> list[str]:
        """How many frames had no receiver, as parts of a sentence."""
        return [f"{self._lost} frames had no receiver"] if self._lost else []

    @property
    def delayed_frames(self) -> int:
        """Number of frames that the encoder keeps back."""
        return self._writer.delayed_frames if self._writer else 0

    def write(self, frame: av.VideoFrame, image: np.ndarray | None = None) -> None:
        """Send a frame, or in its place an image; see `ContainerWriter.write`.

        Raises:
            UsageError: If the receiver is gone, of a live video for longer than the timeout.
        """
        if not (self._like.is_live or self._is_pipe):
            self._pacer.wait_for(frame.time)
        if self._writer is None:
            self._reopen()
        if self._writer is None:
            self._lost += 1
            return
        try:
            self._writer.write(frame, image)
            self.frame_count += 1
        except UsageError as error:
            self._lose_receiver(error)

    def write_packet(self, copied: CopiedPacket) -> None:
        """Send an encoded packet as it is; see `ContainerWriter.write_packet`."""
        if self._writer:
            try:
                self._writer.write_packet(copied)
            except UsageError as error:
                self._lose_receiver(error)

    def close(self) -> None:
        """Send what the encoder keeps back, and end the stream.

        Raises:
            UsageError: If the receiver is gone.
        """
        if self._writer:
            self._writer.finish()

    def _open(self) -> ContainerWriter:
        return ContainerWriter(
            "pipe:1" if self._is_pipe else self._name,
            self._like,
            "The standard output" if self._is_pipe else self._name,
            container_format=self._format,
            codec=self._codec,
            is_stream=True,
            timeout_s=None if self._is_pipe else SEND_TIMEOUT_S,
        )

    def _lose_receiver(self, error: UsageError) -> None:
        """Try again later, or raise the error if that makes no sense."""
        self._writer = None
        if self._is_pipe or not self._like.is_live:
            raise error
        self._failed_s = time.monotonic()
        self._retry_s = self._failed_s + RETRY_INTERVAL_S
        self._lost += 1

    def _reopen(self) -> None:
        now = time.monotonic()
        if now < self._retry_s:
            return
        try:
            self._writer = self._open()
        except UsageError:
            if now - self._failed_s > self._retry_timeout_s:
                raise
            self._retry_s = time.monotonic() + RETRY_INTERVAL_S
