"""Video input: frames and audio packets from a file, a camera, a network stream or a pipe."""

import collections
import dataclasses
import stat
import struct
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.audio.stream import AudioStream
from av.sidedata.sidedata import Type
from av.video.reformatter import ColorRange

from lowlight_tf.checks import UsageError
from lowlight_tf.video.yuv import Planes, YuvFormat

STDIN = "-"
"""Source name of the standard input."""

OPEN_TIMEOUT_S, READ_TIMEOUT_S = 15.0, 5.0
"""Time in which a network stream must answer, and deliver further data (seconds)."""

BACKOFF_S, MAX_BACKOFF_S = 0.5, 8.0
"""Wait before a lost stream is opened again (seconds): doubled after each attempt."""

DURATION_TOLERANCE_S = 0.5
"""A file that ends more than this before its stated duration is reported as cut (seconds)."""

DEFAULT_FPS = 25
"""Frame rate of a video that does not state one."""

CONTAINER_METADATA = ("encoder", "major_brand", "minor_version", "compatible_brands")
"""Metadata that describes the input container, and is not copied to the output."""


@dataclasses.dataclass(frozen=True, eq=False)
class AudioPacket:
    """An encoded audio packet, copied without decoding.

    Attributes:
        track: Index among the audio tracks.
        packet: The packet.
    """

    track: int
    packet: av.Packet


