"""Video input: frames and other tracks' packets of a file, a camera, a network stream or a pipe."""

import collections
import dataclasses
import threading
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
from av.format import Flags

from lowlight_tf.checks import UsageError
from lowlight_tf.video.container import (
    ContainerTracks,
    RawFormat,
    error_text,
    is_camera,
    is_url,
    open_container,
)
from lowlight_tf.video.frame_conversion import FrameConverter
from lowlight_tf.video.mp4_boxes import is_joined
from lowlight_tf.video.timestamps import TimestampContinuity

BACKOFF_S, MAX_BACKOFF_S = 0.5, 8.0
"""Wait before a lost stream is opened again (seconds): doubled after each attempt."""

DURATION_TOLERANCE_S = 0.5
"""A file that ends more than this before its stated duration is reported as cut (seconds)."""

SEAM_PACKETS = 3
"""Packets before a jump of the clock that are marked corrupt only because others follow."""

DEFAULT_FPS = 25
"""Frame rate of a video that does not state one, or states an impossible one."""

MAX_FPS = 10000
"""Frame rate above which it is impossible."""

CONTAINER_METADATA = ("encoder", "major_brand", "minor_version", "compatible_brands")
"""Metadata that describes the input container, and is not copied to the output."""

TRACK_METADATA = ("language", "title", "handler_name", "timecode", "creation_time")
"""Metadata of the video track that is copied; other describes how it was encoded."""


@dataclasses.dataclass(frozen=True, eq=False)
class CopiedPacket:
    """An encoded packet of sound, subtitles or data, copied without decoding.

    Attributes:
        track: Index among the `copied_tracks` of the reader.
        packet: The packet.
    """

    track: int
    packet: av.Packet


