"""Fuse two live cameras while one is lost and back three times: live_pair.py DATA MODEL MINUTES.

DATA has the folders visible and infrared of aligned images, such as LLVIP's, over which a window of
640x480 moves. Each camera is a process that sends MPEG-TS at 30 frames/s over TCP; the infrared one
does not answer for 15 s after a fifth, two and three fifths of the time. `lowlight-tf enhance` runs
as a user runs it, and is interrupted at the end.
"""

import itertools
import multiprocessing
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import av
import cv2
import numpy as np
import psutil

FPS, SIZE, LOST_S = 30, (480, 640), 15.0
TICK_S, MEASURE_S = 0.01, 10.0
"""Time between two pieces that a camera sends, and between two measurements (seconds)."""


def main() -> None:
    if len(sys.argv) != 4 or not (Path(sys.argv[1]) / "visible").is_dir():
        sys.exit(__doc__)
    data, model, seconds = Path(sys.argv[1]), sys.argv[2], 60 * float(sys.argv[3])
    with tempfile.TemporaryDirectory() as name:
        folder, ports, cameras = Path(name), {}, []
        for camera in ("visible", "infrared"):
            video = folder / f"{camera}.ts"
            starts = write_camera(data / camera, video, seconds + 30)
            with socket.create_server(("127.0.0.1", 0)) as server:
                ports[camera] = server.getsockname()[1]
            losses = [seconds * part for part in (0.2, 0.4, 0.6)] * (camera == "infrared")
            arguments = video, starts, ports[camera], losses
            cameras.append(multiprocessing.Process(target=serve, args=arguments))
        for camera in cameras:
            camera.start()
        time.sleep(1)
        fuse_live(ports, model, folder / "out.mkv", seconds)
        for camera in cameras:
            camera.terminate()
        report(folder / "out.mkv")


def write_camera(images: Path, target: Path, seconds: float) -> list[int]:
    """Write the video of one camera: a window that moves over one image for a second.

    Returns:
        For each frame, where in the file it begins (bytes).
    """
    starts, paths = [], itertools.cycle(sorted(images.iterdir()))
    with target.open("wb") as file, av.open(file, "w", format="mpegts") as container:
        options = {"preset": "ultrafast", "tune": "zerolatency", "crf": "25", "g": str(FPS)}
        stream = container.add_stream("libx264", FPS, options=options)
        stream.height, stream.width = SIZE
        stream.pix_fmt = "yuv420p"
        for index in range(round(seconds * FPS)):
            if index % FPS == 0:
                image = cv2.imread(str(next(paths)), cv2.IMREAD_COLOR)
                image = cv2.resize(image, (SIZE[1] + 64, SIZE[0] + 64))
            x, y = (round(32 + 32 * np.sin(speed * index / FPS)) for speed in (1.0, 0.7))
            window = np.ascontiguousarray(image[y : y + SIZE[0], x : x + SIZE[1]])
            frame = av.VideoFrame.from_ndarray(window, format="bgr24")
            container.mux(stream.encode(frame.reformat(format="yuv420p")))
            starts.append(file.tell())
        container.mux(stream.encode())
    return starts


def serve(video: Path, starts: list[int], port: int, losses: list[float]) -> None:
    """Send a video in real time, except to a client that comes or stays while the camera is lost.

    Args:
        video: A .ts file.
        starts: Where each of its frames begins (bytes).
        port: On the loopback interface.
        losses: When the camera is lost for `LOST_S` (seconds).
    """
    content, start = video.read_bytes(), time.monotonic()

    def is_lost() -> bool:
        return any(0 <= time.monotonic() - start - loss < LOST_S for loss in losses)

    def position() -> int:
        return starts[min(int(FPS * (time.monotonic() - start)), len(starts) - 1)]

    while True:
        if is_lost():
            time.sleep(TICK_S)
            continue
        with socket.create_server(("127.0.0.1", port)) as server:
            client, _ = server.accept()
        with client:
            sent = position()
            try:
                while not is_lost():
                    end = position()
                    client.sendall(content[sent:end])
                    sent = end
                    time.sleep(TICK_S)
            except OSError:
                continue


def fuse_live(ports: dict[str, int], model: str, target: Path, seconds: float) -> None:
    """Run the command for some time, then interrupt it; print its memory and processor time."""
    visible, infrared = (f"tcp://127.0.0.1:{ports[camera]}" for camera in ("visible", "infrared"))
    command = ["lowlight-tf", "enhance", visible, "--infrared", infrared, "--output", str(target)]
    start, memory = time.monotonic(), []
    with subprocess.Popen([*command, "--model", model], start_new_session=True) as process:
        while time.monotonic() - start < seconds and process.poll() is None:
            time.sleep(MEASURE_S)
            children = psutil.Process(process.pid).children(recursive=True)
            every = [psutil.Process(process.pid), *children]
            memory.append(sum(one.memory_info().rss for one in every) / 2**20)
            used = sum(sum(one.cpu_times()[:2]) for one in every)
        process.send_signal(signal.SIGINT)
        print(f"exit status {process.wait(60)}")
    elapsed = time.monotonic() - start
    third = max(len(memory) // 3, 1)
    print(
        f"processor: {used / elapsed:.2f} of {psutil.cpu_count()}; memory, MiB: "
        f"{np.median(memory[:third]):.0f} in the first third, {np.median(memory[-third:]):.0f} in "
        "the last"
    )


def report(video: Path) -> None:
    """Print how many frames a video has, and the largest time between two."""
    with av.open(str(video)) as container:
        times = np.array([float(frame.time) for frame in container.decode(video=0)])
    gaps = np.diff(times)
    print(
        f"{len(times)} frames in {times[-1] - times[0]:.1f} s: {1 / gaps.mean():.2f} frames/s, "
        f"largest gap {gaps.max():.2f} s, {np.sum(gaps > 1.5 / FPS)} gaps of more than a frame"
    )


if __name__ == "__main__":
    main()
