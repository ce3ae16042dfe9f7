"""A camera loop for a device: python camera.py NET.tflite [SOURCE].

SOURCE is the number of a camera (0 where none is named), an address (rtsp://...), a video, or
numbered pictures (night_%04d.png). Frames go in and come out as bytes; a net with a thumbnail port
is shown the average of the last second, which holds its exposure steady. Ctrl-C and SIGTERM end it.
"""

import argparse
import os
import signal
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from lowlight_tf.checks import UsageError
from lowlight_tf.imaging import image_io
from lowlight_tf.runtime import input_checks, input_geometry
from lowlight_tf.runtime.enhance import enhance
from lowlight_tf.runtime.litert_engine import LiteRTEngine
from lowlight_tf.video.temporal_smoothing import ThumbnailSmoother

STEADY = 1.0  # seconds that the exposure is averaged over
TOLD = 5.0  # seconds between two lines about the speed


def main() -> int:
    """Run until the source or the time is over, or a signal comes; return the exit status."""
    parser = argparse.ArgumentParser(description="Brighten what a camera sees.")
    parser.add_argument("net", type=Path, help=".tflite file with its card")
    parser.add_argument("source", nargs="?", default="0", help="camera, address, video or pictures")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="when to end")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="processor threads")
    parser.add_argument("--output", type=Path, help="picture to write the last frame into")
    args = parser.parse_args()
    if args.output and (
        args.output.suffix.lower() not in image_io.SUFFIXES or not args.output.parent.is_dir()
    ):
        raise UsageError(f"--output must be a picture in an existing folder, not {args.output}.")
    engine = LiteRTEngine(args.net, threads=args.threads)
    input_checks.check_enhancement_model(engine.contract)
    capture = opened(args.source, (engine.card.height, engine.card.width))

    signals: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, frame: signals.append(number))
    bright = None
    done, worked, begun = 0, 0.0, time.monotonic()
    told = begun
    for low in frames(capture):
        if bright is None or bright.shape != low.shape:
            bright = np.empty_like(low)
            print(f"{low.shape[1]}x{low.shape[0]} frames of {args.source} by {engine.name}")
            steady = ThumbnailSmoother(STEADY)
            notify("READY=1")
        now = time.monotonic()
        thumbnails = steady(input_geometry.make_thumbnails(engine.contract, low), now)
        enhance(engine, low, out=bright, thumbnails=thumbnails)
        # `bright` is the result, RGB: show it, store it or hand it on here.
        done, worked = done + 1, worked + time.monotonic() - now
        notify("WATCHDOG=1")
        if now - told > TOLD:
            told = now
            print(f"{done / (now - begun):.1f} frames/s, {1000 * worked / done:.1f} ms each")
        if signals or now - begun > args.seconds:
            break
    passed = time.monotonic() - begun
    capture.release()
    if bright is None:
        raise UsageError(
            f"{args.source} gave no frame. Is it a camera or a video that OpenCV reads?"
        )
    if args.output:
        image_io.save_image(args.output, image_io.LoadedImage(bright), overwrite=True)
    each = 1000 * worked / done
    print(f"{done} frames in {passed:.1f} s: {done / passed:.1f} frames/s, {each:.1f} ms each")
    lost = live(args.source) and not signals and passed < args.seconds
    return 1 if lost else 0  # so that whoever started it starts it again


def live(source: str) -> bool:
    """Tell whether a source has no end of its own."""
    return source.isdecimal() or "://" in source


def opened(source: str, size: tuple[int, int]) -> cv2.VideoCapture:
    """Open a source; ask a camera for frames of the net's size, which need no tiles."""
    log = cv2.utils.logging
    log.setLogLevel(log.LOG_LEVEL_SILENT)  # what is wrong is said here, in one line
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    capture = cv2.VideoCapture(int(source) if source.isdecimal() else source)
    if not capture.isOpened():
        raise UsageError(
            f"{source} cannot be opened. Pass a camera's number, an address or a video."
        )
    if source.isdecimal():
        capture.set(cv2.CAP_PROP_FRAME_HEIGHT, size[0])
        capture.set(cv2.CAP_PROP_FRAME_WIDTH, size[1])
        capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)  # the newest frame, where the driver lets us
    return capture


def frames(capture: cv2.VideoCapture) -> Iterator[np.ndarray]:
    """Yield frames as RGB, all in the same place."""
    image = low = None
    while True:
        there, image = capture.read(image)
        if not there:
            return
        low = cv2.cvtColor(image, cv2.COLOR_BGR2RGB, low)
        yield low


def notify(word: str) -> None:
    """Tell systemd that we are alive, if it asked."""
    address = os.environ.get("NOTIFY_SOCKET")
    if address:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as post:
            post.sendto(word.encode(), address.replace("@", "\0", 1))


if __name__ == "__main__":
    try:
        sys.exit(main())
    except UsageError as error:
        sys.exit(f"camera.py: {error}")
