"""Recipes are saved to TOML and read unchanged; invalid settings are reported."""

import pytest

from lowlight_tf.checks import UsageError
from lowlight_tf.config import RECIPE_DIR, Recipe
from lowlight_tf.training_config import TrainingConfig


@pytest.mark.parametrize("name", [path.stem for path in RECIPE_DIR.glob("*.toml")])
def test_every_shipped_recipe_survives_a_round_trip(name, tmp_path):
    recipe = Recipe.load(name)
    (tmp_path / "again.toml").write_text(recipe.dump())
    assert Recipe.load(tmp_path / "again.toml") == recipe


def test_a_setting_replaces_one_key():
    recipe = Recipe.load("driving_unet_embedded").replace(
        ["training.steps=7", "options.filters=4", "data=['a', 'b']", "training.schedule=step"]
    )
    assert recipe.training.steps == 7
    assert recipe.options["filters"] == 4
    assert recipe.data == ("a", "b")
    assert recipe.training.schedule == "step"


def test_a_setting_that_is_a_table_replaces_the_table():
    assert Recipe().replace(["losses={l1 = 2.0, lpips = 0.5}"]).losses == {"l1": 2, "lpips": 0.5}
    former = Recipe().replace(["losses={half_lpips = 0.5}"])
    assert former.losses == {"lpips_half_res": 0.5}
    with pytest.raises(UsageError, match="no table 'pipelin'"):
        Recipe().replace(["pipelin.crop_size=16"])


def test_a_discriminator_is_added_and_removed_by_a_setting():
    plain = Recipe()
    assert "discriminator" not in plain.dump()
    assert "discriminator" not in plain.fields()
    against = plain.replace(
        ["critic.model=patch_discriminator", "critic.options.filters=8", "critic.weight=2"]
    )
    assert against.discriminator.options == {"filters": 8}
    assert against.discriminator.weight == 2.0
    assert "\n[discriminator.options]\nfilters = 8\n" in against.dump()
    assert against.replace(["critic.loss=hinge"]).discriminator.options == {"filters": 8}
    assert "discriminator" not in against.replace(["critic.model=''"]).dump()


def test_the_last_of_steps_and_epochs_counts():
    long = Recipe().replace(["training.epochs=50"])
    assert long.training.epochs == 50
    assert long.replace(["training.steps=7"]).training.epochs == 0
    assert long.replace(["training.steps=7", "training.epochs=2"]).training.epochs == 2


def test_a_split_is_a_fraction_held_out_or_a_file():
    assert TrainingConfig().validation_split == 0.1
    assert Recipe().replace(["training.split=0.7"]).training.validation_split == 0.3
    assert Recipe().replace(["training.split='a/split.json'"]).training.split_file == "a/split.json"


def test_a_plateau_schedule_has_no_warm_up_and_a_minimum_below_its_learning_rate():
    with pytest.raises(UsageError, match=r"plateau takes no warm-up\. Received: warmup=3"):
        TrainingConfig(schedule="plateau", warmup=3)
    with pytest.raises(UsageError, match=r"`plateau_min_lr` must be .* at most the learning rate"):
        TrainingConfig(schedule="plateau", learning_rate=1e-4, plateau_min_lr=1e-3)


def test_gradients_are_clipped_in_one_way():
    with pytest.raises(UsageError, match=r"`clip_value` or by `clip_norm`. Received: both, 5.0 an"):
        Recipe.load("mirnet_slim").replace(["training.clip_value=5"])
    by_value = ["training.clip_value=5", "training.clip_norm=0"]
    assert Recipe.load("mirnet_slim").replace(by_value).training.clip_value == 5


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("pipeline.batch=0", "`batch_size` must be at least 1. Received: batch_size=0"),
        ("pipeline.crop=-1", "`crop_size` must be at least 0"),
        ("training.learning_rate=0", "`learning_rate` must be a positive number"),
        ("training.learning_rate=nan", "`learning_rate` must be a positive number"),
        ("training.ema=1.0", r"`ema_momentum` must be in \[0, 1\)"),
        ("training.stepz=3", "no key is called 'stepz'. Known: steps"),
        ("training.steps=many", "`steps` must be of type int. Received: 'many'"),
        ("traning.steps=3", "A recipe has no table 'traning'"),
        ("steps", "A setting must be key=value. Received: 'steps'"),
        ("pipeline.blur_sigma=[1.0]", "`blur_sigma` must be of type"),
        ("pipeline.augmenter=imgog", "`augmentation` must be native, imgaug"),
        ("training.schedule=cosin", "`schedule` must be one of: constant, cosine, plateau, step"),
        ("training.epochs=-1", "`epochs` must be at least 0"),
        ("training.plateau_patience=0", "`plateau_patience` must be at least 1"),
        ("training.plateau_factor=1.0", "`plateau_factor` must be a fraction between 0 and 1"),
        ("training.beta_1=1.0", r"`beta_1` must be in \[0, 1\)"),
        ("critic.beta_1=1.0", r"`discriminator.beta_1` must be in \[0, 1\)"),
        ("critic.weight=0", "`discriminator.weight` must be a positive number"),
        ("critic.learning_rate=0", "`discriminator.learning_rate` must be a positive number"),
        ("critic.losss=bce", "no key is called 'losss'. Known: loss"),
        ("training.split=1.5", "`split` must be a fraction between 0 and 1"),
        ("training.split='nan'", "`split` must be a fraction between 0 and 1"),
    ],
)
def test_an_invalid_setting_is_reported_in_one_line(setting, message):
    with pytest.raises(UsageError, match=message) as caught:
        Recipe().replace([setting])
    assert "\n" not in str(caught.value)


def test_an_unknown_recipe_is_refused_with_the_closest_match():
    with pytest.raises(UsageError, match="Known: driving_unet"):
        Recipe.load("driving_unt")


def test_a_broken_file_is_named(tmp_path):
    (tmp_path / "x.toml").write_text("model = ")
    with pytest.raises(UsageError, match=r"x\.toml is not TOML"):
        Recipe.load(tmp_path / "x.toml")
    with pytest.raises(UsageError, match=r"No recipe at .*y\.toml"):
        Recipe.load(tmp_path / "y.toml")
