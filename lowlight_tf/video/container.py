"""What a video file or stream holds: how it is opened, its tracks, and why it cannot be read."""

import collections
import dataclasses
import stat
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import av
from av.stream import Discard, Disposition

from lowlight_tf import checks
from lowlight_tf.checks import UsageError
from lowlight_tf.video.mp4_boxes import has_gps_box, list_boxes

if TYPE_CHECKING:
    from lowlight_tf.video.reader import VideoReader

STDIN = "-"
"""Source name of the standard input."""

OPEN_TIMEOUT_S, READ_TIMEOUT_S = 15.0, 5.0
"""Time in which a network stream must answer, and deliver further data (seconds)."""


@dataclasses.dataclass(frozen=True)
class RawFormat:
    """Format of frames that follow each other without a container.

    Attributes:
        size: Height and width (pixels).
        pixel_format: FFmpeg's name, such as "nv12", "yuv420p" or "gray".
        fps: Frames per second.

    Raises:
        UsageError: If the pixel format is unknown, or a number is not positive.
    """

    size: tuple[int, int]
    pixel_format: str
    fps: float

    def __post_init__(self) -> None:
        """Validate the attributes."""
        for number in (*self.size, self.fps):
            checks.check_positive("--video-size and --fps", number)
        try:
            av.VideoFormat(self.pixel_format)
        except ValueError:
            raise UsageError(
                "--pixel-format must be one that FFmpeg knows, such as nv12, yuv420p, yuyv422, "
                f"rgb24 or gray. Received: {self.pixel_format}."
            ) from None

    def options(self) -> dict[str, str]:
        """Return the options of FFmpeg's demuxer."""
        height, width = self.size
        return {
            "video_size": f"{width}x{height}",
            "pixel_format": self.pixel_format,
            "framerate": str(self.fps),
        }


def open_container(name: str, raw_format: RawFormat | None = None) -> av.container.InputContainer:
    """Open a file, a camera, a URL, or the standard input, by its name.

    Args:
        name: The source as text.
        raw_format: Of its frames, if it is no container.

    Raises:
        UsageError: If it cannot be opened or has no video.
    """
    options = {"rtsp_transport": "tcp"} if name.startswith("rtsp") else {}
    if raw_format:
        options = raw_format.options()
    container_format = "rawvideo" if raw_format else None
    address = "pipe:0" if name == STDIN else name
    if Path(address).is_file():  # FFmpeg takes "12:30.mp4" for the protocol 12
        address = str(Path(address).absolute())
    try:
        container = av.open(
            address,
            format="v4l2" if is_camera(name) else container_format,
            options=options,
            timeout=(OPEN_TIMEOUT_S, READ_TIMEOUT_S) if is_url(name) else None,
            metadata_errors="replace",
        )
    except (av.FFmpegError, OSError, ValueError) as error:
        reason = _reason_of_file(name) or f"cannot be opened: {error_text(error)}"
        raise UsageError(f"{name} {reason}.") from None
    if not container.streams.video:
        raise UsageError(f"{name} has no video. Pass a file or a URL with video.")
    return container


def is_camera(name: str) -> bool:
    """Return whether a source is a camera, such as /dev/video0."""
    return _has_file_type(name, stat.S_ISCHR)


def is_url(name: str) -> bool:
    """Return whether a source is an address, such as rtsp://camera/stream."""
    return "://" in name


