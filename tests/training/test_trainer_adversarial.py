"""Runs against a critic: both sides are kept, logged, refused and gone on with by recipe alone."""

import numpy as np
import pytest

from lowlight_tf.checks import UsageError
from lowlight_tf.config import Recipe
from lowlight_tf.export.keras_engine import KerasEngine
from lowlight_tf.training import adversarial, checkpoint
from lowlight_tf.training.history import History
from lowlight_tf.training.trainer import train

GAN = [
    "critic.model=patch_discriminator",
    "critic.options.filters=2",
    "critic.features=1.0",
    "objective.l1=10.0",
    "pipeline.late_from=1.0",
    "training.schedule=constant",
    "training.warmup=0",
    "training.validate_every=2",
    "training.steps=4",
]


@pytest.fixture(scope="module")
def whole(recipe, tmp_path_factory):
    """A run against a critic that nothing interrupted."""
    return train(recipe.replace(GAN), tmp_path_factory.mktemp("gan") / "run")


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("critic.model=patch_discriminatr", "No critic .* Known: patch_discriminator"),
        ("critic.loss=bse", r"No loss of critics is called 'bse'. Known: bce"),
        ("critic.options.filtres=2", "patch_discriminator has no option 'filtres'"),
        ("critic.options.contract=2", "patch_discriminator has no option 'contract'"),
        ("critic.options.filters=0", "`filters` must be at least 1"),
        ("critic.begin=1", "`critic.begin` must be"),
        ("critic.features=-1", "`critic.features` must be at least 0"),
    ],
)
def test_a_critic_that_cannot_be_had_is_refused_and_nothing_written(
    setting, message, recipe, tmp_path
):
    with pytest.raises(UsageError, match=message):
        train(recipe.replace([*GAN, setting]), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def arrays_of(run):
    with np.load(checkpoint.latest_checkpoint(run / "checkpoints")) as arrays:
        return {name: arrays[name] for name in arrays.files if name != "progress"}


@pytest.mark.slow
def test_a_run_goes_on_to_the_same_weights_of_both_sides(whole, recipe, tmp_path):
    train(recipe.replace([*GAN, "training.steps=2"]), tmp_path / "run")
    train(recipe.replace(GAN), tmp_path / "run", resume=True)
    expected, found = arrays_of(whole), arrays_of(tmp_path / "run")
    kinds = {name.split("/")[0] for name in expected}
    assert kinds == {"net", "optimizer", "critic", "critic_optimizer"}
    assert found.keys() == expected.keys()
    for name, array in found.items():
        np.testing.assert_array_equal(array, expected[name], err_msg=name)
    assert History.load(tmp_path / "run" / "history.csv").rows == (
        History.load(whole / "history.csv").rows
    )


@pytest.mark.slow
def test_only_the_net_is_kept_and_both_sides_are_in_the_log(whole, recipe):
    alone = Recipe.load(whole / "recipe.toml").replace(["critic.model=''"])
    assert alone == recipe.replace([*GAN, "critic.model=''"])
    net = KerasEngine(whole).model
    assert list(net.input) == ["low"]
    assert len(net.weights) == sum(name.startswith("net/") for name in arrays_of(whole))
    assert not any("logits" in layer.name for layer in net.layers)
    history = History.load(whole / "history.csv")
    for name in adversarial.LOGGED_KEYS:
        steps, values = history.column(name)
        assert steps == [1, 2, 3, 4]
        assert np.isfinite(values).all()
    assert min(history.column("gradient_critic")[1]) > 0


@pytest.mark.slow
@pytest.mark.parametrize("late", [0.25, 0.75, 1.0])
def test_a_critic_that_comes_late_is_in_the_log_from_then_on(late, recipe, tmp_path):
    sizes = [f"pipeline.late_from={late}", "pipeline.late_crop=24", "pipeline.late_batch=1"]
    run = train(recipe.replace([*GAN, *sizes, "critic.begin=0.5"]), tmp_path / "run")
    history = History.load(run / "history.csv")
    assert history.column("critic")[0] == [3, 4]
    assert history.column("loss")[0] == [1, 2, 3, 4]


@pytest.mark.slow
def test_a_run_is_not_gone_on_with_by_another_critic(whole, recipe):
    with pytest.raises(UsageError, match="begun with another critic"):
        train(recipe.replace([*GAN, "critic.loss=hinge"]), whole, resume=True)


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision_trains_both_sides(precision, recipe, tmp_path):
    # In float16 either side passes over steps, each halving its scale from 32,768, until what is
    # scaled fits: the net's fits from the fifth step, after four steps nothing has moved yet.
    steps = "training.steps=10"
    normalized = "critic.options.normalization=batch"
    settings = [*GAN, steps, f"training.precision={precision}", normalized]
    run = train(recipe.replace(settings), tmp_path / "run")
    kept = sorted((run / "checkpoints").glob("*.npz"))
    with np.load(kept[0]) as first, np.load(kept[-1]) as last:
        for kind in ("net/0", "critic/0"):
            assert np.abs(first[kind] - last[kind]).max() > 0


@pytest.mark.slow
@pytest.mark.parametrize("loss", ["least_squares", "hinge"])
def test_the_recipe_for_pictures_runs_on_the_embedded_ones(loss, tmp_path):
    tiny = [
        "data=['embedded']",
        "options.filters=4",
        "options.depth=1",
        "options.groups=1",
        "pipeline.crop=16",
        "pipeline.batch=2",
        "pipeline.late_from=1.0",
        "critic.options.filters=2",
        f"critic.loss={loss}",
        "training.steps=2",
        "training.log_every=1",
    ]
    run = train(Recipe.load("driving_unet_gan").replace(tiny), tmp_path / "run")
    assert "critic_fake" in (run / "history.csv").read_text()


@pytest.mark.slow
def test_the_same_learner_trains_a_net_that_fuses_by_recipe_alone(tmp_path):
    recipe = Recipe(model="did_fuse").replace(
        [
            "options.filters=4",
            "objective={max_intensity = 1.0, max_gradient = 1.0}",
            "pipeline.crop=16",
            "pipeline.batch=2",
            "training.judge=scd",
            "training.steps=2",
            "training.log_every=1",
            "critic.model=patch_discriminator",
            "critic.options.filters=2",
        ]
    )
    run = train(recipe, tmp_path / "run")
    history = History.load(run / "history.csv")
    assert len(history.column("critic_real")[0]) == 2
    assert set(KerasEngine(run).model.input) == {"visible", "infrared"}
