"""Pairs without a download: photographs inside scikit-image, darkened as a sensor would."""

import importlib.util
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from lowlight_tf.checks import UsageError
from lowlight_tf.fileio import read_json, write_json
from lowlight_tf.imaging import color, image_io
from lowlight_tf.imaging.noise import darken

SOURCE_IMAGES = {
    "train": ("astronaut.png", "motorcycle_left.png", "motorcycle_right.png", "rocket.jpg"),
    "val": ("chelsea.png", "coffee.png"),
}
"""What each half is cut from. The motorcycles are one scene: they stay together."""

COUNTS = {half: 4 * len(names) for half, names in SOURCE_IMAGES.items()}
"""Pairs of each half: four corners of each photograph."""

TERMS = (
    "photographs inside scikit-image: astronaut (NASA) and rocket (SpaceX) public domain, chelsea "
    "and coffee CC0, motorcycle_left and motorcycle_right from the Middlebury 2014 stereo benchmark"
)
HEIGHT, WIDTH = 288, 384  # pixels; the smallest photograph is 300x451
EXPOSURE = (0.02, 0.15)  # of the light that was there: 5.6 to 2.7 stops less
SHOT_NOISE = (1e-4, 1e-3)  # white is 10000 to 1000 electrons
READ_NOISE = (5e-4, 2e-3)  # of white
MARKER = "embedded.json"  # written last: what it says is there is all there


def sample_pairs(folder: Path, *, seed: int = 1) -> Path:
    """Write the embedded pairs: FOLDER/train/{low,high} and FOLDER/val/{low,high}, PNG.

    Each photograph gives its four corners, each darkened once, by an exposure and with a noise of
    its own. The same seed gives the same bytes. Nothing is done where they are there already.

    Args:
        folder: New, empty, or what this function wrote.
        seed: Of exposures and noise.

    Returns:
        The folder.

    Raises:
        UsageError: If scikit-image is not installed, or the folder holds something else.
    """

    def photograph(day: np.ndarray, rng: np.random.Generator) -> dict[str, np.ndarray]:
        return {"low": _darken_pair(day, rng), "high": day}

    return _write_splits(folder, seed, ("low", "high"), photograph)


def sample_camera_pairs(folder: Path, *, seed: int = 1) -> Path:
    """Write pairs of two cameras: FOLDER/{train,val}/{visible,infrared}, PNG.

    They are the embedded photographs: darkened as in `embedded` for the visible camera; for the
    infrared one, structure without light and shade, blurred a little, and with warm bodies that the
    visible camera hardly sees. For tests and first steps: no thermal camera was involved.

    Args:
        folder: New, empty, or what this function wrote.
        seed: Of exposures, noise and bodies.

    Returns:
        The folder.

    Raises:
        UsageError: As `embedded`.
    """

    def scene(day: np.ndarray, rng: np.random.Generator) -> dict[str, np.ndarray]:
        warm = _warm_bodies(day.shape[:2], rng)[..., None]
        day = day * (1 - 0.6 * warm)
        luma = color.luma(day)
        flat = luma - cv2.GaussianBlur(luma, (0, 0), 24)
        infrared = cv2.GaussianBlur(0.4 + 0.6 * flat, (0, 0), 1.2)[..., None]
        infrared = infrared + warm * (0.9 - infrared)
        return {"visible": _darken_pair(day, rng), "infrared": np.float32(infrared.clip(0, 1))}

    return _write_splits(folder, seed, ("visible", "infrared"), scene)


def _write_splits(
    folder: Path,
    seed: int,
    sides: tuple[str, ...],
    make: Callable[[np.ndarray, np.random.Generator], dict[str, np.ndarray]],
) -> Path:
    source = _load_source_images()
    names = [*SOURCE_IMAGES["train"], *SOURCE_IMAGES["val"]]
    mark = {"seed": seed, "photographs": names, "sides": list(sides)}
    if (folder / MARKER).exists():
        if read_json(folder / MARKER) == mark:
            return folder
        shutil.rmtree(folder)
    elif folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(
            f"The embedded pairs need a folder that is new or empty. Received: {folder}. "
            "Pass another, or remove it."
        )
    part = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    rng = np.random.default_rng(seed)
    for half, photographs in SOURCE_IMAGES.items():
        for side in sides:
            (part / half / side).mkdir(parents=True)
        for name in photographs:
            for number, corner in enumerate(_corners(image_io.read_float_rgb(source / name))):
                file = f"{Path(name).stem}_{number}.png"
                for side, image in make(corner, rng).items():
                    image_io.write_float_rgb(part / half / side / file, image)
    write_json(part / MARKER, mark)
    os.replace(part, folder)
    return folder


def _darken_pair(day: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return darken(
        day,
        exposure=_between(EXPOSURE, rng),
        shot=_between(SHOT_NOISE, rng),
        read=_between(READ_NOISE, rng),
        rng=rng,
    )


def _warm_bodies(shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Return where one to three standing bodies are: 1 inside, 0 outside, soft between."""
    mask = np.zeros(shape, np.float32)
    for _ in range(rng.integers(1, 4)):
        tall = int(rng.integers(shape[0] // 8, shape[0] // 4))
        center = (int(rng.integers(0, shape[1])), int(rng.integers(shape[0] // 3, shape[0] - tall)))
        cv2.ellipse(mask, center, (tall // 3, tall), 0, 0, 360, 1.0, -1)
    return cv2.GaussianBlur(mask, (0, 0), 1.5)


def _load_source_images() -> Path:
    """Return the folder of scikit-image's photographs; it is not imported for that."""
    package = importlib.util.find_spec("skimage")
    if package is None:
        raise UsageError(
            "The embedded pairs are photographs inside scikit-image, which is not installed. "
            "Run: pip install 'lowlight_tf[train]', or name data of your own."
        )
    return Path(package.submodule_search_locations[0]) / "data"


def _corners(image: np.ndarray) -> list[np.ndarray]:
    bottom, right = image.shape[0] - HEIGHT, image.shape[1] - WIDTH
    return [
        image[top : top + HEIGHT, left : left + WIDTH] for top in (0, bottom) for left in (0, right)
    ]


def _between(limits: tuple[float, float], rng: np.random.Generator) -> float:
    """Draw a number whose logarithm is uniform."""
    return float(np.exp(rng.uniform(*np.log(limits))))