class VideoReader:
    """Reads one video: iterate for its frames and audio packets in the order of the file.

    Frames are 8-bit planar YUV of one size and one pixel format; others (bit depth, packing or
    size) are converted. Time stamps of a file are kept. Those of a live stream start at 0; if the
    stream is lost, it is opened again after 0.5 s, 1 s and so on up to 8 s, until there was no
    frame for `reconnect_timeout_s`, and the time stamps continue by the clock.

    Args:
        source: A file, a named pipe, a camera (/dev/video0), a URL (rtsp://, udp://, tcp://,
            http://), or "-" for the standard input.
        reconnect_timeout_s: How long to try to reopen a lost live stream (seconds).
        stop_event: Once set, a lost stream is not opened again.

    Attributes:
        name: The source as text.
        is_live: A camera, or a URL without a duration: frames that are not read in time are lost.
            A pipe is not live.
        size: Height and width of the frames as stored (pixels); see `display_matrix`.
        pixel_format: "yuv420p", or "yuv444p" if a side is odd.
        yuv_format: How luma and chroma are coded.
        color_tags: The video's color range, matrix, primaries and transfer.
        fps: Average frame rate, or None.
        time_base: Unit of the frames' time stamps (seconds).
        frame_count: Approximate number of frames that the file states, or None.
        display_matrix: Nine numbers that rotate or mirror the frames for display, or None.
        sample_aspect_ratio: Of the pixels; None if not stated.
        metadata: Title and so on, name -> text.
        audio_tracks: The audio streams.
        left_out: What else the file holds, such as "1 subtitle track, 2 chapters"; "" for nothing.
        corrupt_packets: Packets so far that could not be decoded; they are skipped.
        reconnects: How often a lost stream was opened again.
        first_frame_time: When the first frame arrived (seconds, of `time.monotonic`).
        error: Why the video ended early; None if it did not.

    Raises:
        UsageError: If the source cannot be opened or has no video that can be decoded.
    """

    def __init__(
        self,
        source: str | Path,
        *,
        reconnect_timeout_s: float = 60.0,
        stop_event: threading.Event | None = None,
    ) -> None:
        self.name = str(source)
        self._reconnect_timeout_s = reconnect_timeout_s
        self._stop_event = stop_event or threading.Event()
        self.corrupt_packets = self.reconnects = 0
        self.error: str | None = None
        self.first_frame_time = self._last_frame_time = time.monotonic()
        self._last_pts: int | None = None
        self._end_times: dict[int, Fraction] = {}  # stream index -> end of its last packet (s)
        self._open()
        self.time_base = self._video.time_base
        self.fps = self._video.average_rate or None
        self._first_items: list[AudioPacket | av.VideoFrame] = []
        self._items = self._decode()
        for item in self._items:
            self._first_items.append(item)
            if isinstance(item, av.VideoFrame):
                break
        else:
            raise UsageError(
                f"{self.name} has no frame that can be decoded. Pass a complete video."
            )

    def __iter__(self) -> Iterator[av.VideoFrame | AudioPacket]:
        yield from self._first_items
        yield from self._items
        while self.is_live and self._reconnect():
            yield from self._decode()
        self._container.close()

    def _open(self) -> None:
        """Open the source and read what its container states."""
        is_camera = _has_file_type(self.name, stat.S_ISCHR)
        options = {"rtsp_transport": "tcp"} if self.name.startswith("rtsp") else {}
        is_url = "://" in self.name
        address = "pipe:0" if self.name == STDIN else self.name
        if Path(address).is_file():  # FFmpeg takes "12:30.mp4" for the protocol 12
            address = str(Path(address).absolute())
        try:
            self._container = av.open(
                address,
                format="v4l2" if is_camera else None,
                options=options,
                timeout=(OPEN_TIMEOUT_S, READ_TIMEOUT_S) if is_url else None,
            )
        except (av.FFmpegError, OSError, ValueError) as error:
            reason = _reason_of_file(self.name) or f"cannot be opened: {error_text(error)}"
            raise UsageError(f"{self.name} {reason}.") from None
        if not self._container.streams.video:
            raise UsageError(f"{self.name} has no video. Pass a file or a URL with video.")
        self._video = _select_video(self._container.streams.video)
        if self._video.codec_context is None:
            raise UsageError(
                f"{self.name}: its video has a codec that this FFmpeg cannot decode. "
                "Convert it to H.264."
            )
        self.is_live = is_camera or (is_url and self._container.duration is None)
        # Frame threads would delay live frames.
        self._video.thread_type = "SLICE" if self.is_live else "AUTO"
        self.audio_tracks: list[AudioStream] = [
            track for track in self._container.streams.audio if track.codec_context
        ]
        self.left_out = _describe_rest(self._container, self._video, self.audio_tracks)
        if self._last_pts is None:
            duration = self._duration() or 0
            frame_count = self._video.frames or round(duration * (self._video.average_rate or 0))
            self.frame_count = frame_count or None
            self.metadata = {
                key: value
                for key, value in self._container.metadata.items()
                if key not in CONTAINER_METADATA
            }
        self._time_shift: Fraction | None = None if self.is_live else Fraction(0)

    def _reconnect(self) -> bool:
        """Open a lost stream again; return False if that fails until the timeout or is stopped."""
        wait = BACKOFF_S
        while time.monotonic() - self._last_frame_time < self._reconnect_timeout_s:
            if self._stop_event.wait(wait):
                return False
            try:
                self._open()
            except UsageError:
                wait = min(2 * wait, MAX_BACKOFF_S)
                continue
            self.reconnects += 1
            return True
        self.error = f"{self.name} was lost: no frame for {self._reconnect_timeout_s:g} s"
        return False

    def _decode(self) -> Iterator[av.VideoFrame | AudioPacket]:
        """Yield frames and audio packets until the source ends or fails; then set `error`."""
        try:
            for packet in self._container.demux(self._video, *self.audio_tracks):
                if packet.pts is not None and packet.duration:
                    end = (packet.pts + packet.duration) * packet.time_base
                    self._end_times[packet.stream.index] = end
                if packet.stream.index != self._video.index:
                    yield from self._shift_audio(packet)
                    continue
                self.corrupt_packets += packet.is_corrupt
                try:
                    frames = packet.decode()
                except av.InvalidDataError:
                    self.corrupt_packets += not packet.is_corrupt
                    continue
                for frame in frames:
                    yield self._normalize_frame(frame)
        except (av.FFmpegError, OSError) as error:
            self.error = f"{self.name} cannot be read any further: {error_text(error)}"
        else:
            self.error = self._early_end_error()
        if self.is_live:
            self.error = None

    def _shift_audio(self, packet: av.Packet) -> Iterator[AudioPacket]:
        """Yield the packet with its time stamps shifted like the frames, if it has any."""
        if packet.dts is None or packet.pts is None or self._time_shift is None:
            return
        if self._time_shift:
            ticks = round(self._time_shift / packet.time_base)
            packet.pts, packet.dts = packet.pts + ticks, packet.dts + ticks
        if not self.is_live or packet.dts >= 0:
            track = [track.index for track in self.audio_tracks].index(packet.stream.index)
            yield AudioPacket(track, packet)

    def _normalize_frame(self, frame: av.VideoFrame) -> av.VideoFrame:
        """Return a frame in the reader's pixel format, with an increasing time stamp."""
        self._last_frame_time = time.monotonic()
        is_first = self._last_pts is None
        if is_first:
            self._read_format(frame)
        pts = frame.pts if frame.pts is not None else frame.dts
        frame_ticks = max(1, round(1 / ((self.fps or DEFAULT_FPS) * self.time_base)))
        if pts is None:
            pts = 0 if is_first else self._last_pts + frame_ticks
        elif frame.time_base != self.time_base:
            pts = round(pts * frame.time_base / self.time_base)
        if self._time_shift is None:  # the first frame since a live stream was opened
            elapsed = self._last_frame_time - self.first_frame_time
            self.first_frame_time = self._last_frame_time if is_first else self.first_frame_time
            start = 0
            if not is_first:
                start = max(round(elapsed / self.time_base), self._last_pts + frame_ticks)
            self._time_shift = (start - pts) * self.time_base
        pts += round(self._time_shift / self.time_base)
        if not is_first:
            pts = max(pts, self._last_pts + 1)  # encoders need increasing time stamps
        self._last_pts = pts
        result = self._convert_format(frame)
        result.pts, result.time_base, result.duration = pts, self.time_base, frame.duration
        return result

    def _read_format(self, frame: av.VideoFrame) -> None:
        """Set the attributes that the first frame determines for all frames."""
        self.size = frame.height, frame.width
        self.pixel_format = yuv_pixel_format(self.size)
        full_range = frame.color_range == ColorRange.JPEG or (
            frame.color_range == ColorRange.UNSPECIFIED
            and frame.format.name.startswith(("yuvj", "gray"))
        )
        self.yuv_format = YuvFormat.from_tags(
            frame.colorspace, full_range=full_range, height=frame.height
        )
        self.color_tags = (
            ColorRange.JPEG if full_range else frame.color_range,
            frame.colorspace,
            frame.color_primaries,
            frame.color_trc,
        )
        if frame.format.is_rgb:
            matrix = self.yuv_format.matrix
            self.color_tags = (ColorRange.MPEG, matrix, *self.color_tags[2:])
            self.yuv_format = YuvFormat(matrix, full_range=False)
        self.display_matrix = next(
            (
                struct.unpack("9i", bytes(data)[:36])
                for data in frame.side_data
                if data.type == Type.DISPLAYMATRIX
            ),
            None,
        )
        self.sample_aspect_ratio = self._video.sample_aspect_ratio

    def _convert_format(self, frame: av.VideoFrame) -> av.VideoFrame:
        """Return the frame in the reader's size and pixel format."""
        formats = (self.pixel_format, self.pixel_format.replace("yuv", "yuvj"))
        if frame.format.name in formats and (frame.height, frame.width) == self.size:
            return frame
        color_range = ColorRange.JPEG if self.yuv_format.full_range else ColorRange.MPEG
        return frame.reformat(
            self.size[1],
            self.size[0],
            self.pixel_format,
            src_colorspace=None if frame.format.is_rgb else self.yuv_format.matrix,
            dst_colorspace=self.yuv_format.matrix,
            src_color_range=ColorRange.JPEG if frame.format.is_rgb else color_range,
            dst_color_range=color_range,
        )

    def _duration(self) -> Fraction | None:
        """Return the duration that the file states (seconds), or None."""
        if self._video.duration:
            return self._video.duration * self._video.time_base
        return Fraction(self._container.duration or 0, av.time_base) or None

    def _early_end_error(self) -> str | None:
        """Return a message if the file ended before its stated duration, or None."""
        duration = self._duration()
        if self.is_live or not duration or not self._end_times:
            return None
        if self._video.duration:
            start = (self._video.start_time or 0) * self._video.time_base
            end = self._end_times.get(self._video.index, start) - start
        else:
            end = max(self._end_times.values()) - Fraction(
                self._container.start_time or 0, av.time_base
            )
        if duration - end <= DURATION_TOLERANCE_S:
            return None
        return f"{self.name} ends early: after {float(end):.1f} s of {float(duration):.1f} s"


