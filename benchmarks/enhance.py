"""Time `enhance` and compare with the bare interpreter: python benchmarks/enhance.py [MODEL].

MODEL is a pretrained model or a .tflite file with its card. Both process the same pixels.
"""

import sys
from collections.abc import Callable

import cv2
import numpy as np
from ai_edge_litert.interpreter import Interpreter
from side_by_side import side_by_side

from lowlight_tf.runtime import pretrained
from lowlight_tf.runtime.enhance import enhance
from lowlight_tf.runtime.loading import load_model

THREADS = 2
PIXELS_PER_MEGAPIXEL = 1e6


def main() -> None:
    name = sys.argv[1] if len(sys.argv) > 1 else pretrained.DEFAULT_MODEL
    path = name if name.endswith(".tflite") else str(pretrained.find_pretrained(name))
    engine = load_model(path, threads=THREADS)
    bare = Interpreter(path, num_threads=THREADS)
    bare.allocate_tensors()
    input_details, output_details = bare.get_input_details()[0], bare.get_output_details()[0]
    height, width = map(int, input_details["shape"][1:3])
    coarse = np.random.default_rng(0).integers(0, 60, (40, 60, 3), dtype=np.uint8)

    def run(tile: np.ndarray) -> np.ndarray:
        """Convert, run and convert back; a model with uint8 input gets the tile as it is."""
        if input_details["dtype"] == np.float32:
            tile = tile.astype(np.float32) / 255
        bare.set_tensor(input_details["index"], tile[None])
        bare.invoke()
        result = bare.get_tensor(output_details["index"])[0]
        return (result * 255).astype(np.uint8) if result.dtype == np.float32 else result

    def tile_by_tile(image: np.ndarray) -> np.ndarray:
        """Process a large image in adjacent tiles, with visible seams."""
        result = np.empty_like(image)
        for top in range(0, image.shape[0], height):
            for left in range(0, image.shape[1], width):
                region = np.s_[top : top + height, left : left + width]
                result[region] = run(image[region])
        return result

    def compare(title: str, plain: Callable[[np.ndarray], np.ndarray], tiles: int) -> None:
        image = cv2.resize(coarse, (tiles * width, tiles * height))
        repeats = 16 // tiles**2

        def work(process: Callable[[np.ndarray], np.ndarray]) -> float:
            for _ in range(repeats):
                process(image)
            return repeats * image.shape[0] * image.shape[1] / PIXELS_PER_MEGAPIXEL

        print(f"\n{title}, {image.shape[1]}x{image.shape[0]}, {engine.name}, {THREADS} threads\n")
        rates = side_by_side(
            {
                "bare interpreter": lambda: work(plain),
                "enhance": lambda: work(lambda image: enhance(engine, image)),
            },
            unit="megapixels",
            rounds=7,
        )
        print(
            "; ".join(f"{name}: {1000 / rate:.0f} ms per megapixel" for name, rate in rates.items())
        )

    compare("One frame of the model's size", run, 1)
    compare("An image of 4x4 frames", tile_by_tile, 4)


if __name__ == "__main__":
    main()
