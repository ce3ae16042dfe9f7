"""Encoding the frames of a video, and copying its other tracks, into an open container."""

import collections
from collections.abc import Callable, Iterable
from fractions import Fraction
from typing import TYPE_CHECKING

import av
import numpy as np
from av.video.frame import PictureType

from lowlight_tf.checks import UsageError
from lowlight_tf.imaging.yuv import YuvConverter
from lowlight_tf.video.container import error_text
from lowlight_tf.video.frame_conversion import yuv_planes
from lowlight_tf.video.reader import DEFAULT_FPS, CopiedPacket, VideoReader
from lowlight_tf.video.track_copies import MOV_FAMILY, TrackCopies, uses_metadata_keys

if TYPE_CHECKING:
    from lowlight_tf.video.writer import VideoFormat

DEFAULT_ENCODER, RAW_ENCODER = "libx264", "rawvideo"

ENCODER_OPTIONS = {
    DEFAULT_ENCODER: {"preset": "ultrafast", "crf": "20"},
    "libvpx-vp9": {"deadline": "realtime", "cpu-used": "8", "crf": "31"},
}
"""Encoder -> its options, where the caller passes none."""

LOW_LATENCY_OPTIONS = {DEFAULT_ENCODER: {"tune": "zerolatency"}}
"""Encoder -> options with which a frame is out as soon as it is in."""

KEYFRAME_INTERVAL_S = 2
"""Time between two frames that are decoded without others (seconds)."""

MAX_SOUND_DELAY_US = 100_000
"""Time that the frames of a stream wait for sound (microseconds)."""

MAX_START_S = 10
"""Start of a file up to which it is kept in the same container (seconds)."""


