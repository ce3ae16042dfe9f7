"""Measure the memory of training on RAW files: python benchmarks/raw_memory.py.

A folder of long and short exposures is generated, of the size of Sony's in See-in-the-Dark, and a
model is trained on it for a few steps by `lowlight-tf train`, each time in a separate process: once
as usual, where only the crops of the memory-mapped cache are read; and once with every decoded pair
held in memory. The published model, with its own options except for the batch size:

    python benchmarks/raw_memory.py --steps 1 --set training.monitor=psnr pipeline.crop_size=512 \
pipeline.batch_size=1 options.filters=64 options.depth=4 options.normalized=true \
discriminator.start_fraction=0 discriminator.feature_matching_weight=0 discriminator.weight=1 \
"discriminator.options={filters=64}"
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
from lowlight_tf.runtime.benchmark import peak_bytes

load = np.load

@functools.cache
def load_into_memory(path):
    return load(path)

def load_unmapped(path, mmap_mode=None, **options):
    return load_into_memory(path) if mmap_mode else load(path, **options)

if sys.argv.pop(1) == "in memory":
    np.load = load_unmapped
status = main(sys.argv[1:])
print(peak_bytes() / 1e9)
sys.exit(status)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--recipe", default="attention_unet_slim")
    parser.add_argument("--size", type=image_size, default=(2848, 4256), help="of the sensor")
    parser.add_argument("--scenes", type=int, default=3, help="training scenes, one long exposure")
    parser.add_argument("--shorts", type=int, default=2, help="short exposures of a scene")
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--set", nargs="+", default=[], metavar="KEY=VALUE", help="of the recipe")
    args = parser.parse_args()
    print("\n| pairs | training | peak memory | s |\n|---|---|---:|---:|")
    with tempfile.TemporaryDirectory() as folder:
        dataset = write_dataset(Path(folder) / "sid", args)
        for mode in ("mapped", "in memory"):
            started = time.perf_counter()
            peak = train(mode, dataset, Path(folder), args)
            seconds = time.perf_counter() - started
            pairs = f"{args.scenes * args.shorts}, {args.size[1]}x{args.size[0]}"
            print(f"| {pairs} | {mode} | {peak:.2f} GB | {seconds:.0f} |", flush=True)
        on_disk = sum(file.stat().st_size for file in (Path(folder) / "decoded").rglob("*.npy"))
    print(f"\nCache on disk: {on_disk / 1e9:.2f} GB")


def write_dataset(folder: Path, args: argparse.Namespace) -> Path:
    """Write short and long exposures of the training scenes, and of one for validation."""
    rng = np.random.default_rng(0)
    for split, scenes, shorts in (("train", args.scenes, args.shorts), ("val", 1, 1)):
        for side in ("short", "long"):
            (folder / split / side).mkdir(parents=True)
        for scene in range(scenes):
            bright = 512 + rng.integers(0, 8000, args.size, dtype=np.uint16)
            name = f"{split == 'val':d}{scene:04}"
            write_raw_file(folder / split / "long" / f"{name}_00_10s.dng", bright)
            dark = 512 + (bright - 512) // 100
            for number in range(shorts):
                write_raw_file(folder / split / "short" / f"{name}_{number:02}_0.1s.dng", dark)
    return folder


def write_raw_file(path: Path, raw_values: np.ndarray) -> None:
    dng.write(path, raw_values, "RGGB", bit_depth=14, black_level=(512,), camera_wb=(2, 1, 1.6))


def train(mode: str, dataset: Path, folder: Path, args: argparse.Namespace) -> float:
    """Train in a separate process; return its peak memory (GB). Both modes share the cache."""
    (folder / "decoded").mkdir(exist_ok=True)
    run = folder / mode.replace(" ", "_")
    run.mkdir()
    (run / "decoded").symlink_to(folder / "decoded")
    words = ["train", "--recipe", args.recipe, "--output", str(run)]
    words += ["--set", f"data=['{dataset}']"]
    words += [f"training.{key}={args.steps}" for key in ("steps", "log_every", "validate_every")]
    words += ["training.warmup=0", *args.set]
    result = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", TRAIN, mode, *words], capture_output=True, text=True
    )
    if result.returncode:
        sys.exit(result.stderr)
    return float(result.stdout.split()[-1])


if __name__ == "__main__":
    main()
