"""Enhance a live stream, and say how late frames are: live_output.py VIDEO MODEL MINUTES.

VIDEO is scaled to 1280x720 and sent by a process as MPEG-TS at 30 frames/s over TCP, again and
again. `lowlight-tf enhance --stats` runs as a user runs it, with four outputs in turn or the one
that --output names: udp, http (two readers come and go, one stands still), segments, stdout.

With --trouble the camera fails as cameras do, each minute: it is gone for 9 s, and comes back with
960x544 or 1280x720 by turns; one packet in 200 is damaged for 12 s. Memory is compared between the
first and the last third, and every segment is decoded.
"""

import argparse
import contextlib
import http.client
import math
import multiprocessing
import random
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import psutil
from av.video.frame import PictureType

FPS, SIZES = 30, ((720, 1280), (544, 960))
OUTPUTS = "udp", "http", "segments", "stdout"
LOST, DAMAGED, DAMAGE_RATE = (0.3, 0.45), (0.6, 0.8), 1 / 200
"""Of --trouble: the parts of a period in which the camera is gone, and packets are damaged."""

PACKET_BYTES, TICK_S, MEASURE_S = 188, 0.005, 5.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("video", type=Path)
    parser.add_argument("model")
    parser.add_argument("minutes", type=float)
    parser.add_argument("--output", nargs="+", choices=OUTPUTS, default=OUTPUTS)
    parser.add_argument("--trouble", action="store_true", help="the camera fails every period")
    parser.add_argument("--period", type=float, default=60.0, help="of the trouble (seconds)")
    parser.add_argument("--frames", type=int, default=900, help="of the video, then it repeats")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        videos = [Path(name) / f"{height}.ts" for height, _ in SIZES]
        starts = [
            write_stream(args.video, *each, args.frames) for each in zip(videos, SIZES, strict=True)
        ]
        for kind in args.output:
            port = free_port()
            arguments = videos, starts, port, args.period if args.trouble else math.inf
            camera = multiprocessing.Process(target=serve, args=arguments, daemon=True)
            camera.start()
            time.sleep(1)
            print(f"{kind}:")
            run(f"tcp://127.0.0.1:{port}", args.model, 60 * args.minutes, kind, Path(name))
            camera.terminate()


