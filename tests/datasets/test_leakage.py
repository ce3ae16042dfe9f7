"""No training image may be an evaluation image, whatever was done to its file."""

import cv2
import numpy as np
import pytest

from lowlight_tf.checks import UsageError
from lowlight_tf.datasets import dataset_card
from lowlight_tf.datasets.leakage import check_leakage, find_overlapping_datasets, group_split
from lowlight_tf.datasets.pairing import Pair
from lowlight_tf.imaging import image_io


def scene(seed):
    """An image with edges: random rectangles of random colors."""
    rng = np.random.default_rng(seed)
    image = np.full((120, 180, 3), 0.5, np.float32)
    for _ in range(40):
        top, left = rng.integers(0, (110, 170))
        height, width = rng.integers(6, 60, 2)
        image[top : top + height, left : left + width] = rng.random(3)
    return image


@pytest.fixture
def train(write_image):
    return [
        Pair(f"{i}", {}, write_image(f"train/{i}.png", image=0.9 * scene(i))) for i in range(20)
    ]


def target_pair(path):
    return [Pair(path.stem, {}, path)]


def test_different_images_pass(train, write_image):
    check_leakage(train, target_pair(write_image("a.png", image=scene(100))))
    check_leakage([], train)
    check_leakage(train, [])


def test_clips_are_compared_by_their_scene_and_not_by_the_borders_of_their_frames(write_image):
    dark = np.float32(np.linspace(0.02, 1, 120))[:, None, None]  # from the sky to the road
    clips = [
        target_pair(write_image(f"{seed}.png", image=np.tile(dark * scene(seed), (6, 1, 1))))
        for seed in range(8)
    ]
    check_leakage([pair for clip in clips[1:] for pair in clip], clips[0])
    moved = np.concatenate([np.roll(dark * scene(0), 2 * n, axis=1) for n in range(6)])
    with pytest.raises(UsageError, match=r"moved\.png shows the same as .*0\.png"):
        check_leakage(clips[0], target_pair(write_image("moved.png", image=moved)))


def test_a_copied_file_is_found(train, tmp_path):
    copy = tmp_path / "copy.png"
    copy.write_bytes(train[3].target.read_bytes())
    with pytest.raises(UsageError, match=r"copy\.png is the same file as .*3\.png"):
        check_leakage(train, target_pair(copy))


def test_a_lossless_copy_is_found_by_its_pixels(train, tmp_path):
    copy = tmp_path / "copy.webp"
    image_io.save_image(copy, image_io.load_image(train[3].target))
    assert copy.read_bytes() != train[3].target.read_bytes()
    with pytest.raises(UsageError, match=r"copy\.webp has the pixels of .*3\.png"):
        check_leakage(train, target_pair(copy))


@pytest.mark.parametrize("change", ["jpeg", "brighter", "darker", "smaller", "noisy"])
def test_a_changed_copy_is_found_by_its_structure(train, write_image, rng, change):
    image = image_io.read_float_rgb(train[3].target)
    image = {
        "jpeg": image,
        "brighter": np.clip(1.1 * image, 0, 1),
        "darker": 0.3 * image**1.2,
        "smaller": cv2.resize(image, (90, 60), interpolation=cv2.INTER_AREA),
        "noisy": np.clip(image + rng.normal(0, 0.05, image.shape), 0, 1),
    }[change]
    with pytest.raises(UsageError, match=r"1 of 1 .*copy\.jpg shows the same as .*3\.png"):
        check_leakage(train, target_pair(write_image("copy.jpg", image=image)))


def test_a_training_input_is_found(train, write_image):
    low = write_image("low.png", image=scene(200))
    training = [Pair("x", {"low": low}, train[0].target)]
    with pytest.raises(UsageError, match=r"1 of 2 .*low\.png"):
        check_leakage(
            training, [Pair("y", {"low": low}, write_image("other.png", image=scene(201)))]
        )


