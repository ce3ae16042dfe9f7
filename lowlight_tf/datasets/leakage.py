"""A net must not be judged by pictures it has learned from: find them, in whatever format."""

import dataclasses
import functools
import hashlib
import random
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np

from lowlight_tf.checks import UsageError
from lowlight_tf.datasets import dataset_card
from lowlight_tf.datasets.pairing import MAX_NAMES_SHOWN, Pair, split, validation_count
from lowlight_tf.imaging import image_io
from lowlight_tf.imaging.raw import raw_image

FINGERPRINT_SIZE = 32  # pixels of a fingerprint before its border is cut off
HIGHPASS_SIGMA = (
    2.0  # pixels of the fingerprint; broader structure does not count: many rooms share it
)
BORDER = 3  # pixels of the fingerprint in which the blur knows only one side
BLACK = 8.0  # grey levels; keeps the noise of the darkest pixels small in the logarithm
FLAT = 0.01  # standard deviation of a logarithm below which there is nothing to compare
MIN_CORRELATION = (
    0.9  # correlation. JPEG copies of LOL-v1 reach 0.93 and more, other scenes 0.68 at most.
)


@dataclasses.dataclass(frozen=True, eq=False)
class ImageFingerprint:
    """What a picture is known by again.

    Attributes:
        path: Its file.
        file_hash: Checksum of the file.
        pixel_hash: Checksum of the picture at half size: equal for lossless copies.
        structure: (N,) float32 of length 1, or 0 for a flat picture. The product of two is their
            likeness, at most 1: equal but for brightness, contrast, noise, size and compression.
    """

    path: Path
    file_hash: bytes
    pixel_hash: bytes
    structure: np.ndarray


def check_leakage(train: Sequence[Pair], val: Sequence[Pair]) -> None:
    """Refuse test pictures that are among the training pictures.

    They are found by the bytes of the file, by the pixels, and by a fingerprint of fine structure
    that outlasts recompression, resizing and another exposure of the same scene. It does not find
    mirrored pictures or parts of pictures, and does not look into RAW files: only at their targets.

    Args:
        train: Pairs that are learned from.
        val: Pairs that the net is judged by.

    Raises:
        UsageError: Naming some of the pictures, and what they were found to be.
    """
    known, asked = _fingerprints(train), _fingerprints(val)
    if not known or not asked:
        return
    octets = {one.file_hash: one for one in known}
    pixels = {one.pixel_hash: one for one in known}
    likeness = np.stack([one.structure for one in asked]) @ np.stack([o.structure for o in known]).T
    found = []
    for one, row in zip(asked, likeness, strict=True):
        nearest = int(row.argmax())
        if one.file_hash in octets:
            found.append(f"{one.path} is the same file as {octets[one.file_hash].path}")
        elif one.pixel_hash in pixels:
            found.append(f"{one.path} has the pixels of {pixels[one.pixel_hash].path}")
        elif row[nearest] > MIN_CORRELATION:
            likely = f"likeness {row[nearest]:.2f}"
            found.append(f"{one.path} shows the same as {known[nearest].path} ({likely})")
    if found:
        raise UsageError(
            f"{len(found)} of {len(asked)} pictures to judge by are among the training pictures: "
            f"{'; '.join(found[:MAX_NAMES_SHOWN])}{'; ...' if len(found) > MAX_NAMES_SHOWN else ''}. Take them out of "
            "either; a number made with them says nothing."
        )


def shared_scenes(train: Iterable[str], test: str) -> list[str]:
    """Return which datasets that were learned from show the scenes of one to be judged by.

    Where the pictures themselves are not at hand: known from the cards alone, such as of LOL-v1 and
    the real part of LOL-v2, which are two splits of the same shots.

    Args:
        train: Names of datasets; names that no card has, such as folders, are passed over.
        test: Name of the dataset to be judged by.
    """
    known = dataset_card.list_datasets()
    return [
        name
        for name in dict.fromkeys(train)
        if name in known and test in dataset_card.get_dataset(name).overlaps
    ]


