"""Short exposures pair with the long one of their scene; the names give the ratio."""

import itertools
import json

import numpy as np
import pytest

from lowlight_tf.checks import UsageError
from lowlight_tf.datasets import dataset_card, exposure_pairs
from lowlight_tf.datasets.checksums import verify_checksums
from lowlight_tf.datasets.pairing import Pair
from lowlight_tf.imaging.formats import dng


@pytest.fixture
def sid(tmp_path):
    """Return a function that creates empty files of See-in-the-Dark below tmp_path/sid_sony."""

    def create(*names):
        for name in names:
            path = tmp_path / "sid_sony" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        return tmp_path / "sid_sony"

    return create


def test_short_exposures_pair_with_the_long_one_of_their_scene(sid):
    folder = sid(
        *("short/00001_00_0.1s.ARW", "short/00001_01_0.04s.ARW", "short/00002_00_0.1s.ARW"),
        *("long/00001_00_10s.ARW", "long/00002_00_30s.ARW", "long/Thumbs.db", "long/._00001.ARW"),
    )
    pairs, unpaired = exposure_pairs.sid_folder(folder)
    assert pairs[0] == Pair(
        "00001_00_0.1s",
        {"raw": folder / "short" / "00001_00_0.1s.ARW"},
        folder / "long" / "00001_00_10s.ARW",
    )
    assert [pair.target.name[:5] for pair in pairs] == ["00001", "00001", "00002"]
    assert unpaired == []


def test_ratios_are_read_from_names_and_capped(sid):
    folder = sid(
        *("short/00001_00_0.1s.ARW", "short/00001_00_0.04s.ARW", "short/00001_00_0.033s.ARW"),
        "long/00001_00_10s.ARW",
    )
    pairs, _ = exposure_pairs.sid_folder(folder)  # sorted: 0.033, 0.04, 0.1
    assert [exposure_pairs.exposure_ratio(pair) for pair in pairs] == pytest.approx([300, 250, 100])
    assert exposure_pairs.exposure_ratio(pairs[0], cap=None) == pytest.approx(10 / 0.033)


def test_short_exposures_without_a_long_one_are_skipped(sid, tmp_path):
    sid(
        *("short/00001_00_0.1s.ARW", "short/00002_00_0.1s.ARW", "short/10003_00_0.1s.ARW"),
        "long/00001_00_10s.ARW",
    )
    sony = dataset_card.get_dataset("sid_sony")
    assert [pair.name for pair in sony.pairs(tmp_path, "train")] == ["00001_00_0.1s"]
    assert [path.name for path in sony.find_unpaired(tmp_path, "train")] == ["00002_00_0.1s.ARW"]
    assert [path.name for path in sony.find_unpaired(tmp_path, "test")] == ["10003_00_0.1s.ARW"]


def test_malformed_names_are_rejected(sid):
    folder = sid("short/DSC0001.ARW", "long/00001_00_10s.ARW")
    with pytest.raises(UsageError, match=r"SCENE_NUMBER_SECONDSs.*1 others, such as DSC0001\.ARW"):
        exposure_pairs.sid_folder(folder)


def test_an_exposure_of_zero_seconds_is_rejected(sid):
    (pair,), _ = exposure_pairs.sid_folder(sid("short/1_0_0s.ARW", "long/1_0_10s.ARW"))
    with pytest.raises(UsageError, match="0 seconds has no ratio"):
        exposure_pairs.exposure_ratio(pair)


def test_folders_without_raw_files_are_rejected(sid, tmp_path):
    folder = sid("short/00001_00_0.1s.png", "long/00001_00_10s.ARW")
    with pytest.raises(UsageError, match=r"short holds no RAW files"):
        exposure_pairs.sid_folder(folder)
    with pytest.raises(UsageError, match="must be an existing folder"):
        exposure_pairs.sid_folder(tmp_path / "gone")


def test_the_first_digit_of_a_scene_is_its_split_but_for_three(sid, tmp_path):
    scenes = ("00001", "10003", "10034", "10045", "10172", "20001")
    sid(
        *(f"short/{scene}_{number}_0.1s.ARW" for scene in scenes for number in ("00", "01")),
        *(f"long/{scene}_00_10s.ARW" for scene in scenes),
    )
    sony = dataset_card.get_dataset("sid_sony")
    found = {split: [p.name[:8] for p in sony.pairs(tmp_path, split)] for split in sony.splits}
    assert found == {
        "train": ["00001_00", "00001_01"],
        "val": ["20001_00", "20001_01"],
        "test": ["10003_00", "10003_01"],
        "train_first": ["00001_00"],
        "test_first": ["10003_00"],
    }


@pytest.mark.parametrize("name", ["sid_sony", "sid_fuji"])
def test_no_scene_is_in_two_splits(name):
    splits = dataset_card.get_dataset(name).splits
    for scene, number in itertools.product(("00001", "10003", "20001"), ("00", "01")):
        containing = [
            s for s in ("train", "val", "test") if splits[s].contains(f"{scene}_{number}_0.1s")
        ]
        assert len(containing) == 1
    assert not any(
        split.contains(f"{scene}_00_0.1s")
        for split in splits.values()
        for scene in ("10034", "10045", "10172")
    )


def test_an_incomplete_dataset_is_found_by_its_names(sid, tmp_path):
    sid("short/00001_00_0.1s.ARW", "long/00001_00_10s.ARW")
    result = verify_checksums(dataset_card.get_dataset("sid_sony"), tmp_path)[0]
    assert (result.split, result.key) == ("train", "names")
    assert (result.count, result.expected_count, result.matches) == (1, 1865, False)


def test_the_hash_of_names_depends_on_neither_order_nor_folder(sid, tmp_path):
    names = ("short/1_0_0.1s.ARW", "short/2_0_0.1s.ARW", "long/1_0_10s.ARW", "long/2_0_10s.ARW")
    pairs, _ = exposure_pairs.sid_folder(sid(*names))
    # sha256 of "1_0_0.1s.ARW 1_0_10s.ARW\n2_0_0.1s.ARW 2_0_10s.ARW\n", by coreutils' sha256sum.
    expected = "29bb8874a1411ff531dd24a81682e0faf21f6759e774d4a86d9dc768dcf9db7c"
    assert (
        exposure_pairs.hash_names(pairs) == exposure_pairs.hash_names(reversed(pairs)) == expected
    )


def test_ratios_are_read_from_exif_if_names_have_none(tmp_path):
    pytest.importorskip("rawpy", reason="rawpy is not installed ([raw] extra)")
    for side, seconds in (("raw", 0.1), ("high", 5)):
        (tmp_path / side).mkdir()
        raw_values = np.full((24, 26), 600, np.uint16)
        dng.write(tmp_path / side / "DSC1.dng", raw_values, "RGGB", exposure_time=seconds, iso=800)
    (pair,), unpaired = exposure_pairs.pair_raw_folder(tmp_path)
    assert unpaired == []
    assert exposure_pairs.exposure_ratio(pair) == pytest.approx(50)


def test_ratios_of_files_in_folders_of_scenes_are_found(tmp_path):
    for path in ("raw/s1/1.dng", "raw/s2/1.dng", "raw/3.dng", "high/s1/1.png", "high/s2/1.png"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
    (tmp_path / "high" / "3.png").touch()
    ratios = {"s1/1": 10, "s2/1": 20, "3": 30}
    (tmp_path / "ratios.json").write_text(json.dumps(ratios))
    pairs, _ = exposure_pairs.pair_raw_folder(tmp_path)
    assert {pair.name: exposure_pairs.exposure_ratio(pair) for pair in pairs} == ratios
