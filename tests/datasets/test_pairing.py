"""Images pair by name, and those without a partner are reported."""

import dataclasses

import pytest

from lowlight_tf.checks import UsageError
from lowlight_tf.datasets.pairing import (
    Pair,
    check_sizes,
    fusion_folder,
    input_only_folder,
    keep_equal_sizes,
    pair_folder,
    pair_folder_partially,
    random_split,
    target_only_folder,
)


def test_names_pair_with_any_suffix(write_image, tmp_path):
    low, high = write_image("low/b.webp"), write_image("high/b.jpg")
    write_image("low/a.png")
    write_image("high/a.PNG")
    (tmp_path / "low" / "._b.png").write_bytes(b"left by a file browser")
    (tmp_path / "high" / "notes.txt").write_text("no image")
    pairs = pair_folder(tmp_path)
    assert [pair.name for pair in pairs] == ["a", "b"]
    assert pairs[1] == Pair("b", {"low": low}, high)


def test_images_in_folders_of_scenes_pair_with_those_of_the_same_scene(write_image, tmp_path):
    paths = {
        (side, scene): write_image(f"{side}/{scene}/1.png")
        for side in ("low", "high")
        for scene in ("scene1", "scene2/night")
    }
    write_image("low/.thumbnails/1.png")
    assert pair_folder(tmp_path) == [
        Pair(f"{scene}/1", {"low": paths["low", scene]}, paths["high", scene])
        for scene in ("scene1", "scene2/night")
    ]
    assert [pair.name for pair in input_only_folder(tmp_path / "low" / "scene1")] == ["1"]
    assert [pair.name for pair in input_only_folder(tmp_path)] == ["scene1/1", "scene2/night/1"]
    assert [pair.name for pair in target_only_folder(tmp_path)] == ["scene1/1", "scene2/night/1"]
    write_image("low/scene3/1.png")
    with pytest.raises(UsageError, match=r"no partner in high/: scene3/1"):
        pair_folder(tmp_path)


def test_folders_next_to_images_may_hold_anything(write_image, tmp_path):
    write_image("a.png")
    write_image("results/a.png")
    assert [pair.name for pair in input_only_folder(tmp_path)] == ["a"]


def test_inputs_are_named_like_their_folders(write_image, tmp_path):
    visible, infrared = write_image("visible/1.png"), write_image("infrared/1.png")
    (pair,) = pair_folder(tmp_path, inputs=("visible", "infrared"), target=None)
    assert pair == Pair("1", {"visible": visible, "infrared": infrared}, None)


def test_an_image_without_a_partner_is_reported(write_image, tmp_path):
    both = write_image("visible/1.png"), write_image("infrared/1.png")
    unpaired = write_image("visible/3.png"), write_image("infrared/2.png")
    with pytest.raises(UsageError, match=r"1 of 3 images in .* no partner in visible/: 2"):
        fusion_folder(tmp_path)
    pairs, found = pair_folder_partially(tmp_path)
    assert pairs == [Pair("1", dict(zip(("visible", "infrared"), both, strict=True)), None)]
    assert sorted(found) == sorted(unpaired)
    for path in unpaired:
        path.unlink()
    assert fusion_folder(tmp_path) == pairs


def test_a_missing_camera_folder_is_reported(write_image, tmp_path):
    write_image("visible/1.png")
    for read in (fusion_folder, pair_folder_partially):
        with pytest.raises(UsageError, match=r"Missing: infrared; found: visible"):
            read(tmp_path)


def test_images_without_inputs_are_targets(write_image, tmp_path):
    path = write_image("high/a.png")
    assert (
        target_only_folder(tmp_path)
        == target_only_folder(tmp_path / "high")
        == [Pair("a", {}, path)]
    )


@pytest.mark.parametrize("folder", ["", "low/", "visible/"])
def test_images_without_targets_are_inputs(folder, write_image, tmp_path):
    path = write_image(f"{folder}a.png")
    write_image("infrared/a.png")
    assert input_only_folder(tmp_path) == [Pair("a", {"low": path}, None)]


def test_low_is_the_visible_image_if_there_is_no_low(tmp_path):
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


def test_a_missing_folder_is_reported(tmp_path):
    with pytest.raises(UsageError, match="nowhere"):
        pair_folder(tmp_path / "nowhere")


def test_the_error_for_missing_subfolders_lists_those_found(write_image, tmp_path):
    write_image("our485/high/1.png")
    with pytest.raises(UsageError, match=r"low, high.*found: our485"):
        pair_folder(tmp_path)


def test_a_folder_without_images_is_rejected(write_image, tmp_path):
    write_image("high/1.png")
    (tmp_path / "low").mkdir()
    with pytest.raises(UsageError, match=r"low holds no images.*\.png"):
        pair_folder(tmp_path)


