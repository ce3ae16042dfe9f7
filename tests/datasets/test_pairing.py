"""Pictures pair by name, and what does not pair is named."""

import dataclasses

import pytest

from lowlight_tf.checks import UsageError
from lowlight_tf.datasets.pairing import (
    Pair,
    check_sizes,
    fusion_folder,
    input_only_folder,
    pair_folder,
    pair_folder_partially,
    random_split,
    target_only_folder,
)


def test_names_pair_whatever_their_suffix(picture, tmp_path):
    low, high = picture("low/b.webp"), picture("high/b.jpg")
    picture("low/a.png"), picture("high/a.PNG")
    (tmp_path / "low" / "._b.png").write_bytes(b"left by a file browser")
    (tmp_path / "high" / "notes.txt").write_text("no picture")
    pairs = pair_folder(tmp_path)
    assert [pair.name for pair in pairs] == ["a", "b"]
    assert pairs[1] == Pair("b", {"low": low}, high)


def test_inputs_are_called_like_their_folders(picture, tmp_path):
    visible, infrared = picture("visible/1.png"), picture("infrared/1.png")
    (pair,) = pair_folder(tmp_path, inputs=("visible", "infrared"), target=None)
    assert pair == Pair("1", {"visible": visible, "infrared": infrared}, None)


def test_a_picture_that_one_camera_lacks_is_named(picture, tmp_path):
    both = picture("visible/1.png"), picture("infrared/1.png")
    lone = picture("visible/3.png"), picture("infrared/2.png")
    with pytest.raises(UsageError, match=r"1 of 3 pictures in .* no partner in visible/: 2"):
        fusion_folder(tmp_path)
    pairs, alone = pair_folder_partially(tmp_path)
    assert pairs == [Pair("1", dict(zip(("visible", "infrared"), both, strict=True)), None)]
    assert sorted(alone) == sorted(lone)
    for path in lone:
        path.unlink()
    assert fusion_folder(tmp_path) == pairs


def test_a_missing_camera_is_named(picture, tmp_path):
    picture("visible/1.png")
    for read in (fusion_folder, pair_folder_partially):
        with pytest.raises(UsageError, match=r"Missing: infrared; found: visible"):
            read(tmp_path)


def test_day_pictures_have_no_input(picture, tmp_path):
    path = picture("high/a.png")
    assert (
        target_only_folder(tmp_path)
        == target_only_folder(tmp_path / "high")
        == [Pair("a", {}, path)]
    )


@pytest.mark.parametrize("place", ["", "low/", "visible/"])
def test_dark_pictures_alone_have_no_target(place, picture, tmp_path):
    path = picture(f"{place}a.png")
    picture("infrared/a.png")
    assert input_only_folder(tmp_path) == [Pair("a", {"low": path}, None)]


def test_what_a_port_is_shown(tmp_path):
    visible, infrared, low = (tmp_path / name for name in ("visible", "infrared", "low"))
    cameras = Pair("1", {"visible": visible, "infrared": infrared}, None)
    assert [cameras.path_of(port) for port in ("visible", "infrared", "low")] == [
        visible,
        infrared,
        visible,
    ]
    assert cameras.path_of("thermal") is None
    assert Pair("1", {"low": low, "visible": visible}, None).path_of("low") == low
    assert Pair("1", {"low": low}, None).path_of("visible") is None


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(UsageError, match="nowhere"):
        pair_folder(tmp_path / "nowhere")


def test_a_folder_without_low_and_high_is_told_what_it_has(picture, tmp_path):
    picture("our485/high/1.png")
    with pytest.raises(UsageError, match=r"low, high.*found: our485"):
        pair_folder(tmp_path)


def test_a_folder_without_pictures_is_refused(picture, tmp_path):
    picture("high/1.png")
    (tmp_path / "low").mkdir()
    with pytest.raises(UsageError, match=r"low holds no pictures.*\.png"):
        pair_folder(tmp_path)


def test_lone_pictures_are_counted_and_some_named(picture, tmp_path):
    for name in "abcde":
        picture(f"low/{name}.png")
    picture("high/a.png")
    with pytest.raises(UsageError, match=r"4 of 5 .* no partner in high/: b, c, d, \.\.\."):
        pair_folder(tmp_path)


def test_two_pictures_of_one_name_are_refused(picture, tmp_path):
    picture("low/a.png"), picture("low/a.jpg"), picture("high/a.png")
    with pytest.raises(UsageError, match=r"called a: a\.jpg and a\.png"):
        pair_folder(tmp_path)


def test_pairs_of_unequal_size_are_refused_with_both_sizes(picture, tmp_path):
    picture("low/a.png", size=(12, 20)), picture("high/a.jpg", size=(12, 24))
    with pytest.raises(UsageError, match=r"pair a must.*a\.png is 12x20.*a\.jpg is 12x24"):
        check_sizes(pair_folder(tmp_path))


def test_a_crop_larger_than_a_picture_is_refused(picture, tmp_path):
    picture("low/a.png"), picture("high/a.png")
    check_sizes(pair_folder(tmp_path), crop_size=12)
    with pytest.raises(UsageError, match=r"crop=13.*12x20.*at most 12"):
        check_sizes(pair_folder(tmp_path), crop_size=13)


def test_a_picture_that_will_be_brought_to_anothers_size_may_have_its_own(picture, tmp_path):
    picture("visible/a.png", size=(36, 61)), picture("infrared/a.png", size=(12, 20))
    pairs = fusion_folder(tmp_path)
    with pytest.raises(UsageError, match=r"must have one size"):
        check_sizes(pairs)
    pairs = [dataclasses.replace(pair, size="infrared") for pair in pairs]
    check_sizes(pairs, crop_size=12)
    with pytest.raises(UsageError, match=r"crop=13.*infrared.*12x20"):
        check_sizes(pairs, crop_size=13)


def some(count):
    return [Pair(f"{index}", {}, None) for index in range(count)]


def test_a_split_depends_on_names_and_seed_alone():
    pairs = some(40)
    kept, held = random_split(pairs, 0.25, 1)
    assert random_split(pairs[::-1], 0.25, 1) == (kept, held)
    assert random_split(pairs, 0.25, 2) != (kept, held)
    assert len(held) == 10
    assert sorted([*kept, *held], key=lambda p: p.name) == sorted(pairs, key=lambda p: p.name)


def test_a_split_leaves_something_on_both_sides():
    assert [len(side) for side in random_split(some(2), 0.01)] == [1, 1]
    assert [len(side) for side in random_split(some(2), 0.99)] == [1, 1]
    with pytest.raises(UsageError, match="At least 2 pairs"):
        random_split(some(1), 0.5)
    with pytest.raises(UsageError, match=r"between 0 and 1. Received: 1\.5"):
        random_split(some(2), 1.5)
