r"""Write the training mixture of `dashcam_net_v2`: simulated captures, exposure stacks, real pairs.

Each part becomes OUTPUT/PART/{train,val}/{low,high}/NAME.png, a folder that a recipe can name.
Every image depends on the seed and on its file name alone. Training targets are brought to one mean
brightness by a curve that keeps black and white. Held out for validation: whole sources
of the exposure stacks, one sequence of CamVid, the last images of BSDS500's test folder, and
LOL-v1's validation pairs; of LOL-v1 no image of a scene of the official test pairs is used.

    python scripts/make_lowlight_mixture.py --bsds500 DIR --camvid DIR --exposures DIR \\
        --lol our485 --lol-lists DIR --sice DIR --output OUTPUT

With `--teacher MODEL` the training targets of night drives are the mean of the reference and of
that model's result, and those of noise around black the darker of both (knowledge distillation,
Hinton et al., 2015): for small models, whose black otherwise varies from run to run.
"""

import argparse
import dataclasses
import functools
import json
import zlib
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import cv2
import numpy as np

from lowlight_tf.evaluation.road.road_data import HELD_OUT_CAMVID, HELD_OUT_STACKS
from lowlight_tf.fileio import atomic_write, write_text
from lowlight_tf.imaging import image_io
from lowlight_tf.imaging.camera.compression import h264
from lowlight_tf.imaging.camera.illumination import random_lamps
from lowlight_tf.imaging.camera.simulation import (
    Capture,
    sample_capture,
    simulate_capture,
    visibility_floor,
)
from lowlight_tf.runtime.engine import Engine
from lowlight_tf.runtime.enhance import enhance
from lowlight_tf.runtime.loading import load_model

PHOTOGRAPHS = (
    "BSDS500 and CamVid: research use; references of exposure stacks: the terms of their sources, "
    "of which most state none, SICE's CC BY-NC 4.0"
)
STACKS = (
    "exposure stacks: the terms of their sources, of which most state none, SICE's CC BY-NC 4.0"
)
TERMS = {
    "simulated": PHOTOGRAPHS,
    "night_drive": "BSDS500 and CamVid: research use",
    "well_exposed": f"CamVid: research use; {STACKS}",
    "stacks_single": STACKS,
    "stacks_fused": STACKS,
    "lol": "LOL-v1: research use",
    "sice": "SICE: CC BY-NC 4.0, not for commercial use",
    "degenerate": "made by this script",
    "black": "made by this script",
    "gradients": "made by this script",
}
"""Part -> origin and terms of use, which model cards quote."""

HELD_OUT_BSDS = 40
TWILIGHT_CAMVID = "0001TP"  # filmed at dusk: no example of a well-lit image
WELL_EXPOSED_MEAN = (70, 200)  # code values of photographs that are used
TARGET_MEAN = 103  # code value, typical of the references of stacks and of LOL-v1
ROUNDING_FLOOR = 1.5  # code values: below, even a camera without noise stores nothing but 0 and 1
FLAT_SIZE = (288, 432)  # pixels
MIN_SIDE = 268  # pixels: the largest crop, and what motion cuts off
TAUGHT = ("night_drive/train", "black/train")  # parts whose targets a teacher corrects
STACK_EV = (-5.5, -0.65)  # EV below the reference of the frames that are used


@dataclasses.dataclass(frozen=True)
class Job:
    """One pair to write.

    Attributes:
        part: Folder below the output, such as "simulated/train".
        name: Stem of the files; it seeds all random values.
        image: What the input is made of; "" for an image without content.
        reference: What the target is made of; "" for `image`.
        kind: "simulate", "night_drive" (black but for lamps and what they light), "degrade" (noise
            and compression only), "degrade_fused" (likewise, and shadows of the reference stay),
            "well_exposed", "copy", or, without an image, "flat", "noise", "black" or "gradient".
    """

    part: str
    name: str
    image: str
    reference: str = ""
    kind: str = "copy"


