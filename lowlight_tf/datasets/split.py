"""Which pairs are learned from and which are judged by, written down by name."""

from collections.abc import Sequence
from pathlib import Path

from lowlight_tf.checks import UsageError
from lowlight_tf.datasets.pairing import MAX_NAMES_SHOWN, Pair
from lowlight_tf.fileio import read_json, write_json

SUBSETS = "training", "validation"


def save_split(path: Path, train: Sequence[Pair], val: Sequence[Pair]) -> None:
    """Write the names of both sides as JSON. Where the pictures lie is not part of it."""
    sides = zip(SUBSETS, (train, val), strict=True)
    write_json(path, {side: sorted({pair.name for pair in pairs}) for side, pairs in sides})


def read_split(path: Path, pairs: Sequence[Pair]) -> tuple[list[Pair], list[Pair]]:
    """Split pairs as a file says that `write_split` wrote, wherever they lie now.

    Args:
        path: The file.
        pairs: What is to be split.

    Returns:
        (to learn from, to judge by), each sorted by name.

    Raises:
        UsageError: If there is no such file, it is none of these, it says nothing of a pair or two
            things, or names a pair that is not there.
    """
    if not path.is_file():
        raise UsageError(
            f"`split` must be a share such as 0.7, or the split.json of a run. Received: {path} "
            "(no such file)."
        )
    fields = read_json(path)
    sides = [fields.get(side) for side in SUBSETS]
    if not all(side and isinstance(side, list) for side in sides):
        raise UsageError(
            f"{path} must hold lists of names called {' and '.join(SUBSETS)}, none empty. Pass the "
            "split.json that a run of `lowlight-tf train` wrote."
        )
    train, val = map(set, sides)
    found = {pair.name for pair in pairs}
    for what, names in (
        ("on both sides", train & val),
        ("not among the data", (train | val) - found),
        ("on no side", found - train - val),
    ):
        if names:
            raise UsageError(
                f"{path} does not fit the data: {len(names)} of {len(found | train | val)} pairs "
                f"are {what}, such as {', '.join(sorted(names)[:MAX_NAMES_SHOWN])}. Pass the data that it "
                "was made of."
            )
    ordered = sorted(pairs, key=lambda pair: pair.name)
    return [p for p in ordered if p.name in train], [p for p in ordered if p.name in val]
