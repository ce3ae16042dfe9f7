"""Data leakage: find test images among the training images, whatever their file format."""

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
from lowlight_tf.datasets.pairing import (
    MAX_NAMES_LISTED,
    Pair,
    random_split,
    split_by_index,
    validation_count,
)
from lowlight_tf.imaging import image_io
from lowlight_tf.imaging.raw import raw_image

FINGERPRINT_SIZE = 32  # pixels, before the border is cut off
HIGHPASS_SIGMA = 2.0  # pixels of the fingerprint; coarser structure is similar in many rooms
BORDER_PX = 3  # pixels of the fingerprint at which the blur is one-sided
LOG_OFFSET = 8.0  # gray levels; limits the noise of the darkest pixels in the logarithm
MIN_STD = 0.01  # standard deviation of the logarithm; below, the image counts as flat
CLIP_ASPECT = 3  # height by width from which an image is a clip: frames below each other
MIN_CORRELATION = 0.9
"""Correlation above which images show the same scene.

JPEG copies of LOL-v1 reach 0.93 and more, different scenes 0.68 at most.
"""


@dataclasses.dataclass(frozen=True, eq=False)
class ImageFingerprint:
    """Hashes and structure of an image, to find copies of it.

    Attributes:
        path: Its file.
        file_hash: SHA-256 of the file.
        pixel_hash: SHA-256 of the image at half size: equal for lossless copies.
        structure: (N,) float32 with norm 1, or 0 for a flat image. The dot product of two is their
            correlation, at most 1; it is invariant to brightness and contrast and robust to noise,
            scale and compression.
    """

    path: Path
    file_hash: bytes
    pixel_hash: bytes
    structure: np.ndarray


def check_leakage(train: Sequence[Pair], val: Sequence[Pair]) -> None:
    """Check that no evaluation image is among the training images.

    Copies are found by the bytes of the file, by the pixels, and by a fingerprint of fine structure
    that is robust to recompression, resizing and another exposure of the same scene. Mirrored
    images and crops are not found, and of RAW pairs only the targets are compared.

    Args:
        train: Training pairs.
        val: Pairs that the model is evaluated on.

    Raises:
        UsageError: If there are any; the message names some of them and their copies.
    """
    known, tested = _read_fingerprints(train), _read_fingerprints(val)
    if not known or not tested:
        return
    by_file = {one.file_hash: one.path for one in known}
    by_pixels = {one.pixel_hash: one.path for one in known}
    correlation = (
        np.stack([one.structure for one in tested]) @ np.stack([one.structure for one in known]).T
    )
    leaks = []
    for one, row in zip(tested, correlation, strict=True):
        nearest = int(row.argmax())
        if one.file_hash in by_file:
            leaks.append(f"{one.path} is the same file as {by_file[one.file_hash]}")
        elif one.pixel_hash in by_pixels:
            leaks.append(f"{one.path} has the pixels of {by_pixels[one.pixel_hash]}")
        elif row[nearest] > MIN_CORRELATION:
            leaks.append(
                f"{one.path} shows the same as {known[nearest].path} "
                f"(correlation {row[nearest]:.2f})"
            )
    if leaks:
        more = "; ..." if len(leaks) > MAX_NAMES_LISTED else ""
        raise UsageError(
            f"{len(leaks)} of {len(tested)} evaluation images are among the training images: "
            f"{'; '.join(leaks[:MAX_NAMES_LISTED])}{more}. Remove them from one of the two sets; "
            "results with them are not valid."
        )


