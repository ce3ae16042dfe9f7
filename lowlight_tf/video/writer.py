"""Video out: a file that plays, whenever recording ends."""

import dataclasses
import os
from collections.abc import Callable, Iterable
from fractions import Fraction
from pathlib import Path
from typing import ClassVar

import av
import numpy as np
from av.audio.stream import AudioStream
from av.video.frame import PictureType
from av.video.reformatter import ColorRange

from lowlight_tf.checks import UsageError
from lowlight_tf.imaging import image_io
from lowlight_tf.video.reader import AudioPacket, VideoReader, error_text, yuv_planes
from lowlight_tf.video.yuv import YuvConverter, YuvFormat

CODEC = "libx264"
OPTIONS = {  # encoder -> what it is told where the caller says nothing
    CODEC: {"preset": "ultrafast", "crf": "20"},
    "libvpx-vp9": {"deadline": "realtime", "cpu-used": "8", "crf": "31"},
}
DEFAULT_FPS = 25  # frames per second where a video does not say
KEYFRAME_INTERVAL_S = 2  # seconds from one frame that needs no other to the next
MOV_FAMILY = ("mp4", "mov", "ipod", "3gp")


@dataclasses.dataclass(frozen=True)
class VideoFormat:
    """What a video is like that is made of pictures: frames at an even pace, BT.709, no sound.

    It stands where a `Reader` would.

    Attributes:
        size: Height and width (pixels).
        fps: Frames per second.
    """

    size: tuple[int, int]
    fps: Fraction

    name = "pictures"
    colors = YuvFormat(matrix=1, full=False)
    tags = (ColorRange.MPEG, 1, 1, 1)
    audio: ClassVar = ()
    metadata: ClassVar = {}
    aspect = display = None
    live = False

    @classmethod
    def of(cls, size: tuple[int, int], rate: float) -> "VideoFormat":
        """Return it for a rate that is no fraction yet."""
        return cls(size, Fraction(rate).limit_denominator(1001))

    @property
    def format(self) -> str:
        """As `Reader.format`."""
        return "yuv444p" if self.size[0] % 2 or self.size[1] % 2 else "yuv420p"

    @property
    def time_base(self) -> Fraction:
        """A unit of time is a frame."""
        return 1 / self.fps

    def frame(self, index: int) -> av.VideoFrame:
        """Return an empty frame with the time stamp of one, counted from 0."""
        frame = av.VideoFrame(self.size[1], self.size[0], self.format)
        frame.pts, frame.time_base, frame.duration = index, self.time_base, 1
        return frame


