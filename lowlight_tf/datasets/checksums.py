"""Are these the pictures that the card speaks of? By their pixels: a lossless copy will do."""

import dataclasses
import hashlib
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from lowlight_tf.datasets import exposure_pairs
from lowlight_tf.datasets.dataset_card import DatasetCard
from lowlight_tf.datasets.pairing import Pair
from lowlight_tf.imaging import image_io


def hash_files(paths: Iterable[Path]) -> str:
    """Return one SHA-256 (hexadecimal) for pictures, their names without suffix and their sizes.

    Raises:
        UsageError: If one of them cannot be read.
    """
    ordered = sorted(paths, key=lambda path: path.stem)
    whole = hashlib.sha256()
    with ThreadPoolExecutor() as pool:
        for path, (size, one) in zip(ordered, pool.map(_pixels, ordered), strict=True):
            whole.update(f"{path.stem} {size} {one}\n".encode())
    return whole.hexdigest()


def hash_side(pairs: Iterable[Pair], name: str, card: DatasetCard) -> list[Path]:
    """Return the pictures of one of the card's sides."""
    return [pair.target if name == card.target else pair.inputs[name] for pair in pairs]


@dataclasses.dataclass(frozen=True)
class ChecksumResult:
    """What was found of one side of a split.

    Attributes:
        split: Name of the split.
        side: Subfolder; "names" where only the names of the pairs were looked at.
        count: Pictures that are there.
        expected: Pictures of the complete split; 0 where the card does not say.
        right: Whether they are the card's; None where the card does not know.
    """

    split: str
    side: str
    count: int
    expected: int
    right: bool | None


def verify_checksums(card: DatasetCard, root: Path) -> list[ChecksumResult]:
    """Compare a dataset with its card.

    Args:
        card: Its card.
        root: As in `DatasetCard.pairs`.

    Returns:
        A verdict for each side of each split whose folder is there.

    Raises:
        UsageError: If the dataset is not there, or not paired.
    """
    place = card.folder_of(root)
    verdicts = []
    for name, split in card.splits.items():
        if (place / split.folder).is_dir():
            pairs = card.pairs(root, name)
            if card.pairing == "exposure":  # gigabytes, and no list of their checksums
                right = exposure_pairs.sha256_of(pairs) == split.files if split.files else None
                verdicts.append(ChecksumResult(name, "names", len(pairs), split.count, right))
                continue
            for part in card.sides:
                known = split.pixels.get(part)
                right = hash_files(hash_side(pairs, part, card)) == known if known else None
                verdicts.append(ChecksumResult(name, part, len(pairs), split.count, right))
    return verdicts


def _pixels(path: Path) -> tuple[str, str]:
    pixels = image_io.load_image(path).pixels
    return "x".join(map(str, pixels.shape)), hashlib.sha256(pixels.tobytes()).hexdigest()
