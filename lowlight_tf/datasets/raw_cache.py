"""Memory-mapped cache of decoded RAW pairs, so that training needs little memory.

Decoding a RAW file takes seconds, and the targets of See-in-the-Dark take 64 to 128 GB of memory as
float32. The cache holds short exposures as packed raw values and targets as LibRaw develops them,
both 16 bit, as .npy files of which only the requested crop is read.
"""

import dataclasses
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lowlight_tf.checks import UsageError
from lowlight_tf.datasets import exposure_pairs
from lowlight_tf.datasets.pairing import Pair
from lowlight_tf.fileio import atomic_write, read_json, write_json
from lowlight_tf.imaging import dtypes
from lowlight_tf.imaging.raw import cfa, raw_image

SHORT_DIR, LONG_DIR = "short", "long"
"""Subfolders of raw values and of targets: NAME.npy, and NAME.json, which is written after it.

The .json files keep the keys of version 0.1.0, `shot` and `phase`, so that its caches stay valid.
"""


@dataclasses.dataclass(frozen=True)
class _Entry:
    name: str
    short: str
    long: str
    ratio: float
    metadata: raw_image.RawMetadata


class RawCache:
    """Decoded RAW pairs; created by `build_raw_cache`.

    Args:
        folder: Folder that `build_raw_cache` filled.
        entries: The pairs.
    """

    def __init__(self, folder: Path, entries: Sequence[_Entry]) -> None:
        self._folder, self._entries = folder, list(entries)

    def __len__(self) -> int:
        """Return the number of pairs."""
        return len(self._entries)

    @property
    def names(self) -> list[str]:
        """Names of the pairs, in their order."""
        return [entry.name for entry in self._entries]

    def size(self, index: int) -> tuple[int, int]:
        """Return height and width of a short exposure, in packed pixels."""
        return self._open(SHORT_DIR, self._entries[index].short).shape[:2]

    def read(
        self, index: int, *, crop: tuple[int, int, int, int] | None = None
    ) -> raw_image.RawSample:
        """Read a pair, or a crop of it.

        Args:
            index: Index of the pair.
            crop: Top, left, height and width, in packed pixels; default: the full image.

        Returns:
            Normalized short exposure (height, width, 4 or 9), exposure ratio and the same region of
            the target, all in memory.
        """
        entry = self._entries[index]
        raw_values = self._open(SHORT_DIR, entry.short)
        target = self._open(LONG_DIR, entry.long)
        scale = len(target) // len(raw_values)
        top, left, height, width = crop or (0, 0, *raw_values.shape[:2])
        raw_values = raw_values[top : top + height, left : left + width]
        target = target[scale * top :, scale * left :][: scale * height, : scale * width]
        return raw_image.RawSample(
            entry.metadata.normalize(raw_values),
            entry.ratio,
            dtypes.img_as_float32(target),
            entry.metadata,
        )

    def _open(self, folder: str, name: str) -> np.ndarray:
        """Map a file anew: its pages are released with the last view of the array."""
        return np.load(self._folder / folder / f"{name}.npy", mmap_mode="r")


def build_raw_cache(
    pairs: Sequence[Pair],
    folder: Path,
    *,
    cap: float | None = raw_image.MAX_EXPOSURE_RATIO,
    black_level: float | None = None,
    report: Callable[[str], None] = lambda line: None,
) -> RawCache:
    """Decode the pairs that are not in the cache yet; an interrupted call is resumed by the next.

    Args:
        pairs: Pairs of `exposure_pairs.pair_raw_folder`.
        folder: Folder of the cache; for See-in-the-Dark (Sony) 24 MB for each short exposure and
            72 MB for each long one.
        cap: The largest exposure ratio; None for no limit.
        black_level: See `raw_image.read_raw`.
        report: Called with one line for each pair that is skipped, and why.

    Returns:
        The pairs that could be decoded, in their order.

    Raises:
        UsageError: If no pair could be decoded.
    """
    entries, failed = [], {}
    for subfolder in (SHORT_DIR, LONG_DIR):
        (folder / subfolder).mkdir(parents=True, exist_ok=True)
    for pair in pairs:
        try:
            entries.append(_cache_pair(pair, folder, cap, black_level, failed))
        except UsageError as error:
            report(f"{pair.name} is skipped: {error}")
    if not entries:
        raise UsageError(f"None of {len(pairs)} RAW pairs could be decoded.")
    return RawCache(folder, entries)


def _cache_pair(
    pair: Pair, folder: Path, cap: float | None, black_level: float | None, failed: dict[Path, str]
) -> _Entry:
    """Decode a pair if needed; `failed` collects the targets that cannot be decoded, and why."""
    short, long = pair.inputs[exposure_pairs.RAW_PORT], pair.target
    ratio = exposure_pairs.exposure_ratio(pair, cap=cap)
    source = _file_stamp(short) | {"black": black_level}
    fields = _find_cached(folder / SHORT_DIR, _cache_name(short), source)
    if fields is None:
        image = raw_image.read_raw(short, black_level=black_level)
        fields = source | {"shot": dataclasses.asdict(image.metadata)}
        _store(folder / SHORT_DIR, _cache_name(short), image.raw_values, fields)
    metadata = raw_image.RawMetadata.from_dict(fields["shot"])
    if long in failed:  # many short exposures share a long one
        raise UsageError(failed[long])
    try:
        _cache_target(long, metadata, folder / LONG_DIR)
    except UsageError as error:
        failed[long] = str(error)
        raise
    return _Entry(pair.name, _cache_name(short), _cache_name(long), ratio, metadata)


def _cache_target(long: Path, metadata: raw_image.RawMetadata, folder: Path) -> None:
    pattern = metadata.cfa_pattern
    source = _file_stamp(long) | {"size": list(metadata.size), "phase": pattern}
    if _find_cached(folder, _cache_name(long), source) is not None:
        return
    image = exposure_pairs.load_target(long, metadata)
    if image.shape[:2] != metadata.size:
        raise UsageError(
            f"{long} is {image.shape[0]}x{image.shape[1]} (height x width), its short exposure "
            f"{metadata.size[0]}x{metadata.size[1]}. Both must be of one camera."
        )
    # The packed image may have a margin that the target lacks: repeat the edge of the target.
    padding = cfa.pad_for_pattern(metadata.size, pattern)
    _store(folder, _cache_name(long), np.pad(image, [*padding, (0, 0)], mode="edge"), source)


def _cache_name(path: Path) -> str:
    """Return the name of a file in the cache; two folders may hold files of the same name."""
    return f"{path.stem}_{zlib.crc32(str(path.parent.resolve()).encode()):08x}"


def _file_stamp(path: Path) -> dict[str, Any]:
    """Return size and modification time of a file, by which changes of it are found."""
    try:
        stat = path.stat()
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}.") from None
    return {"bytes": stat.st_size, "modified_ns": stat.st_mtime_ns}


def _find_cached(folder: Path, name: str, source: dict[str, Any]) -> dict[str, Any] | None:
    """Return the fields that were stored with an array, if it is there and of the same source."""
    path = folder / f"{name}.json"
    fields = read_json(path) if path.is_file() and (folder / f"{name}.npy").is_file() else {}
    return fields if fields and all(fields.get(key) == source[key] for key in source) else None


def _store(folder: Path, name: str, array: np.ndarray, fields: dict[str, Any]) -> None:
    """Write an array atomically, and the fields that belong to it after it."""
    (folder / f"{name}.json").unlink(missing_ok=True)
    with atomic_write(folder / f"{name}.npy") as part, part.open("wb") as file:
        np.save(file, array)
    write_json(folder / f"{name}.json", fields)
