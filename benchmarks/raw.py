"""Time one RAW file and compare with LibRaw: python benchmarks/raw.py MODEL [--file IMG.ARW].

A model, from the file to 16 bits in memory, in turn with LibRaw (AHD, its fastest way from the file
to 16 bits), in one process; then the peak memory of one frame, in a separate process. Without a
file, a frame of 24 megapixels and 14 bits is generated.
"""

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from side_by_side import side_by_side

from lowlight_tf.cli.options import image_size
from lowlight_tf.imaging.formats import dng
from lowlight_tf.imaging.raw import raw_image
from lowlight_tf.runtime.develop import develop
from lowlight_tf.runtime.loading import load_model

RATIO = 100.0
PEAK_MEMORY = """
import sys
from pathlib import Path
from lowlight_tf.imaging.raw import raw_image
from lowlight_tf.runtime.benchmark import peak_bytes
from lowlight_tf.runtime.develop import develop
from lowlight_tf.runtime.loading import load_model
engine = load_model(sys.argv[1], threads=int(sys.argv[3]))
develop(engine, raw_image.read_raw(Path(sys.argv[2])), ratio=100)
print(peak_bytes() / 1e6)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", help="pretrained model, .tflite file or run folder")
    parser.add_argument("--file", type=Path)
    parser.add_argument(
        "--size", type=image_size, default=(4000, 6000), help="of the generated frame"
    )
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = args.file or write_raw_file(args.size, Path(folder) / "generated.dng")
        height, width = raw_image.read_raw_size(path)
        print(f"\n{width}x{height}, from the file to 16 bits, {args.threads} threads\n")
        rates = side_by_side(
            {
                "LibRaw": lambda: count(
                    raw_image.develop_with_libraw, path, ratio=RATIO, curve="srgb"
                ),
                args.model: workload(args.model, path, args.threads),
            },
            unit="frames",
            rounds=args.rounds,
        )
        peak = subprocess.run(
            [sys.executable, "-c", PEAK_MEMORY, args.model, str(path), str(args.threads)],
            check=True,
            capture_output=True,
            text=True,
        )
    print("\n| model | s, median |\n|---|---:|")
    for name, rate in rates.items():
        print(f"| {name} | {1 / rate:.2f} |")
    print(f"\nPeak memory of {args.model}: {float(peak.stdout):.0f} MB")


def write_raw_file(size: tuple[int, int], path: Path) -> Path:
    """Write a Bayer DNG of 14 bits with random raw values."""
    raw_values = np.random.default_rng(0).integers(500, 700, size, dtype=np.uint16)
    dng.write(path, raw_values, "RGGB", bit_depth=14, black_level=(512,), camera_wb=(2, 1, 1.6))
    return path


def workload(model: str, path: Path, threads: int) -> Callable[[], int]:
    """Return a function that reads and develops a file."""
    engine = load_model(model, threads=threads)
    return lambda: count(develop, engine, raw_image.read_raw(path), ratio=RATIO)


def count(function: Callable, *args, **kwargs) -> int:
    """Call a function; return 1, the number of frames."""
    function(*args, **kwargs)
    return 1


if __name__ == "__main__":
    main()
