"""Camera loop for a device: python camera.py NAME.tflite [SOURCE].

SOURCE is the number of a camera (default: 0), an address (rtsp://...), a video, or numbered images
(night_%04d.png). Frames are uint8 RGB; a thumbnail input gets the average of the last second, which
smooths exposure; a model with states gets those of the frame before. Ctrl-C and SIGTERM end the
loop.
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
from lowlight_tf.cli.console import escape_unencodable
from lowlight_tf.imaging import image_io
from lowlight_tf.runtime import input_checks, input_geometry
from lowlight_tf.runtime.brightness import check_brightness
from lowlight_tf.runtime.engine import Engine
from lowlight_tf.runtime.enhance import enhance
from lowlight_tf.runtime.frame_memory import FrameMemory
from lowlight_tf.runtime.loading import load_model
from lowlight_tf.runtime.rgb_engine import RgbEngine
from lowlight_tf.video.temporal_smoothing import ThumbnailSmoother

SMOOTHING_S = 1.0  # time constant of the exposure smoothing
LOG_INTERVAL_S = 5.0  # between two lines about the speed


def main() -> int:
    """Run until the source ends, the time is over or a signal arrives; return the exit status."""
    parser = argparse.ArgumentParser(description="Enhance the frames of a camera.")
    parser.add_argument("model", type=Path, help=".tflite file with its card")
    parser.add_argument("source", nargs="?", default="0", help="camera, address, video or images")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="maximum duration")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="CPU threads")
    parser.add_argument(
        "--brightness", type=float, default=0.0, help="brightness control, -2 to 2 EV"
    )
    parser.add_argument("--output", type=Path, help="image file for the last frame")
    args = parser.parse_args()
    if args.output and (
        args.output.suffix.lower() not in image_io.SUFFIXES or not args.output.parent.is_dir()
    ):
        raise UsageError(
            f"--output must be an image in an existing folder. Received: {args.output}."
        )
    engine = load_model(args.model, threads=args.threads)
    input_checks.check_enhancement_model(engine.contract)
    check_brightness(engine.contract, args.brightness)
    capture = open_source(args.source, (engine.card.height, engine.card.width))

    signals: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, frame: signals.append(number))
    bright = None
    count, busy, started = 0, 0.0, time.monotonic()
    logged = started
    for low in read_frames(capture):
        if bright is None or bright.shape != low.shape:
            bright = np.empty_like(low)
            print(f"{low.shape[1]}x{low.shape[0]} frames of {args.source} with {engine.name}")
            smooth_thumbnails = ThumbnailSmoother(engine.contract.thumbnail_inputs, SMOOTHING_S)
            start_memory(engine, low.shape[:2])
            notify_systemd("READY=1")
        now = time.monotonic()
        thumbnails = smooth_thumbnails(input_geometry.make_thumbnails(engine.contract, low), now)
        enhance(engine, low, out=bright, thumbnails=thumbnails, brightness_ev=args.brightness)
        # `bright` is the result, RGB: display, store or forward it here.
        count, busy = count + 1, busy + time.monotonic() - now
        notify_systemd("WATCHDOG=1")
        if now - logged > LOG_INTERVAL_S:
            logged = now
            print(f"{count / (now - started):.1f} frames/s, {1000 * busy / count:.1f} ms each")
        if signals or now - started > args.seconds:
            break
    elapsed = time.monotonic() - started
    capture.release()
    if bright is None:
        raise UsageError(
            f"{args.source} contains no frame. Pass a camera or a video that OpenCV can read."
        )
    if args.output:
        image_io.save_image(args.output, image_io.LoadedImage(bright), overwrite=True)
    latency_ms = 1000 * busy / count
    rate = count / elapsed
    print(f"{count} frames in {elapsed:.1f} s: {rate:.1f} frames/s, {latency_ms:.1f} ms each")
    lost = is_live(args.source) and not signals and elapsed < args.seconds
    return 1 if lost else 0  # systemd restarts the loop on failure


def start_memory(engine: Engine, size: tuple[int, int]) -> None:
    """Let a model with states average the noise of frames of `size`; not that of tiles of them."""
    if isinstance(engine, RgbEngine) and engine.engine.contract.states:
        contract = engine.engine.contract
        fits = engine.size in (None, contract.round_up(size))
        engine.memory = FrameMemory(contract, size, np.uint8) if fits else None


def is_live(source: str) -> bool:
    """Return whether a source is a camera or a stream, which have no end."""
    return source.isdecimal() or "://" in source


def open_source(source: str, size: tuple[int, int]) -> cv2.VideoCapture:
    """Open a source; request frames of the model's size from a camera, which need no tiles."""
    log = cv2.utils.logging
    log.setLogLevel(log.LOG_LEVEL_SILENT)  # errors are reported below, in one line
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    capture = cv2.VideoCapture(int(source) if source.isdecimal() else source)
    if not capture.isOpened():
        raise UsageError(
            f"{source} cannot be opened. Pass the number of a camera, an address or a video."
        )
    if source.isdecimal():
        capture.set(cv2.CAP_PROP_FRAME_HEIGHT, size[0])
        capture.set(cv2.CAP_PROP_FRAME_WIDTH, size[1])
        capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)  # only the newest frame, if the driver supports it
    return capture


def read_frames(capture: cv2.VideoCapture) -> Iterator[np.ndarray]:
    """Yield frames as (H, W, 3) uint8 RGB, all in the same array."""
    image = low = None
    while True:
        ok, image = capture.read(image)
        if not ok:
            return
        low = cv2.cvtColor(image, cv2.COLOR_BGR2RGB, low)
        yield low


def notify_systemd(state: str) -> None:
    """Send a state to systemd, if it started this program with a notification socket."""
    address = os.environ.get("NOTIFY_SOCKET")
    if address:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as connection:
            connection.sendto(state.encode(), address.replace("@", "\0", 1))


if __name__ == "__main__":
    escape_unencodable()
    try:
        sys.exit(main())
    except UsageError as error:
        print(f"camera.py: {error}", file=sys.stderr)
        sys.exit(2)
