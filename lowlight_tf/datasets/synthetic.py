"""Sample pairs without a download: photographs from scikit-image, darkened with sensor noise."""

import importlib.util
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from lowlight_tf.checks import UsageError
from lowlight_tf.fileio import atomic_directory, read_json, write_json
from lowlight_tf.imaging import color, image_io
from lowlight_tf.imaging.noise import darken

SOURCE_IMAGES = {
    "train": ("astronaut.png", "motorcycle_left.png", "motorcycle_right.png", "rocket.jpg"),
    "val": ("chelsea.png", "coffee.png"),
}
"""Photographs of each subset. The motorcycles are one scene and stay in one subset."""

PAIR_COUNTS = {subset: 4 * len(names) for subset, names in SOURCE_IMAGES.items()}
"""Pairs of each subset: four corner crops of each photograph."""

TERMS = (
    "photographs inside scikit-image: astronaut (NASA) and rocket (SpaceX) public domain, chelsea "
    "and coffee CC0, motorcycle_left and motorcycle_right from the Middlebury 2014 stereo benchmark"
)
CROP_HEIGHT, CROP_WIDTH = 288, 384  # pixels; the smallest photograph is 300x451
EXPOSURE_RANGE = (0.02, 0.15)  # factor on linear light: 5.6 to 2.7 stops less
SHOT_NOISE_RANGE = (1e-4, 1e-3)  # variance at white: 10000 to 1000 electrons
READ_NOISE_RANGE = (5e-4, 2e-3)  # standard deviation; white is 1
MARKER = "embedded.json"  # identifies the content of the folder

MakePair = Callable[[np.ndarray, np.random.Generator], dict[str, np.ndarray]]
"""(photograph, random generator) -> image key -> image."""


def sample_pairs(folder: Path, *, seed: int = 1) -> Path:
    """Write sample pairs as PNG: FOLDER/train/{low,high} and FOLDER/val/{low,high}.

    Four corner crops of each photograph are darkened with a random exposure and random noise. The
    same seed gives the same bytes. If the folder holds these pairs already, nothing is written.

    Args:
        folder: New, empty, or written by this function.
        seed: Seed of exposures and noise.

    Returns:
        The folder.

    Raises:
        UsageError: If scikit-image is not installed, or the folder holds something else.
    """

    def make_pair(image: np.ndarray, rng: np.random.Generator) -> dict[str, np.ndarray]:
        return {"low": _darken_randomly(image, rng), "high": image}

    return _write_pairs(folder, seed, ("low", "high"), make_pair)


def sample_camera_pairs(folder: Path, *, seed: int = 1) -> Path:
    """Write sample pairs of two cameras as PNG: FOLDER/{train,val}/{visible,infrared}.

    The visible images are darkened as in `sample_pairs`. The infrared ones are simulated: structure
    without illumination, slightly blurred, with warm bodies that are almost invisible to the
    visible camera. They are for tests and first steps; no thermal camera was used.

    Args:
        folder: New, empty, or written by this function.
        seed: Seed of exposures, noise and bodies.

    Returns:
        The folder.

    Raises:
        UsageError: As `sample_pairs`.
    """

    def make_pair(image: np.ndarray, rng: np.random.Generator) -> dict[str, np.ndarray]:
        bodies = _random_bodies(image.shape[:2], rng)[..., None]
        image = image * (1 - 0.6 * bodies)
        luma = color.luma(image)
        detail = luma - cv2.GaussianBlur(luma, (0, 0), 24)
        infrared = cv2.GaussianBlur(0.4 + 0.6 * detail, (0, 0), 1.2)[..., None]
        infrared = infrared + bodies * (0.9 - infrared)
        visible = _darken_randomly(image, rng)
        return {"visible": visible, "infrared": np.float32(infrared.clip(0, 1))}

    return _write_pairs(folder, seed, ("visible", "infrared"), make_pair)


def _write_pairs(folder: Path, seed: int, keys: tuple[str, ...], make_pair: MakePair) -> Path:
    """Write what `make_pair` returns for each crop: FOLDER/SUBSET/KEY/PHOTOGRAPH_NUMBER.png."""
    source = _find_source_images()
    names = [*SOURCE_IMAGES["train"], *SOURCE_IMAGES["val"]]
    content = {"seed": seed, "photographs": names, "sides": list(keys)}
    if (folder / MARKER).exists():
        if read_json(folder / MARKER) == content:
            return folder
    elif folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(
            f"The sample pairs need a folder that is new or empty. Received: {folder}. "
            "Pass another, or remove it."
        )
    rng = np.random.default_rng(seed)
    with atomic_directory(folder) as part:
        for subset, photographs in SOURCE_IMAGES.items():
            for key in keys:
                (part / subset / key).mkdir(parents=True)
            for name in photographs:
                crops = _crop_corners(image_io.read_float_rgb(source / name))
                for number, crop in enumerate(crops):
                    file = f"{Path(name).stem}_{number}.png"
                    for key, image in make_pair(crop, rng).items():
                        image_io.write_float_rgb(part / subset / key / file, image)
        write_json(part / MARKER, content)
    return folder


def _darken_randomly(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return darken(
        image,
        exposure=_log_uniform(EXPOSURE_RANGE, rng),
        shot=_log_uniform(SHOT_NOISE_RANGE, rng),
        read=_log_uniform(READ_NOISE_RANGE, rng),
        rng=rng,
    )


def _random_bodies(shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Return a mask, (H, W) in [0, 1], of one to three upright ellipses with soft edges."""
    mask = np.zeros(shape, np.float32)
    for _ in range(rng.integers(1, 4)):
        height = int(rng.integers(shape[0] // 8, shape[0] // 4))
        x = int(rng.integers(0, shape[1]))
        y = int(rng.integers(shape[0] // 3, shape[0] - height))
        cv2.ellipse(mask, (x, y), (height // 3, height), 0, 0, 360, 1.0, -1)
    return cv2.GaussianBlur(mask, (0, 0), 1.5)


def _find_source_images() -> Path:
    """Return the folder of scikit-image's photographs, without importing it."""
    package = importlib.util.find_spec("skimage")
    if package is None:
        raise UsageError(
            "The sample pairs are photographs inside scikit-image, which is not installed. "
            "Run: pip install 'lowlight_tf[train]', or pass data of your own."
        )
    return Path(package.submodule_search_locations[0]) / "data"


def _crop_corners(image: np.ndarray) -> list[np.ndarray]:
    bottom, right = image.shape[0] - CROP_HEIGHT, image.shape[1] - CROP_WIDTH
    return [
        image[top : top + CROP_HEIGHT, left : left + CROP_WIDTH]
        for top in (0, bottom)
        for left in (0, right)
    ]


def _log_uniform(limits: tuple[float, float], rng: np.random.Generator) -> float:
    """Draw a number whose logarithm is uniformly distributed between the limits."""
    return float(np.exp(rng.uniform(*np.log(limits))))