class VideoReader:
    """Reads one video: iterate for its frames and copied packets in the order of the file.

    Frames are 8-bit planar YUV of one size and one pixel format; others (bit depth, packing or
    size) are converted. Time stamps of a file are kept, except that they run on where its clock
    jumps (see `TimestampContinuity`). Those of a live stream start at 0; if the stream is lost, it
    is opened again after 0.5 s, 1 s and so on up to 8 s, until there was no frame for
    `reconnect_timeout_s`, and the time stamps continue by the clock.

    Args:
        source: A file, a named pipe, a camera (/dev/video0), a URL (rtsp://, udp://, tcp://,
            http://), or "-" for the standard input.
        track: Which of several video tracks is read, counted from 1; None for the first that is
            not a still image.
        reconnect_timeout_s: How long to try to reopen a lost live stream (seconds).
        raw_format: Of the bytes of a pipe that have no container.
        live: Whether a pipe is fed by a camera.
        stop_event: Once set, a lost stream is not opened again.

    Attributes:
        name: The source as text.
        is_live: A camera, a URL without a duration, or what `live` states: frames that are not read
            in time are lost.
        size, pixel_format, yuv_format, color_tags, display_matrix: See `FrameConverter`.
        formats: FFmpeg's names of the container, such as {"matroska", "webm"}.
        fps: Average frame rate, or None.
        time_base: Unit of the frames' time stamps (seconds).
        start_time: Where the file states that its earliest track begins (seconds); 0 if live.
        frame_count: Approximate number of frames that the file states, or None.
        sample_aspect_ratio: Of the pixels; None if not stated.
        metadata: Title and so on, name -> text.
        track_metadata: The same of the video track.
        copied_tracks: The streams of sound, subtitles and data.
        cover_images: Their packets, of the streams that are no videos.
        attachments: The streams of attached files, such as fonts.
        chapters: As PyAV returns them.
        other_tracks: Numbers of the video tracks that are not read.
        left_out: Kind -> number of what else the file holds.
        corrupt_packets: Packets so far that could not be decoded; they are skipped.
        reconnects: How often a lost stream was opened again.
        first_frame_time, last_frame_time: When the first and the last frame so far arrived
            (seconds, of `time.monotonic`).
        error: Why the video ended early; None if it did not.

    Raises:
        UsageError: If the source cannot be opened or has no video that can be decoded.
    """

    def __init__(
        self,
        source: str | Path,
        *,
        track: int | None = None,
        reconnect_timeout_s: float = 60.0,
        stop_event: threading.Event | None = None,
        raw_format: RawFormat | None = None,
        live: bool = False,
    ) -> None:
        self.name, self._raw_format, self._is_live_pipe = str(source), raw_format, live
        self._track, self._reconnect_timeout_s = track, reconnect_timeout_s
        self._stop_event = stop_event or threading.Event()
        self.corrupt_packets = self.reconnects = 0
        self.error: str | None = None
        self.first_frame_time = self.last_frame_time = time.monotonic()
        self._last_pts: int | None = None
        self._jumps = 0
        self._corrupt_flags: collections.deque[bool] = collections.deque(maxlen=SEAM_PACKETS)
        self._end_times: dict[int, Fraction] = {}  # stream index -> end of its last packet (s)
        self._converter: FrameConverter | None = None
        self._open()
        self.formats = set(self._container.format.name.split(","))
        start_time = 0 if self.is_live else self._container.start_time
        self.start_time = Fraction(start_time or 0, av.time_base)
        self.time_base = self._video.time_base
        fps = self._video.average_rate or 0
        self.fps = fps if 0 < fps <= MAX_FPS else None
        duration = self._duration() or 0
        self.frame_count = self._video.frames or round(duration * (self.fps or 0)) or None
        self.metadata = {
            key: value
            for key, value in self._container.metadata.items()
            if key.lower() not in CONTAINER_METADATA
        }
        self.track_metadata = {
            key: value for key, value in self._video.metadata.items() if key in TRACK_METADATA
        }
        self.chapters = self._container.chapters()
        self.cover_images: list[av.Packet] = []
        self._first_items: list[CopiedPacket | av.VideoFrame] = []
        self._items = self._decode()
        for item in self._items:
            self._first_items.append(item)
            if isinstance(item, av.VideoFrame):
                break
        else:
            raise UsageError(
                f"{self.name} has no frame that can be decoded. Pass a complete video."
            )
        converter = self._converter
        self.size, self.pixel_format = converter.size, converter.pixel_format
        self.yuv_format, self.color_tags = converter.yuv_format, converter.color_tags
        self.display_matrix = converter.display_matrix
        self.sample_aspect_ratio = self._video.sample_aspect_ratio

    def __iter__(self) -> Iterator[av.VideoFrame | CopiedPacket]:
        yield from self._first_items
        yield from self._items
        while self._can_reopen and self._reconnect():
            yield from self._decode()
        self._container.close()

    @property
    def notes(self) -> list[str]:
        """What was changed so far so that the video can be enhanced, as parts of a sentence."""
        jumps = self._jumps + self._continuity.jumps
        times = "once" if jumps == 1 else f"{jumps} times"
        notes = [f"its clock jumps {times}, and time runs on instead"] if jumps else []
        return notes + self._converter.notes

    def _open(self) -> None:
        """Open the source and select its tracks."""
        self._container = open_container(self.name, self._raw_format)
        tracks = ContainerTracks(self.name, self._container, self._track)
        self._video, self._cover_tracks = tracks.video, tracks.covers
        self.copied_tracks, self.attachments = tracks.copied, tracks.attachments
        self.other_tracks, self.left_out = tracks.other_videos, tracks.left_out
        self._can_reopen = is_camera(self.name) or (
            is_url(self.name) and self._container.duration is None
        )
        self.is_live = self._can_reopen or self._is_live_pipe
        # Frame threads would delay live frames.
        self._video.thread_type = "SLICE" if self.is_live else "AUTO"
        self._has_jumping_clock = bool(self._container.format.flags & Flags.ts_discont.value)
        self._continuity = TimestampContinuity(has_jumping_clock=self._has_jumping_clock)
        self._time_shift: Fraction | None = None if self.is_live else Fraction(0)

    def _reconnect(self) -> bool:
        """Open a lost stream again; return False if that fails until the timeout or is stopped."""
        wait = BACKOFF_S
        self._container.close()  # its buffers would stay until Python looks for cycles
        while time.monotonic() - self.last_frame_time < self._reconnect_timeout_s:
            if self._stop_event.wait(wait):
                return False
            jumps = self._continuity.jumps
            try:
                self._open()
            except UsageError:
                wait = min(2 * wait, MAX_BACKOFF_S)
                continue
            self._jumps += jumps
            self.reconnects += 1
            return True
        self.error = f"{self.name} was lost: no frame for {self._reconnect_timeout_s:g} s"
        return False

    def _decode(self) -> Iterator[av.VideoFrame | CopiedPacket]:
        """Yield frames and audio packets until the source ends or fails; then set `error`."""
        try:
            streams = [self._video, *self.copied_tracks, *self._cover_tracks]
            for packet in self._container.demux(streams):
                if packet.stream in self._cover_tracks:
                    if packet.size:
                        self.cover_images.append(packet)
                    continue
                is_jump = self._continuity.shift(packet)
                if packet.pts is not None:
                    is_video = packet.stream.index == self._video.index
                    step = Fraction(1 / (self.fps or DEFAULT_FPS)) if is_video else 0
                    length = packet.duration * packet.time_base if packet.duration else step
                    end = packet.pts * packet.time_base + length
                    self._end_times[packet.stream.index] = end
                if packet.stream.index != self._video.index:
                    yield from self._shift_packet(packet)
                    continue
                yield from self._decode_video(packet, is_jump=is_jump)
        except (av.FFmpegError, OSError) as error:
            self.error = f"{self.name} cannot be read any further: {error_text(error)}"
        else:
            self.error = self._early_end_error()
        if self._converter:
            yield from map(self._set_time, self._converter.flush())
        if self._can_reopen:
            self.error = None

    def _decode_video(self, packet: av.Packet, *, is_jump: bool) -> Iterator[av.VideoFrame]:
        """Yield the frames that a packet completes; count it if it is corrupt."""
        if is_jump:
            self.corrupt_packets -= sum(self._corrupt_flags)
            self._corrupt_flags.clear()
        self._corrupt_flags.append(packet.is_corrupt)
        self.corrupt_packets += packet.is_corrupt
        if packet.is_discard and self._continuity.jumps:
            packet = _without_flags(packet)
        try:
            frames = packet.decode()
        except av.InvalidDataError:
            self.corrupt_packets += not packet.is_corrupt
            return
        for frame in frames:
            self.last_frame_time = time.monotonic()
            if self._converter is None:
                self._converter = FrameConverter(frame)
            yield from map(self._set_time, self._converter.convert(frame))

    def _shift_packet(self, packet: av.Packet) -> Iterator[CopiedPacket]:
        """Yield the packet with its time stamps shifted like the frames, if it has any."""
        if packet.dts is None or self._time_shift is None:
            return
        if self._time_shift:
            ticks = round(self._time_shift / packet.time_base)
            packet.pts, packet.dts = packet.pts + ticks, packet.dts + ticks
        if not self.is_live or packet.dts >= 0:
            yield CopiedPacket(self.copied_tracks.index(packet.stream), packet)

    def _set_time(self, frame: av.VideoFrame) -> av.VideoFrame:
        """Return the frame with an increasing time stamp in the reader's time base."""
        is_first = self._last_pts is None
        pts = frame.pts if frame.pts is not None else frame.dts
        frame_ticks = max(1, round(1 / ((self.fps or DEFAULT_FPS) * self.time_base)))
        if pts is None:
            pts = 0 if is_first else self._last_pts + frame_ticks
        elif frame.time_base != self.time_base:
            pts = round(pts * frame.time_base / self.time_base)
        if self._time_shift is None:  # the first frame since a live stream was opened
            elapsed = self.last_frame_time - self.first_frame_time
            self.first_frame_time = self.last_frame_time if is_first else self.first_frame_time
            start = 0
            if not is_first:
                start = max(round(elapsed / self.time_base), self._last_pts + frame_ticks)
            self._time_shift = (start - pts) * self.time_base
        pts += round(self._time_shift / self.time_base)
        if not is_first:
            pts = max(pts, self._last_pts + 1)  # encoders need increasing time stamps
        self._last_pts = pts
        duration = round((frame.duration or 0) * frame.time_base / self.time_base)
        frame.pts, frame.time_base, frame.duration = pts, self.time_base, duration
        return frame

    def _duration(self) -> Fraction | None:
        """Return the duration that the file states (seconds), or None."""
        if self._video.duration:
            return self._video.duration * self._video.time_base
        return Fraction(self._container.duration or 0, av.time_base) or None

    def _early_end_error(self) -> str | None:
        """Return a message if the file ended before its stated duration, or None."""
        if is_joined(self.name):
            return f"{self.name} holds another recording behind the first, which is not read"
        duration = self._duration()
        # Where the clock may jump, the end is only guessed from the last time stamp.
        jumps = self._has_jumping_clock or self._continuity.jumps
        if jumps or not duration or not self._end_times:
            return None
        if self._video.duration:
            start = (self._video.start_time or 0) * self._video.time_base
            end = self._end_times.get(self._video.index, start) - start
        else:
            end = max(self._end_times.values())  # .mkv files state when they end
        if duration - end <= DURATION_TOLERANCE_S:
            return None
        return f"{self.name} ends early: after {float(end):.1f} s of {float(duration):.1f} s"


def _without_flags(packet: av.Packet) -> av.Packet:
    """Return a copy that is displayed: FFmpeg hides what the edit list of another clip would."""
    copy = av.Packet(bytes(packet))
    copy.stream, copy.time_base = packet.stream, packet.time_base
    copy.pts, copy.dts, copy.duration = packet.pts, packet.dts, packet.duration
    return copy
