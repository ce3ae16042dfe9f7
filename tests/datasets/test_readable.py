"""Pairs with damaged files are left out, each file named in one line."""

import numpy as np
import pytest

from lowlight_tf.checks import UsageError
from lowlight_tf.datasets.pairing import Pair, pair_folder
from lowlight_tf.datasets.readable import keep_readable
from lowlight_tf.imaging import image_io


@pytest.fixture
def folder(write_image, tmp_path):
    for name in "abc":
        for side in ("low", "high"):
            write_image(f"{side}/{name}.png")
    return tmp_path


def damage(path):
    path.write_bytes(path.read_bytes()[:-20])


def test_a_pair_with_a_damaged_file_is_left_out_and_named(folder):
    lines = []
    pairs = pair_folder(folder)
    assert keep_readable(pairs, lines.append) == pairs
    assert lines == []
    damage(folder / "high" / "b.png")
    assert keep_readable(pairs, lines.append) == [pairs[0], pairs[2]]
    assert lines == [
        f"{folder / 'high' / 'b.png'} is truncated. Copy it again.",
        "1 of 3 pairs cannot be read and are left out",
    ]


def test_if_no_pair_can_be_read_the_first_reason_is_the_error(folder):
    for path in (folder / "low").iterdir():
        damage(path)
    with pytest.raises(UsageError, match=r"a\.png is truncated"):
        keep_readable(pair_folder(folder), print)


def test_whatever_a_decoder_raises_is_a_reason(folder, monkeypatch):
    def fail(path):
        if path.name == "b.png":
            raise RuntimeError("inside\na decoder")
        return np.zeros(())

    monkeypatch.setattr(image_io, "load_image", fail)
    lines = []
    assert len(keep_readable(pair_folder(folder), lines.append)) == 2
    assert lines[0].endswith("b.png cannot be read: RuntimeError: inside a decoder")


def test_raw_files_are_checked_unless_somebody_else_does(folder):
    pytest.importorskip("rawpy", reason="rawpy is not installed ([raw] extra)")
    (folder / "low" / "a.png").rename(folder / "low" / "a.dng")
    pairs = [Pair(name, {"raw": folder / "low" / name}, None) for name in ("a.dng", "b.png")]
    lines = []
    assert keep_readable(pairs, lines.append, raw=False) == pairs
    assert keep_readable(pairs, lines.append) == pairs[1:]
    assert "a.dng is not a RAW file" in lines[0]
