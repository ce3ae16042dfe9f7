"""No picture that was learned from may judge, whatever was done to its file."""

import cv2
import numpy as np
import pytest

from lowlight_tf.checks import UsageError
from lowlight_tf.datasets import dataset_card
from lowlight_tf.datasets.leakage import check_leakage, group_split, shared_scenes
from lowlight_tf.datasets.pairing import Pair
from lowlight_tf.imaging import image_io


def scene(seed):
    """A picture with edges: random rectangles of random colors."""
    rng = np.random.default_rng(seed)
    image = np.full((120, 180, 3), 0.5, np.float32)
    for _ in range(40):
        top, left = rng.integers(0, (110, 170))
        height, width = rng.integers(6, 60, 2)
        image[top : top + height, left : left + width] = rng.random(3)
    return image


@pytest.fixture
def train(picture):
    return [Pair(f"{i}", {}, picture(f"train/{i}.png", image=0.9 * scene(i))) for i in range(20)]


def day(path):
    return [Pair(path.stem, {}, path)]


def test_other_pictures_pass(train, picture):
    check_leakage(train, day(picture("a.png", image=scene(100))))
    check_leakage([], train)
    check_leakage(train, [])


def test_a_copied_file_is_found(train, tmp_path):
    copy = tmp_path / "copy.png"
    copy.write_bytes(train[3].target.read_bytes())
    with pytest.raises(UsageError, match=r"copy\.png is the same file as .*3\.png"):
        check_leakage(train, day(copy))


def test_a_lossless_copy_is_found_by_its_pixels(train, tmp_path):
    copy = tmp_path / "copy.webp"
    image_io.save_image(copy, image_io.load_image(train[3].target))
    assert copy.read_bytes() != train[3].target.read_bytes()
    with pytest.raises(UsageError, match=r"copy\.webp has the pixels of .*3\.png"):
        check_leakage(train, day(copy))


@pytest.mark.parametrize("change", ["jpeg", "brighter", "darker", "smaller", "noisy"])
def test_a_changed_copy_is_found_by_its_structure(train, picture, rng, change):
    image = image_io.read_float_rgb(train[3].target)
    image = {
        "jpeg": image,
        "brighter": np.clip(1.1 * image, 0, 1),
        "darker": 0.3 * image**1.2,
        "smaller": cv2.resize(image, (90, 60), interpolation=cv2.INTER_AREA),
        "noisy": np.clip(image + rng.normal(0, 0.05, image.shape), 0, 1),
    }[change]
    with pytest.raises(UsageError, match=r"1 of 1 .*copy\.jpg shows the same as .*3\.png"):
        check_leakage(train, day(picture("copy.jpg", image=image)))


def test_an_input_among_the_training_inputs_is_found(train, picture):
    low = picture("low.png", image=scene(200))
    learned = [Pair("x", {"low": low}, train[0].target)]
    with pytest.raises(UsageError, match=r"1 of 2 .*low\.png"):
        check_leakage(learned, [Pair("y", {"low": low}, picture("other.png", image=scene(201)))])


def test_flat_pictures_are_not_taken_for_each_other(picture):
    ramp = np.linspace(0.2, 0.4, 180, dtype=np.float32)[None, :, None] * np.ones((120, 1, 3), "f4")
    first, second = picture("a.png", image=ramp), picture("b.png", image=ramp * 0.9)
    check_leakage(day(first), day(second))


def test_a_damaged_picture_is_named(train, tmp_path):
    (tmp_path / "bad.png").write_bytes(b"")
    with pytest.raises(UsageError, match=r"bad\.png"):
        check_leakage(train, day(tmp_path / "bad.png"))


def test_look_alikes_are_held_back_together(train, picture):
    twins = [
        Pair(f"{i}_dark", {}, picture(f"dark/{i}_dark.png", image=0.4 * scene(i)))
        for i in range(10)
    ]
    pairs = [*train, *twins]
    kept, held = group_split(pairs, 0.3)
    check_leakage(kept, held)
    assert len(kept) + len(held) == 30
    assert 6 <= len(held) <= 9
    assert group_split(pairs[::-1], 0.3) == (kept, held)
    assert group_split(pairs, 0.3, 2) != (kept, held)


def test_one_scene_alone_cannot_be_split(picture):
    pairs = [Pair(f"{i}", {}, picture(f"{i}.png", image=scene(1) * i / 9)) for i in (7, 8, 9)]
    with pytest.raises(UsageError, match="All 3 pictures show the same scene"):
        group_split(pairs, 0.5)


@pytest.mark.slow
def test_lol_v2_is_not_learned_from_where_lol_v1_judges(picture, tmp_path):
    """Both are splits of the same shots, under other names."""
    first, second = dataset_card.get_dataset("lol_v1"), dataset_card.get_dataset("lol_v2_real")
    for index, name in enumerate(first.splits["val"].include):
        for side, gain in (("low", 0.2), ("high", 0.9)):
            picture(f"lol_v1/our485/{side}/{name}.png", image=gain * scene(index))
    for index in (0, 100):
        for side, called, gain in (("Low", "low", 0.2), ("Normal", "normal", 0.9)):
            shot = f"lol_v2_real/Real_captured/Train/{side}/{called}{index + 1:05}.png"
            picture(shot, image=gain * scene(index))
    learned, judging = second.pairs(tmp_path, "train"), first.pairs(tmp_path, "val")
    with pytest.raises(UsageError, match=r"60 pictures .*normal00001\.png"):
        check_leakage(learned, judging)
    with pytest.raises(UsageError, match=r"4 pictures"):
        check_leakage(judging, learned)
    check_leakage(learned[1:], judging)


def test_shared_scenes_are_known_from_the_cards():
    assert shared_scenes(["lol_v1", "sice", "lol_v1"], "lol_v2_real") == ["lol_v1"]
    assert shared_scenes(["lol_v2_real"], "lol_v1") == ["lol_v2_real"]
    assert shared_scenes(["lol_v1"], "lol_v1") == []  # its splits are apart
    assert shared_scenes(["lol_v2_synthetic", "my_pictures"], "lol_v1") == []
    assert shared_scenes(["lol_v1"], "my_pictures") == []


@pytest.mark.slow
def test_real_rooms_that_look_alike_pass_and_copies_do_not(shared, tmp_path):
    lol = dataset_card.get_dataset("lol_v1")
    train, val = lol.pairs(shared, "train"), lol.pairs(shared, "val")
    check_leakage(train, val)
    for pair in val[::10]:
        for path in (pair.target, pair.inputs["low"]):
            copy = tmp_path / f"{path.parent.name}_{path.stem}.jpg"
            cv2.imwrite(str(copy), cv2.imread(str(path)), [cv2.IMWRITE_JPEG_QUALITY, 60])
            with pytest.raises(UsageError, match="1 of 1"):
                check_leakage([*train, pair], day(copy))
