"""Cards know which pictures are for what; those of the package are whole."""

import dataclasses

import pytest

from lowlight_tf.checks import UsageError
from lowlight_tf.datasets import dataset_card
from lowlight_tf.datasets.leakage import check_leakage

OWN = """\
title = "Two pictures"
home = "https://example.org"
paper = ""
terms = "CC0"
inputs = ["low"]
target = "high"
[splits.train]
folder = "all"
exclude = ["b"]
[splits.val]
folder = "all"
only = ["b"]
"""


@pytest.fixture
def own(tmp_path, picture):
    """A card of one's own, named pets, and its pictures in tmp_path/pets."""
    path = tmp_path / "pets.toml"
    path.write_text(OWN)
    for name in "abc":
        picture(f"pets/all/low/{name}.png"), picture(f"pets/all/high/{name}.png")
    return dataset_card.get_dataset(str(path))


@pytest.mark.parametrize("name", dataset_card.list_datasets())
def test_every_card_says_what_its_user_must_know(name):
    one = dataset_card.get_dataset(name)
    assert one.name == name
    assert one.homepage.startswith("http")
    assert one.paper
    assert one.terms
    assert "train" in one.splits or not one.target
    assert all(len(split.required_names) in (0, split.count) for split in one.splits.values() if split.count)
    assert all(archive.sha256 for archive in one.archives if archive.url)
    assert one.manual_download or all(archive.url for archive in one.archives)


def test_splits_take_what_they_name_and_leave_what_they_exclude(own, tmp_path):
    assert [pair.name for pair in own.pairs(tmp_path, "train")] == ["a", "c"]
    assert [pair.name for pair in own.pairs(tmp_path, "val")] == ["b"]


def test_the_root_may_be_the_dataset_itself(own, tmp_path):
    assert own.pairs(tmp_path / "pets", "val") == own.pairs(tmp_path, "val")


def test_a_missing_dataset_is_told_where_it_belongs(own, tmp_path):
    with pytest.raises(UsageError, match=r"pets/all/low and pets/all/high.*download pets"):
        own.pairs(tmp_path / "elsewhere", "train")


def test_a_split_that_is_not_whole_is_refused(own, tmp_path):
    for side in ("low", "high"):
        (tmp_path / "pets" / "all" / side / "b.png").unlink()
    with pytest.raises(UsageError, match=r"val of pets has 1 pairs. Missing in .*: 1, such as b"):
        own.pairs(tmp_path, "val")


def test_unknown_names_are_offered_the_nearest(own, tmp_path):
    with pytest.raises(UsageError, match=r"'lolv1'\. Known: lol_v1"):
        dataset_card.get_dataset("lolv1")
    with pytest.raises(UsageError, match=r"'vall'\. Known: val"):
        own.pairs(tmp_path, "vall")
    with pytest.raises(UsageError, match=r"No card at .*gone\.toml"):
        dataset_card.get_dataset(str(tmp_path / "gone.toml"))


@pytest.mark.parametrize(
    ("line", "instead"),
    [
        ('terms = "CC0"', ""),
        ('terms = "CC0"', 'license = "CC0"'),
        ("[splits.train]", "[splits.train"),
        ('only = ["b"]', 'names = ["b"]'),
    ],
)
def test_what_is_no_card_is_refused(tmp_path, line, instead):
    (tmp_path / "pets.toml").write_text(OWN.replace(line, instead))
    with pytest.raises(UsageError, match="is not the card of a dataset"):
        dataset_card.get_dataset(str(tmp_path / "pets.toml"))


def test_an_address_without_checksum_is_refused(tmp_path):
    archive = '[[archives]]\nfile = "pets.zip"\nurl = "https://example.org/pets.zip"\n'
    (tmp_path / "pets.toml").write_text(OWN + archive)
    with pytest.raises(UsageError, match=r"pets\.zip has an address, but no sha256"):
        dataset_card.get_dataset(str(tmp_path / "pets.toml"))


@pytest.mark.parametrize("name", dataset_card.list_datasets())
def test_every_layout_that_a_card_describes_is_read(name, picture, tmp_path):
    one = dataset_card.get_dataset(name)
    raws = one.pairing == "exposure"
    for split in one.splits.values():
        for side in one.image_keys:
            place = tmp_path / name / split.folder / one.folders.get(side, side)
            for stem in split.required_names or {_fitting(split)}:
                path = place / f"{one.prefixes.get(side, '')}{stem}.{'ARW' if raws else 'png'}"
                picture(path.with_suffix(".png"), size=(2, 3)).rename(path)
    for key, split in one.splits.items():
        found = one.pairs(tmp_path, key)
        assert found, f"nothing in {key}"
        assert split.required_names <= {pair.name for pair in found}
        assert {port for pair in found for port in pair.inputs} == (
            {"raw"} if raws else set(one.inputs)
        )
        assert all((pair.target is None) == (not one.target) for pair in found)
    assert one.folder_of(tmp_path) == tmp_path / name
    assert {path.name for path in (tmp_path / name).iterdir()} == one.root_folders


def _fitting(split):
    """Return a name that belongs to a split, where it names none itself."""
    pattern = split.only[0] if split.only else "00099D"
    return pattern.replace("?", "0").replace("_00_*", "_*").replace("_*", "_00_0.1s")


