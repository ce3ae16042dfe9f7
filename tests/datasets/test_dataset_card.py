"""Cards select the images of a split; those of the package are complete."""

import dataclasses

import pytest

from lowlight_tf.checks import UsageError
from lowlight_tf.datasets import dataset_card
from lowlight_tf.datasets.leakage import check_leakage

CARD = """\
title = "Two images"
homepage = "https://example.org"
paper = ""
terms = "CC0"
inputs = ["low"]
target = "high"
[splits.train]
folder = "all"
exclude = ["b"]
[splits.val]
folder = "all"
include = ["b"]
"""


@pytest.fixture
def own_card(tmp_path, write_image):
    """A user's card, named pets, and its images in tmp_path/pets."""
    path = tmp_path / "pets.toml"
    path.write_text(CARD)
    for name in "abc":
        write_image(f"pets/all/low/{name}.png")
        write_image(f"pets/all/high/{name}.png")
    return dataset_card.get_dataset(str(path))


@pytest.mark.parametrize("name", dataset_card.list_datasets())
def test_every_card_has_the_required_fields(name):
    one = dataset_card.get_dataset(name)
    assert one.name == name
    assert one.homepage.startswith("http")
    assert one.paper
    assert one.terms
    assert "train" in one.splits or not one.target
    assert all(
        len(split.required_names) in (0, split.count)
        for split in one.splits.values()
        if split.count
    )
    assert all(archive.sha256 for archive in one.archives if archive.url)
    assert one.manual_download or all(archive.url for archive in one.archives)


OLD_CARD = """\
title = "Two images"
home = "https://example.org"
paper = ""
terms = "CC0"
by_hand = "Ask the authors."
inputs = ["visible", "infrared"]
target = ""
size = "infrared"
[splits.val]
only = ["b"]
listed = "0123"
pixels = { visible = "4567" }
"""


def test_cards_of_version_0_1_0_are_read(tmp_path):
    (tmp_path / "pets.toml").write_text(OLD_CARD)
    card = dataset_card.get_dataset(str(tmp_path / "pets.toml"))
    assert (card.homepage, card.manual_download) == ("https://example.org", "Ask the authors.")
    assert card.resize_to == "infrared"
    split = card.splits["val"]
    assert (split.include, split.names_sha256) == (("b",), "0123")
    assert split.pixel_sha256 == {"visible": "4567"}


def test_splits_include_and_exclude_names(own_card, tmp_path):
    assert [pair.name for pair in own_card.pairs(tmp_path, "train")] == ["a", "c"]
    assert [pair.name for pair in own_card.pairs(tmp_path, "val")] == ["b"]


def test_the_root_may_be_the_dataset_itself(own_card, tmp_path):
    assert own_card.pairs(tmp_path / "pets", "val") == own_card.pairs(tmp_path, "val")


def test_the_error_for_a_missing_dataset_has_the_expected_folders(own_card, tmp_path):
    with pytest.raises(UsageError, match=r"pets/all/low and pets/all/high.*download pets"):
        own_card.pairs(tmp_path / "elsewhere", "train")


def test_an_incomplete_split_is_rejected(own_card, tmp_path):
    for side in ("low", "high"):
        (tmp_path / "pets" / "all" / side / "b.png").unlink()
    with pytest.raises(UsageError, match=r"val of pets has 1 pairs. Missing in .*: 1, such as b"):
        own_card.pairs(tmp_path, "val")


def test_errors_for_unknown_names_list_the_closest(own_card, tmp_path):
    with pytest.raises(UsageError, match=r"'lolv1'\. Known: lol_v1"):
        dataset_card.get_dataset("lolv1")
    with pytest.raises(UsageError, match=r"'vall'\. Known: val"):
        own_card.pairs(tmp_path, "vall")
    with pytest.raises(UsageError, match=r"No card at .*gone\.toml"):
        dataset_card.get_dataset(str(tmp_path / "gone.toml"))


@pytest.mark.parametrize(
    ("line", "instead"),
    [
        ('terms = "CC0"', ""),
        ('terms = "CC0"', 'license = "CC0"'),
        ("[splits.train]", "[splits.train"),
        ('include = ["b"]', 'names = ["b"]'),
    ],
)
def test_an_invalid_card_is_rejected(tmp_path, line, instead):
    (tmp_path / "pets.toml").write_text(CARD.replace(line, instead))
    with pytest.raises(UsageError, match="is not the card of a dataset"):
        dataset_card.get_dataset(str(tmp_path / "pets.toml"))


def test_a_url_without_a_checksum_is_rejected(tmp_path):
    archive = '[[archives]]\nfile = "pets.zip"\nurl = "https://example.org/pets.zip"\n'
    (tmp_path / "pets.toml").write_text(CARD + archive)
    with pytest.raises(UsageError, match=r"pets\.zip has a url, but no sha256"):
        dataset_card.get_dataset(str(tmp_path / "pets.toml"))


@pytest.mark.parametrize("name", dataset_card.list_datasets())
def test_the_folder_layout_of_every_card_is_read(name, write_image, tmp_path):
    one = dataset_card.get_dataset(name)
    is_raw = one.pairing == "exposure"
    for split in one.splits.values():
        for key in one.image_keys:
            folder = tmp_path / name / split.folder / one.folders.get(key, key)
            for stem in split.required_names or {_example_name(split)}:
                path = folder / f"{one.prefixes.get(key, '')}{stem}.{'ARW' if is_raw else 'png'}"
                write_image(path.with_suffix(".png"), size=(2, 3)).rename(path)
    for key, split in one.splits.items():
        found = one.pairs(tmp_path, key)
        assert found, f"nothing in {key}"
        assert split.required_names <= {pair.name for pair in found}
        assert {port for pair in found for port in pair.inputs} == (
            {"raw"} if is_raw else set(one.inputs)
        )
        assert all((pair.target is None) == (not one.target) for pair in found)
    assert one.folder_of(tmp_path) == tmp_path / name
    assert {path.name for path in (tmp_path / name).iterdir()} == one.root_folders


