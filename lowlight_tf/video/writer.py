"""Video output: a file that can be played even if recording is interrupted."""

import collections
import dataclasses
import os
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import ClassVar, Protocol

import av
import numpy as np
from av.video.reformatter import ColorRange

from lowlight_tf import crash_notes
from lowlight_tf.checks import UsageError
from lowlight_tf.imaging import image_io
from lowlight_tf.imaging.yuv import YuvFormat
from lowlight_tf.video.container_writer import ContainerWriter, write_error
from lowlight_tf.video.frame_conversion import yuv_pixel_format
from lowlight_tf.video.reader import CopiedPacket, VideoReader

CONTAINERS = {".divx": "avi", ".insv": "mp4", ".lrv": "mp4"}
"""Suffixes of cameras that FFmpeg does not know -> its name of their container."""


class VideoOutput(Protocol):
    """Where the frames of one video go.

    Attributes:
        frame_count: Number of frames written.
        delayed_frames: How many of these the encoder keeps back.
        drops_late_frames: Whether frames of a live video are dropped that it does not take in time.
        left_out: Kind -> number of what the input holds and the output does not.
        notes: What happened so far that is reported, as parts of a sentence.
    """

    frame_count: int
    delayed_frames: int
    drops_late_frames: bool
    left_out: collections.Counter[str]
    notes: Sequence[str]

    def write(self, frame: av.VideoFrame, image: np.ndarray | None = None) -> None:
        """Write a frame, or in its place an RGB image, (H, W, 3) uint8, at its time stamp."""

    def write_packet(self, copied: CopiedPacket) -> None:
        """Write an encoded packet of another track as it is."""

    def close(self) -> None:
        """Finish the output."""


@dataclasses.dataclass(frozen=True)
class VideoFormat:
    """Format of a video that is made of images: constant frame rate, BT.709, no audio.

    Has the attributes of `VideoReader` that `VideoWriter` needs.

    Attributes:
        size: Height and width (pixels).
        fps: Frames per second.
    """

    size: tuple[int, int]
    fps: Fraction

    name = "images"
    yuv_format = YuvFormat(matrix=1, full_range=False)
    color_tags = (ColorRange.MPEG, 1, 1, 1)
    copied_tracks = cover_images = attachments = chapters = ()
    metadata: ClassVar = {}
    track_metadata: ClassVar = {}
    left_out: ClassVar = {}
    sample_aspect_ratio = display_matrix = None
    is_live = False
    formats = frozenset()
    start_time = Fraction(0)

    @classmethod
    def from_fps(cls, size: tuple[int, int], fps: float) -> "VideoFormat":
        """Return the format for a frame rate that is rounded to a fraction such as 30000/1001."""
        return cls(size, Fraction(fps).limit_denominator(1001))

    @property
    def pixel_format(self) -> str:
        """See `VideoReader`."""
        return yuv_pixel_format(self.size)

    @property
    def time_base(self) -> Fraction:
        """Time from one frame to the next (seconds)."""
        return 1 / self.fps

    def empty_frame(self, index: int) -> av.VideoFrame:
        """Return an uninitialized frame with the time stamp of frame `index`, counted from 0."""
        frame = av.VideoFrame(self.size[1], self.size[0], self.pixel_format)
        frame.pts, frame.time_base, frame.duration = index, self.time_base, 1
        return frame


class VideoWriter(ContainerWriter):
    """Writes the frames of one video to NAME.part.SUFFIX, which `close` renames to `path`.

    A live recording in an .mp4 or .mov is written in fragments of two seconds: it can be played
    after a power failure, and is an ordinary file after `close`.

    Args:
        path: The file; its suffix selects the container.
        like: The video whose frames are written, or the format of a video made of images.
        codec: See `ContainerWriter`.
        overwrite: Replace an existing file.
        start_time: See `ContainerWriter`.
        is_growing: Whether it must be playable while it is written; None for that of a live video.

    Raises:
        UsageError: If the file exists, and as `ContainerWriter`. No file is left then.
    """

    drops_late_frames, notes = False, ()

    def __init__(
        self,
        path: Path,
        like: VideoReader | VideoFormat,
        *,
        codec: str | None = None,
        overwrite: bool = False,
        start_time: Fraction | None = None,
        is_growing: bool | None = None,
    ) -> None:
        self._path = path
        self._part = path.with_name(f"{path.stem}.part{path.suffix}")
        for file in (path, self._part):
            image_io.check_overwrite(file, overwrite=overwrite)
        crash_notes.record(self._part, crash_notes.PARTIAL_FILE)
        super().__init__(
            str(self._part.absolute()),
            like,
            str(path),
            container_format=CONTAINERS.get(path.suffix.lower()),
            codec=codec,
            start_time=start_time,
            is_growing=like.is_live if is_growing is None else is_growing,
        )
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise write_error(str(path), error) from None

    def close(self) -> None:
        """Finish the file and rename it to `path`. Without a frame, no file is left.

        Raises:
            UsageError: If the end cannot be written.
        """
        try:
            self.finish()
            if self.frame_count:
                os.replace(self._part, self._path)
            else:
                self._part.unlink(missing_ok=True)
        except (OSError, UsageError) as error:
            if not self._is_growing:  # which can be played up to here
                self._part.unlink(missing_ok=True)
            if isinstance(error, UsageError):
                raise
            raise UsageError(f"{self._path} cannot be finished: {error}.") from None
