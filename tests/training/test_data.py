"""From a user's folder to what is learned from and what is judged by."""

import shutil

import pytest

from lowlight_tf.checks import UsageError
from lowlight_tf.config import Recipe
from lowlight_tf.training.data import load_training_data


@pytest.fixture
def own(folder, tmp_path):
    """The six pairs as train_val/, and one of them again as test/: it is none of training's."""
    shutil.copytree(folder, tmp_path / "own" / "train_val")
    for side in ("low", "high"):
        (tmp_path / "own" / "test" / side).mkdir(parents=True)
        shutil.copy(folder / side / "0.png", tmp_path / "own" / "test" / side / "extra.png")
    return tmp_path / "own"


def names(pairs):
    return [pair.name for pair in pairs]


def recipe(data, *settings):
    return Recipe().replace([f"data=['{data}']", "pipeline.crop=16", *settings])


def test_train_val_is_split_by_the_share_and_the_seed_and_test_is_left_alone(own, tmp_path):
    first = load_training_data(recipe(own, "training.split='0.7'"), tmp_path)
    assert (len(first.train), len(first.val)) == (4, 2)
    assert set(names(first.train + first.val)) == set("012345")
    again = load_training_data(recipe(own, "training.split='0.7'"), tmp_path)
    assert again == first
    others = [
        names(load_training_data(recipe(own, "training.split='0.7'", f"seed={seed}"), tmp_path).val)
        for seed in (2, 3, 4)
    ]
    assert any(other != names(first.val) for other in others)


def test_a_zip_of_it_gives_the_same_and_its_split_is_read_back(own, tmp_path):
    expected = load_training_data(recipe(own, "training.split='0.5'", "seed=3"), tmp_path)
    expected.save(tmp_path)
    archive = shutil.make_archive(tmp_path / "own", "zip", tmp_path, "own")
    back = load_training_data(
        recipe(archive, f"training.split='{tmp_path / 'split.json'}'"), tmp_path
    )
    assert names(back.train) == names(expected.train)
    assert names(back.val) == names(expected.val)


def test_data_with_a_validation_of_their_own_take_no_split(folder, tmp_path):
    half = tmp_path / "halves"
    for part, kept in (("train", "012"), ("val", "345")):
        shutil.copytree(folder, half / part)
        for path in half.glob(f"{part}/*/*.png"):
            if path.stem not in kept:
                path.unlink()
    assert names(load_training_data(recipe(half), tmp_path).val) == ["3", "4", "5"]
    with pytest.raises(UsageError, match=r"`split` is for data without a validation.*split=0\.7"):
        load_training_data(recipe(half, "training.split='0.7'"), tmp_path)


@pytest.mark.parametrize("name", ["nowhere.zip", "no/such/folder", "no/such/pairs.zip"])
def test_data_that_are_not_there_are_said_in_one_line(name, tmp_path):
    with pytest.raises(UsageError, match=r"a \.zip of one, or .*\(nothing there") as e:
        load_training_data(recipe(name), tmp_path)
    assert "\n" not in str(e.value)


def test_pictures_without_targets_teach_nothing(tmp_path):
    with pytest.raises(UsageError, match="learns from pictures with targets; exdark has low"):
        load_training_data(recipe("exdark"), tmp_path)
