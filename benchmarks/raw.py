"""How long one RAW file takes: python benchmarks/raw.py MODEL [--file IMG.ARW].

A net, from the file to 16 bits in memory, in turn with LibRaw (AHD, its own fastest way from the
file to 16 bits), in one process; then how much memory one frame takes, in a process of its own.
Without a file, one of 24 megapixels and 14 bits is made up.
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
PEAK = """
import sys
from pathlib import Path
from lowlight_tf.imaging import raw
from lowlight_tf.runtime.benchmark import peak_bytes
from lowlight_tf.runtime.develop import develop
from lowlight_tf.runtime.engine import open_engine
develop(open_engine(sys.argv[1], threads=int(sys.argv[3])), raw.read(Path(sys.argv[2])), ratio=100)
print(peak_bytes() / 1e6)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", help="a shipped name, a .tflite file or a run folder")
    parser.add_argument("--file", type=Path)
    parser.add_argument("--size", type=image_size, default=(4000, 6000), help="of what is made up")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = args.file or made_up(args.size, Path(folder) / "made_up.dng")
        height, width = raw_image.read_raw_size(path)
        print(f"\n{width}x{height}, from the file to 16 bits, {args.threads} threads\n")
        rates = side_by_side(
            {
                "LibRaw": lambda: counted(
                    raw_image.develop_with_libraw, path, ratio=RATIO, curve="srgb"
                ),
                args.model: through(args.model, path, args.threads),
            },
            unit="frames",
            rounds=args.rounds,
        )
        peak = subprocess.run(
            [sys.executable, "-c", PEAK, args.model, str(path), str(args.threads)],
            check=True,
            capture_output=True,
            text=True,
        )
    print("\n| developed by | s, median |\n|---|---:|")
    for name, rate in rates.items():
        print(f"| {name} | {1 / rate:.2f} |")
    print(f"\nPeak of memory of {args.model}: {float(peak.stdout):.0f} MB")


def made_up(size: tuple[int, int], path: Path) -> Path:
    digits = np.random.default_rng(0).integers(500, 700, size, dtype=np.uint16)
    dng.write(path, digits, "RGGB", bit_depth=14, black_level=(512,), camera_wb=(2, 1, 1.6))
    return path


def through(model: str, path: Path, threads: int) -> Callable[[], int]:
    engine = load_model(model, threads=threads)
    return lambda: counted(develop, engine, raw_image.read_raw(path), ratio=RATIO)


def counted(work: Callable, *given, **told) -> int:
    work(*given, **told)
    return 1


if __name__ == "__main__":
    main()
