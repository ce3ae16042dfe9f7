"""Video output as a dashcam keeps it: a folder of segments, of which the oldest make room."""

import collections
import datetime
import re
import shutil
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from lowlight_tf import checks
from lowlight_tf.checks import UsageError
from lowlight_tf.video.container_writer import KEYFRAME_INTERVAL_S
from lowlight_tf.video.reader import CopiedPacket, VideoReader
from lowlight_tf.video.writer import VideoWriter

SEGMENT_NAME = re.compile(r"\d{8}-\d{6}(-\d+)?(\.part)?\.(mp4|mkv|ts)")
"""Names of segments: when each begins. Nothing else in the folder is deleted."""

MIN_FREE_BYTES = 2**26
"""Space of the disk below which the oldest segment is deleted."""


class SegmentWriter:
    """Writes the frames of one video into files of some minutes each, named by when they begin.

    All are playable after a power failure: the last one, NAME.part.mp4, up to two seconds before
    it. When the segments of the folder, those of earlier runs too, take more than `max_bytes`, or
    the disk is nearly full, the oldest are deleted.

    Args:
        folder: Where the segments are written.
        like: The video whose frames are written.
        segment_s: Length of a segment (seconds).
        max_bytes: Size of all segments; None for as much as the disk holds.
        suffix: Selects the container: ".mp4", ".mkv" or ".ts".
        codec: See `ContainerWriter`.

    Attributes:
        frame_count: Number of frames written.
        left_out: Kind -> number of what the input holds and the segments do not.
        notes: How many segments were deleted.

    Raises:
        UsageError: If the folder cannot be written, a number is not positive, or as `VideoWriter`.
    """

    drops_late_frames = False

    def __init__(
        self,
        folder: Path,
        like: VideoReader,
        *,
        segment_s: float,
        max_bytes: int | None = None,
        suffix: str = ".mp4",
        codec: str | None = None,
    ) -> None:
        checks.check_positive("segment_s", segment_s)
        if max_bytes is not None:
            checks.check_positive("max_bytes", max_bytes)
        self._folder, self._like, self._segment_s = folder, like, segment_s
        self._max_bytes, self._suffix, self._codec = max_bytes, suffix, codec
        self.frame_count = self._deleted = 0
        self.left_out: collections.Counter[str] = collections.Counter()
        self._next_check_s = 0.0
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(f"{folder} cannot be made: {error.strerror}.") from None
        self._make_room()
        self._writer = self._open(None)
        self._start_s: float | None = None

    @property
    def notes(self) -> list[str]:
        """How many segments were deleted, as parts of a sentence."""
        return [f"{self._deleted} old segments were deleted"] if self._deleted else []

    @property
    def delayed_frames(self) -> int:
        """Number of frames that the encoder keeps back."""
        return self._writer.delayed_frames

    def write(self, frame: av.VideoFrame, image: np.ndarray | None = None) -> None:
        """Write a frame, or in its place an image; see `ContainerWriter.write`.

        Raises:
            UsageError: If nothing more can be written.
        """
        time_s = frame.time
        if self._start_s is None:
            self._start_s = time_s
        elif time_s - self._start_s >= self._segment_s:
            self._writer.close()
            self._writer = self._open(Fraction(frame.pts) * frame.time_base)
            self._start_s = time_s
        if time_s >= self._next_check_s:
            self._make_room()
            self._next_check_s = time_s + KEYFRAME_INTERVAL_S
        self._writer.write(frame, image)
        self.frame_count += 1

    def write_packet(self, copied: CopiedPacket) -> None:
        """Write an encoded packet as it is; see `ContainerWriter.write_packet`."""
        self._writer.write_packet(copied)

    def close(self) -> None:
        """Finish the last segment.

        Raises:
            UsageError: If its end cannot be written.
        """
        self._writer.close()

    def _open(self, start_time: Fraction | None) -> VideoWriter:
        name = datetime.datetime.now().strftime("%Y%m%d-%H%M%S")
        names = (name if count == 1 else f"{name}-{count}" for count in range(1, 1000))
        stems = {path.name.partition(".")[0] for path in self._folder.iterdir()}
        stem = next(name for name in names if name not in stems)
        writer = VideoWriter(
            self._folder / f"{stem}{self._suffix}",
            self._like,
            codec=self._codec,
            start_time=start_time,
            is_growing=True,
        )
        self.left_out = writer.left_out
        return writer

    def _make_room(self) -> None:
        """Delete the oldest segments while there are too many, or too little space."""
        files = sorted(self._segments(), key=lambda path: (path.stat().st_mtime, path.name))
        sizes = [path.stat().st_size for path in files]
        total = sum(sizes)
        for path, size in zip(files[:-1], sizes, strict=False):  # the last one is being written
            is_full = shutil.disk_usage(self._folder).free < MIN_FREE_BYTES
            if not is_full and (self._max_bytes is None or total <= self._max_bytes):
                return
            path.unlink(missing_ok=True)
            total -= size
            self._deleted += 1

    def _segments(self) -> Iterator[Path]:
        return (path for path in self._folder.iterdir() if SEGMENT_NAME.fullmatch(path.name))
