"""The video part of `lowlight-tf enhance`: files, cameras, network streams and pipes."""

import argparse
import contextlib
import functools
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lowlight_tf.checks import UsageError
from lowlight_tf.cli.console import ProgressBar, warn
from lowlight_tf.cli.enhancing import video_output
from lowlight_tf.cli.options import add_flag
from lowlight_tf.cli.signals import on_stop_signals

if TYPE_CHECKING:
    from lowlight_tf.imaging.registration.pair_preprocessing import PairPreprocessing
    from lowlight_tf.runtime.engine import Engine
    from lowlight_tf.video.reader import VideoReader
    from lowlight_tf.video.writer import VideoOutput

SUFFIXES = (
    *(".264", ".265", ".3gp", ".asf", ".avi", ".divx", ".f4v", ".flv", ".h264", ".h265", ".hevc"),
    *(".insv", ".lrv", ".m2ts", ".m2v", ".m4v", ".mjpeg", ".mjpg", ".mkv", ".mov", ".mp4", ".mpeg"),
    *(".mpg", ".mts", ".mxf", ".ogv", ".ts", ".vob", ".webm", ".wmv", ".y4m"),
)
POLL_INTERVAL_S = 0.1
"""Interval at which a stop is checked for while a source is opened (seconds)."""
REPEATED_SIGNAL_S = 0.5
"""Time in which a second signal is taken for the first one (seconds)."""

Source = Path | str
"""Path of a file or a device, or text that is not a path: a URL, or "-" for standard input."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags that concern videos only."""
    add = functools.partial(add_flag, parser.add_argument_group("video"))
    add(
        "--smoothing",
        former=("--steady",),
        type=float,
        default=1.0,
        metavar="SECONDS",
        help="time constant of the averages that keep the exposure stable; 0 disables them",
    )
    add(
        "--auto-night",
        former=("--when-dark",),
        action="store_true",
        help="do not enhance bright scenes",
    )
    add(
        "--night-threshold",
        former=("--dark-below",),
        type=float,
        default=0.2,
        metavar="LUMA",
        help="with --auto-night: mean luma in [0, 1] below which frames are enhanced",
    )
    add(
        "--day-threshold",
        former=("--bright-above",),
        type=float,
        default=0.28,
        metavar="LUMA",
        help="with --auto-night: mean luma above which they no longer are",
    )
    add(
        "--codec",
        help="encoder and its options, such as libx264:preset=medium:crf=18 (default: "
        "libx264:preset=ultrafast:crf=20, or the default encoder of the container)",
    )
    add(
        "--track",
        type=int,
        metavar="N",
        help="which of several video tracks is enhanced, counted from 1 (default: the first that "
        "is not a still image)",
    )
    add(
        "--reconnect-timeout",
        former=("--reconnect",),
        type=float,
        default=60.0,
        metavar="SECONDS",
        help="how long to try to reopen a lost live stream",
    )


def parse_source(text: str) -> Source:
    """Return a command line argument as a source: URLs and "-" as text, all else as a path."""
    return text if text == "-" or "://" in text else Path(text)


def is_video(source: Source) -> bool:
    """Return whether a source is video: by its suffix, or as it is not an ordinary file."""
    if isinstance(source, str) or source.suffix.lower() in SUFFIXES:
        return True
    return source.is_fifo() or source.is_char_device()


def are_videos(inputs: Sequence[Source]) -> bool:
    """Return whether the inputs are videos and folders of them, and no images are among them."""
    from lowlight_tf.imaging import image_io

    found: list[Source] = []
    for source in inputs:
        if isinstance(source, Path) and source.is_dir():
            found += image_io.find_images(source, suffixes=(*image_io.SUFFIXES, *SUFFIXES))
        else:
            found.append(source)
    return bool(found) and all(map(is_video, found))