def _example_name(split):
    """Return a name that belongs to a split without required names."""
    pattern = split.include[0] if split.include else "00099D"
    return pattern.replace("?", "0").replace("_00_*", "_*").replace("_*", "_00_0.1s")


def test_lol_v2_pairs_by_the_names_after_their_prefixes(write_image, tmp_path):
    write_image("lol_v2_real/Real_captured/Train/Low/low00001.png")
    write_image("lol_v2_real/Real_captured/Train/Normal/normal00001.png")
    real = dataset_card.get_dataset("lol_v2_real")
    (pair,) = real.pairs(tmp_path, "train")
    assert pair.name == "00001"
    assert pair.inputs["low"].name == "low00001.png"
    assert pair.target.name == "normal00001.png"
    write_image("lol_v2_real/Real_captured/Test/Low/00690.png")
    write_image("lol_v2_real/Real_captured/Test/Normal/00690.png")  # as others distribute it
    assert [pair.name for pair in real.pairs(tmp_path, "test")] == ["00690"]
    write_image("lol_v2_real/Real_captured/Test/Low/low00691.png")
    with pytest.raises(UsageError, match=r"1 of 2 .* no partner in high/: 00691"):
        real.pairs(tmp_path, "test")


def test_the_error_for_a_missing_folder_has_its_name_on_disk(tmp_path):
    expected = r"lol_v2_real/Real_captured/Train/Low and lol_v2_real/Real_captured/Train/Normal"
    with pytest.raises(UsageError, match=expected):
        dataset_card.get_dataset("lol_v2_real").pairs(tmp_path, "train")


def test_overlaps_are_on_both_cards():
    overlaps = {
        name: dataset_card.get_dataset(name).overlaps for name in dataset_card.list_datasets()
    }
    assert overlaps["lol_v1"] == ("lol_v1_official", "lol_v2_real")
    assert all(name in overlaps[other] for name in overlaps for other in overlaps[name])


def test_lol_trains_on_no_scene_of_its_validation_or_test():
    splits = dataset_card.get_dataset("lol_v1").splits
    train, val = splits["train"], splits["val"]
    assert len(val.include) == len(set(val.include)) == val.count == 30
    assert 485 - len(set(train.exclude)) == train.count == 401
    assert set(val.include) <= set(train.exclude)
    assert "648" in train.exclude  # its two images are 27 pixels apart
    assert {"2", "21", "779"} <= set(train.exclude)  # scenes of the official test


def test_lol_is_read_with_its_original_folder_names(shared):
    lol = dataset_card.get_dataset("lol_v1")
    val = lol.pairs(shared, "val")
    assert {pair.name for pair in val} == set(
        (shared / "lol_v1" / "val.txt").read_text(encoding="utf-8").split()
    )
    train = lol.pairs(shared, "train")
    assert not {pair.name for pair in train} & {pair.name for pair in val}
    assert len(train) == 230  # of 401: the folder holds 260 pairs of 485


def test_camvid_has_targets_only(shared):
    pairs = dataset_card.get_dataset("camvid").pairs(shared, "train")
    assert pairs[0].inputs == {}
    assert pairs[0].target.is_file()


def test_a_pattern_matches_any_number_of_names(own_card, tmp_path):
    splits = {
        "some": dataset_card.Split(folder="all", include=("a", "[bx]")),
        "rest": dataset_card.Split(folder="all", exclude=("[ab]",)),
        "none": dataset_card.Split(folder="all", include=("x*",)),
    }
    one = dataclasses.replace(own_card, splits=splits)
    chosen = {name: [pair.name for pair in one.pairs(tmp_path, name)] for name in splits}
    assert chosen == {"some": ["a", "b"], "rest": ["c"], "none": []}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "count", "unused"), [("llvip", 6, 0), ("msrs", 6, 0), ("roadscene", 26, 22)]
)
def test_a_fifth_of_each_street_dataset_is_held_back_without_leakage(name, count, unused, shared):
    card = dataset_card.get_dataset(name)
    train, val, every = (card.pairs(shared, split) for split in ("train", "val", "all"))
    assert len(val) == count == card.splits["val"].count
    used = {pair.name for pair in [*train, *val]}
    assert len(used) == len(train) + len(val) == len(every) - unused
    check_leakage(train, val)


def test_msrs_validates_on_day_and_night():
    assert {name[-1] for name in dataset_card.get_dataset("msrs").splits["val"].include} == {
        "D",
        "N",
    }


def test_the_full_roadscene_trains_on_no_neighbor_of_a_validation_frame():
    train = dataset_card.get_dataset("roadscene").splits["train"]
    assert not train.contains("FLIR_09376")  # between two frames of `val`
    assert train.contains("FLIR_09016")  # 320 frames before it
    assert not train.contains("FLIR_00211")  # published tables are made of it


def test_the_full_llvip_trains_on_other_locations():
    train = dataset_card.get_dataset("llvip").splits["train"]
    assert train.contains("020001")
    assert not train.contains("010500")  # the location of `val`


@pytest.mark.parametrize("name", ["llvip", "msrs", "roadscene"])
def test_night_streets_have_two_cameras_and_no_target(name, shared):
    pairs = dataset_card.get_dataset(name).pairs(shared, "all")
    assert len(pairs) >= 30
    assert all(set(pair.inputs) == {"visible", "infrared"} for pair in pairs)
    assert {pair.target for pair in pairs} == {None}
