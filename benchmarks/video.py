"""How fast video is enhanced, file to file, beside the bare interpreter.

python benchmarks/video.py VIDEO [NET] [FRAMES]: frames of VIDEO are brought to the size that NET (a
shipped name or a .tflite file with its card) takes and written to a file, which is then read,
enhanced and written. The bare interpreter is given the same frames from memory and its results are
thrown away: what no program can beat. The last line decodes and encodes only.
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
FRAMES = 60


def main() -> None:
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    name = sys.argv[2] if len(sys.argv) > 2 else pretrained.DEFAULT_MODEL
    count = int(sys.argv[3]) if len(sys.argv) > 3 else FRAMES
    path = name if name.endswith(".tflite") else str(pretrained.find_pretrained(name))
    engine = load_model(path, threads=THREADS)
    height, width = engine.size or (engine.card.height, engine.card.width)
    with av.open(sys.argv[1]) as container:
        found = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    frames = [
        np.uint8(cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA) // 5)
        for frame in itertools.islice(itertools.cycle([*found, *found[::-1]]), count)
    ]
    bare = Interpreter(path, num_threads=THREADS)
    bare.allocate_tensors()
    input_details, output = bare.get_input_details(), bare.get_output_details()[0]
    low = next(
        details for details in input_details if tuple(details["shape"][1:3]) == (height, width)
    )

    def interpret() -> int:
        """Do the least: set, run, get; a net of bytes gets the bytes as they are."""
        for frame in frames:
            image = frame if low["dtype"] == np.uint8 else frame.astype(np.float32) / 255
            bare.set_tensor(low["index"], image[None])
            bare.invoke()
            bare.get_tensor(output["index"])
        return count

    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        _write(folder / "in.mp4", frames)

        def file_to_file(*, enhancing: bool = True) -> int:
            reader = VideoReader(folder / "in.mp4")
            writer = VideoWriter(folder / "out.mp4", reader, overwrite=True)
            if enhancing:
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
                "file to file without the net": lambda: file_to_file(enhancing=False),
            },
            unit="frames",
        )


def _write(path: Path, frames: list[np.ndarray]) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", 30, options={"preset": "fast", "crf": "20"})
        stream.height, stream.width = frames[0].shape[:2]
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())


if __name__ == "__main__":
    main()