class VideoWriter:
    """Writes the frames of one video beside `path`, as NAME.part.mp4; `close` renames that.

    Time stamps, time base, rotation, color tags, aspect and metadata are those of the reader; sound
    is copied. Frames come in order (no B-frames): their time stamps need no shift in any container.
    A live recording in an .mp4 or .mov is written in pieces of two seconds, so that it plays when
    the power fails, and is an ordinary file once it is closed.

    Args:
        path: The file; its suffix names the container.
        like: What is read, or what is to be made of pictures.
        codec: Encoder and options, as "libx264:preset=medium:crf=18"; None for libx264, or for what
            the container is made for if that is not H.264.
        overwrite: Replace a file that is there.

    Attributes:
        frames: Frames written.

    Raises:
        UsageError: If a file is there already, the container or the encoder is unknown, or the
            container cannot hold the video or the sound. Then nothing is left.
    """

    def __init__(
        self,
        path: Path,
        like: VideoReader | VideoFormat,
        *,
        codec: str | None = None,
        overwrite: bool = False,
    ) -> None:
        self._path, self._like = path, like
        self._part = path.with_name(f"{path.stem}.part{path.suffix}")
        for file in (path, self._part):
            image_io.check_overwrite(file, overwrite=overwrite)
        self.frames = 0
        self._converter = YuvConverter(like.colors)
        self._last_sound: dict[int, int] = {}
        try:
            self._container = av.open(str(self._part), "w")
            self._video = self._add_video(codec)
            self._audio = [self._add_audio(track) for track in like.audio]
            self._container.container_options.update(self._options())
            self._container.metadata.update(like.metadata)
            path.parent.mkdir(parents=True, exist_ok=True)
        except UsageError:
            raise
        except (av.FFmpegError, OSError, ValueError) as error:
            raise UsageError(f"{path} cannot be written: {error_text(error)}.") from None
        self._frame = av.VideoFrame(like.size[1], like.size[0], self._video.pix_fmt)

    def write(self, frame: av.VideoFrame, image: np.ndarray | None = None) -> None:
        """Encode a frame of the reader; with `image`, (H, W, 3) uint8 RGB, that in its place.

        Raises:
            UsageError: If the file cannot be written any further.
        """
        if image is not None or frame.format.name != self._video.pix_fmt:
            frame = self._own(frame, image)
        frame.pict_type = PictureType.NONE  # the encoder is not bound to what the frame once was
        self._mux(lambda: self._video.encode(frame))
        self.frames += 1

    def copy(self, sound: AudioPacket) -> None:
        """Write a packet of sound as it is.

        Raises:
            UsageError: If the file cannot be written any further.
        """
        packet, track = sound.packet, sound.track
        late = packet.dts <= self._last_sound.get(track, packet.dts - 1)
        if track >= len(self._audio) or late:  # both only after a live stream was lost
            return
        self._last_sound[track] = packet.dts
        packet.stream = self._audio[track]
        self._mux(lambda: [packet])

    def close(self) -> None:
        """Finish the file and give it its name. Where no frame was written, leave nothing.

        Raises:
            UsageError: If the end cannot be written.
        """
        if self.frames:
            self._mux(self._video.encode)
        try:
            self._container.close()
            if self.frames:
                os.replace(self._part, self._path)
            else:
                self._part.unlink(missing_ok=True)
        except (av.FFmpegError, OSError) as error:
            raise UsageError(f"{self._path} cannot be finished: {error_text(error)}.") from None

    def _own(self, frame: av.VideoFrame, image: np.ndarray | None) -> av.VideoFrame:
        """Return a frame of the recorder's with the image, or with what the other frame shows."""
        own = self._frame
        own.make_writable()  # another buffer, if the encoder still has this one
        if image is not None:
            self._converter.to_yuv(image, yuv_planes(own))
        else:
            for target, source in zip(yuv_planes(own), yuv_planes(frame), strict=True):
                target[...] = source
        own.pts, own.time_base, own.duration = frame.pts, frame.time_base, frame.duration
        return own

    def _mux(self, packets: Callable[[], Iterable[av.Packet]]) -> None:
        try:
            for packet in packets():
                self._container.mux(packet)
        except (av.FFmpegError, OSError, ValueError) as error:
            raise UsageError(f"{self._path} cannot be written: {error_text(error)}.") from None

    def _add_video(self, codec: str | None) -> av.VideoStream:
        like, rate = self._like, self._like.fps or DEFAULT_FPS
        stream = self._new_stream(codec, rate)
        context = stream.codec_context
        context.height, context.width = like.size
        context.pix_fmt = like.format
        stream.time_base = context.time_base = like.time_base
        context.max_b_frames = 0
        context.gop_size = max(1, round(KEYFRAME_INTERVAL_S * rate))
        (
            context.color_range,
            context.colorspace,
            context.color_primaries,
            context.color_trc,
        ) = like.tags
        if like.aspect:
            context.sample_aspect_ratio = like.aspect
        if like.display:
            stream.set_display_matrix(like.display)
        return stream

    def _new_stream(self, codec: str | None, rate) -> av.VideoStream:
        name, *words = (codec or CODEC).split(":")
        options = dict(word.partition("=")[::2] for word in words)
        try:
            return self._container.add_stream(name, rate, {**OPTIONS.get(name, {}), **options})
        except av.codec.codec.UnknownCodecError:
            raise UsageError(
                f"This FFmpeg has no encoder {name!r}. Pass --codec with one that it has."
            ) from None
        except ValueError:  # the container does not hold such video
            if codec:
                raise
        name = av.Codec(self._container.default_video_codec, "w").name
        return self._container.add_stream(name, rate, OPTIONS.get(name))

    def _add_audio(self, track: AudioStream) -> AudioStream:
        try:
            copied = self._container.add_stream_from_template(track)
        except ValueError:
            raise UsageError(
                f"{self._path} cannot hold sound of {self._like.name} ({track.codec_context.name}) "
                "as it is. Name the output .mkv."
            ) from None
        copied.metadata.update(track.metadata)
        return copied

    def _options(self) -> dict[str, str]:
        """Return what the container is told."""
        if self._container.format.name not in MOV_FAMILY:
            return {}
        options = {}
        if self._like.time_base.numerator == 1:
            options["video_track_timescale"] = str(self._like.time_base.denominator)
        if self._like.live:
            options.update(movflags="hybrid_fragmented", flush_packets="1")
        return options
