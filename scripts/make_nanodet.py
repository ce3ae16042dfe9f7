"""Make `lowlight_tf/weights/nanodet_g.tflite` from the file that NanoDet-g was published as.

    python scripts/make_nanodet.py nanodet_g_416_fp16.tflite

The kernels stay float16, but each map's are rounded to multiples of a power of two, at most 127 of
them: whatever packs files, such as a wheel, then packs them into little more than half the bytes,
and what runs them notices nothing.
"""

import argparse
import os
from pathlib import Path

import numpy as np

from lowlight_tf.tflite_graph.flatbuffer import dtype_name, read_model, write_model

STEPS = 127  # on either side of zero
OUT = Path(__file__).parents[1] / "lowlight_tf" / "weights" / "nanodet_g.tflite"


def coarse(kernel: np.ndarray) -> np.ndarray:
    """Return the weights of a kernel, (maps, H, W, in) float16, rounded."""
    largest = np.abs(np.float32(kernel)).max(axis=(1, 2, 3), keepdims=True)
    step = np.exp2(np.ceil(np.log2(largest / STEPS)))
    return np.float16(np.rint(kernel / step) * step)


def main() -> None:
    """Round the kernels, write the file beside and rename it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("published", type=Path)
    content = parser.parse_args().published.read_bytes()
    model = read_model(content)
    for tensor in model.subgraphs[0].tensors:
        if dtype_name(tensor) == "FLOAT16" and len(tensor.shape) == 4:
            buffer = model.buffers[tensor.buffer]
            kernel = np.frombuffer(bytes(buffer.data), np.float16).reshape(tensor.shape)
            buffer.data = np.frombuffer(coarse(kernel).tobytes(), np.uint8)
    part = OUT.with_suffix(".part")
    part.write_bytes(write_model(model))
    os.replace(part, OUT)
    print(f"{OUT}: {OUT.stat().st_size} bytes")


if __name__ == "__main__":
    main()
