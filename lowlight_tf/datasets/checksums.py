"""Compare a dataset with the checksums of its card: of pixels, so that lossless copies match."""

import dataclasses
import hashlib
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from lowlight_tf.datasets import exposure_pairs
from lowlight_tf.datasets.dataset_card import DatasetCard, Split
from lowlight_tf.datasets.pairing import Pair
from lowlight_tf.imaging import image_io


def hash_files(paths: Iterable[Path]) -> str:
    """Return one SHA-256 (hexadecimal) of images: of their stems, shapes and pixels.

    Raises:
        UsageError: If one of them cannot be read.
    """
    ordered = sorted(paths, key=lambda path: path.stem)
    digest = hashlib.sha256()
    with ThreadPoolExecutor() as pool:
        for path, (shape, pixels) in zip(ordered, pool.map(_hash_pixels, ordered), strict=True):
            digest.update(f"{path.stem} {shape} {pixels}\n".encode())
    return digest.hexdigest()


def images_of(pairs: Iterable[Pair], key: str, card: DatasetCard) -> list[Path]:
    """Return the images of pairs under one of `card.image_keys`."""
    return [pair.target if key == card.target else pair.inputs[key] for pair in pairs]


@dataclasses.dataclass(frozen=True)
class ChecksumResult:
    """Result of the comparison for one image key of a split.

    Attributes:
        split: Name of the split.
        key: One of `DatasetCard.image_keys`; "names" if only the names of the pairs were compared.
        count: Number of images found.
        expected_count: Images of the complete split; 0 if the card does not contain it.
        matches: Whether they are those of the card; None if the card has no checksum.
    """

    split: str
    key: str
    count: int
    expected_count: int
    matches: bool | None


def verify_checksums(card: DatasetCard, root: Path) -> list[ChecksumResult]:
    """Compare a dataset with its card.

    Args:
        card: Its card.
        root: As in `DatasetCard.pairs`.

    Returns:
        A result for each image key of each split whose folder exists.

    Raises:
        UsageError: If the dataset is not found, or not paired.
    """
    folder = card.folder_of(root)
    results = []
    for name, split in card.splits.items():
        if not (folder / split.folder).is_dir():
            continue
        pairs = card.pairs(root, name)
        # Exposure pairs are gigabytes of RAW files: only checksums of their names are published.
        for key in ("names",) if card.pairing == "exposure" else card.image_keys:
            matches = _matches_card(card, split, pairs, key)
            results.append(ChecksumResult(name, key, len(pairs), split.count, matches))
    return results


def _matches_card(card: DatasetCard, split: Split, pairs: list[Pair], key: str) -> bool | None:
    """Compare the names or images of a split with the card; None if that has no checksum."""
    expected = split.names_sha256 if key == "names" else split.pixel_sha256.get(key)
    if not expected:
        return None
    if key == "names":
        return exposure_pairs.hash_names(pairs) == expected
    return hash_files(images_of(pairs, key, card)) == expected


def _hash_pixels(path: Path) -> tuple[str, str]:
    pixels = image_io.load_image(path).pixels
    return "x".join(map(str, pixels.shape)), hashlib.sha256(pixels.tobytes()).hexdigest()
