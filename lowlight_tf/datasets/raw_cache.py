"""RAW pairs decoded once, into files that are mapped and not loaded: training needs little memory.

Decoding a RAW file takes seconds, and the targets of See-in-the-Dark fill 64 to 128 GB of memory as
floats. Here a short exposure lies as its digits, packed, and a target as LibRaw develops it, 16
bit; of either, no more is read than the part that is asked for.
"""

import dataclasses
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from lowlight_tf.checks import UsageError
from lowlight_tf.datasets import exposure_pairs
from lowlight_tf.datasets.pairing import Pair
from lowlight_tf.fileio import atomic_write, read_json, write_json
from lowlight_tf.imaging.raw import cfa, raw_image

SHORT, LONG = "short", "long"
"""Subfolders of the digits and of the targets: NAME.npy, and NAME.json written after it."""


@dataclasses.dataclass(frozen=True)
class _Entry:
    name: str
    short: str
    long: str
    ratio: float
    shot: raw_image.RawMetadata


class RawCache:
    """Pairs that are decoded; see `decode`, which makes one.

    Args:
        folder: What `decode` filled.
        entries: The pairs.
    """

    def __init__(self, folder: Path, entries: Sequence[_Entry]) -> None:
        self._folder, self._entries = folder, list(entries)

    def __len__(self) -> int:
        """Return the number of pairs."""
        return len(self._entries)

    @property
    def names(self) -> list[str]:
        """The pairs' names, in their order."""
        return [entry.name for entry in self._entries]

    def size(self, index: int) -> tuple[int, int]:
        """Return height and width of a short exposure, in packed pixels."""
        return self._mapped(SHORT, self._entries[index].short).shape[:2]

    def read(
        self, index: int, *, crop: tuple[int, int, int, int] | None = None
    ) -> raw_image.RawSample:
        """Read a pair, or a part of it.

        Args:
            index: Which, below `len`.
            crop: Top, left, height and width, in packed pixels; default: all.

        Returns:
            Dark light, ratio, and what lies under it of the target, all in memory.
        """
        entry = self._entries[index]
        digits = self._mapped(SHORT, entry.short)
        target = self._mapped(LONG, entry.long)
        side = len(target) // len(digits)
        top, left, height, width = crop or (0, 0, *digits.shape[:2])
        digits = digits[top : top + height, left : left + width]
        under = target[side * top :, side * left :][: side * height, : side * width]
        return raw_image.RawSample(
            entry.shot.normalize(digits),
            entry.ratio,
            np.divide(under, 65535, dtype=np.float32),
            entry.shot,
        )

    def _mapped(self, side: str, name: str) -> np.ndarray:
        """Map a file anew: what was read of it is given back with the last view of it."""
        return np.load(self._folder / side / f"{name}.npy", mmap_mode="r")


def build_raw_cache(
    pairs: Sequence[Pair],
    folder: Path,
    *,
    cap: float | None = raw_image.MAX_EXPOSURE_RATIO,
    black: float | None = None,
    told: Callable[[str], None] = lambda line: None,
) -> RawCache:
    """Decode what is not decoded yet, file by file: an attempt that broke off is gone on with.

    Args:
        pairs: As `exposures.raw_folder` makes them.
        folder: Where it goes; of See-in-the-Dark (Sony) 24 MB for each short exposure and 72 MB for
            each long one.
        cap: The largest exposure ratio; None for any.
        black: See `raw.read`.
        told: Called with one line for each pair that is left out, and why.

    Returns:
        The pairs that could be decoded, in their order.

    Raises:
        UsageError: If none could be.
    """
    entries, failed = [], {}
    for side in (SHORT, LONG):
        (folder / side).mkdir(parents=True, exist_ok=True)
    for pair in pairs:
        try:
            entries.append(_entry(pair, folder, cap, black, failed))
        except UsageError as error:
            told(f"{pair.name} is left out: {error}")
    if not entries:
        raise UsageError(f"None of {len(pairs)} RAW pairs could be decoded.")
    return RawCache(folder, entries)


def _entry(
    pair: Pair, folder: Path, cap: float | None, black: float | None, failed: dict[Path, str]
) -> _Entry:
    short, long = pair.inputs[exposure_pairs.RAW_PORT], pair.target
    ratio = exposure_pairs.exposure_ratio(pair, cap=cap)
    wanted = _source(short) | {"black": black}
    fields = _is_cached(folder / SHORT, _name(short), wanted)
    if fields is None:
        picture = raw_image.read_raw(short, black_level=black)
        fields = wanted | {"shot": dataclasses.asdict(picture.metadata)}
        _store(folder / SHORT, _name(short), picture.raw_values, fields)
    shot = raw_image.RawMetadata.from_dict(fields["shot"])
    if long in failed:  # many short exposures share it
        raise UsageError(failed[long])
    try:
        _target(long, shot, folder / LONG)
    except UsageError as error:
        failed[long] = str(error)
        raise
    return _Entry(pair.name, _name(short), _name(long), ratio, shot)


def _target(long: Path, shot: raw_image.RawMetadata, folder: Path) -> None:
    wanted = _source(long) | {"size": list(shot.size), "phase": shot.cfa_pattern}
    if _is_cached(folder, _name(long), wanted) is not None:
        return
    image = exposure_pairs.load_target(long, shot)
    if image.shape[:2] != shot.size:
        raise UsageError(
            f"{long} is {image.shape[0]}x{image.shape[1]} (height x width), its short exposure "
            f"{shot.size[0]}x{shot.size[1]}. Both must be of one camera."
        )
    # The packed picture's margin, if it has one, is under no part of the target: repeat its edge.
    edges = cfa.pad_for_pattern(shot.size, shot.cfa_pattern)
    _store(folder, _name(long), np.pad(image, [*edges, (0, 0)], mode="edge"), wanted)


def _name(path: Path) -> str:
    """Return what a file is called once it is decoded: two folders may hold files of one name."""
    return f"{path.stem}_{zlib.crc32(str(path.parent.resolve()).encode()):08x}"


def _source(path: Path) -> dict[str, int]:
    """Return by what a file is known again."""
    try:
        stat = path.stat()
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}.") from None
    return {"bytes": stat.st_size, "modified_ns": stat.st_mtime_ns}


def _is_cached(folder: Path, name: str, wanted: dict) -> dict | None:
    """Return what was said of a decoded file, if it is there and of the same source."""
    path = folder / f"{name}.json"
    fields = read_json(path) if path.is_file() and (folder / f"{name}.npy").is_file() else {}
    return fields if fields and all(fields.get(key) == wanted[key] for key in wanted) else None


def _store(folder: Path, name: str, array: np.ndarray, fields: dict) -> None:
    """Write an array whole or not at all; what is said of it comes last."""
    (folder / f"{name}.json").unlink(missing_ok=True)
    with atomic_write(folder / f"{name}.npy") as part, part.open("wb") as file:
        np.save(file, array)
    write_json(folder / f"{name}.json", fields)
