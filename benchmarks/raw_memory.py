"""How much memory training on RAW files takes: python benchmarks/raw_memory.py.

A folder of long and short exposures is made up, as large as Sony's in See-in-the-Dark, and a net is
trained on it for a few steps by `lowlight-tf train`, each time in a process of its own: once as it
always is, where only the crops are read of what is decoded; and once with every pair held, decoded,
in memory. The published net, as the seed trained it but for the size of its batch:

    python benchmarks/raw_memory.py --steps 1 --set training.judge=psnr pipeline.crop=512 \
pipeline.batch=1 options.filters=64 options.depth=4 options.normalized=true critic.begin=0 \
critic.features=0 critic.weight=1 "critic.options={filters=64}"
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from lowlight_tf.cli.options import image_size
from lowlight_tf.imaging.formats import dng

TRAIN = """
import functools, sys
import numpy as np
from lowlight_tf.cli.main import main
from lowlight_tf.datasets import decoded
from lowlight_tf.runtime.benchmark import peak_bytes

@functools.cache
def held(folder, side, name):
    return np.load(folder / side / f"{name}.npy")

if sys.argv.pop(1) == "held":
    decoded.Decoded._mapped = lambda self, side, name: held(self._folder, side, name)
status = main(sys.argv[1:])
print(peak_bytes() / 1e9)
sys.exit(status)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--recipe", default="attention_unet_slim")
    parser.add_argument("--size", type=image_size, default=(2848, 4256), help="of the sensor")
    parser.add_argument("--scenes", type=int, default=3, help="to learn from; each: one long")
    parser.add_argument("--shorts", type=int, default=2, help="short exposures of a scene")
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--set", nargs="+", default=[], metavar="KEY=VALUE", help="of the recipe")
    args = parser.parse_args()
    print("\n| pairs | training | peak of memory | s |\n|---|---|---:|---:|")
    with tempfile.TemporaryDirectory() as folder:
        tree = made_up(Path(folder) / "sid", args)
        for way in ("mapped", "held"):
            begun = time.perf_counter()
            peak = trained(way, tree, Path(folder), args)
            seconds = time.perf_counter() - begun
            pairs = f"{args.scenes * args.shorts}, {args.size[1]}x{args.size[0]}"
            print(f"| {pairs} | {way} | {peak:.2f} GB | {seconds:.0f} |", flush=True)
        room = sum(file.stat().st_size for file in (Path(folder) / "decoded").rglob("*.npy"))
    print(f"\nDecoded, on the disk: {room / 1e9:.2f} GB")


def made_up(tree: Path, args: argparse.Namespace) -> Path:
    """Write short and long exposures: scenes to learn from, and one to judge by."""
    rng = np.random.default_rng(0)
    for part, scenes, shorts in (("train", args.scenes, args.shorts), ("val", 1, 1)):
        for side in ("short", "long"):
            (tree / part / side).mkdir(parents=True)
        for scene in range(scenes):
            light = 512 + rng.integers(0, 8000, args.size, dtype=np.uint16)
            name = f"{part == 'val':d}{scene:04}"
            take(tree / part / "long" / f"{name}_00_10s.dng", light)
            dark = 512 + (light - 512) // 100
            for number in range(shorts):
                take(tree / part / "short" / f"{name}_{number:02}_0.1s.dng", dark)
    return tree


def take(path: Path, digits: np.ndarray) -> None:
    dng.write(path, digits, "RGGB", bit_depth=14, black_level=(512,), camera_wb=(2, 1, 1.6))


def trained(way: str, tree: Path, folder: Path, args: argparse.Namespace) -> float:
    """Return the most memory (GB) that training held. What is decoded is decoded once."""
    (folder / "decoded").mkdir(exist_ok=True)
    run = folder / way
    run.mkdir()
    (run / "decoded").symlink_to(folder / "decoded")
    words = ["train", "--recipe", args.recipe, "--output", str(run), "--set", f"data=['{tree}']"]
    words += [f"training.{key}={args.steps}" for key in ("steps", "log_every", "validate_every")]
    words += ["training.warmup=0", *args.set]
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", TRAIN, way, *words], capture_output=True, text=True
    )
    if done.returncode:
        sys.exit(done.stderr)
    return float(done.stdout.split()[-1])


if __name__ == "__main__":
    main()