class ContainerTracks:
    """Sorts the streams of a container by what becomes of them.

    Args:
        name: The source as text.
        container: The source.
        number: Which of several video tracks is enhanced, counted from 1; None for the first that
            is not a still image.

    Attributes:
        video: The stream that is enhanced.
        other_videos: Numbers of the other video tracks.
        copied: The streams of sound, subtitles and data that can be copied.
        covers: The streams that are cover pictures.
        attachments: The streams that are attached files.
        left_out: Kind -> number of the others.

    Raises:
        UsageError: If there is no such video track, or this FFmpeg has no decoder for it.
    """

    def __init__(
        self, name: str, container: av.container.InputContainer, number: int | None
    ) -> None:
        streams = container.streams.video
        self.covers = [each for each in streams if each.disposition & Disposition.attached_pic]
        videos = [each for each in streams if each not in self.covers] or list(streams)
        if number is None:
            self.video = ([each for each in videos if each.frames != 1] or videos)[0]
        elif not 1 <= number <= len(videos):
            raise UsageError(
                f"--track must be 1 to {len(videos)}, the video tracks of {name}. "
                f"Received: {number}."
            )
        else:
            self.video = videos[number - 1]
        if self.video.codec_context is None:
            raise UsageError(
                f"{name}: its video has a codec that this FFmpeg cannot decode. "
                "Convert it to H.264."
            )
        self.covers = [each for each in self.covers if each is not self.video]
        self.other_videos = [
            index for index, each in enumerate(videos, start=1) if each is not self.video
        ]
        self.copied, self.attachments = [], []
        self.left_out: collections.Counter[str] = collections.Counter()
        for stream in container.streams:
            if stream.type == "attachment":
                self.attachments.append(stream)
            elif stream.type == "video" and stream not in (self.video, *self.covers):
                self.left_out[kind_of(stream)] += 1
            elif stream.type in ("audio", "subtitle", "data"):
                if stream.type == "data" or _is_readable(stream):
                    self.copied.append(stream)
                else:
                    self.left_out[kind_of(stream)] += 1
        if has_gps_box(name):
            self.left_out["GPS log outside of its tracks"] += 1
        if container.chapters():
            self.copied = [each for each in self.copied if not is_chapter_track(each)]


def _is_readable(stream: av.stream.Stream) -> bool:
    """Return whether a track has a known codec and, if it is sound, a sample rate."""
    return bool(stream.codec_context and (stream.type != "audio" or stream.sample_rate))


def is_chapter_track(stream: av.stream.Stream) -> bool:
    """Return whether a track holds the titles of chapters, which FFmpeg has read already."""
    return stream.type == "data" and stream.discard == Discard.all


def kind_of(stream: av.stream.Stream) -> str:
    """Return what a stream is called where it is left out, such as "subtitle track"."""
    if stream.disposition & Disposition.attached_pic:
        return "cover picture"
    return "attachment" if stream.type == "attachment" else f"{stream.type} track"


def count_tracks(video: "VideoReader") -> collections.Counter[str]:
    """Return kind -> number of what an input holds beside the video that is enhanced."""
    tracks = (*video.copied_tracks, *(cover.stream for cover in video.cover_images))
    return video.left_out + collections.Counter(map(kind_of, (*tracks, *video.attachments)))


def describe_counts(counts: collections.Counter[str]) -> str:
    """Return counts as text, such as "1 subtitle track, 2 chapters"; "" for nothing."""
    return ", ".join(
        f"{count} {kind}{'s' if count > 1 else ''}" for kind, count in counts.items() if count
    )


def error_text(error: Exception) -> str:
    """Return FFmpeg's message without error number and file name."""
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def _has_file_type(name: str, is_type: Callable[[int], bool]) -> bool:
    """Return whether there is a file of that name and type, such as `stat.S_ISCHR`."""
    try:
        return is_type(Path(name).stat().st_mode)
    except OSError:
        return False


def _reason_of_file(name: str) -> str | None:
    """Return why a file that FFmpeg does not open is no video, if its structure tells."""
    path = Path(name)
    if not path.is_file():
        return None
    if not path.stat().st_size:
        return "is empty (0 bytes). Copy it again"
    boxes = list_boxes(path)
    if boxes[:1] == [b"ftyp"] and b"moov" not in boxes:
        return (
            "has no index (moov): the recording was cut off. Repair it with the camera, or with "
            "a tool such as untrunc"
        )
    return None
