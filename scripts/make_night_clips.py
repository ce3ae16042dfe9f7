r"""Write the training clips of `dashcam_net_temporal`: photographs in motion, filmed at night.

Each clip becomes OUTPUT/{train,val}/{low,high}/NAME.png, its frames below each other. The target is
the same clip without noise and compression. Every clip depends on the seed and on its name alone.
One sequence of CamVid and the last images of BSDS500's test folder are held out for validation, as
by `make_lowlight_mixture.py`.

    python scripts/make_night_clips.py --bsds500 DIR --camvid DIR --output OUTPUT
"""

import argparse
import dataclasses
import zlib
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import cv2
import numpy as np
from make_lowlight_mixture import (
    HELD_OUT_BSDS,
    TWILIGHT_CAMVID,
    WELL_EXPOSED_MEAN,
    save_png,
)

from lowlight_tf.evaluation.road.road_data import HELD_OUT_CAMVID
from lowlight_tf.fileio import write_text
from lowlight_tf.imaging import image_io
from lowlight_tf.imaging.camera.illumination import random_lamps
from lowlight_tf.imaging.camera.motion import LEAD_FRAMES, animate, sample_motion, simulate_clip
from lowlight_tf.imaging.camera.simulation import Capture, sample_capture

TERMS = "BSDS500 and CamVid: research use"
SIZE = (144, 192)  # pixels
MAX_SCALE = 0.6  # photographs are reduced to 0.3 to this before they are cut


def find_photographs(bsds500: Path, camvid: Path) -> dict[str, list[Path]]:
    """Return the photographs of both halves, "train" and "val"."""
    bsds = [p for half in ("train", "val", "test") for p in sorted((bsds500 / half).glob("*.jpg"))]
    road = [p for p in image_io.find_images(camvid / "image") if p.stem[:6] != TWILIGHT_CAMVID]
    held_out = {*bsds[-HELD_OUT_BSDS:], *(p for p in road if p.stem.startswith(HELD_OUT_CAMVID))}
    halves: dict[str, list[Path]] = {"train": [], "val": []}
    for path in (*bsds, *road):
        if WELL_EXPOSED_MEAN[0] <= cv2.imread(str(path)).mean() <= WELL_EXPOSED_MEAN[1]:
            halves["val" if path in held_out else "train"].append(path)
    return halves


def sample_night(rng: np.random.Generator) -> Capture:
    """Draw a capture by night, mostly of video; noise as a camera without a tripod shows it."""
    capture = sample_capture(rng)
    noise = rng.uniform(0.2, 0.8)
    return dataclasses.replace(
        capture,
        exposure_ev=-float(rng.uniform(2, 6)),
        shot=float(10 ** (-4.7 + 2.5 * noise)),
        read=float(10 ** (-4.2 + 1.9 * noise)),
        lamps=tuple(random_lamps(int(rng.integers(1, 7)), rng)) if rng.uniform() < 0.5 else (),
        codec="h264" if rng.uniform() < 0.6 else "none",
        quality=int(rng.uniform(16, 30)),
    )


def write(path: Path, others: list[Path], turn: int, output: Path, frames: int, seed: int) -> None:
    """Make one clip and write it, unless it is there."""
    files = [output / side / f"{path.stem}_{turn}.png" for side in ("low", "high")]
    if all(file.exists() for file in files):
        return
    rng = np.random.default_rng([seed, zlib.crc32(f"{path.stem}_{turn}".encode())])
    photographs = [_read(each, rng) for each in (path, *rng.choice(others, 2))]
    motion = sample_motion(SIZE, frames, rng)
    clip, _ = animate(
        photographs[0],
        motion,
        size=SIZE,
        frames=frames + LEAD_FRAMES,
        rng=rng,
        others=photographs[1:],
    )
    low, high, _ = simulate_clip(clip, sample_night(rng), rng, lamp_velocity=motion.lamp_velocity)
    for file, images in zip(files, (low, high), strict=True):
        save_png(file, np.concatenate(images))


def _read(path: Path, rng: np.random.Generator) -> np.ndarray:
    """Return a photograph, reduced at random, at least as large as a clip."""
    image = cv2.cvtColor(cv2.imread(str(path), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
    least = max(need / have for need, have in zip(SIZE, image.shape, strict=False))
    scale = max(least, rng.uniform(0.3, MAX_SCALE))
    return cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)


def _work(task: tuple) -> None:
    cv2.setNumThreads(1)
    write(*task)


def main(arguments: Iterable[str] | None = None) -> None:
    """Write all clips."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("bsds500", "camvid", "output"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--frames", type=int, default=8, help="frames of a clip")
    parser.add_argument("--variants", type=int, default=2, help="clips of a photograph")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--processes", type=int, default=1)
    args = parser.parse_args(arguments)
    args.output.mkdir(parents=True, exist_ok=True)
    write_text(args.output / "terms.txt", f"{TERMS}\n")
    tasks = [
        (path, paths, turn, args.output / half, args.frames, args.seed)
        for half, paths in find_photographs(args.bsds500, args.camvid).items()
        for path in paths
        for turn in range(1 if half == "val" else args.variants)
    ]
    with ProcessPoolExecutor(args.processes) as pool:
        for number, _ in enumerate(pool.map(_work, tasks, chunksize=8), 1):
            if number % 100 == 0 or number == len(tasks):
                print(f"{number}/{len(tasks)} clips", flush=True)


if __name__ == "__main__":
    main()
