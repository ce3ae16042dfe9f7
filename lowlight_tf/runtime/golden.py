"""Golden tests: whether a file gives the same output on this machine as where it was exported.

Next to a .tflite file may be a golden pair, NAME.npz: an 8-bit image for each input port and the
file's outputs, (H, W, C) each, under the names of the ports; of a file with states those after
`SEQUENCE_FRAMES` equal frames. To save space it may hold only the center of an output, and refer to
another pair of the folder for inputs (`INPUTS_PREFIX`).
"""

import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from lowlight_tf.checks import UsageError
from lowlight_tf.runtime.engine import Engine, Images

MAX_PSNR_DB = 120.0
"""Upper end of the scale: outputs that differ by less count as equal."""

INPUTS_PREFIX = "inputs_of"
"""Key of the file name of the pair that holds the inputs that this one lacks."""

MIN_GOLDEN_DB = 40.0
"""Lowest PSNR to a golden output that passes: processors round differently."""


SEQUENCE_FRAMES = 3
"""Frames that a file with states is run on."""


def psnr_db(mean_square: float) -> float:
    """Return a mean squared difference in [0, 1] units as PSNR (dB), at most `MAX_PSNR_DB`."""
    return round(float(-10 * np.log10(max(mean_square, 10 ** (-MAX_PSNR_DB / 10)))), 2)


def golden_db(engine: Engine, path: Path) -> float:
    """Return how well an engine reproduces a golden output: PSNR (dB), at most `MAX_PSNR_DB`.

    Args:
        engine: The file on this machine.
        path: The golden pair.

    Raises:
        UsageError: If there is none, or it is damaged or of a model with other ports.
    """
    contract = engine.contract
    inputs, outputs = ([port.name for port in side] for side in (contract.inputs, contract.outputs))
    golden = load_golden(path, inputs, outputs)
    actual = run_golden(engine, {name: golden[name][None] for name in inputs})
    differences = []
    for name in outputs:
        expected, image = golden[name], actual[name][0]
        if expected.ndim == image.ndim:
            image = center_crop(image, expected.shape[:2])
        if expected.shape != image.shape:
            raise UsageError(
                f"{path}: {name!r} is {expected.shape}, {engine.name} returns {image.shape}. "
                "Copy the file, its card and its .npz again."
            )
        differences.append(np.square((np.float64(image) - expected) / 255).mean())
    return psnr_db(float(np.mean(differences)))


def run_golden(engine: Engine, images: Images) -> Images:
    """Return what an engine makes of golden inputs; its states go in with the next frame.

    Args:
        engine: The file.
        images: Port name -> (1, H, W, C) uint8.
    """
    results = engine(images)
    for _ in range(SEQUENCE_FRAMES - 1 if engine.contract.states else 0):
        states = {port.name: results[port.state_of] for port in engine.contract.states}
        results = engine({**images, **states})
    return results


def find_equal(images: Images, path: Path) -> list[str]:
    """Return the names of the images, (1, H, W, C) each, that are inputs of a golden pair."""
    golden = _load_with_inputs(path, list(images))
    return [name for name in images if np.array_equal(golden.get(name), images[name][0])]


def center_crop(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Return the center of an (H, W, C) image, at most `size` (height, width)."""
    top, left = (max(0, have - want) // 2 for have, want in zip(image.shape, size, strict=False))
    return image[top : top + size[0], left : left + size[1]]


def load_golden(path: Path, inputs: Sequence[str], outputs: Sequence[str]) -> dict[str, np.ndarray]:
    """Return port name -> image of a golden pair, (H, W, C) uint8.

    Args:
        path: The golden pair.
        inputs: Names of the inputs; they may be in the pairs that it refers to.
        outputs: Names of the outputs; may be empty.

    Raises:
        UsageError: If there is none, or it is damaged or of a model with other ports.
    """
    names = (*inputs, *outputs)
    golden = _load_with_inputs(path, inputs)
    for name in names:
        image = golden.get(name)
        if image is None:
            raise UsageError(f"{path} is no golden pair of {', '.join(names)}: no {name!r} in it.")
        if image.dtype != np.uint8:
            raise UsageError(f"{path} is no golden pair: {name!r} is {image.dtype}, not uint8.")
    return {name: golden[name] for name in names}


def _load_with_inputs(path: Path, inputs: Sequence[str]) -> dict[str, np.ndarray]:
    """Return all arrays of a pair, and of the pairs that it refers to the inputs."""
    golden, passed = _load_arrays(path, inputs), {path}
    while INPUTS_PREFIX in golden:
        path = path.with_name(Path(str(golden.pop(INPUTS_PREFIX))).name)
        if path in passed:
            break  # a circle
        passed.add(path)
        other = _load_arrays(path, inputs)
        golden = {**{key: other[key] for key in (*inputs, INPUTS_PREFIX) if key in other}, **golden}
    return golden


def _load_arrays(path: Path, names: Sequence[str]) -> dict[str, np.ndarray]:
    """Return all arrays of a pair's file."""
    if not path.is_file():
        raise UsageError(
            f"No golden pair at {path}. Copy the .npz that came with the file, or export with "
            "--golden."
        )
    try:
        with path.open("rb") as file, np.load(file) as arrays:
            return dict(arrays)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise UsageError(f"{path} is no golden pair of {', '.join(names)}: {error}.") from None
