"""Time video enhancement from file to file, side by side, and the parts of which it is made.

python benchmarks/video.py VIDEO HEIGHTxWIDTH MODEL...: frames of VIDEO are resized, darkened and
written to a file, which each MODEL (a pretrained model or a .tflite file with its card) enhances in
turn. The second table has what decoding, the bare interpreter and encoding the result take with one
thread each; divided among the cores, their sum is a bound.
"""

import itertools
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import av
import cv2
import numpy as np
from ai_edge_litert.interpreter import Interpreter
from side_by_side import side_by_side

from lowlight_tf.cli.options import image_sizes
from lowlight_tf.model_card import ModelCard
from lowlight_tf.runtime import pretrained
from lowlight_tf.runtime.engine import Engine
from lowlight_tf.runtime.loading import load_model
from lowlight_tf.tflite_graph.resize_model import resize_model_bytes
from lowlight_tf.video.container_writer import DEFAULT_ENCODER, ENCODER_OPTIONS
from lowlight_tf.video.frame_queue import split_threads
from lowlight_tf.video.pipeline import VideoPipeline
from lowlight_tf.video.reader import VideoReader
from lowlight_tf.video.writer import VideoWriter

FRAMES, ROUNDS = 120, 5
CORES = os.cpu_count() or 1


def main() -> None:
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    (size,) = image_sizes([sys.argv[2]])
    engines = {name: load_model(name, threads=CORES) for name in sys.argv[3:]}
    with tempfile.TemporaryDirectory() as name:
        source, target = Path(name) / "in.mp4", Path(name) / "out.mp4"
        write_video(source, read_frames(sys.argv[1], size))
        print(f"{size[1]}x{size[0]}, {FRAMES} frames, {CORES} cores\n")
        workloads = {
            model: lambda engine=engine: enhance_video(engine, source, target)
            for model, engine in engines.items()
        }
        workloads["decoding and encoding only"] = lambda: copy_video(source, target)
        medians = side_by_side(workloads, unit="frames", rounds=ROUNDS)

        decoding = measure(lambda: decode_video(source)) / FRAMES
        print("\n| model | decoding, interpreter, encoding, ms | bound, frames/s | reached |")
        print("|---|---|---|---|")
        for model in engines:
            workloads[model]()
            frames = decode_video(target)
            inference = measure(make_interpreter(model, size))
            encoding = measure(lambda frames=frames: encode_video(frames, target)) / FRAMES
            bound = CORES / (decoding + inference + encoding)
            parts = ", ".join(f"{1000 * part:.1f}" for part in (decoding, inference, encoding))
            print(f"| {model} | {parts} | {bound:.1f} | {medians[model] / bound:.2f} |")


def read_frames(path: str, size: tuple[int, int]) -> list[np.ndarray]:
    """Return `FRAMES` darkened frames of a video, forward and back as often as needed."""
    with av.open(path) as container:
        decoded = itertools.islice(container.decode(video=0), FRAMES)
        frames = [frame.to_ndarray(format="rgb24") for frame in decoded]
    cycle = itertools.cycle([*frames, *frames[::-1]])
    resize = {"dsize": size[::-1], "interpolation": cv2.INTER_AREA}
    return [np.uint8(cv2.resize(frame, **resize) // 5) for frame in itertools.islice(cycle, FRAMES)]


def write_video(path: Path, frames: list[np.ndarray]) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", 30, options={"preset": "fast", "crf": "20"})
        stream.height, stream.width = frames[0].shape[:2]
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())


def enhance_video(engine: Engine, source: Path, target: Path) -> int:
    reader = VideoReader(source)
    writer = VideoWriter(target, reader, overwrite=True)
    VideoPipeline(split_threads(engine, CORES), reader, writer).run()
    assert writer.frame_count == FRAMES
    return FRAMES


def copy_video(source: Path, target: Path) -> int:
    reader = VideoReader(source)
    writer = VideoWriter(target, reader, overwrite=True)
    for frame in reader:
        if isinstance(frame, av.VideoFrame):
            writer.write(frame)
    writer.close()
    return FRAMES


def decode_video(path: Path) -> list[av.VideoFrame]:
    with av.open(str(path)) as container:
        container.streams.video[0].codec_context.thread_count = 1
        return list(container.decode(video=0))


def encode_video(frames: list[av.VideoFrame], path: Path) -> None:
    """Encode as `VideoWriter` does, with one thread."""
    with av.open(str(path), "w") as container:
        options = ENCODER_OPTIONS[DEFAULT_ENCODER]
        stream = container.add_stream(DEFAULT_ENCODER, 30, options=options)
        stream.height, stream.width = frames[0].height, frames[0].width
        stream.codec_context.thread_count, stream.codec_context.max_b_frames = 1, 0
        for frame in frames:
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def make_interpreter(model: str, size: tuple[int, int]) -> Callable[[], None]:
    """Return a function that runs the bare interpreter of a model with one thread."""
    path = Path(model) if model.endswith(".tflite") else pretrained.find_pretrained(model)
    contract = ModelCard.load(path.with_suffix(".json")).contract
    height, width = (-(-side // contract.multiple_of) * contract.multiple_of for side in size)
    content = resize_model_bytes(path.read_bytes(), contract, (height, width))
    interpreter = Interpreter(model_content=content, num_threads=1)
    interpreter.allocate_tensors()
    return interpreter.invoke


def measure(work: Callable[[], object]) -> float:
    """Return the median time of several runs (seconds)."""
    seconds = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds)


if __name__ == "__main__":
    main()
