"""RAW pairs: a short exposure, and what a long one of the scene looks like.

They lie in one of two ways. `short/` and `long/` hold RAW files called SCENE_NUMBER_SECONDSs.ARW,
as in See-in-the-Dark: in 00001_03_0.1s.ARW, 00001 is the scene, 03 counts the pictures of a burst,
0.1 is the time. Or `raw/` and `high/` hold files of one name, NAME.dng and NAME.png (or a RAW file
as well), and ratios.json beside them says by how much each NAME is to be amplified.
"""

import hashlib
import re
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from lowlight_tf import checks
from lowlight_tf.checks import UsageError
from lowlight_tf.contract import RAW
from lowlight_tf.datasets.pairing import MAX_NAMES_SHOWN, Pair, pair_folder_lenient
from lowlight_tf.fileio import read_json
from lowlight_tf.imaging import image_io
from lowlight_tf.imaging.raw import raw_image

RAW_PORT = RAW.name
"""What a short exposure is shown to."""

TARGETS = "high"
"""Where pictures lie that are targets."""

RATIOS = "ratios.json"
"""Name -> exposure ratio; lies beside `raw/`."""

NAME = re.compile(r"(?P<scene>[^_]+)_(?P<number>[^_]+)_(?P<seconds>\d+(\.\d+)?)s")


def paired_raw_folder(folder: Path) -> tuple[list[Pair], list[Path]]:
    """Return the RAW pairs of a folder of either kind, and what has no partner.

    Raises:
        UsageError: If a subfolder is missing or empty, or a name says nothing or is there twice.
    """
    if (folder / "short").is_dir():
        return sid_folder(folder)
    return pair_folder_lenient(folder, inputs=(RAW_PORT,), target=TARGETS)


def sid_folder(
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
            pairs.append(Pair(path.stem, {RAW_PORT: path}, target))
    return pairs, lone


def exposure_ratio(pair: Pair, *, cap: float | None = raw_image.MAX_EXPOSURE_RATIO) -> float:
    """Return by how much the short exposure is to be amplified.

    What ratios.json says counts; else the names, SCENE_NUMBER_SECONDSs; else the times and
    sensitivities in the EXIF of both, if both are RAW files.

    Args:
        pair: As `raw_folder` makes them.
        cap: The largest ratio; None for any.

    Raises:
        UsageError: If nothing tells the ratio, or it is not positive.
    """
    short, long = pair.inputs[RAW_PORT], pair.target
    listed = short.parent.parent / RATIOS
    if listed.is_file():
        known = read_json(listed).get(pair.name)
        if not isinstance(known, int | float) or not 0 < known < float("inf"):
            raise UsageError(
                f"{listed} must give {pair.name} a ratio above zero. Received: {known}."
            )
        return raw_image.cap_ratio(known, cap)
    if NAME.fullmatch(short.stem) and NAME.fullmatch(long.stem):
        dark, bright = (float(_told(path)["seconds"]) for path in (short, long))
        if not dark:
            raise UsageError(f"{short}: an exposure of 0 seconds has no ratio. Rename it.")
        return raw_image.cap_ratio(bright / dark, cap)
    if is_raw(long):
        shots = (raw_image.read_raw(path, black_level=0).metadata for path in (short, long))
        return raw_image.exposure_ratio(*shots, max_ratio=cap)
    raise UsageError(
        f"Nothing tells the exposure ratio of {short}. Write it into {listed}, as "
        f'{{"{pair.name}": 100}}.'
    )


def is_raw(path: Path) -> bool:
    """Tell whether a file is a RAW file, by its suffix."""
    return path.suffix.lower() in raw_image.SUFFIXES


def load_target(path: Path, shot: raw_image.RawMetadata) -> np.ndarray:
    """Read a pair's target as its mosaic lies: a RAW file developed by LibRaw, or a picture.

    Args:
        path: The file. That of a picture is upright.
        shot: Of the short exposure.

    Returns:
        (H, W, 3) uint16 sRGB.

    Raises:
        UsageError: If the file cannot be read.
    """
    if is_raw(path):
        return raw_image.develop_with_libraw(path)
    pixels = shot.undo_orientation(image_io.load_image(path).pixels)
    return pixels if pixels.dtype == np.uint16 else pixels * np.uint16(257)


def sha256_of(pairs: Iterable[Pair]) -> str:
    """Return one SHA-256 (hexadecimal) for the names of pairs: are they those of a list?"""
    lines = sorted(f"{pair.inputs[RAW_PORT].name} {pair.target.name}\n" for pair in pairs)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _raw_files(folder: Path) -> list[Path]:
    checks.check_dir("data", folder)
    paths = sorted(
        path
        for path in folder.iterdir()
        if path.suffix.lower() in raw_image.SUFFIXES and not path.name.startswith(".")
    )
    if not paths:
        raise UsageError(f"{folder} holds no RAW files, such as .ARW, .RAF or .DNG.")
    strange = [path.name for path in paths if not NAME.fullmatch(path.stem)]
    if strange:
        raise UsageError(
            f"{folder}: RAW files must be called SCENE_NUMBER_SECONDSs, such as 00001_00_0.1s.ARW. "
            f"Received: {len(strange)} others, such as {', '.join(strange[:MAX_NAMES_SHOWN])}."
        )
    return paths


def _told(path: Path) -> re.Match[str]:
    found = NAME.fullmatch(path.stem)
    if not found:
        raise UsageError(f"{path} must be called SCENE_NUMBER_SECONDSs, such as 00001_00_0.1s.ARW.")
    return found
