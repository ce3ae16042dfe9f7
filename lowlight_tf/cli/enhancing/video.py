"""The video part of `lowlight-tf enhance`: files, cameras, addresses and pipes."""

import argparse
import contextlib
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from lowlight_tf.checks import UsageError
from lowlight_tf.cli.console import ProgressBar
from lowlight_tf.cli.signals import on_stop_signals

if TYPE_CHECKING:
    from lowlight_tf.imaging.registration.pair_preprocessing import PairPreprocessing
    from lowlight_tf.runtime.engine import Engine
    from lowlight_tf.video.reader import VideoReader

SUFFIXES = (
    *(".3gp", ".avi", ".flv", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4"),
    *(".mpeg", ".mpg", ".mts", ".ts", ".webm", ".wmv"),
)
POLL_INTERVAL_S = 0.1  # seconds

Source = Path | str
"""A file or a device, or what is no path: an address, or "-" for the standard input."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags that concern video only."""
    add = parser.add_argument_group("video").add_argument
    add(
        "--steady",
        type=float,
        default=1.0,
        metavar="SECONDS",
        help="for how long exposure is averaged, so that it does not flicker; 0: not at all",
    )
    add("--when-dark", action="store_true", help="leave bright scenes as they are")
    add(
        "--dark-below",
        type=float,
        default=0.2,
        metavar="LUMA",
        help="with --when-dark: mean luma in [0, 1] below which enhancing begins",
    )
    add(
        "--bright-above",
        type=float,
        default=0.28,
        metavar="LUMA",
        help="with --when-dark: mean luma above which it ends",
    )
    add(
        "--codec",
        help="encoder and its options, as libx264:preset=medium:crf=18 (default: "
        "libx264:preset=ultrafast:crf=20, or what the container is made for)",
    )
    add(
        "--reconnect",
        type=float,
        default=60.0,
        metavar="SECONDS",
        help="for how long a lost live stream is called again",
    )


def parse_source(word: str) -> Source:
    """Return what the user named: an address and "-" as they are, all else as a path."""
    return word if word == "-" or "://" in word else Path(word)


def is_video(source: Source) -> bool:
    """Tell whether it is video: by its name, or because it is no ordinary file."""
    if isinstance(source, str) or source.suffix.lower() in SUFFIXES:
        return True
    return source.is_fifo() or source.is_char_device()


def find(folder: Path) -> list[Path]:
    """Return the video files of a folder, sorted; hidden ones are passed over."""
    return sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in SUFFIXES and not path.name.startswith(".") and path.is_file()
    )


def enhance_one(
    engine: "Engine",
    job: tuple[Source, Path, Source | None],
    args: argparse.Namespace,
    bar: ProgressBar,
    index: int,
    *,
    preprocessing: "PairPreprocessing | None" = None,
) -> bool:
    """Enhance one video, or fuse those of two cameras; return whether all of it could be read.

    What is wrong is said, as is what one camera alone saw.

    Args:
        engine: What enhances, or fuses.
        job: What to read, where the result goes, and what the infrared camera saw, if there is one.
        args: The flags of the command.
        bar: Where progress is shown.
        index: How many jobs were done before.
        preprocessing: What is done to the frames of two cameras.

    Raises:
        UsageError: If it cannot be enhanced at all, or not any further.
        KeyboardInterrupt: If a file was interrupted, once what was done of it is finished. For a
            live stream, that is how it ends.
    """
    source, target, infrared = job
    try:
        from lowlight_tf.video.frame_queue import split_threads
        from lowlight_tf.video.fusion_pipeline import FusionVideoPipeline
        from lowlight_tf.video.pipeline import VideoPipeline
        from lowlight_tf.video.temporal_smoothing import DayNightSwitch
        from lowlight_tf.video.writer import VideoWriter
    except ModuleNotFoundError as error:
        if error.name != "av":
            raise
        raise UsageError(
            f"{source} is a video, which needs PyAV. Run: pip install 'lowlight_tf[video]'"
        ) from None

    night = None
    if args.when_dark and infrared:
        raise UsageError("--when-dark is for one camera. Leave it out where two are fused.")
    if args.when_dark:
        night = DayNightSwitch(below=args.dark_below, above=args.bright_above)
    with _stoppable() as stop:
        readers = [_opened(one, stop, args.reconnect) for one in filter(None, (source, infrared))]
        reader = readers[0]
        recorder = VideoWriter(target, reader, codec=args.codec, overwrite=args.overwrite)
        if infrared:
            stream = FusionVideoPipeline(
                engine,
                *readers,
                recorder,
                tolerance=args.tolerance,
                seconds=args.steady,
                preprocessing=preprocessing,
                stop=stop,
                say=lambda line: (bar.clear(), _say(line)),
            )
        else:
            engines = split_threads(engine, args.threads)
            stream = VideoPipeline(
                engines, reader, recorder, seconds=args.steady, night=night, stop=stop
            )
        begun = time.monotonic()

        def progress(frames: int) -> None:
            rate = frames / (time.monotonic() - begun)
            lost = f", {stream.dropped} dropped" if stream.dropped else ""
            share = min(frames / reader.frames, 1) if reader.frames else 0
            bar.show(index + share, f"{reader.name[-16:]}: {frames} frames, {rate:.1f}/s{lost}")

        stream.run(progress)
    bar.clear()
    if infrared and any(stream.alone.values()):
        alone = ", ".join(f"{count} {camera}" for camera, count in stream.alone.items())
        _say(f"{target}: of {recorder.frames} frames one camera alone saw: {alone}")
    whole = [
        _report(one, recorder.frames, lost, target, stopped=stop.is_set())
        for one, lost in zip(readers, (stream.dropped, 0), strict=False)
    ]
    if stop.is_set():
        _say(f"{target}: stopped after {recorder.frames} frames")
        if not reader.live:
            raise KeyboardInterrupt
    return all(whole)


def _report(
    reader: "VideoReader", frames: int, dropped: int, target: Path, *, stopped: bool
) -> bool:
    """Say what happened; return whether the video is whole."""
    troubles = []
    if reader.corrupt_packets:
        troubles.append(f"{reader.name}: {reader.corrupt_packets} damaged packets were left out")
    if reader.error and not stopped:
        troubles.append(reader.error)
    for trouble in troubles:
        _say(f"{trouble}. {target} has {frames} frames, and plays.")
    if dropped or reader.reopened:
        _say(f"{reader.name}: {dropped} frames dropped, reopened {reader.reopened} times")
    return not troubles


def _say(line: str) -> None:
    print(f"lowlight-tf enhance: {line}", file=sys.stderr)


def _opened(source: Source, stop: threading.Event, patience: float) -> "VideoReader":
    """Open the source on another thread: this one can be interrupted while a pipe is silent."""
    from lowlight_tf.video.reader import VideoReader

    results: list[VideoReader | BaseException] = []

    def work() -> None:
        try:
            results.append(VideoReader(source, reconnect_timeout=patience, stop=stop))
        except BaseException as error:  # raised by the thread that waits
            results.append(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    while thread.is_alive():
        thread.join(POLL_INTERVAL_S)
        if stop.is_set():
            raise KeyboardInterrupt
    if isinstance(results[0], BaseException):
        raise results[0]
    return results[0]


@contextlib.contextmanager
def _stoppable() -> Iterator[threading.Event]:
    """Lend an event that Ctrl-C (or a request to terminate) sets; a second one interrupts."""
    stop = threading.Event()

    def handle(*_) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    with on_stop_signals(handle):
        yield stop