def enhance_video(
    engine: "Engine",
    job: tuple[Source, Source, Source | None],
    args: argparse.Namespace,
    bar: ProgressBar,
    index: int,
    *,
    preprocessing: "PairPreprocessing | None" = None,
) -> bool:
    """Enhance one video, or fuse the videos of two cameras.

    Read errors, dropped frames, frames of only one camera and what is not copied (other tracks,
    chapters) are reported on stderr.

    Args:
        engine: The model.
        job: The source, the result, and the source of the infrared camera, if there is one.
        args: The flags of the command.
        bar: Where progress is shown.
        index: How many jobs were done before.
        preprocessing: Applied to the frames of two cameras before they are fused.

    Returns:
        Whether the video was read completely.

    Raises:
        UsageError: If it cannot be enhanced, or not any further.
        KeyboardInterrupt: If a file was interrupted, after the result so far was finished. A live
            stream ends in this way without an error.
    """
    source, target, infrared = job
    try:
        from lowlight_tf.video.frame_queue import split_threads
        from lowlight_tf.video.fusion_pipeline import FusionVideoPipeline
        from lowlight_tf.video.pipeline import VideoPipeline
        from lowlight_tf.video.temporal_smoothing import DayNightSwitch
    except ModuleNotFoundError as error:
        if error.name != "av":
            raise
        raise UsageError(
            f"{source} is a video, which needs PyAV. Run: pip install 'lowlight_tf[video]'"
        ) from None

    day_night_switch = None
    if args.auto_night and infrared:
        raise UsageError("--auto-night is for one camera. Leave it out where two are fused.")
    if args.auto_night:
        day_night_switch = DayNightSwitch(
            night_threshold=args.night_threshold, day_threshold=args.day_threshold
        )

    if args.video_size and not any(map(_is_pipe, filter(None, (source, infrared)))):
        raise UsageError("--video-size is for the raw frames of a pipe. Pass - as IN.")

    def report(line: str) -> None:
        bar.clear()
        warn("enhance", line)

    with _stop_on_signal() as stop_event:
        sources = filter(None, (source, infrared))
        tracks = (args.track, None)  # of the visible camera
        readers = [
            _open_reader(each, track, stop_event, args)
            for each, track in zip(sources, tracks, strict=False)
        ]
        reader = readers[0]
        writer = video_output.open_output(target, reader, args)
        engines = split_threads(engine, args.threads)
        if infrared:
            pipeline = FusionVideoPipeline(
                engines,
                *readers,
                writer,
                tolerance_s=args.sync_tolerance,
                smoothing_s=args.smoothing,
                preprocessing=preprocessing,
                stop_event=stop_event,
                report=report,
            )
        else:
            pipeline = VideoPipeline(
                engines,
                reader,
                writer,
                smoothing_s=args.smoothing,
                day_night_switch=day_night_switch,
                brightness_ev=args.brightness,
                stop_event=stop_event,
            )
        start = time.monotonic()

        def progress(frames: int) -> None:
            fps = frames / (time.monotonic() - start)
            dropped = f", {pipeline.dropped_frames} dropped" if pipeline.dropped_frames else ""
            fraction = min(frames / reader.frame_count, 1) if reader.frame_count else 0
            bar.show(
                index + fraction, f"{reader.name[-16:]}: {frames} frames, {fps:.1f}/s{dropped}"
            )

            if stats:
                stats(frames)

        stats = video_output.StatsPrinter(pipeline, report) if args.stats else None
        pipeline.run(progress)
        if stats:
            stats(writer.frame_count, is_last=True)
    bar.clear()
    if infrared and any(pipeline.unpaired.values()):
        counts = ", ".join(f"{count} {camera}" for camera, count in pipeline.unpaired.items())
        warn("enhance", f"{target}: of {writer.frame_count} frames, only one camera had: {counts}")
    if infrared and (line := pipeline.registration.describe()):
        warn("enhance", f"{target}: {line}")
    _report_left_out(reader, writer, target)
    if writer.notes:
        warn("enhance", f"{target}: {'; '.join(writer.notes)}")
    complete = [
        _report_losses(each, writer.frame_count, dropped, target, stopped=stop_event.is_set())
        for each, dropped in zip(readers, (pipeline.dropped_frames, 0), strict=False)
    ]
    if stop_event.is_set():
        warn("enhance", f"{target}: stopped after {writer.frame_count} frames")
        if not reader.is_live:
            raise KeyboardInterrupt
    return all(complete)


def _report_left_out(reader: "VideoReader", writer: "VideoOutput", target: Source) -> None:
    """Report on stderr what the result does not hold of a video, and how to choose it."""
    from lowlight_tf.video.container import describe_counts

    if writer.left_out.total():
        line = f"{target}: left out of {reader.name}: {describe_counts(writer.left_out)}"
        if reader.other_tracks:
            numbers = " or ".join(map(str, reader.other_tracks))
            line += f". --track {numbers} enhances another video track"
        warn("enhance", line)


def _report_losses(
    reader: "VideoReader", frames: int, dropped: int, target: Source, *, stopped: bool
) -> bool:
    """Report on stderr what was lost or changed; return whether the video was read completely."""
    if reader.notes:
        warn("enhance", f"{target}, from {reader.name}: {'; '.join(reader.notes)}")
    problems = []
    if reader.corrupt_packets:
        problems.append(f"{reader.name}: {reader.corrupt_packets} corrupt packets were skipped")
    if reader.error and not stopped:
        problems.append(reader.error)
    for problem in problems:
        what = "has {} frames, and can be played" if isinstance(target, Path) else "got {} frames"
        warn("enhance", f"{problem}. {target} {what.format(frames)}.")
    if dropped or reader.reconnects:
        warn(
            "enhance",
            f"{reader.name}: {dropped} frames dropped, reopened {reader.reconnects} times",
        )
    return not problems


def _is_pipe(source: Source) -> bool:
    return source == "-" or (isinstance(source, Path) and source.is_fifo())


def _open_reader(
    source: Source, track: int | None, stop_event: threading.Event, args: argparse.Namespace
) -> "VideoReader":
    """Open a source on another thread, so that this one can be interrupted meanwhile."""
    from lowlight_tf.video.reader import VideoReader

    raw_format = video_output.raw_format(args) if _is_pipe(source) else None
    results: list[VideoReader | BaseException] = []

    def work() -> None:
        try:
            results.append(
                VideoReader(
                    source,
                    track=track,
                    reconnect_timeout_s=args.reconnect_timeout,
                    stop_event=stop_event,
                    raw_format=raw_format,
                    live=args.live and _is_pipe(source),
                )
            )
        except BaseException as error:  # raised by the thread that waits
            results.append(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    while thread.is_alive():
        thread.join(POLL_INTERVAL_S)
        if stop_event.is_set():
            raise KeyboardInterrupt
    if isinstance(results[0], BaseException):
        raise results[0]
    return results[0]


@contextlib.contextmanager
def _stop_on_signal() -> Iterator[threading.Event]:
    """Return an event that Ctrl-C or SIGTERM sets; the second signal raises KeyboardInterrupt.

    A signal to a process group arrives twice, the second time from the process that guards this
    one.
    """
    stop_event, first = threading.Event(), 0.0

    def handle(*_) -> None:
        nonlocal first
        if not stop_event.is_set():
            first = time.monotonic()
            stop_event.set()
        elif time.monotonic() > first + REPEATED_SIGNAL_S:
            raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield stop_event
        return
    with on_stop_signals(handle):
        yield stop_event