def test_lol_v2_pairs_by_what_follows_low_and_normal(picture, tmp_path):
    picture("lol_v2_real/Real_captured/Train/Low/low00001.png")
    picture("lol_v2_real/Real_captured/Train/Normal/normal00001.png")
    real = dataset_card.get_dataset("lol_v2_real")
    (pair,) = real.pairs(tmp_path, "train")
    assert pair.name == "00001"
    assert pair.inputs["low"].name == "low00001.png"
    assert pair.target.name == "normal00001.png"
    picture("lol_v2_real/Real_captured/Test/Low/00690.png")
    picture("lol_v2_real/Real_captured/Test/Normal/00690.png")  # as others distribute it
    assert [pair.name for pair in real.pairs(tmp_path, "test")] == ["00690"]
    picture("lol_v2_real/Real_captured/Test/Low/low00691.png")
    with pytest.raises(UsageError, match=r"1 of 2 .* no partner in high/: 00691"):
        real.pairs(tmp_path, "test")


def test_a_folder_of_a_makers_own_name_is_named_when_it_is_missing(tmp_path):
    expected = r"lol_v2_real/Real_captured/Train/Low and lol_v2_real/Real_captured/Train/Normal"
    with pytest.raises(UsageError, match=expected):
        dataset_card.get_dataset("lol_v2_real").pairs(tmp_path, "train")


def test_overlaps_are_told_on_both_cards():
    overlaps = {
        name: dataset_card.get_dataset(name).overlaps for name in dataset_card.list_datasets()
    }
    assert overlaps["lol_v1"] == ("lol_v2_real",)
    assert all(name in overlaps[other] for name in overlaps for other in overlaps[name])


def test_lol_trains_on_no_scene_that_it_is_judged_by():
    splits = dataset_card.get_dataset("lol_v1").splits
    train, val = splits["train"], splits["val"]
    assert len(val.include) == len(set(val.include)) == val.count == 30
    assert 485 - len(set(train.exclude)) == train.count == 401
    assert set(val.include) <= set(train.exclude)
    assert "648" in train.exclude  # its two pictures are 27 pixels apart
    assert {"2", "21", "779"} <= set(train.exclude)  # scenes of the official test


def test_lol_is_found_as_its_makers_named_it(shared):
    lol = dataset_card.get_dataset("lol_v1")
    val = lol.pairs(shared, "val")
    assert {pair.name for pair in val} == set(
        (shared / "lol_v1" / "val.txt").read_text(encoding="utf-8").split()
    )
    train = lol.pairs(shared, "train")
    assert not {pair.name for pair in train} & {pair.name for pair in val}
    assert len(train) == 230  # of 401: the folder holds 260 pairs of 485


def test_camvid_is_day(shared):
    pairs = dataset_card.get_dataset("camvid").pairs(shared, "train")
    assert pairs[0].inputs == {}
    assert pairs[0].target.is_file()


def test_a_pattern_stands_for_whatever_fits(own, tmp_path):
    splits = {
        "some": dataset_card.Split(folder="all", include=("a", "[bx]")),
        "rest": dataset_card.Split(folder="all", exclude=("[ab]",)),
        "none": dataset_card.Split(folder="all", include=("x*",)),
    }
    one = dataclasses.replace(own, splits=splits)
    chosen = {name: [pair.name for pair in one.pairs(tmp_path, name)] for name in splits}
    assert chosen == {"some": ["a", "b"], "rest": ["c"], "none": []}


@pytest.mark.slow
@pytest.mark.parametrize(("name", "held"), [("llvip", 6), ("msrs", 6), ("roadscene", 26)])
def test_a_fifth_of_the_streets_is_held_back_and_leaks_into_no_other(name, held, shared):
    streets = dataset_card.get_dataset(name)
    train, val, every = (streets.pairs(shared, split) for split in ("train", "val", "all"))
    assert len(val) == held == streets.splits["val"].count
    assert sorted(pair.name for pair in [*train, *val]) == [pair.name for pair in every]
    check_leakage(train, val)


def test_msrs_is_judged_by_day_and_by_night():
    assert {name[-1] for name in dataset_card.get_dataset("msrs").splits["val"].include} == {"D", "N"}


def test_of_a_whole_roadscene_no_neighbour_of_a_held_back_frame_is_learned_from():
    train = dataset_card.get_dataset("roadscene").splits["train"]
    assert not train.contains("FLIR_09376")  # between two frames of `val`
    assert train.contains("FLIR_09016")  # 320 frames before it


def test_of_a_whole_llvip_other_places_are_learned_from():
    train = dataset_card.get_dataset("llvip").splits["train"]
    assert train.contains("020001")
    assert not train.contains("010500")  # the place of `val`


@pytest.mark.parametrize("name", ["llvip", "msrs", "roadscene"])
def test_night_streets_have_two_cameras_and_no_target(name, shared):
    pairs = dataset_card.get_dataset(name).pairs(shared, "all")
    assert len(pairs) >= 30
    assert all(set(pair.inputs) == {"visible", "infrared"} for pair in pairs)
    assert {pair.target for pair in pairs} == {None}
