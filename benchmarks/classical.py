"""Time the classical baselines on one core: python benchmarks/classical.py [IMAGE].

All baselines run in turn, in one process, on the same image at `--size`; without an image, on a
synthetic dark scene with sensor noise. LIME's time depends on the image, that of the others hardly.
"""

import argparse
import os
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from side_by_side import side_by_side

from lowlight_tf.catalog import BASELINES
from lowlight_tf.cli.options import image_size
from lowlight_tf.contract import ENHANCE, FUSE
from lowlight_tf.imaging import image_io, noise

REFERENCE = "gamma"  # the others are compared with it
NAMES = sorted(name for name in BASELINES if BASELINES.find(name).contract in (ENHANCE, FUSE))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("image", nargs="?", type=Path)
    parser.add_argument("--size", type=image_size, default=(720, 1280))
    parser.add_argument("--names", nargs="+", default=NAMES, choices=NAMES)
    parser.add_argument("--rounds", type=int, default=7)
    args = parser.parse_args()
    cv2.setNumThreads(1)
    os.sched_setaffinity(0, [max(os.sched_getaffinity(0))])
    low = synthetic_image(args.size)
    if args.image:
        low = image_io.read_float_rgb(args.image)
        low = cv2.resize(low, args.size[::-1], interpolation=cv2.INTER_AREA)
    names = sorted({REFERENCE, *args.names}, key=lambda name: (name != REFERENCE, name))
    print(f"\n{low.shape[1]}x{low.shape[0]}, float32 in and out, one core\n")
    rates = side_by_side(
        {name: workload(name, low) for name in names}, unit="images", rounds=args.rounds
    )
    print("\n| baseline | ms, median |\n|---|---:|")
    for name, rate in rates.items():
        print(f"| {name} | {1000 / rate:.0f} |")


def synthetic_image(size: tuple[int, int]) -> np.ndarray:
    """Return a dark scene of colored rectangles, (*size, 3) float32 in [0, 1]."""
    rng = np.random.default_rng(0)
    objects = rng.random((size[0] // 40, size[1] // 40, 3), dtype=np.float32)
    objects = cv2.resize(objects, size[::-1], interpolation=cv2.INTER_NEAREST)
    light = cv2.resize(rng.random((3, 4), dtype=np.float32), size[::-1])[..., None]
    return noise.darken((objects * light) ** np.float32(0.5), exposure=1 / 12, rng=rng)


def workload(name: str, low: np.ndarray) -> Callable[[], int]:
    """Return a function that runs a baseline once on an image."""
    baseline = BASELINES.find(name)
    function, images = baseline.load(), [low]
    if baseline.contract.is_fusion:
        images = [np.ascontiguousarray(low[..., index, None]) for index in range(2)]

    def work() -> int:
        function(*images)
        return 1

    return work


if __name__ == "__main__":
    main()