class ContainerWriter:
    """Writes the frames of one video into what FFmpeg opens.

    Time stamps, time base, rotation, color tags, aspect ratio and metadata are those of the input;
    sound and more is copied, see `TrackCopies`. In another container than that of the input time
    begins at 0, as it does after a start beyond `MAX_START_S` in all but MPEG-TS, whose clock has
    no beginning. There are no B-frames, so the time stamps need no further shift.

    Args:
        address: What is opened: a path or a URL.
        like: The video whose frames are written, or the format of a video made of images.
        name: How messages name the output.
        container_format: FFmpeg's name of the container; None for that of the address.
        codec: Encoder and options, such as "libx264:preset=medium:crf=18"; None for libx264, or for
            the container's default encoder if it cannot hold H.264.
        start_time: Time of the input that is 0 in the output (seconds); None as above.
        is_growing: Whether what is written so far must be playable at any time.
        is_stream: Whether it is read while it is written: the encoder keeps no frame back, and
            sound that the container cannot hold is left out.
        timeout_s: Time in which a network stream must take data (seconds).

    Attributes:
        frame_count: Number of frames written.
        delayed_frames: How many of these the encoder keeps back.

    Raises:
        UsageError: If the container or the encoder is unknown, or the container cannot hold the
            video or the audio.
    """

    def __init__(
        self,
        address: str,
        like: "VideoReader | VideoFormat",
        name: str,
        *,
        container_format: str | None = None,
        codec: str | None = None,
        start_time: Fraction | None = None,
        is_growing: bool = False,
        is_stream: bool = False,
        timeout_s: float | None = None,
    ) -> None:
        self._name, self._like = name, like
        self._is_growing, self._is_stream = is_growing, is_stream
        self.frame_count = self.delayed_frames = 0
        self._converter = YuvConverter(like.yuv_format)
        self._last_dts: dict[int, int] = {}  # stream index -> of its last packet
        try:
            self._container = av.open(address, "w", format=container_format, timeout=timeout_s)
            self._start_time = self._find_start_time() if start_time is None else start_time
            self._video = self._add_video(codec)
            self._copies = TrackCopies(
                self._container, like, name, self._start_time, requires_sound=not is_stream
            )
            self._container.container_options.update(self._container_options())
            self._container.metadata.update(like.metadata)
            if is_stream:  # connects now: a missing receiver is an error
                self._container.start_encoding()
        except UsageError:
            raise
        except (av.FFmpegError, OSError, ValueError) as error:
            raise write_error(name, error) from None
        self._buffer = av.VideoFrame(like.size[1], like.size[0], self._video.pix_fmt)

    def write(self, frame: av.VideoFrame, image: np.ndarray | None = None) -> None:
        """Encode a frame, or in its place an image at the frame's time stamp.

        Args:
            frame: A frame of the input.
            image: (H, W, 3) uint8, RGB; None for the frame itself.

        Raises:
            UsageError: If nothing more can be written.
        """
        if image is not None or frame.format.name != self._video.pix_fmt:
            frame = self._fill_buffer(frame, image)
        frame.pict_type = PictureType.NONE  # let the encoder choose, whatever the input had
        self.delayed_frames += 1
        self._mux(lambda: self._video.encode(frame))
        self.frame_count += 1

    @property
    def left_out(self) -> collections.Counter[str]:
        """Kind -> number of what the input holds and the file does not."""
        return self._copies.left_out

    def write_packet(self, copied: CopiedPacket) -> None:
        """Write an encoded packet as it is, if the file has its track.

        Raises:
            UsageError: If nothing more can be written.
        """
        streams = self._copies.streams
        if copied.track >= len(streams):  # only after a live stream was reopened
            return
        if stream := streams[copied.track]:
            copied.packet.stream = stream
            self._mux(lambda: [copied.packet])

    def finish(self) -> None:
        """Write what the encoder keeps back, and the end of the container.

        Raises:
            UsageError: If the end cannot be written.
        """
        try:
            if self.frame_count:
                self._mux(self._video.encode)
            self._container.close()
        except (av.FFmpegError, OSError) as error:
            raise UsageError(f"{self._name} cannot be finished: {error_text(error)}.") from None

    def _fill_buffer(self, frame: av.VideoFrame, image: np.ndarray | None) -> av.VideoFrame:
        """Return the writer's own frame with the content of the image, or else of the frame."""
        buffer = self._buffer
        buffer.make_writable()  # new memory if the encoder still uses this one
        if image is not None:
            self._converter.to_yuv(image, yuv_planes(buffer))
        else:
            for target, source in zip(yuv_planes(buffer), yuv_planes(frame), strict=True):
                target[...] = source
        buffer.pts, buffer.time_base, buffer.duration = frame.pts, frame.time_base, frame.duration
        return buffer

    def _mux(self, encode: Callable[[], Iterable[av.Packet]]) -> None:
        try:
            for packet in encode():
                self._container.start_encoding()  # determines the time bases
                while self._copies.first_packets:
                    self._container.mux(self._copies.first_packets.pop())
                self.delayed_frames -= packet.stream is self._video
                if self._set_time(packet):
                    self._container.mux(packet)
        except (av.FFmpegError, OSError, ValueError) as error:
            raise write_error(self._name, error) from None

    def _set_time(self, packet: av.Packet) -> bool:
        """Set the time stamps of the file; return whether the packet is in time.

        Where joined clips overlap, sound is put right behind the sound before. After a live stream
        was reopened it is late.
        """
        old, new = packet.time_base, packet.stream.time_base
        start = round(self._start_time / old)
        packet.dts = round((packet.dts - start) * old / new)
        packet.pts = round((packet.pts - start) * old / new)
        packet.duration, packet.time_base = round((packet.duration or 0) * old / new), new
        last_dts = self._last_dts.get(packet.stream_index)
        is_late = last_dts is not None and packet.dts <= last_dts
        if is_late:
            packet.dts = last_dts + 1
            packet.pts = max(packet.pts, packet.dts)
        if is_late and self._like.is_live and packet.stream is not self._video:
            return False
        self._last_dts[packet.stream_index] = packet.dts
        return True

    def _find_start_time(self) -> Fraction:
        """Return the time of the input that is 0 in the file (seconds)."""
        like, name = self._like, self._container.format.name
        is_same = name in like.formats or (name in MOV_FAMILY and "mp4" in like.formats)
        if is_same and (name == "mpegts" or like.start_time <= MAX_START_S):
            return Fraction(0)
        return like.start_time

    def _add_video(self, codec: str | None) -> av.VideoStream:
        like, fps = self._like, self._like.fps or DEFAULT_FPS
        stream = self._add_video_stream(codec, fps)
        context = stream.codec_context
        context.height, context.width = like.size
        context.pix_fmt = like.pixel_format
        stream.time_base = context.time_base = like.time_base
        context.max_b_frames = 0
        context.gop_size = max(1, round(KEYFRAME_INTERVAL_S * fps))
        (
            context.color_range,
            context.colorspace,
            context.color_primaries,
            context.color_trc,
        ) = like.color_tags
        stream.metadata.update(like.track_metadata)
        if like.sample_aspect_ratio:
            context.sample_aspect_ratio = like.sample_aspect_ratio
        if like.display_matrix:
            stream.set_display_matrix(like.display_matrix)
        return stream

    def _add_video_stream(self, codec: str | None, fps: Fraction | int) -> av.VideoStream:
        name, *settings = (codec or DEFAULT_ENCODER).split(":")
        options = dict(setting.partition("=")[::2] for setting in settings)
        latency_options = LOW_LATENCY_OPTIONS.get(name, {}) if self._is_stream else {}
        options = {**ENCODER_OPTIONS.get(name, {}), **latency_options, **options}
        try:
            return self._container.add_stream(name, fps, options)
        except av.codec.codec.UnknownCodecError:
            raise UsageError(
                f"This FFmpeg has no encoder {name!r}. Pass --codec with one that it has."
            ) from None
        except ValueError:  # the container cannot hold this codec
            if codec:
                raise
        name = av.Codec(self._container.default_video_codec, "w").name
        return self._container.add_stream(name, fps, ENCODER_OPTIONS.get(name))

    def _container_options(self) -> dict[str, str]:
        if self._is_stream:
            return {"flush_packets": "1", "max_interleave_delta": str(MAX_SOUND_DELAY_US)}
        if self._container.format.name not in MOV_FAMILY:
            return {}
        options, flags = {}, []
        if uses_metadata_keys(self._like.metadata):
            flags.append("use_metadata_tags")
        if self._like.time_base.numerator == 1:
            options["video_track_timescale"] = str(self._like.time_base.denominator)
        if self._is_growing:
            flags.append("hybrid_fragmented")
            options["flush_packets"] = "1"
            # FFmpeg waits for packets of tracks that have few, which a power failure would cost.
            options["max_interleave_delta"] = str(KEYFRAME_INTERVAL_S * av.time_base)
        if flags:
            options["movflags"] = "+".join(flags)
        return options


def write_error(name: str, error: Exception) -> UsageError:
    """Return what to tell of an error of the container; most codecs fit into an .mkv."""
    refusals = av.ArgumentError, av.InvalidDataError
    advice = " Name the output .mkv." if isinstance(error, refusals) else ""
    return UsageError(f"{name} cannot be written: {error_text(error)}.{advice}")