def test_flat_images_are_not_reported(write_image):
    ramp = np.linspace(0.2, 0.4, 180, dtype=np.float32)[None, :, None] * np.ones((120, 1, 3), "f4")
    first, second = write_image("a.png", image=ramp), write_image("b.png", image=ramp * 0.9)
    check_leakage(target_pair(first), target_pair(second))


def test_a_damaged_image_is_reported(train, tmp_path):
    (tmp_path / "bad.png").write_bytes(b"")
    with pytest.raises(UsageError, match=r"bad\.png"):
        check_leakage(train, target_pair(tmp_path / "bad.png"))


def test_near_duplicates_are_held_back_together(train, write_image):
    copies = [
        Pair(f"{i}_dark", {}, write_image(f"dark/{i}_dark.png", image=0.4 * scene(i)))
        for i in range(10)
    ]
    pairs = [*train, *copies]
    kept, held = group_split(pairs, 0.3)
    check_leakage(kept, held)
    assert len(kept) + len(held) == 30
    assert 6 <= len(held) <= 9
    assert group_split(pairs[::-1], 0.3) == (kept, held)
    assert group_split(pairs, 0.3, 2) != (kept, held)


def test_a_single_scene_cannot_be_split(write_image):
    pairs = [Pair(f"{i}", {}, write_image(f"{i}.png", image=scene(1) * i / 9)) for i in (7, 8, 9)]
    with pytest.raises(UsageError, match="All 3 images show the same scene"):
        group_split(pairs, 0.5)


@pytest.mark.slow
def test_training_on_lol_v2_leaks_into_lol_v1(write_image, tmp_path):
    """Both are splits of the same shots, under other names."""
    first, second = dataset_card.get_dataset("lol_v1"), dataset_card.get_dataset("lol_v2_real")
    for index, name in enumerate(first.splits["val"].include):
        for side, gain in (("low", 0.2), ("high", 0.9)):
            write_image(f"lol_v1/our485/{side}/{name}.png", image=gain * scene(index))
    for index in (0, 100):
        for folder, prefix, gain in (("Low", "low", 0.2), ("Normal", "normal", 0.9)):
            shot = f"lol_v2_real/Real_captured/Train/{folder}/{prefix}{index + 1:05}.png"
            write_image(shot, image=gain * scene(index))
    train, val = second.pairs(tmp_path, "train"), first.pairs(tmp_path, "val")
    with pytest.raises(UsageError, match=r"60 evaluation images .*normal00001\.png"):
        check_leakage(train, val)
    with pytest.raises(UsageError, match=r"4 evaluation images"):
        check_leakage(val, train)
    check_leakage(train[1:], val)


def test_shared_scenes_are_read_from_the_cards():
    assert find_overlapping_datasets(["lol_v1", "sice", "lol_v1"], "lol_v2_real") == ["lol_v1"]
    assert find_overlapping_datasets(["lol_v2_real"], "lol_v1") == ["lol_v2_real"]
    assert find_overlapping_datasets(["lol_v1"], "lol_v1") == []  # its splits share no scene
    assert find_overlapping_datasets(["lol_v2_synthetic", "my_images"], "lol_v1") == []
    assert find_overlapping_datasets(["lol_v1"], "my_images") == []


@pytest.mark.slow
def test_similar_real_rooms_pass_and_copies_do_not(shared, tmp_path):
    lol = dataset_card.get_dataset("lol_v1")
    train, val = lol.pairs(shared, "train"), lol.pairs(shared, "val")
    check_leakage(train, val)
    for pair in val[::10]:
        for path in (pair.target, pair.inputs["low"]):
            copy = tmp_path / f"{path.parent.name}_{path.stem}.jpg"
            cv2.imwrite(str(copy), cv2.imread(str(path)), [cv2.IMWRITE_JPEG_QUALITY, 60])
            with pytest.raises(UsageError, match="1 of 1"):
                check_leakage([*train, pair], target_pair(copy))
