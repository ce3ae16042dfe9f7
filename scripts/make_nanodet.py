"""Write `lowlight_tf/weights/nanodet_g.tflite` from the published file of NanoDet-g.

    python scripts/make_nanodet.py nanodet_g_416_fp16.tflite

The kernels stay float16, but the weights of each output channel are rounded to at most 127
multiples of a power of two. Compression, such as that of a wheel, then needs little more than half
the bytes, and the file runs as before.
"""

import argparse
from pathlib import Path

import numpy as np

from lowlight_tf.fileio import atomic_write
from lowlight_tf.tflite_graph.flatbuffer import dtype_name, read_model, write_model

MAX_STEPS = 127  # on either side of zero
OUTPUT = Path(__file__).parents[1] / "lowlight_tf" / "weights" / "nanodet_g.tflite"


def round_kernel(kernel: np.ndarray) -> np.ndarray:
    """Return a kernel, (out, H, W, in) float16, rounded to steps of a power of two."""
    largest = np.abs(np.float32(kernel)).max(axis=(1, 2, 3), keepdims=True)
    step = np.exp2(np.ceil(np.log2(largest / MAX_STEPS)))
    return np.float16(np.rint(kernel / step) * step)


def main() -> None:
    """Round the kernels and write the file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("published", type=Path)
    content = parser.parse_args().published.read_bytes()
    model = read_model(content)
    for tensor in model.subgraphs[0].tensors:
        if dtype_name(tensor) == "FLOAT16" and len(tensor.shape) == 4:
            buffer = model.buffers[tensor.buffer]
            kernel = np.frombuffer(bytes(buffer.data), np.float16).reshape(tensor.shape)
            buffer.data = np.frombuffer(round_kernel(kernel).tobytes(), np.uint8)
    with atomic_write(OUTPUT) as part:
        part.write_bytes(write_model(model))
    print(f"{OUTPUT}: {OUTPUT.stat().st_size} bytes")


if __name__ == "__main__":
    main()
