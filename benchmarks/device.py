"""Time a frame and compare with a single multiplication: python benchmarks/device.py MODEL...

MODEL are .tflite files. The lower bound is a file that only multiplies a frame, uint8 in and out,
written here with TensorFlow. All run in turn, in one process. `bare` is the interpreter alone, with
XNNPACK, its input written once; `engine` is what a camera calls, for files with a card: a uint8
frame in, RGB or planes, another out.
"""

import argparse
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter
from side_by_side import side_by_side

from lowlight_tf.cli.options import image_size
from lowlight_tf.runtime.litert_engine import LiteRTEngine

REPEATS = 8  # frames of each in one round


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="*", type=Path)
    parser.add_argument(
        "--size", type=image_size, default=(1080, 1920), help="of the multiplied frame"
    )
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=9)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        multiplication = write_multiplication(args.size, Path(folder))
        runs = {
            f"multiply, bare, {'x'.join(map(str, args.size))}": bare_interpreter(
                multiplication, args.threads
            )
        }
        for path in args.models:
            runs[f"{path.stem}, bare"] = bare_interpreter(path, args.threads)
            if path.with_suffix(".json").is_file():
                runs[f"{path.stem}, engine"] = engine_call(path, args.threads)
        print(f"\n{args.threads} threads, LiteRT with XNNPACK\n")
        rates = side_by_side(
            {name: lambda run=run: repeat(run) for name, run in runs.items()},
            unit="frames",
            rounds=args.rounds,
        )
    first = next(iter(rates.values()))
    print("\n| model | ms, median | relative to the multiplication |\n|---|---:|---:|")
    for name, rate in rates.items():
        print(f"| {name} | {1000 / rate:.1f} | {first / rate:.2f} |")


def write_multiplication(size: tuple[int, int], folder: Path) -> Path:
    """Write a file that halves a frame: uint8 in and out, one 8-bit multiplication."""
    frame = tf.TensorSpec((1, *size, 3), tf.float32)
    half = tf.function(lambda low: low * 0.5, input_signature=[frame])
    converter = tf.lite.TFLiteConverter.from_concrete_functions([half.get_concrete_function()])
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: calibration_samples(size)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.uint8
    path = folder / "multiply.tflite"
    path.write_bytes(converter.convert())
    return path


def calibration_samples(size: tuple[int, int]) -> Iterator[list[np.ndarray]]:
    """Yield one random frame."""
    yield [np.random.default_rng(0).random((1, *size, 3), dtype=np.float32)]


def bare_interpreter(path: Path, threads: int) -> Callable[[], object]:
    """Return the `invoke` of an interpreter with random inputs."""
    interpreter = Interpreter(str(path), num_threads=threads)
    interpreter.allocate_tensors()
    rng = np.random.default_rng(0)
    for details in interpreter.get_input_details():
        noise = rng.random(details["shape"], dtype=np.float32)
        if details["dtype"] == np.uint8:
            noise *= 255
        interpreter.set_tensor(details["index"], noise.astype(details["dtype"]))
    return interpreter.invoke


def engine_call(path: Path, threads: int) -> Callable[[], object]:
    """Return a function that runs an engine on random uint8 images, RGB or planes."""
    engine = LiteRTEngine(path, threads=threads)
    contract, size = engine.contract, (engine.card.height, engine.card.width)
    rng = np.random.default_rng(0)
    images = {
        port.name: rng.integers(0, 256, (1, *port.shape(size)), np.uint8)
        for port in contract.inputs
    }
    out = {port.name: np.empty((1, *port.shape(size)), np.uint8) for port in contract.outputs}
    return lambda: engine(images, out=out)


def repeat(run: Callable[[], object]) -> float:
    """Run `REPEATS` times; return the number of frames."""
    for _ in range(REPEATS):
        run()
    return REPEATS


if __name__ == "__main__":
    main()