def free_port() -> int:
    """Return a port of the loopback interface that nothing listens at."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def write_stream(video: Path, target: Path, size: tuple[int, int], count: int) -> list[int]:
    """Encode the first frames of a video, scaled; return where in the file each begins (bytes)."""
    starts = []
    with target.open("wb") as file, av.open(file, "w", format="mpegts") as container:
        options = {"preset": "ultrafast", "tune": "zerolatency", "crf": "25", "g": str(FPS)}
        stream = container.add_stream("libx264", FPS, options=options)
        stream.height, stream.width = size
        stream.pix_fmt = "yuv420p"
        while len(starts) < count:  # a short video is repeated
            with av.open(str(video)) as source:
                for frame in source.decode(video=0):
                    frame = frame.reformat(size[1], size[0], "yuv420p")
                    frame.pts, frame.time_base = len(starts), Fraction(1, FPS)
                    frame.pict_type = PictureType.NONE
                    starts.append(file.tell())
                    container.mux(stream.encode(frame))
                    if len(starts) == count:
                        break
        container.mux(stream.encode())
    return starts


def serve(videos: list[Path], starts: list[list[int]], port: int, period_s: float) -> None:
    """Send a video again and again in real time, to one client after another.

    Args:
        videos: One for each client, by turns; without trouble the first.
        starts: Where in each its frames begin (bytes).
        port: On the loopback interface.
        period_s: Of the trouble (seconds); infinity for none.
    """
    contents, begin, clients = [path.read_bytes() for path in videos], time.monotonic(), 0
    generator = random.Random(1)

    def is_within(window: tuple[float, float]) -> bool:
        return window[0] <= (time.monotonic() - begin) / period_s % 1 < window[1]

    while True:
        if is_within(LOST):
            time.sleep(TICK_S)
            continue
        with socket.create_server(("127.0.0.1", port)) as server:
            client, _ = server.accept()
        which = clients % len(videos) if math.isfinite(period_s) else 0
        content, places, opened, sent = contents[which], starts[which], time.monotonic(), 0
        clients += 1
        with client, contextlib.suppress(OSError):
            while not is_within(LOST):
                frame = int(FPS * (time.monotonic() - opened))
                for index in range(sent, frame):
                    start = places[index % len(places)]
                    end = (*places, len(content))[index % len(places) + 1]
                    piece = bytearray(content[start:end])
                    if is_within(DAMAGED):
                        damage(piece, generator)
                    client.sendall(piece)
                sent = frame
                time.sleep(TICK_S)


def damage(piece: bytearray, generator: random.Random) -> None:
    """Overwrite the payload of a packet now and then."""
    for start in range(0, len(piece) - PACKET_BYTES, PACKET_BYTES):
        if generator.random() < DAMAGE_RATE:
            piece[start + 20 : start + 120] = generator.randbytes(100)


def run(url: str, model: str, seconds: float, kind: str, folder: Path) -> None:
    """Run the command for some time, then interrupt it; print what it says of itself."""
    port, segments = free_port(), folder / "segments"
    outputs = {
        "udp": [f"udp://127.0.0.1:{port}"],
        "http": [f"http://127.0.0.1:{port}/"],
        "segments": [str(segments), "--segment", "0.25"],
        "stdout": ["-"],
    }
    words = ["lowlight-tf", "enhance", url, "--output", *outputs[kind], "--model", model, "--stats"]
    log, memory, start = folder / "log", [], time.monotonic()
    with (
        log.open("w") as file,
        receiver(kind, port) as pipe,
        subprocess.Popen(words, stdout=pipe, stderr=file, start_new_session=True) as process,
    ):
        while time.monotonic() - start < seconds and process.poll() is None:
            time.sleep(min(MEASURE_S, seconds / 6))
            every = [psutil.Process(process.pid)]
            every += every[0].children(recursive=True)
            memory.append(sum(one.memory_info().rss for one in every) / 2**20)
            used = sum(sum(one.cpu_times()[:2]) for one in every)
        elapsed = time.monotonic() - start
        process.send_signal(signal.SIGINT)
        status = process.wait(60)
    lines = log.read_text().replace("\r", "\n").splitlines()
    for line in lines:
        if "latency" not in line and re.search("dropped|cannot|lost|corrupt|clock", line):
            print(f"  {line.strip()}")
    stats = [line.strip() for line in lines if "latency" in line]
    if not stats:
        sys.exit("\n".join(lines))
    print(f"  {stats[-1]}")
    third = max(len(memory) // 3, 1)
    print(
        f"  exit status {status}, processor {used / elapsed:.2f} of {psutil.cpu_count()}, memory "
        f"{np.median(memory[:third]):.0f} MiB in the first third, "
        f"{np.median(memory[-third:]):.0f} in the last"
    )
    if kind == "segments":
        counts = [count_frames(path) for path in sorted(segments.iterdir())]
        print(f"  {len(counts)} segments of {min(counts)} to {max(counts)} frames, all decoded")


@contextlib.contextmanager
def receiver(kind: str, port: int) -> Iterator[int]:
    """Read what is sent while the block runs; return what the command's standard output is."""
    stop = threading.Event()
    readers: dict[str, list[Callable]] = {
        "udp": [read_datagrams],
        "http": [read_images, read_images, stand_still],
        "segments": [],
        "stdout": [],
    }
    threads = [threading.Thread(target=each, args=(port, stop)) for each in readers[kind]]
    sink = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    for thread in threads:
        thread.start()
    try:
        yield sink.stdin.fileno() if kind == "stdout" else subprocess.DEVNULL
    finally:
        stop.set()
        for thread in threads:
            thread.join()
        sink.stdin.close()
        sink.wait()


def read_datagrams(port: int, stop: threading.Event) -> None:
    """Receive datagrams."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", port))
        receiver.settimeout(1)
        while not stop.is_set():
            with contextlib.suppress(TimeoutError):
                receiver.recv(65536)


def read_images(port: int, stop: threading.Event) -> None:
    """Read the stream for a few seconds, go away, and come back."""
    while not stop.is_set():
        until = time.monotonic() + random.uniform(2, 8)
        with contextlib.suppress(OSError, http.client.HTTPException):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
            connection.request("GET", "/")
            response = connection.getresponse()
            while time.monotonic() < until and not stop.is_set() and response.read(65536):
                pass
            connection.close()
        stop.wait(0.5)


def stand_still(port: int, stop: threading.Event) -> None:
    """Ask for the stream, and never read it."""
    while not stop.is_set():
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)) as client:
            client.sendall(b"GET / HTTP/1.1\r\n\r\n")
            stop.wait(20)
        stop.wait(0.5)


def count_frames(path: Path) -> int:
    """Return how many frames of a video can be decoded."""
    with av.open(str(path)) as container:
        return sum(1 for _ in container.decode(video=0))


if __name__ == "__main__":
    sys.exit(main())
