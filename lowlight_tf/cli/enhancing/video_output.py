"""Where `lowlight-tf enhance` sends a video: a file, a stream, a server, or segments."""

import argparse
import functools
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from lowlight_tf.checks import UsageError
from lowlight_tf.cli.options import add_flag

if TYPE_CHECKING:
    from lowlight_tf.video.container import RawFormat
    from lowlight_tf.video.fusion_pipeline import FusionVideoPipeline
    from lowlight_tf.video.pipeline import VideoPipeline
    from lowlight_tf.video.reader import VideoReader
    from lowlight_tf.video.writer import VideoOutput

UNITS = {"": 1, "K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}
"""Suffix of a number of bytes -> its factor."""

SEGMENT_SUFFIXES = {None: ".mp4", "mp4": ".mp4", "matroska": ".mkv", "mpegts": ".ts"}
"""--format -> suffix of the segments."""

STDOUT = "-"

STATS_INTERVAL_S = 10.0
"""Time between two lines of --stats (seconds)."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags that concern live videos only."""
    add = functools.partial(add_flag, parser.add_argument_group("live video"))
    add(
        "--format",
        metavar="FORMAT",
        help="of --output -: mpegts (default), nut, yuv4mpegpipe or rawvideo; of segments: mp4 "
        "(default), matroska or mpegts",
    )
    add(
        "--segment",
        type=float,
        metavar="MINUTES",
        help="write segments of this length into the folder --output, named by when they begin",
    )
    add(
        "--keep",
        type=parse_bytes,
        metavar="SIZE",
        help="with --segment: delete the oldest when all take more than this, such as 8G (10^9 "
        "bytes each; default: when the disk is full)",
    )
    add(
        "--stats",
        action="store_true",
        help="print frames/s and the latency of frames (p50, p95, p99) every 10 seconds and at the "
        "end",
    )
    add(
        "--live",
        action="store_true",
        help="a camera feeds the pipe IN: drop frames, the oldest first, rather than delay it",
    )
    add(
        "--video-size",
        former=("--size",),
        type=parse_size,
        metavar="WIDTHxHEIGHT",
        help="the pipe IN has raw frames of this size, of --pixel-format and --fps",
    )
    add("--pixel-format", default="nv12", metavar="NAME", help="of raw frames (default: nv12)")


class StatsPrinter:
    """Prints frame rate and latency at intervals.

    Args:
        pipeline: What is measured.
        report: Called with each line.
    """

    def __init__(
        self, pipeline: "VideoPipeline | FusionVideoPipeline", report: Callable[[str], None]
    ) -> None:
        self._pipeline, self._report = pipeline, report
        self._start_s = self._last_s = time.monotonic()

    def __call__(self, frames: int, *, is_last: bool = False) -> None:
        """Print a line if it is time to, or if it is the last one.

        Args:
            frames: Number of frames so far.
            is_last: Whether the video has ended.
        """
        now = time.monotonic()
        if is_last or now - self._last_s >= STATS_INTERVAL_S:
            self._last_s = now
            rate = frames / max(now - self._start_s, 1e-9)
            dropped = f"{self._pipeline.dropped_frames} dropped"
            parts = f"{frames} frames", f"{rate:.1f}/s", dropped, self._pipeline.latency.describe()
            self._report(", ".join(filter(None, parts)))


def parse_bytes(text: str) -> int:
    """Return a number of bytes such as 8G."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([KMGT]?)B?", text.upper())
    if not match or not float(match[1]):
        raise argparse.ArgumentTypeError(f"a size such as 500M or 8G is expected, not {text!r}")
    return round(float(match[1]) * UNITS[match[2]])


def parse_size(text: str) -> tuple[int, int]:
    """Return height and width of a size such as 1920x1080."""
    match = re.fullmatch(r"(\d+)x(\d+)", text)
    if not match:
        raise argparse.ArgumentTypeError(f"a size such as 1920x1080 is expected, not {text!r}")
    return int(match[2]), int(match[1])


def is_live_output(output: Path | str, args: argparse.Namespace) -> bool:
    """Return whether the output is a stream, or segments, of one video.

    Raises:
        UsageError: If flags do not fit the output.
    """
    is_stream = isinstance(output, str) or str(output).startswith("/dev/video")
    if args.keep and not args.segment:
        raise UsageError("--keep is for segments. Pass --segment too, their length in minutes.")
    if is_stream and args.segment:
        raise UsageError("Segments are written into a folder. Name one as --output.")
    if args.segment is not None and args.segment <= 0:
        raise UsageError(f"--segment must be a positive number. Received: {args.segment:g}.")
    is_of_input = args.format == "rawvideo" and args.video_size
    if args.format and not (args.segment or is_of_input or output == STDOUT):
        raise UsageError("--format is for --output - and for segments; files have a suffix.")
    return is_stream or args.segment is not None


def raw_format(args: argparse.Namespace) -> "RawFormat | None":
    """Return the format of raw frames, if the flags name one."""
    if args.video_size is None:
        return None
    from lowlight_tf.video.container import RawFormat

    return RawFormat(args.video_size, args.pixel_format, args.fps)


def open_output(
    target: Path | str, reader: "VideoReader", args: argparse.Namespace
) -> "VideoOutput":
    """Open what --output names for the frames of a video.

    Raises:
        UsageError: If it cannot be written to.
    """
    if args.segment:
        from lowlight_tf.checks import check_choice
        from lowlight_tf.video.segment_writer import SegmentWriter

        if args.format:
            check_choice("--format", args.format, tuple(filter(None, SEGMENT_SUFFIXES)))
        return SegmentWriter(
            Path(target),
            reader,
            segment_s=60 * args.segment,
            max_bytes=args.keep,
            suffix=SEGMENT_SUFFIXES[args.format],
            codec=args.codec,
        )
    if not is_live_output(target, args):
        from lowlight_tf.video.writer import VideoWriter

        return VideoWriter(target, reader, codec=args.codec, overwrite=args.overwrite)
    if str(target).startswith("http://"):
        from lowlight_tf.video.mjpeg_server import MjpegServer

        return MjpegServer(target, reader)
    from lowlight_tf.video.stream_writer import StreamWriter

    return StreamWriter(
        str(target),
        reader,
        container_format=args.format,
        codec=args.codec,
        retry_timeout_s=args.reconnect_timeout,
    )
