"""How long the baselines take on one core: python benchmarks/classical.py [PICTURE].

All go in turn, in one process, over the same picture at `--size`; without one, over made-up things
in the dark with a sensor's noise. How long LIME takes depends on the picture, the others hardly.
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

FIRST = "gamma"  # what the others are compared with
NAMES = sorted(name for name in BASELINES if BASELINES.find(name).contract in (ENHANCE, FUSE))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("picture", nargs="?", type=Path)
    parser.add_argument("--size", type=image_size, default=(720, 1280))
    parser.add_argument("--names", nargs="+", default=NAMES, choices=NAMES)
    parser.add_argument("--rounds", type=int, default=7)
    args = parser.parse_args()
    cv2.setNumThreads(1)
    os.sched_setaffinity(0, [max(os.sched_getaffinity(0))])
    low = made_up(args.size)
    if args.picture:
        low = image_io.read_float_rgb(args.picture)
        low = cv2.resize(low, args.size[::-1], interpolation=cv2.INTER_AREA)
    names = sorted({FIRST, *args.names}, key=lambda name: (name != FIRST, name))
    print(f"\n{low.shape[1]}x{low.shape[0]}, float32 in and out, one core\n")
    rates = side_by_side(
        {name: repeated(name, low) for name in names}, unit="pictures", rounds=args.rounds
    )
    print("\n| baseline | ms, median |\n|---|---:|")
    for name, rate in rates.items():
        print(f"| {name} | {1000 / rate:.0f} |")


def made_up(size: tuple[int, int]) -> np.ndarray:
    rng = np.random.default_rng(0)
    things = rng.random((size[0] // 40, size[1] // 40, 3), dtype=np.float32)
    things = cv2.resize(things, size[::-1], interpolation=cv2.INTER_NEAREST)
    light = cv2.resize(rng.random((3, 4), dtype=np.float32), size[::-1])[..., None]
    return noise.darken((things * light) ** np.float32(0.5), exposure=1 / 12, rng=rng)


def repeated(name: str, low: np.ndarray) -> Callable[[], int]:
    baseline = BASELINES.find(name)
    function, pictures = baseline.load(), [low]
    if baseline.contract.is_fusion:
        pictures = [np.ascontiguousarray(low[..., index, None]) for index in range(2)]

    def work() -> int:
        function(*pictures)
        return 1

    return work


if __name__ == "__main__":
    main()
