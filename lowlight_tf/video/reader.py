"""Video in: frames and sound as they come, from a file, a camera, an address or a pipe."""

import dataclasses
import stat
import struct
import threading
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.sidedata.sidedata import Type
from av.video.reformatter import ColorRange

from lowlight_tf.checks import UsageError
from lowlight_tf.video.yuv import Planes, YuvFormat

STDIN = "-"
OPEN_TIMEOUT_S, READ_TIMEOUT_S = (
    15.0,
    5.0,
)  # seconds that an address may take to answer, and may say nothing
BACKOFF_S, MAX_BACKOFF_S = (
    0.5,
    8.0,
)  # seconds before a lost stream is called again: doubled each time
DURATION_TOLERANCE_S = 0.5  # seconds that a file may end before its time
CONTAINER_METADATA = ("encoder", "major_brand", "minor_version", "compatible_brands")


@dataclasses.dataclass(frozen=True, eq=False)
class AudioPacket:
    """A packet of sound, to be copied as it is; `track` counts the audio tracks from 0."""

    track: int
    packet: av.Packet


class VideoReader:
    """Reads one video: iterate for its frames and packets of sound in the order of the file.

    Frames are 8-bit planar YUV of one size, `format`; what comes otherwise (other depth, packing or
    size) is converted. The time stamps of a file are as it has them. Those of a live stream begin
    at 0, and go on by the clock after the stream was lost: it is opened again, after 0.5 s, 1 s and
    so on to 8 s, until there was no frame for `reconnect_timeout` seconds.

    Args:
        source: A file, a named pipe, a camera (/dev/video0), an address (rtsp://, udp://, tcp://,
            http://), or "-", the standard input.
        reconnect_timeout: For how long a lost live stream is waited for (seconds).
        stop: Once set, a lost stream is not opened again.

    Attributes:
        live: A camera, or an address that has no end: it waits for nobody. A pipe does wait.
        size: Height and width of the frames (pixels), as stored; see `display`.
        format: "yuv420p", or "yuv444p" if a side is odd.
        colors: How the frames are coded.
        tags: What the video says of its colors: range, matrix, primaries, transfer.
        rate: Frames per second on average, or None.
        time_base: Unit of the frames' time stamps (seconds).
        frames: Number of frames that the file announces, roughly; None if it does not.
        display: Nine numbers that turn or mirror the frames for display; None to show them as
            they are.
        audio: The audio tracks.
        corrupt_packets: Packets so far that could not be decoded; they are left out.
        reopened: How often a lost stream was opened again.
        begun: When the first frame came (seconds, of `time.monotonic`).
        error: Why the video ended before its time; None if it did not.

    Raises:
        UsageError: If the source cannot be opened or has no video that can be decoded.
    """

    def __init__(
        self,
        source: str | Path,
        *,
        reconnect_timeout: float = 60.0,
        stop: threading.Event | None = None,
    ) -> None:
        self.name = str(source)
        self._patience, self._stop = reconnect_timeout, stop or threading.Event()
        self.corrupt_packets = self.reopened = 0
        self.error: str | None = None
        self.begun = self._heard = time.monotonic()
        self._last: int | None = None  # time stamp of the last frame
        self._ends: dict[int, Fraction] = {}  # stream -> where its last packet ended (seconds)
        self._connect()
        self.time_base = self._video.time_base
        self.rate = self._video.average_rate or None
        self._waiting: list[AudioPacket | av.VideoFrame] = []
        self._items = self._decoded()
        for item in self._items:
            self._waiting.append(item)
            if isinstance(item, av.VideoFrame):
                break
        else:
            raise UsageError(f"{self.name} has no frame that can be decoded. Pass a whole video.")

    def __iter__(self) -> Iterator[av.VideoFrame | AudioPacket]:
        yield from self._waiting
        yield from self._items
        while self.live and self._reconnect():
            yield from self._decoded()
        self._container.close()

    def _connect(self) -> None:
        """Open the source, and find out what it is."""
        camera = _is_a(stat.S_ISCHR, self.name)
        options = {"rtsp_transport": "tcp"} if self.name.startswith("rtsp") else {}
        address = "://" in self.name
        try:
            self._container = av.open(
                "pipe:0" if self.name == STDIN else self.name,
                format="v4l2" if camera else None,
                options=options,
                timeout=(OPEN_TIMEOUT_S, READ_TIMEOUT_S) if address else None,
            )
        except (av.FFmpegError, OSError, ValueError) as error:
            raise UsageError(f"{self.name} cannot be opened: {error_text(error)}.") from None
        if not self._container.streams.video:
            raise UsageError(f"{self.name} has no video. Pass a file or an address with video.")
        self._video = self._container.streams.video[0]
        if self._video.codec_context is None:
            raise UsageError(
                f"{self.name}: its video is of a codec that this FFmpeg cannot decode. "
                "Convert it to H.264."
            )
        self.live = camera or (address and self._container.duration is None)
        self._video.thread_type = "SLICE" if self.live else "AUTO"  # frame threads hold frames back
        self.audio = [track for track in self._container.streams.audio if track.codec_context]
        if self._last is None:
            length = self._length() or 0
            self.frames = self._video.frames or round(length * (self._video.average_rate or 0))
            self.frames = self.frames or None
            self.metadata = {
                key: value
                for key, value in self._container.metadata.items()
                if key not in CONTAINER_METADATA
            }
        self._shift: Fraction | None = None if self.live else Fraction(0)

    def _reconnect(self) -> bool:
        wait = BACKOFF_S
        while time.monotonic() - self._heard < self._patience:
            if self._stop.wait(wait):
                return False
            try:
                self._connect()
            except UsageError:
                wait = min(2 * wait, MAX_BACKOFF_S)
                continue
            self.reopened += 1
            return True
        self.error = f"{self.name} was lost, and gave no frame for {self._patience:g} s"
        return False

    def _decoded(self) -> Iterator[av.VideoFrame | AudioPacket]:
        try:
            for packet in self._container.demux(self._video, *self.audio):
                if packet.pts is not None and packet.duration:
                    end = (packet.pts + packet.duration) * packet.time_base
                    self._ends[packet.stream.index] = end
                if packet.stream.index != self._video.index:
                    yield from self._sounds(packet)
                    continue
                self.corrupt_packets += packet.is_corrupt
                try:
                    frames = packet.decode()
                except av.InvalidDataError:
                    self.corrupt_packets += not packet.is_corrupt
                    continue
                for frame in frames:
                    yield self._finish_frame(frame)
        except (av.FFmpegError, OSError) as error:
            self.error = f"{self.name} breaks off: {error_text(error)}"
        else:
            self.error = self._missing_end()
        if self.live:
            self.error = None

    def _sounds(self, packet: av.Packet) -> Iterator[AudioPacket]:
        if packet.dts is None or packet.pts is None or self._shift is None:
            return
        if self._shift:
            ticks = round(self._shift / packet.time_base)
            packet.pts, packet.dts = packet.pts + ticks, packet.dts + ticks
        if not self.live or packet.dts >= 0:
            yield AudioPacket(
                [track.index for track in self.audio].index(packet.stream.index), packet
            )

    def _finish_frame(self, frame: av.VideoFrame) -> av.VideoFrame:
        """Return a frame as it is to be: its time right, its pixels planar."""
        self._heard = time.monotonic()
        first = self._last is None
        if first:
            self._read_format(frame)
        pts = frame.pts if frame.pts is not None else frame.dts
        step = max(1, round(1 / ((self.rate or 25) * self.time_base)))
        if pts is None:
            pts = 0 if first else self._last + step
        elif frame.time_base != self.time_base:
            pts = round(pts * frame.time_base / self.time_base)
        if self._shift is None:  # the first frame of a live stream
            passed = 0 if first else (self._heard - self.begun) / self.time_base
            self.begun = self._heard if first else self.begun
            start = 0 if first else max(round(passed), self._last + step)
            self._shift = (start - pts) * self.time_base
        pts += round(self._shift / self.time_base)
        if not first:
            pts = max(pts, self._last + 1)  # what does not rise cannot be written
        self._last = pts
        result = self._planar(frame)
        result.pts, result.time_base, result.duration = pts, self.time_base, frame.duration
        return result

    def _read_format(self, frame: av.VideoFrame) -> None:
        """Learn from the first frame what all are like."""
        self.size = frame.height, frame.width
        self.format = "yuv444p" if frame.height % 2 or frame.width % 2 else "yuv420p"
        full = frame.color_range == ColorRange.JPEG or (
            frame.color_range == ColorRange.UNSPECIFIED
            and frame.format.name.startswith(("yuvj", "gray"))
        )
        self.colors = YuvFormat.of(frame.colorspace, full=full, lines=frame.height)
        self.tags = (
            ColorRange.JPEG if full else frame.color_range,
            frame.colorspace,
            frame.color_primaries,
            frame.color_trc,
        )
        if frame.format.is_rgb:
            self.tags = (ColorRange.MPEG, self.colors.matrix, *self.tags[2:])
            self.colors = YuvFormat(self.colors.matrix, full=False)
        self.display = next(
            (
                struct.unpack("9i", bytes(data)[:36])
                for data in frame.side_data
                if data.type == Type.DISPLAYMATRIX
            ),
            None,
        )
        self.aspect = self._video.sample_aspect_ratio

    def _planar(self, frame: av.VideoFrame) -> av.VideoFrame:
        right = frame.format.name in (self.format, self.format.replace("yuv", "yuvj"))
        if right and (frame.height, frame.width) == self.size:
            return frame
        span = ColorRange.JPEG if self.colors.full else ColorRange.MPEG
        return frame.reformat(
            self.size[1],
            self.size[0],
            self.format,
            src_colorspace=None if frame.format.is_rgb else self.colors.matrix,
            dst_colorspace=self.colors.matrix,
            src_color_range=ColorRange.JPEG if frame.format.is_rgb else span,
            dst_color_range=span,
        )

    def _length(self) -> Fraction | None:
        """Return how long the file says that it is (seconds)."""
        if self._video.duration:
            return self._video.duration * self._video.time_base
        return Fraction(self._container.duration or 0, av.time_base) or None

    def _missing_end(self) -> str | None:
        length = self._length()
        if self.live or not length or not self._ends:
            return None
        if self._video.duration:
            start = (self._video.start_time or 0) * self._video.time_base
            reached = self._ends.get(self._video.index, start) - start
        else:
            reached = max(self._ends.values()) - Fraction(
                self._container.start_time or 0, av.time_base
            )
        if length - reached <= DURATION_TOLERANCE_S:
            return None
        return f"{self.name} ends early: {float(reached):.1f} s of {float(length):.1f} s are there"


def yuv_planes(frame: av.VideoFrame) -> Planes:
    """Return views of the three planes of a planar frame."""
    return [
        np.ndarray((plane.height, plane.width), np.uint8, plane, strides=(plane.line_size, 1))
        for plane in frame.planes
    ]


def error_text(error: Exception) -> str:
    """Return what FFmpeg complains of, without number and file name."""
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def _is_a(kind, name: str) -> bool:
    try:
        return kind(Path(name).stat().st_mode)
    except OSError:
        return False