def yuv_pixel_format(size: tuple[int, int]) -> str:
    """Return "yuv420p", or "yuv444p" if a side of (height, width) is odd."""
    return "yuv444p" if size[0] % 2 or size[1] % 2 else "yuv420p"


def yuv_planes(frame: av.VideoFrame) -> Planes:
    """Return views, (h, w) uint8, of the three planes of a planar frame."""
    return [
        np.ndarray((plane.height, plane.width), np.uint8, plane, strides=(plane.line_size, 1))
        for plane in frame.planes
    ]


def error_text(error: Exception) -> str:
    """Return FFmpeg's message without error number and file name."""
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def _has_file_type(name: str, is_type: Callable[[int], bool]) -> bool:
    """Return whether there is a file of that name and type, such as `stat.S_ISCHR`."""
    try:
        return is_type(Path(name).stat().st_mode)
    except OSError:
        return False


def _select_video(streams: Sequence[av.VideoStream]) -> av.VideoStream:
    """Return the video among the video streams of a file: cover pictures are such streams, too."""
    moving = [
        stream
        for stream in streams
        if not stream.disposition & av.stream.Disposition.attached_pic and stream.frames != 1
    ]
    return (moving or streams)[0]


def _describe_rest(
    container: av.container.InputContainer, video: av.VideoStream, audio: Sequence[AudioStream]
) -> str:
    """Return how much of each kind a container holds beside a video and its sound."""
    counts: collections.Counter[str] = collections.Counter()
    for stream in container.streams:
        if stream.index == video.index or any(stream.index == each.index for each in audio):
            continue
        if stream.disposition & av.stream.Disposition.attached_pic:
            counts["cover picture"] += 1
        else:
            counts["attachment" if stream.type == "attachment" else f"{stream.type} track"] += 1
    counts["chapter"] = len(container.chapters())
    return ", ".join(
        f"{count} {kind}{'s' if count > 1 else ''}" for kind, count in counts.items() if count
    )


def _reason_of_file(name: str) -> str | None:
    """Return why a file that FFmpeg does not open is no video, if its structure tells."""
    path = Path(name)
    if not path.is_file():
        return None
    if not path.stat().st_size:
        return "is empty (0 bytes). Copy it again"
    with path.open("rb") as file:
        boxes, position = [], 0
        while len(header := file.read(8)) == 8 and header[4:].isalnum():
            boxes.append(header[4:])
            size = int.from_bytes(header[:4], "big")
            size = int.from_bytes(file.read(8), "big") if size == 1 else size
            if size < 8:  # 0: up to the end of the file
                break
            position += size
            file.seek(position)
    if boxes[:1] == [b"ftyp"] and b"moov" not in boxes:
        return (
            "has no index (moov): the recording was cut off. Repair it with the camera, or with "
            "a tool such as untrunc"
        )
    return None