def simulations(args: argparse.Namespace) -> Iterator[Job]:
    """Yield simulated captures of photographs."""
    bsds = [
        p for half in ("train", "val", "test") for p in sorted((args.bsds500 / half).glob("*.jpg"))
    ]
    for index, path in enumerate(bsds):
        if not WELL_EXPOSED_MEAN[0] <= cv2.imread(str(path)).mean() <= WELL_EXPOSED_MEAN[1]:
            continue
        half = "val" if index >= len(bsds) - HELD_OUT_BSDS else "train"
        for turn in range(1 if half == "val" else args.variants):
            yield Job(f"simulated/{half}", f"bsds_{path.stem}_{turn}", str(path), kind="simulate")
        yield Job(f"night_drive/{half}", f"bsds_{path.stem}", str(path), kind="night_drive")
    for path in image_io.find_images(args.camvid / "image"):
        if path.stem.startswith(TWILIGHT_CAMVID):
            continue
        half = "val" if path.stem.startswith(HELD_OUT_CAMVID) else "train"
        for turn in range(1 if half == "val" else args.variants + 1):
            yield Job(f"simulated/{half}", f"camvid_{path.stem}_{turn}", str(path), kind="simulate")
        for turn in range(1 if half == "val" else 2):
            name = f"camvid_{path.stem}_{turn}"
            yield Job(f"night_drive/{half}", name, str(path), kind="night_drive")
        if half == "val":
            yield Job("well_exposed/val", f"camvid_{path.stem}", str(path))
        else:
            yield Job("well_exposed/train", f"camvid_{path.stem}", str(path), kind="well_exposed")


def stacks(args: argparse.Namespace) -> Iterator[Job]:
    """Yield darker frames with their reference: a single exposure or a fusion."""
    for scene in json.loads((args.exposures / "index.json").read_text()):
        half = "val" if scene["source"] in HELD_OUT_STACKS else "train"
        single = scene["reference_kind"] == "frame"
        part = "stacks_single" if single else "stacks_fused"
        reference = args.exposures / scene["reference"]
        stem = f"{scene['source']}_{scene['scene']}".replace("/", "_")
        frames = [f for f in scene["frames"] if STACK_EV[0] <= f["ev"] <= STACK_EV[1]]
        if half == "val":
            frames = frames[-3:] if single else frames[-4:]
        for frame in frames:
            path = args.exposures / frame["file"]
            for turn in range(1 if half == "val" or single else 2):
                name = f"{stem}_{path.stem}_{turn}"
                kind = "copy" if half == "val" else "degrade" if single else "degrade_fused"
                yield Job(f"{part}/{half}", name, str(path), str(reference), kind)
        if single:
            kind = "copy" if half == "val" else "well_exposed"
            yield Job(f"well_exposed/{half}", stem, str(reference), kind=kind)
            for turn in range(args.variants if half == "train" else 0):
                yield Job("simulated/train", f"{stem}_{turn}", str(reference), kind="simulate")


def real_pairs(args: argparse.Namespace) -> Iterator[Job]:
    """Yield LOL-v1, without scenes of its test and its validation pairs, and SICE."""
    lists = json.loads((args.lol_lists / "scenes.json").read_text())
    held = set((args.lol_lists / "val.txt").read_text().split())
    scene_of = {name: number for number, s in enumerate(lists["scenes"]) for name in s}
    refused = {scene_of.get(name, name) for name in (*held, *lists["test_twins"])}
    for path in image_io.find_images(args.lol / "low"):
        half = "val" if path.stem in held else "train"
        scene = scene_of.get(path.stem, path.stem)
        if half == "train" and (scene in refused or path.stem in lists["misaligned"]):
            continue
        high = next((args.lol / "high").glob(f"{path.stem}.*"))
        yield Job(f"lol/{half}", f"lol_{path.stem}", str(path), str(high))
    for path in image_io.find_images(args.sice / "low"):
        high = next((args.sice / "high").glob(f"{path.stem}.*"))
        yield Job("sice/train", f"sice_{path.stem}", str(path), str(high), "degrade_fused")