def test_unpaired_images_are_counted_and_some_listed(write_image, tmp_path):
    for name in "abcde":
        write_image(f"low/{name}.png")
    write_image("high/a.png")
    with pytest.raises(UsageError, match=r"4 of 5 .* no partner in high/: b, c, d, \.\.\."):
        pair_folder(tmp_path)


def test_two_images_of_one_name_are_rejected(write_image, tmp_path):
    write_image("low/a.png")
    write_image("low/a.jpg")
    write_image("high/a.png")
    with pytest.raises(UsageError, match=r"called a: a\.jpg and a\.png"):
        pair_folder(tmp_path)


def test_pairs_of_unequal_size_are_rejected_with_both_sizes(write_image, tmp_path):
    write_image("low/a.png", size=(12, 20))
    write_image("high/a.jpg", size=(12, 24))
    with pytest.raises(UsageError, match=r"pair a must.*a\.png is 12x20.*a\.jpg is 12x24"):
        check_sizes(pair_folder(tmp_path))


def test_a_minority_of_images_without_a_partner_is_reported_and_left_out(write_image, tmp_path):
    lines = []
    for name in ("low/a.png", "high/a.png", "low/b.png", "high/b.png", "low/c.png", "high/d.png"):
        write_image(name)
    assert [pair.name for pair in pair_folder(tmp_path, report=lines.append)] == ["a", "b"]
    assert lines == [
        f"{tmp_path / 'high' / 'd.png'} has no partner in low/ and is left out",
        f"{tmp_path / 'low' / 'c.png'} has no partner in high/ and is left out",
        f"2 of 4 pairs in {tmp_path} are incomplete",
    ]
    write_image("low/e.png")
    with pytest.raises(UsageError, match=r"1 of 5 images in .* no partner in low/: d"):
        pair_folder(tmp_path, report=lines.append)


def test_a_minority_of_pairs_of_unequal_size_is_reported_and_left_out(write_image, tmp_path):
    lines = []
    for name in "abc":
        write_image(f"low/{name}.png", size=(12, 20))
        write_image(f"high/{name}.png", size=(12, 24 if name == "b" else 20))
    pairs = pair_folder(tmp_path)
    assert keep_equal_sizes(pairs, lines.append) == [pairs[0], pairs[2]]
    assert "images of pair b must have one size" in lines[0]
    assert lines[1] == "1 of 3 pairs are left out: their sizes are unequal or cannot be read"
    with pytest.raises(UsageError, match=r"pair b must have one size"):
        keep_equal_sizes(pairs[1:2], lines.append)


def test_a_crop_larger_than_an_image_is_rejected(write_image, tmp_path):
    write_image("low/a.png")
    write_image("high/a.png")
    check_sizes(pair_folder(tmp_path), crop_size=12)
    with pytest.raises(UsageError, match=r"crop_size=13.*12x20.*at most 12"):
        check_sizes(pair_folder(tmp_path), crop_size=13)
    with pytest.raises(UsageError, match=r"`late` must fit.*late=13"):
        check_sizes(pair_folder(tmp_path), crop_size=13, crop_name="late")


def test_images_that_are_resized_may_have_different_sizes(write_image, tmp_path):
    write_image("visible/a.png", size=(36, 61))
    write_image("infrared/a.png", size=(12, 20))
    pairs = fusion_folder(tmp_path)
    with pytest.raises(UsageError, match=r"must have one size"):
        check_sizes(pairs)
    pairs = [dataclasses.replace(pair, resize_to="infrared") for pair in pairs]
    check_sizes(pairs, crop_size=12)
    with pytest.raises(UsageError, match=r"crop_size=13.*infrared.*12x20"):
        check_sizes(pairs, crop_size=13)


def make_pairs(count):
    return [Pair(f"{index}", {}, None) for index in range(count)]


def test_a_random_split_depends_on_names_and_seed_alone():
    pairs = make_pairs(40)
    train, val = random_split(pairs, 0.25, 1)
    assert random_split(pairs[::-1], 0.25, 1) == (train, val)
    assert random_split(pairs, 0.25, 2) != (train, val)
    assert len(val) == 10
    assert sorted([*train, *val], key=lambda p: p.name) == sorted(pairs, key=lambda p: p.name)


def test_no_subset_of_a_random_split_is_empty():
    assert [len(subset) for subset in random_split(make_pairs(2), 0.01)] == [1, 1]
    assert [len(subset) for subset in random_split(make_pairs(2), 0.99)] == [1, 1]
    with pytest.raises(UsageError, match="At least 2 pairs"):
        random_split(make_pairs(1), 0.5)
    with pytest.raises(UsageError, match=r"between 0 and 1. Received: 1\.5"):
        random_split(make_pairs(2), 1.5)