def group_split(
    pairs: Sequence[Pair], fraction: float, seed: int = 1
) -> tuple[list[Pair], list[Pair]]:
    """Hold back a share of the pairs, as `pairing.split` does, but never one without its twins.

    Pictures of which `refuse_leaks` would say that they show the same stay on one side.

    Args:
        pairs: At least two.
        fraction: Share that is held back, in (0, 1); about that, as groups stay whole.
        seed: Another seed holds back others.

    Returns:
        (kept, held back), each sorted by name.

    Raises:
        UsageError: If there are too few pairs, the share is none, or all pictures show the same.
    """
    count = validation_count(len(pairs), fraction)
    ordered = sorted(pairs, key=lambda pair: pair.name)
    if not _paths(ordered):  # RAW files alone
        return split(ordered, fraction, seed)
    groups = _near_duplicates(ordered)
    if len(groups) == 1:
        raise UsageError(
            f"All {len(pairs)} pictures show the same scene: none can be held back. Add pictures, "
            "or put those to judge by into val/ and the others into train/."
        )
    random.Random(seed).shuffle(groups)
    held: set[int] = set()
    for group in groups:
        if len(held) + len(group) <= count:
            held |= group
    held = held or min(groups, key=len)
    return (
        [pair for index, pair in enumerate(ordered) if index not in held],
        [pair for index, pair in enumerate(ordered) if index in held],
    )


def _near_duplicates(pairs: Sequence[Pair]) -> list[set[int]]:
    """Return which pairs show the same, as groups of indices; most groups have one member."""
    owners = [(index, path) for index, pair in enumerate(pairs) for path in _paths([pair])]
    prints = _read(path for _, path in owners)
    structures = np.stack([one.structure for one in prints])
    group = list(range(len(pairs)))
    merged: dict[bytes, int] = {}
    links = [
        (owners[i][0], owners[j][0])
        for i, j in np.argwhere(structures @ structures.T > MIN_CORRELATION)
    ]
    for (index, _), one in zip(owners, prints, strict=True):
        links += [(index, merged.setdefault(key, index)) for key in (one.file_hash, one.pixel_hash)]
    for first, second in links:
        if group[first] != group[second]:
            old = group[second]
            group = [group[first] if label == old else label for label in group]
    return [{i for i, label in enumerate(group) if label == name} for name in sorted(set(group))]


def _fingerprints(pairs: Sequence[Pair]) -> list[ImageFingerprint]:
    return _read(_paths(pairs))


def _paths(pairs: Sequence[Pair]) -> list[Path]:
    targets = [pair.target for pair in pairs if pair.target is not None]
    found = dict.fromkeys([*targets, *(p for pair in pairs for p in pair.inputs.values())])
    return [path for path in found if path.suffix.lower() not in raw_image.SUFFIXES]


def _read(paths: Iterable[Path]) -> list[ImageFingerprint]:
    with ThreadPoolExecutor() as pool:
        return list(pool.map(lambda path: _fingerprint(path, path.stat().st_mtime_ns), paths))


@functools.lru_cache(maxsize=8192)  # a split and its check ask for the same pictures
def _fingerprint(path: Path, _changed: int) -> ImageFingerprint:
    octets = path.read_bytes()
    picture = None
    if octets:
        flags = cv2.IMREAD_REDUCED_COLOR_2  # a JPEG is decoded at half size, four times as fast
        picture = cv2.imdecode(np.frombuffer(octets, np.uint8), flags)
    if picture is None:
        picture = image_io.load_image(path).pixels  # says what is wrong with the file
    sums = [hashlib.sha256(data).digest() for data in (octets, np.ascontiguousarray(picture))]
    return ImageFingerprint(path, *sums, _structure(picture))


def _structure(picture: np.ndarray) -> np.ndarray:
    small = cv2.resize(picture, (FINGERPRINT_SIZE, FINGERPRINT_SIZE), interpolation=cv2.INTER_AREA)
    tones = np.log(small.mean(axis=2, dtype=np.float32) + BLACK)
    fine = (tones - cv2.GaussianBlur(tones, (0, 0), HIGHPASS_SIGMA))[BORDER:-BORDER, BORDER:-BORDER]
    fine = fine - fine.mean()
    return np.zeros(fine.size, np.float32) if fine.std() < FLAT else _normalize(fine.ravel())


def _normalize(vector: np.ndarray) -> np.ndarray:
    return vector / np.linalg.norm(vector)
