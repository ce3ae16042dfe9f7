"""Runs with a discriminator: it is saved, logged, checked and resumed by the recipe alone."""

import json

import numpy as np
import pytest

from lowlight_tf import legacy_names
from lowlight_tf.checks import UsageError
from lowlight_tf.config import Recipe
from lowlight_tf.export.keras_engine import KerasEngine
from lowlight_tf.training import adversarial, checkpoint
from lowlight_tf.training.history import History
from lowlight_tf.training.trainer import train

GAN = [
    "discriminator.model=patch_discriminator",
    "discriminator.options.filters=2",
    "discriminator.feature_matching_weight=1.0",
    "losses.l1=10.0",
    "pipeline.progressive_start=1.0",
    "training.schedule=constant",
    "training.warmup=0",
    "training.validate_every=2",
    "training.steps=4",
]


@pytest.fixture(scope="module")
def uninterrupted(recipe, tmp_path_factory):
    """A run with a discriminator, in one go."""
    return train(recipe.replace(GAN), tmp_path_factory.mktemp("gan") / "run")


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        (
            "discriminator.model=patch_discriminatr",
            "No discriminator .* Known: patch_discriminator",
        ),
        ("discriminator.loss=bse", r"No adversarial loss is called 'bse'. Known: bce"),
        ("discriminator.options.filtres=2", "patch_discriminator has no option 'filtres'"),
        ("discriminator.options.contract=2", "patch_discriminator has no option 'contract'"),
        ("discriminator.options.filters=0", "`filters` must be at least 1"),
        ("discriminator.start_fraction=1", "`discriminator.start_fraction` must be"),
        (
            "discriminator.feature_matching_weight=-1",
            "`discriminator.feature_matching_weight` must be at least 0",
        ),
    ],
)
def test_a_discriminator_that_cannot_be_built_is_refused_and_nothing_written(
    setting, message, recipe, tmp_path
):
    with pytest.raises(UsageError, match=message):
        train(recipe.replace([*GAN, setting]), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def load_arrays(run):
    with np.load(checkpoint.latest_checkpoint(run / "checkpoints")) as arrays:
        return {name: arrays[name] for name in arrays.files if name != "progress"}


@pytest.mark.slow
def test_a_resumed_run_has_the_same_weights_of_both_sides(uninterrupted, recipe, tmp_path):
    train(recipe.replace([*GAN, "training.steps=2"]), tmp_path / "run")
    train(recipe.replace(GAN), tmp_path / "run", resume=True)
    expected, resumed = load_arrays(uninterrupted), load_arrays(tmp_path / "run")
    groups = {name.split("/")[0] for name in expected}
    assert groups == {"model", "optimizer", "discriminator", "discriminator_optimizer"}
    assert resumed.keys() == expected.keys()
    for name, array in resumed.items():
        np.testing.assert_array_equal(array, expected[name], err_msg=name)
    assert History.load(tmp_path / "run" / "history.csv").rows == (
        History.load(uninterrupted / "history.csv").rows
    )


def reverse(names):
    return {new: old for old, new in names.items()}


def rename_to_0_1_0(run):
    """Give a run folder the names that version 0.1.0 wrote."""
    groups = reverse(legacy_names.CHECKPOINT_GROUPS)
    columns = reverse(legacy_names.HISTORY_COLUMNS)
    for path in (run / "checkpoints").iterdir():
        with np.load(path) as file:
            arrays = dict(file)
        state = json.loads(str(arrays.pop("progress")))
        state["in_vain"] = state.pop("wait")
        state["rows"] = [
            {columns.get(name, name): value for name, value in row.items()} for row in state["rows"]
        ]
        parts = {name: name.split("/") for name in arrays}
        renamed = {
            f"{groups.get(group, group)}/{index}": arrays[name]
            for name, (group, index) in parts.items()
        }
        np.savez(path, progress=np.array(json.dumps(state)), **renamed)
    header, *rows = (run / "history.csv").read_text().splitlines()
    header = ",".join(columns.get(name, name) for name in header.split(","))
    (run / "history.csv").write_text("\n".join([header, *rows]) + "\n")
    keys = {
        **reverse(legacy_names.PIPELINE_KEYS),
        **reverse(legacy_names.TRAINING_KEYS),
        **reverse(legacy_names.DISCRIMINATOR_KEYS),
    }
    lines = []
    for line in (run / "recipe.toml").read_text().splitlines():
        key, equals, value = line.partition(" = ")
        table = line.strip("[]").split(".")
        if line.startswith("["):
            table[0] = reverse(legacy_names.RECIPE_TABLES).get(table[0], table[0])
            lines.append(f"[{'.'.join(table)}]")
        elif key != "split_file":
            lines.append(keys.get(key, key) + equals + value)
    (run / "recipe.toml").write_text("\n".join(lines) + "\n")


@pytest.mark.slow
def test_a_run_of_version_0_1_0_is_resumed_to_the_same_weights(uninterrupted, recipe, tmp_path):
    run = train(recipe.replace([*GAN, "training.steps=2"]), tmp_path / "run")
    rename_to_0_1_0(run)
    assert "critic_optimizer/0" in load_arrays(run)
    assert ",critic_features," in (run / "history.csv").read_text()
    assert "[critic]" in (run / "recipe.toml").read_text()
    before = History.load(run / "history.csv")
    assert before.column("discriminator_features")[0] == [1, 2]
    train(recipe.replace(GAN), run, resume=True)
    expected, resumed = load_arrays(uninterrupted), load_arrays(run)
    assert resumed.keys() == expected.keys()
    for name, array in resumed.items():
        np.testing.assert_array_equal(array, expected[name], err_msg=name)
    rows = History.load(uninterrupted / "history.csv").rows
    assert History.load(run / "history.csv").rows == rows


@pytest.mark.slow
def test_only_the_model_is_saved_and_both_sides_are_in_the_log(uninterrupted, recipe):
    without = Recipe.load(uninterrupted / "recipe.toml").replace(["discriminator.model=''"])
    assert without == recipe.replace([*GAN, "discriminator.model=''"])
    model = KerasEngine(uninterrupted).model
    assert list(model.input) == ["low"]
    assert len(model.weights) == sum(
        name.startswith("model/") for name in load_arrays(uninterrupted)
    )
    assert not any("logits" in layer.name for layer in model.layers)
    history = History.load(uninterrupted / "history.csv")
    for name in adversarial.LOGGED_KEYS:
        steps, values = history.column(name)
        assert steps == [1, 2, 3, 4]
        assert np.isfinite(values).all()
    assert min(history.column("discriminator_gradient_norm")[1]) > 0


@pytest.mark.slow
@pytest.mark.parametrize("late", [0.25, 1.0])
def test_a_discriminator_that_starts_late_is_in_the_log_from_then_on(late, recipe, tmp_path):
    sizes = [
        f"pipeline.progressive_start={late}",
        "pipeline.progressive_crop_size=24",
        "pipeline.progressive_batch_size=1",
    ]
    run = train(
        recipe.replace([*GAN, *sizes, "discriminator.start_fraction=0.5"]), tmp_path / "run"
    )
    history = History.load(run / "history.csv")
    assert history.column("discriminator")[0] == [3, 4]
    assert history.column("loss")[0] == [1, 2, 3, 4]


@pytest.mark.slow
def test_a_run_is_not_resumed_with_another_discriminator(uninterrupted, recipe):
    with pytest.raises(UsageError, match="started with another discriminator"):
        train(recipe.replace([*GAN, "discriminator.loss=hinge"]), uninterrupted, resume=True)


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision_trains_both_sides(precision, recipe, tmp_path):
    # In float16 either side skips steps, each halving its scale from 32,768, until the scaled
    # gradients fit: the model's do from the fifth step, after four steps nothing is updated yet.
    steps = "training.steps=10"
    normalized = "discriminator.options.normalization=batch"
    settings = [*GAN, steps, f"training.precision={precision}", normalized]
    run = train(recipe.replace(settings), tmp_path / "run")
    checkpoints = sorted((run / "checkpoints").glob("*.npz"))
    with np.load(checkpoints[0]) as first, np.load(checkpoints[-1]) as last:
        for name in ("model/0", "discriminator/0"):
            assert np.abs(first[name] - last[name]).max() > 0


@pytest.mark.slow
@pytest.mark.parametrize("loss", ["least_squares", "hinge"])
def test_the_recipe_of_the_package_runs_on_the_embedded_pairs(loss, tmp_path):
    tiny = [
        "data=['embedded']",
        "options.filters=4",
        "options.depth=1",
        "options.groups=1",
        "pipeline.crop_size=16",
        "pipeline.batch_size=2",
        "pipeline.progressive_start=1.0",
        "discriminator.options.filters=2",
        f"discriminator.loss={loss}",
        "training.steps=2",
        "training.log_every=1",
    ]
    run = train(Recipe.load("driving_unet_gan").replace(tiny), tmp_path / "run")
    assert "discriminator_fake" in (run / "history.csv").read_text()


@pytest.mark.slow
def test_the_same_learner_trains_a_fusion_model_by_recipe_alone(tmp_path):
    recipe = Recipe(model="did_fuse").replace(
        [
            "options.filters=4",
            "losses={max_intensity = 1.0, max_gradient = 1.0}",
            "pipeline.crop_size=16",
            "pipeline.batch_size=2",
            "training.monitor=scd",
            "training.steps=2",
            "training.log_every=1",
            "discriminator.model=patch_discriminator",
            "discriminator.options.filters=2",
        ]
    )
    run = train(recipe, tmp_path / "run")
    history = History.load(run / "history.csv")
    assert len(history.column("discriminator_real")[0]) == 2
    assert set(KerasEngine(run).model.input) == {"visible", "infrared"}
