"""RAW pairs: a short exposure, and a long exposure of the same scene as its target.

Two folder layouts are read. `short/` and `long/` hold RAW files named SCENE_NUMBER_SECONDSs.ARW, as
in See-in-the-Dark: in 00001_03_0.1s.ARW, 00001 is the scene, 03 the index within a burst, 0.1 the
exposure time. Or `raw/` and `high/` hold files of the same name, NAME.dng and NAME.png (or a RAW
file too), and ratios.json next to them maps NAME to its exposure ratio.
"""

import hashlib
import re
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from lowlight_tf import checks
from lowlight_tf.checks import UsageError
from lowlight_tf.contract import RAW
from lowlight_tf.datasets.pairing import MAX_NAMES_LISTED, Pair, pair_folder_partially
from lowlight_tf.fileio import read_json
from lowlight_tf.imaging import dtypes, image_io
from lowlight_tf.imaging.raw import raw_image

RAW_PORT = RAW.name
"""Port of the short exposure, and its subfolder in the second layout."""

TARGET_DIR = "high"
"""Subfolder of the targets in the second layout."""

RATIOS_FILE = "ratios.json"
"""Name -> exposure ratio; next to `raw/`."""

SID_FILENAME = re.compile(r"(?P<scene>[^_]+)_(?P<number>[^_]+)_(?P<seconds>\d+(\.\d+)?)s")


def pair_raw_folder(folder: Path) -> tuple[list[Pair], list[Path]]:
    """Return the RAW pairs of a folder in either layout, and the files without a partner.

    Raises:
        UsageError: If a subfolder is missing or empty, or a name is malformed or not unique.
    """
    if (folder / "short").is_dir():
        return sid_folder(folder)
    return pair_folder_partially(folder, inputs=(RAW_PORT,), target=TARGET_DIR)


def sid_folder(
    folder: Path, *, short: str = "short", long: str = "long"
) -> tuple[list[Pair], list[Path]]:
    """Pair each short exposure with the long one of its scene.

    Args:
        folder: Holds one subfolder for each.
        short: Subfolder of the short exposures.
        long: Subfolder of the long ones; of a scene with several, the first by name is used.

    Returns:
        The pairs, named by the short exposure and sorted; and the short exposures whose long one
        is missing.

    Raises:
        UsageError: If a subfolder is missing, holds no RAW files, or one with a malformed name.
    """
    long_by_scene: dict[str, Path] = {}
    for path in _list_raw_files(folder / long):
        long_by_scene.setdefault(_parse_name(path)["scene"], path)
    pairs, unpaired = [], []
    for path in _list_raw_files(folder / short):
        target = long_by_scene.get(_parse_name(path)["scene"])
        if target is None:
            unpaired.append(path)
        else:
            pairs.append(Pair(path.stem, {RAW_PORT: path}, target))
    return pairs, unpaired


def exposure_ratio(pair: Pair, *, cap: float | None = raw_image.MAX_EXPOSURE_RATIO) -> float:
    """Return the factor by which the short exposure is to be amplified.

    It is read from ratios.json if that exists; else from the names, SCENE_NUMBER_SECONDSs; else
    from exposure times and sensitivities in the EXIF of both, if both are RAW files.

    Args:
        pair: One of `pair_raw_folder`.
        cap: The largest ratio; None for no limit.

    Raises:
        UsageError: If the ratio is in none of these, or is not positive.
    """
    short, long = pair.inputs[RAW_PORT], pair.target
    ratios, name = _find_ratios(short)
    if ratios.is_file():
        ratio = read_json(ratios).get(name)
        if not isinstance(ratio, int | float) or not 0 < ratio < float("inf"):
            raise UsageError(f"{ratios} must give {name} a ratio above zero. Received: {ratio}.")
        return raw_image.cap_ratio(ratio, cap)
    if SID_FILENAME.fullmatch(short.stem) and SID_FILENAME.fullmatch(long.stem):
        short_s, long_s = (float(_parse_name(path)["seconds"]) for path in (short, long))
        if not short_s:
            raise UsageError(f"{short}: an exposure of 0 seconds has no ratio. Rename it.")
        return raw_image.cap_ratio(long_s / short_s, cap)
    if is_raw(long):
        metadata = (raw_image.read_raw(path, black_level=0).metadata for path in (short, long))
        return raw_image.exposure_ratio(*metadata, max_ratio=cap)
    raise UsageError(
        f'The exposure ratio of {short} is not known. Write it into {ratios}, as {{"{name}": 100}}.'
    )


def _find_ratios(short: Path) -> tuple[Path, str]:
    """Return the ratios.json above a short exposure's folder, and the name of the pair in it.

    The exposure may be in a folder of its scene, as raw/scene1/1.dng: the pair is "scene1/1".
    """
    folders = [folder for folder in short.parents[1:4] if (folder / RATIOS_FILE).is_file()]
    folder = folders[0] if folders else short.parent.parent
    parts = short.relative_to(folder).parts
    name = Path(*(parts[1:] or parts)).with_suffix("").as_posix()
    return folder / RATIOS_FILE, name


def is_raw(path: Path) -> bool:
    """Return whether a file is a RAW file, by its suffix."""
    return path.suffix.lower() in raw_image.SUFFIXES


def load_target(path: Path, metadata: raw_image.RawMetadata) -> np.ndarray:
    """Read a pair's target in the orientation of the mosaic.

    Args:
        path: A RAW file, which LibRaw develops, or an upright image.
        metadata: Of the short exposure.

    Returns:
        (H, W, 3) uint16 sRGB.

    Raises:
        UsageError: If the file cannot be read.
    """
    if is_raw(path):
        return raw_image.develop_with_libraw(path)
    pixels = metadata.undo_orientation(image_io.load_image(path).pixels)
    return dtypes.img_as_uint16(pixels)


def hash_names(pairs: Iterable[Pair]) -> str:
    """Return one SHA-256 (hexadecimal) of the file names of pairs, independent of their order."""
    lines = sorted(f"{pair.inputs[RAW_PORT].name} {pair.target.name}\n" for pair in pairs)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _list_raw_files(folder: Path) -> list[Path]:
    checks.check_dir("data", folder)
    paths = sorted(
        path for path in folder.iterdir() if is_raw(path) and not path.name.startswith(".")
    )
    if not paths:
        raise UsageError(f"{folder} holds no RAW files, such as .ARW, .RAF or .DNG.")
    malformed = [path.name for path in paths if not SID_FILENAME.fullmatch(path.stem)]
    if malformed:
        raise UsageError(
            f"{folder}: RAW files must be named SCENE_NUMBER_SECONDSs, such as 00001_00_0.1s.ARW. "
            f"Received: {len(malformed)} others, such as {', '.join(malformed[:MAX_NAMES_LISTED])}."
        )
    return paths


def _parse_name(path: Path) -> re.Match[str]:
    """Return the scene, number and seconds of a name that `_list_raw_files` has checked."""
    return SID_FILENAME.fullmatch(path.stem)
