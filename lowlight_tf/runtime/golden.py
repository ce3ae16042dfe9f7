"""Does a file do on this machine what it did where it was made?

Beside a .tflite file may lie a golden pair, NAME.npz: an 8-bit picture for each input port and what
the file made of them, (H, W, C) each, under the names of the ports.
"""

import zipfile
from pathlib import Path

import numpy as np

from lowlight_tf.checks import UsageError
from lowlight_tf.runtime.engine import Engine

EXACT_DB = 120.0
"""Where the scale ends: two outputs that differ by less are equal."""

GOLDEN_DB = 40.0
"""The least agreement with a golden output: processors round differently."""


def agreement_db(mean_square: float) -> float:
    """Return a mean squared difference in [0, 1] units as decibels, at most `EXACT_DB`."""
    return round(float(-10 * np.log10(max(mean_square, 10 ** (-EXACT_DB / 10)))), 2)


def golden_db(engine: Engine, path: Path) -> float:
    """Return how well an engine reproduces a golden output: PSNR (dB), at most `EXACT_DB`.

    Args:
        engine: The file on this machine.
        path: The golden pair.

    Raises:
        UsageError: If there is none, or it is damaged or that of a net with other ports.
    """
    contract = engine.contract
    golden = _load(path, [port.name for port in (*contract.inputs, *contract.outputs)])
    actual = engine({port.name: golden[port.name] for port in contract.inputs})
    differences = []
    for port in contract.outputs:
        expected, image = golden[port.name], actual[port.name]
        if expected.shape != image.shape:
            raise UsageError(
                f"{path}: {port.name!r} is {expected.shape[1:]}, {engine.name} gives "
                f"{image.shape[1:]}. Copy the file, its card and its .npz again."
            )
        differences.append(np.square((np.float64(image) - expected) / 255).mean())
    return agreement_db(float(np.mean(differences)))


def _load(path: Path, names: list[str]) -> dict[str, np.ndarray]:
    """Return batches of one by name."""
    if not path.is_file():
        raise UsageError(
            f"No golden pair at {path}. Copy the .npz that came with the file, or export with "
            "--golden."
        )
    try:
        with path.open("rb") as file, np.load(file) as arrays:
            golden = {name: arrays[name][None] for name in names}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise UsageError(f"{path} is no golden pair of {', '.join(names)}: {error}.") from None
    for name, image in golden.items():
        if image.dtype != np.uint8:
            raise UsageError(f"{path} is no golden pair: {name!r} is {image.dtype}, not uint8.")
    return golden
