"""Time video enhancement from file to file and compare with the bare interpreter.

python benchmarks/video.py VIDEO [MODEL] [FRAMES]: frames of VIDEO are resized to the input size of
MODEL (a pretrained model or a .tflite file with its card) and written to a file, which is then
read, enhanced and written. The bare interpreter gets the same frames from memory and its results
are discarded: an upper bound. The last line only decodes and encodes.
"""

import itertools
import sys
import tempfile
from pathlib import Path

import av
import cv2
import numpy as np
from ai_edge_litert.interpreter import Interpreter
from side_by_side import side_by_side

from lowlight_tf.runtime import pretrained
from lowlight_tf.runtime.loading import load_model
from lowlight_tf.video.frame_queue import split_threads
from lowlight_tf.video.pipeline import VideoPipeline
from lowlight_tf.video.reader import VideoReader
from lowlight_tf.video.writer import VideoWriter

THREADS = 2
DEFAULT_FRAMES = 60


def main() -> None:
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    name = sys.argv[2] if len(sys.argv) > 2 else pretrained.DEFAULT_MODEL
    count = int(sys.argv[3]) if len(sys.argv) > 3 else DEFAULT_FRAMES
    path = name if name.endswith(".tflite") else str(pretrained.find_pretrained(name))
    engine = load_model(path, threads=THREADS)
    height, width = engine.size or (engine.card.height, engine.card.width)
    with av.open(sys.argv[1]) as container:
        decoded = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    frames = [
        np.uint8(cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA) // 5)
        for frame in itertools.islice(itertools.cycle([*decoded, *decoded[::-1]]), count)
    ]
    bare = Interpreter(path, num_threads=THREADS)
    bare.allocate_tensors()
    inputs, output_details = bare.get_input_details(), bare.get_output_details()[0]
    low = next(details for details in inputs if tuple(details["shape"][1:3]) == (height, width))

    def interpret() -> int:
        """Set, run and get; a model with uint8 input gets the frames as they are."""
        for frame in frames:
            image = frame if low["dtype"] == np.uint8 else frame.astype(np.float32) / 255
            bare.set_tensor(low["index"], image[None])
            bare.invoke()
            bare.get_tensor(output_details["index"])
        return count

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _write_video(folder / "in.mp4", frames)

        def file_to_file(*, with_model: bool = True) -> int:
            reader = VideoReader(folder / "in.mp4")
            writer = VideoWriter(folder / "out.mp4", reader, overwrite=True)
            if with_model:
                VideoPipeline(split_threads(engine, THREADS), reader, writer).run()
            else:
                for frame in reader:
                    writer.write(frame)
                writer.close()
            assert writer.frame_count == count
            return count

        print(f"{width}x{height}, {count} frames, {engine.name}, {THREADS} threads\n")
        side_by_side(
            {
                "bare interpreter": interpret,
                "file to file": file_to_file,
                "file to file without the model": lambda: file_to_file(with_model=False),
            },
            unit="frames",
        )


def _write_video(path: Path, frames: list[np.ndarray]) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", 30, options={"preset": "fast", "crf": "20"})
        stream.height, stream.width = frames[0].shape[:2]
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())


if __name__ == "__main__":
    main()
