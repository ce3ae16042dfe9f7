"""A user's folder or archive becomes training and validation pairs."""

import shutil

import pytest

from lowlight_tf.checks import UsageError
from lowlight_tf.config import Recipe
from lowlight_tf.contract import ENHANCE, FUSE, RAW_TO_RGB
from lowlight_tf.datasets.dataset_card import get_dataset
from lowlight_tf.training.data import load_training_data, unwrap_data_errors
from lowlight_tf.training.tasks import training_of


@pytest.fixture
def user_data(folder, tmp_path):
    """The six pairs as train_val/, and one of them again as test/, which training leaves alone."""
    shutil.copytree(folder, tmp_path / "own" / "train_val")
    for side in ("low", "high"):
        (tmp_path / "own" / "test" / side).mkdir(parents=True)
        shutil.copy(folder / side / "0.png", tmp_path / "own" / "test" / side / "extra.png")
    return tmp_path / "own"


def names(pairs):
    return [pair.name for pair in pairs]


def recipe(data, *settings):
    return Recipe().replace([f"data=['{data}']", "pipeline.crop_size=16", *settings])


def test_train_val_is_split_by_fraction_and_seed_and_test_is_left_alone(user_data, tmp_path):
    first = load_training_data(recipe(user_data, "training.validation_split=0.3"), tmp_path)
    assert (len(first.train), len(first.val)) == (4, 2)
    assert set(names(first.train + first.val)) == set("012345")
    again = load_training_data(recipe(user_data, "training.validation_split=0.3"), tmp_path)
    assert again == first
    others = [
        names(
            load_training_data(
                recipe(user_data, "training.validation_split=0.3", f"seed={seed}"), tmp_path
            ).val
        )
        for seed in (2, 3, 4)
    ]
    assert any(other != names(first.val) for other in others)


def test_a_zip_of_it_gives_the_same_pairs_and_its_split_is_read_back(user_data, tmp_path):
    expected = load_training_data(
        recipe(user_data, "training.validation_split=0.5", "seed=3"), tmp_path
    )
    expected.save(tmp_path)
    archive = shutil.make_archive(tmp_path / "own", "zip", tmp_path, "own")
    loaded = load_training_data(
        recipe(archive, f"training.split_file='{tmp_path / 'split.json'}'"), tmp_path
    )
    assert names(loaded.train) == names(expected.train)
    assert names(loaded.val) == names(expected.val)


def test_the_terms_of_a_folder_are_those_of_its_terms_file(user_data, tmp_path):
    assert load_training_data(recipe(user_data), tmp_path).licenses[str(user_data)] == (
        "the user's own"
    )
    (user_data / "terms.txt").write_text("research use\n")
    assert load_training_data(recipe(user_data), tmp_path).licenses[str(user_data)] == (
        "research use"
    )


def test_data_with_validation_pairs_of_their_own_take_no_split(folder, tmp_path):
    half = tmp_path / "halves"
    for part, kept in (("train", "012"), ("val", "345")):
        shutil.copytree(folder, half / part)
        for path in half.glob(f"{part}/*/*.png"):
            if path.stem not in kept:
                path.unlink()
    assert names(load_training_data(recipe(half), tmp_path).val) == ["3", "4", "5"]
    with pytest.raises(
        UsageError, match=r"`validation_split` is for data without validation.*=0\.3"
    ):
        load_training_data(recipe(half, "training.validation_split=0.3"), tmp_path)


@pytest.mark.parametrize("name", ["nowhere.zip", "no/such/folder", "no/such/pairs.zip"])
def test_missing_data_are_reported_in_one_line(name, tmp_path):
    with pytest.raises(UsageError, match=r"a \.zip of one, or .*\(nothing there") as e:
        load_training_data(recipe(name), tmp_path)
    assert "\n" not in str(e.value)


def test_images_without_targets_are_refused(tmp_path):
    with pytest.raises(UsageError, match="is trained on images with targets; exdark has low"):
        load_training_data(recipe("exdark"), tmp_path)


@pytest.mark.parametrize(
    ("contract", "dataset", "accepted"),
    [
        (ENHANCE, "lol_v1", True),
        (ENHANCE, "camvid", True),  # daylight images, whose inputs are synthesized
        (ENHANCE, "exdark", False),  # no targets
        (ENHANCE, "llvip", False),
        (FUSE, "llvip", True),
        (FUSE, "lol_v1", False),
        (RAW_TO_RGB, "sid_sony", True),
        (RAW_TO_RGB, "llvip", False),
    ],
)
def test_a_task_accepts_data_sets_with_its_images(contract, dataset, accepted):
    assert training_of(contract).accepts(get_dataset(dataset)) is accepted


def test_an_error_of_data_is_raised_as_it_was_before_tf_data_wrapped_it():
    tf = pytest.importorskip("tensorflow")

    def fail(_):
        raise UsageError("a.png is gone.")

    dataset = tf.data.Dataset.range(1).map(lambda x: tf.numpy_function(fail, [x], tf.int64))
    message = r"^a\.png is gone\. Mend that file.*--resume\.$"
    with pytest.raises(UsageError, match=message), unwrap_data_errors():
        list(dataset)
    with pytest.raises(ZeroDivisionError), unwrap_data_errors():
        _ = 1 / 0
