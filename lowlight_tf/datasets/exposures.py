"""Short and long exposures of a scene: SCENE_NUMBER_SECONDSs.ARW, as See-in-the-Dark names them.

In 00001_03_0.1s.ARW, 00001 is the scene, 03 counts the pictures of a burst, 0.1 is the time.
"""

import hashlib
import re
from collections.abc import Iterable
from pathlib import Path

from lowlight_tf import checks
from lowlight_tf.checks import UsageError
from lowlight_tf.datasets.pairing import SHOWN, Pair
from lowlight_tf.imaging import raw

PORT = "raw"
"""What a short exposure is shown to."""

NAME = re.compile(r"(?P<scene>[^_]+)_(?P<number>[^_]+)_(?P<seconds>\d+(\.\d+)?)s")


def exposure_folder(
    folder: Path, *, short: str = "short", long: str = "long"
) -> tuple[list[Pair], list[Path]]:
    """Pair each short exposure with the long one of its scene.

    Args:
        folder: Holds one subfolder for each.
        short: Subfolder of the short exposures.
        long: Subfolder of the long ones; of a scene that has several, the first by name counts.

    Returns:
        The pairs, named by the short exposure and sorted; and the short exposures whose long one
        is missing.

    Raises:
        UsageError: If a subfolder is missing, holds no RAW files, or one whose name says nothing.
    """
    longs: dict[str, Path] = {}
    for path in _raw_files(folder / long):
        longs.setdefault(_told(path)["scene"], path)
    pairs, lone = [], []
    for path in _raw_files(folder / short):
        target = longs.get(_told(path)["scene"])
        if target is None:
            lone.append(path)
        else:
            pairs.append(Pair(path.stem, {PORT: path}, target))
    return pairs, lone


def ratio(pair: Pair, *, cap: float | None = raw.CAP) -> float:
    """Return how many times longer the long exposure is, by the names.

    Args:
        pair: As `exposure_folder` makes them.
        cap: The largest ratio; None for any.

    Raises:
        UsageError: If a name says no time, or the short one none above zero.
    """
    dark, bright = (float(_told(path)["seconds"]) for path in (pair.inputs[PORT], pair.target))
    if not dark:
        raise UsageError(f"{pair.inputs[PORT]}: an exposure of 0 seconds has no ratio. Rename it.")
    return raw.capped(bright / dark, cap)


def digest(pairs: Iterable[Pair]) -> str:
    """Return one SHA-256 (hexadecimal) for the names of pairs: are they those of a list?"""
    lines = sorted(f"{pair.inputs[PORT].name} {pair.target.name}\n" for pair in pairs)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _raw_files(folder: Path) -> list[Path]:
    checks.folder("data", folder)
    paths = sorted(
        path
        for path in folder.iterdir()
        if path.suffix.lower() in raw.SUFFIXES and not path.name.startswith(".")
    )
    if not paths:
        raise UsageError(f"{folder} holds no RAW files, such as .ARW, .RAF or .DNG.")
    strange = [path.name for path in paths if not NAME.fullmatch(path.stem)]
    if strange:
        raise UsageError(
            f"{folder}: RAW files must be called SCENE_NUMBER_SECONDSs, such as 00001_00_0.1s.ARW. "
            f"Received: {len(strange)} others, such as {', '.join(strange[:SHOWN])}."
        )
    return paths


def _told(path: Path) -> re.Match[str]:
    found = NAME.fullmatch(path.stem)
    if not found:
        raise UsageError(f"{path} must be called SCENE_NUMBER_SECONDSs, such as 00001_00_0.1s.ARW.")
    return found