def degenerate(args: argparse.Namespace) -> Iterator[Job]:
    """Yield images without content: one color, or noise around one."""
    for number in range(args.degenerate):
        kind = "noise" if number % 3 == 2 else "flat"
        yield Job("degenerate/train", f"{kind}_{number}", "", kind=kind)


def black(args: argparse.Namespace) -> Iterator[Job]:
    """Yield images of noise around black, with lamps."""
    for number in range(args.black):
        yield Job("black/train", f"black_{number}", "", kind="black")


def gradients(args: argparse.Namespace) -> Iterator[Job]:
    """Yield simulated captures of gradients."""
    for number in range(args.gradients):
        yield Job("gradients/train", f"gradient_{number}", "", kind="gradient")


def even_exposure(image: np.ndarray) -> np.ndarray:
    """Return a uint8 image brought to TARGET_MEAN by 1 - (1 - x)^g, g in [1/2, 2].

    How bright a photographer wanted an image cannot be seen in a dark input. Models that learn it
    all the same guess: their exposure varies as much as the targets', without following them.
    """
    counts = np.bincount(image.ravel(), minlength=256) / image.size
    dark = 1 - np.arange(256) / 255
    lowest, highest = -1.0, 1.0  # log2 g; the mean rises with it
    for _ in range(12):
        middle = (lowest + highest) / 2
        is_bright = 255 * (counts @ (1 - dark ** (2**middle))) > TARGET_MEAN
        lowest, highest = (lowest, middle) if is_bright else (middle, highest)
    return np.uint8(np.rint(255 * (1 - dark ** (2**middle))))[image]


