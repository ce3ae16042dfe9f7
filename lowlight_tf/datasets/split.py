"""Training and validation split of a dataset, stored by name as JSON."""

from collections.abc import Sequence
from pathlib import Path

from lowlight_tf.checks import UsageError
from lowlight_tf.datasets.pairing import MAX_NAMES_LISTED, Pair
from lowlight_tf.fileio import read_json, write_json

SUBSETS = "training", "validation"
"""Keys of the file."""


def save_split(path: Path, train: Sequence[Pair], val: Sequence[Pair]) -> None:
    """Write the names of both subsets as JSON, without the paths of the images."""
    subsets = zip(SUBSETS, (train, val), strict=True)
    write_json(path, {key: sorted({pair.name for pair in pairs}) for key, pairs in subsets})


def check_split_file(path: Path) -> None:
    """Raise UsageError if there is no such file."""
    if not path.is_file():
        raise UsageError(
            f"`split` must be a fraction such as 0.7, or the split.json of a run. Received: {path} "
            "(no such file)."
        )


def read_split(path: Path, pairs: Sequence[Pair]) -> tuple[list[Pair], list[Pair]]:
    """Split pairs by a file of `save_split`; their files may have moved since.

    Args:
        path: The file.
        pairs: The pairs to split.

    Returns:
        (training, validation), each sorted by name.

    Raises:
        UsageError: If the file does not exist or is invalid, if it lacks a pair or has one in both
            subsets, or if it names a pair that is not among `pairs`.
    """
    check_split_file(path)
    fields = read_json(path)
    subsets = [fields.get(key) for key in SUBSETS]
    if not all(names and isinstance(names, list) for names in subsets):
        raise UsageError(
            f"{path} must hold lists of names called {' and '.join(SUBSETS)}, none empty. Pass the "
            "split.json that a run of `lowlight-tf train` wrote."
        )
    train, val = map(set, subsets)
    found = {pair.name for pair in pairs}
    for problem, names in (
        ("in both subsets", train & val),
        ("not among the data", (train | val) - found),
        ("in no subset", found - train - val),
    ):
        if names:
            raise UsageError(
                f"{path} does not fit the data: {len(names)} of {len(found | train | val)} pairs "
                f"are {problem}, such as {', '.join(sorted(names)[:MAX_NAMES_LISTED])}. Pass the "
                "data that it was made from."
            )
    ordered = sorted(pairs, key=lambda pair: pair.name)
    return [p for p in ordered if p.name in train], [p for p in ordered if p.name in val]
