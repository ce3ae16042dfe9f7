"""A split is read back as it was written, wherever the images are."""

import json
from pathlib import Path

import pytest

from lowlight_tf.checks import UsageError
from lowlight_tf.datasets.pairing import Pair, random_split
from lowlight_tf.datasets.split import read_split, save_split


def pairs(folder, names="abcdefghij"):
    return [Pair(n, {"low": Path(folder, "low", n)}, Path(folder, "high", n)) for n in names]


def test_a_split_applies_to_the_same_names_in_another_folder(tmp_path):
    train, val = random_split(pairs("here"), 0.3, seed=4)
    save_split(tmp_path / "split.json", train, val)
    again = read_split(tmp_path / "split.json", pairs("there", "jihgfedcba"))
    assert [[pair.name for pair in subset] for subset in again] == [
        [pair.name for pair in subset] for subset in (train, val)
    ]
    assert again[0][0].target.parts[0] == "there"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"validation": ["h", "i", "j", "k"]}, "1 of 11 pairs are not among the data, such as k"),
        ({"validation": ["i"]}, "2 of 10 pairs are in no subset, such as h, j"),
        ({"validation": ["a", "h", "i", "j"]}, "1 of 10 pairs are in both subsets, such as a"),
        ({"validation": []}, "must hold lists of names called training and validation"),
        ({"training": "abc"}, "must hold lists of names"),
    ],
)
def test_a_split_that_does_not_fit_is_rejected(change, message, tmp_path):
    path = tmp_path / "split.json"
    path.write_text(json.dumps({"training": list("abcdefg"), "validation": list("hij"), **change}))
    with pytest.raises(UsageError, match=message):
        read_split(path, pairs("here"))


def test_a_file_that_is_no_split_is_rejected(tmp_path):
    with pytest.raises(UsageError, match=r"a fraction such as 0\.7, or .* Received: .*nowhere"):
        read_split(tmp_path / "nowhere", pairs("here"))
    (tmp_path / "split.json").write_text("0.7,")
    with pytest.raises(UsageError, match="cannot be read as JSON"):
        read_split(tmp_path / "split.json", pairs("here"))