def find_overlapping_datasets(train: Iterable[str], test: str) -> list[str]:
    """Return the training datasets that contain scenes of a test dataset, by their cards.

    For use where the images are not on this machine. LOL-v1 and the real part of LOL-v2, for
    example, are two splits of the same shots.

    Args:
        train: Names of training datasets; names without a card, such as folders, are ignored.
        test: Name of the test dataset.
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
    """Hold back a random fraction of the pairs, with near-duplicates always on the same side.

    Near-duplicates are images that `check_leakage` would report.

    Args:
        pairs: At least two.
        fraction: Fraction that is held back, in (0, 1); approximate, as groups are not divided.
        seed: Seed of the choice.

    Returns:
        (training, validation), each sorted by name.

    Raises:
        UsageError: If there are fewer than two pairs, the fraction is out of range, or all images
            show the same scene.
    """
    count = validation_count(len(pairs), fraction)
    ordered = sorted(pairs, key=lambda pair: pair.name)
    if not _image_paths(ordered):  # RAW files only
        return random_split(ordered, fraction, seed)
    groups = _group_near_duplicates(ordered)
    if len(groups) == 1:
        raise UsageError(
            f"All {len(pairs)} images show the same scene: none can be held back. Add images, "
            "or put the validation images into val/ and the others into train/."
        )
    random.Random(seed).shuffle(groups)
    held: set[int] = set()
    for group in groups:
        if len(held) + len(group) <= count:
            held |= group
    return split_by_index(ordered, held or min(groups, key=len))


def _group_near_duplicates(pairs: Sequence[Pair]) -> list[set[int]]:
    """Return indices of pairs, grouped by scene; most groups have one member."""
    owners = [(index, path) for index, pair in enumerate(pairs) for path in _image_paths([pair])]
    fingerprints = _compute_fingerprints(path for _, path in owners)
    structures = np.stack([one.structure for one in fingerprints])
    group = list(range(len(pairs)))
    first_with: dict[bytes, int] = {}
    links = [
        (owners[i][0], owners[j][0])
        for i, j in np.argwhere(structures @ structures.T > MIN_CORRELATION)
    ]
    for (index, _), one in zip(owners, fingerprints, strict=True):
        hashes = one.file_hash, one.pixel_hash
        links += [(index, first_with.setdefault(key, index)) for key in hashes]
    for first, second in links:
        if group[first] != group[second]:
            old = group[second]
            group = [group[first] if label == old else label for label in group]
    return [{i for i, label in enumerate(group) if label == name} for name in sorted(set(group))]


def _read_fingerprints(pairs: Sequence[Pair]) -> list[ImageFingerprint]:
    return _compute_fingerprints(_image_paths(pairs))


def _image_paths(pairs: Sequence[Pair]) -> list[Path]:
    """Return the targets and inputs of pairs, each once and without RAW files."""
    targets = [pair.target for pair in pairs if pair.target is not None]
    paths = dict.fromkeys([*targets, *(p for pair in pairs for p in pair.inputs.values())])
    return [path for path in paths if path.suffix.lower() not in raw_image.SUFFIXES]


def _compute_fingerprints(paths: Iterable[Path]) -> list[ImageFingerprint]:
    with ThreadPoolExecutor() as pool:
        return list(pool.map(lambda path: _fingerprint(path, path.stat().st_mtime_ns), paths))


@functools.lru_cache(maxsize=8192)  # a split and the check of it read the same images
def _fingerprint(path: Path, _modified_ns: int) -> ImageFingerprint:
    data = path.read_bytes()
    image = None
    if data:
        flags = cv2.IMREAD_REDUCED_COLOR_2  # a JPEG is decoded at half size, four times as fast
        image = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    if image is None:
        image = image_io.load_image(path).pixels  # its errors name the file and the reason
    hashes = [hashlib.sha256(part).digest() for part in (data, np.ascontiguousarray(image))]
    return ImageFingerprint(path, *hashes, _compute_structure(image))


def _compute_structure(image: np.ndarray) -> np.ndarray:
    height, width = image.shape[:2]
    if height >= CLIP_ASPECT * width:  # the borders between its frames resemble each other
        image = image[:width]
    small = cv2.resize(image, (FINGERPRINT_SIZE, FINGERPRINT_SIZE), interpolation=cv2.INTER_AREA)
    tones = np.log(small.mean(axis=2, dtype=np.float32) + LOG_OFFSET)
    inside = slice(BORDER_PX, -BORDER_PX)
    fine = (tones - cv2.GaussianBlur(tones, (0, 0), HIGHPASS_SIGMA))[inside, inside]
    fine = (fine - fine.mean()).ravel()
    return np.zeros(fine.size, np.float32) if fine.std() < MIN_STD else fine / np.linalg.norm(fine)