def flat_pair(rng: np.random.Generator, *, noise: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return (input, target) of one color: it is left alone, noise on it is removed.

    Half are gray, many are dark: what a lens cap or a wall leaves, in which nothing is to appear.
    """
    level = 255 * rng.uniform() ** 2 if rng.uniform() < 0.7 else rng.uniform(0, 8)
    tint = np.ones(3) if rng.uniform() < 0.5 else rng.uniform(0.3, 1, 3)
    target = np.broadcast_to(np.uint8(np.rint(level * tint)), (*FLAT_SIZE, 3)).copy()
    if not noise:
        return target, target
    sigma = rng.uniform(0.5, 4)
    low = np.uint8(np.clip(np.rint(target + rng.normal(0, sigma, target.shape)), 0, 255))
    if rng.uniform() < 0.5:
        low = h264([low, low], crf=int(rng.uniform(20, 34)))[-1]
    # Nothing was seen in noise around black: its mean is that of what was cut off at 0.
    return low, np.minimum(target, np.uint8(np.rint(low.mean(axis=(0, 1)))))


def black_pair(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return (input, target) of a night without anything but noise and, mostly, a few lamps.

    Clipped at 0, noise resembles a dim room in its mean and its contrast. Without lamps the whole
    image being black would be enough to know it by.
    """
    scene = np.full((*FLAT_SIZE, 3), rng.uniform(0, 4), np.float32)
    for _ in range(rng.integers(0, 7)):
        center = tuple(int(rng.integers(side)) for side in FLAT_SIZE[::-1])
        color = rng.uniform(60, 255) * rng.uniform(0.5, 1, 3)
        cv2.circle(scene, center, int(rng.integers(2, 24)), color.tolist(), -1, cv2.LINE_AA)
    noise = rng.standard_normal((*FLAT_SIZE, 1 if rng.uniform() < 0.5 else 3))
    if rng.uniform() < 0.5:
        noise = cv2.GaussianBlur(noise, (0, 0), rng.uniform(0.5, 1.5)).reshape(noise.shape)
        noise /= noise.std()
    low = np.uint8(np.clip(np.rint(scene + rng.uniform(0.5, 3.5) * noise), 0, 255))
    if rng.uniform() < 0.5:
        low = h264([low, low], crf=int(rng.uniform(20, 42)))[-1]
    return low, np.uint8(np.rint(scene))


def gradient(rng: np.random.Generator) -> np.ndarray:
    """Return an even transition between two colors, as of a sky or a wall.

    Without them models take what is smooth and dark for empty, and leave its brighter end darker.
    """
    angle = rng.uniform(0, 2 * np.pi)
    rows, columns = np.mgrid[: FLAT_SIZE[0], : FLAT_SIZE[1]]
    place = rows * np.sin(angle) + columns * np.cos(angle)
    place = (place - place.min()) / np.ptp(place)
    tint = np.ones(3) if rng.uniform() < 0.3 else rng.uniform(0.4, 1, 3)
    ends = [
        level * tint * rng.uniform(0.85, 1, 3)
        for level in (rng.uniform(0, 90), rng.uniform(120, 255))
    ]
    return np.uint8(np.rint(ends[0] + place[..., None] * (ends[1] - ends[0])))


def capture_of(kind: str, rng: np.random.Generator) -> Capture:
    """Return the settings of a capture."""
    capture = sample_capture(rng)
    if kind == "simulate":
        return capture
    if kind == "gradient":  # uneven light would teach to leave brighter ends darker
        return dataclasses.replace(capture, uneven_ev=0.0)
    if kind == "night_drive":
        capture = dataclasses.replace(
            capture,
            exposure_ev=-float(rng.uniform(1, 4.5)),
            uneven_ev=float(rng.uniform(8, 15)),
            lamps=tuple(random_lamps(int(rng.integers(2, 12)), rng)),
            # Dashcams store black as 0 or as a few codes (0.0012 is 4 of them), and skies glow.
            black_level=float(rng.choice([rng.uniform(0, 0.002), rng.uniform(-0.0012, 0)])),
            veil=float(rng.uniform(0, 0.0016)) if rng.uniform() < 0.6 else 0.0,
            codec="h264",
            quality=int(rng.uniform(22, 42)),
            frames=4,
        )
        return dataclasses.replace(capture, visibility_floor=visibility_floor(capture))
    cast = tuple(float(c) for c in np.exp(0.05 * rng.standard_normal(3)))
    well_exposed = kind == "well_exposed"
    # A fusion shows in shadows what its darkest frames do not: a hint of what is there. A single
    # exposure would teach to paint it as bright as the rest.
    min_floor = ROUNDING_FLOOR if kind == "degrade" else 0.0
    if not well_exposed and rng.uniform() < 0.5:  # as the camera stored it
        return Capture(cast=cast, visibility_floor=min_floor)
    capture = dataclasses.replace(
        capture,
        exposure_ev=0.0,
        uneven_ev=0.0,
        lamps=(),
        cast=(1.0, 1.0, 1.0) if well_exposed else cast,
        shot=capture.shot / (30 if well_exposed else 4),
        read=capture.read / (30 if well_exposed else 4),
        black_level=0.0,
        contrast=0.0,
        denoise=0.0 if well_exposed else capture.denoise / 2,
        quality=max(capture.quality, 75) if capture.codec == "jpeg"
        else min(capture.quality, 26 if well_exposed else 30),
        frames=2,
    )  # fmt: skip
    # The references show what such cameras see in the dark: little fades.
    floor = 0.0 if well_exposed else max(visibility_floor(capture) / 4, min_floor)
    return dataclasses.replace(capture, visibility_floor=floor)


def blend_teacher(job: Job, pair: tuple[np.ndarray, np.ndarray], teacher: str) -> np.ndarray:
    """Return the target of a pair, in `TAUGHT` blended with what a model makes of the input."""
    low, target = pair
    if job.part not in TAUGHT:
        return target
    result = enhance(open_model(teacher), low)
    if job.kind == "black":
        return np.minimum(target, result)
    return np.uint8(np.rint((np.float32(target) + result) / 2))


@functools.cache
def open_model(name: str) -> Engine:
    """Open a model for one of several processes, once in each."""
    return load_model(name, threads=1)


def write(job: Job, output: Path, seed: int, teacher: str = "") -> None:
    """Make one pair and write it, unless it is there."""
    paths = [output / job.part / side / f"{job.name}.png" for side in ("low", "high")]
    if all(path.exists() for path in paths):
        return
    rng = np.random.default_rng([seed, zlib.crc32(f"{job.part}/{job.name}".encode())])
    image = _read(job.image) if job.image else None
    if job.kind == "gradient":
        image = gradient(rng)
    reference = _read(job.reference) if job.reference else None
    if job.kind in ("simulate", "night_drive", "gradient"):
        image = even_exposure(image)
    if reference is not None and job.part.endswith("/train"):
        reference = even_exposure(reference)
    if job.kind == "black":
        pair = black_pair(rng)
    elif image is None:
        pair = flat_pair(rng, noise=job.kind == "noise")
    elif job.kind == "copy":
        pair = image, image if reference is None else reference
    else:
        pair = simulate_capture(image, capture_of(job.kind, rng), rng, reference=reference)
    if teacher:
        pair = pair[0], blend_teacher(job, pair, teacher)
    for path, content in zip(paths, pair, strict=True):
        save_png(path, content)


def save_png(path: Path, image: np.ndarray) -> None:
    """Write an RGB image, fast rather than small; its folder is created if absent."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    with atomic_write(path, keep_suffix=True) as part:
        cv2.imwrite(str(part), pixels, [cv2.IMWRITE_PNG_COMPRESSION, 3])


def _read(path: str) -> np.ndarray:
    image = cv2.cvtColor(cv2.imread(path, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
    enlarged = MIN_SIDE / min(image.shape[:2])
    if enlarged > 1:
        size = [-(-round(enlarged * side) // 2) * 2 for side in image.shape[1::-1]]
        image = cv2.resize(image, size, interpolation=cv2.INTER_CUBIC)
    return image


def _work(task: tuple[list[Job], Path, int, str]) -> int:
    cv2.setNumThreads(1)
    jobs, *options = task
    for job in jobs:
        write(job, *options)
    return len(jobs)


def main(arguments: Iterable[str] | None = None) -> None:
    """Write all parts."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("bsds500", "camvid", "exposures", "lol", "lol-lists", "sice", "output"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--variants", type=int, default=3, help="simulated captures of an image")
    parser.add_argument("--degenerate", type=int, default=90, help="images without content")
    parser.add_argument("--black", type=int, default=200, help="images of noise and lamps")
    parser.add_argument("--gradients", type=int, default=150, help="captures of gradients")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--teacher", default="", help="model whose black is distilled")
    parser.add_argument("--processes", type=int, default=1)
    args = parser.parse_args(arguments)
    for part, terms in TERMS.items():
        (args.output / part).mkdir(parents=True, exist_ok=True)
        write_text(args.output / part / "terms.txt", f"{terms}\n")
    jobs = [
        *stacks(args),
        *real_pairs(args),
        *simulations(args),
        *degenerate(args),
        *black(args),
        *gradients(args),
    ]
    chunks = [jobs[begin : begin + 40] for begin in range(0, len(jobs), 40)]
    done = 0
    with ProcessPoolExecutor(args.processes) as pool:
        tasks = [(chunk, args.output, args.seed, args.teacher) for chunk in chunks]
        for count in pool.map(_work, tasks):
            done += count
            print(f"{done}/{len(jobs)} pairs", flush=True)


if __name__ == "__main__":
    main()
