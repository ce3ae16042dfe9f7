"""A run writes a self-contained folder, and is resumed exactly after any interruption."""

import importlib.util
import json
import os
import signal
import subprocess
import sys

import keras
import numpy as np
import pytest

from lowlight_tf.checks import UsageError
from lowlight_tf.config import Recipe
from lowlight_tf.contract import ENHANCE, Contract
from lowlight_tf.export.keras_engine import KerasEngine
from lowlight_tf.training import checkpoint
from lowlight_tf.training.history import History
from lowlight_tf.training.trainer import train

pytestmark = pytest.mark.slow

KILLED = """
import os, signal, sys
from pathlib import Path
from lowlight_tf.config import Recipe
from lowlight_tf.training import callbacks, trainer

def kill(self, logs, on_step=callbacks.ProgressLogger.on_step):
    on_step(self, logs)
    if self.state.step == int(sys.argv[3]):
        os.kill(os.getpid(), signal.SIGKILL)

callbacks.ProgressLogger.on_step = kill
trainer.train(Recipe.load(Path(sys.argv[1])), Path(sys.argv[2]))
"""


@pytest.fixture(scope="session")
def uninterrupted(recipe, tmp_path_factory):
    """A run in one go."""
    return train(recipe, tmp_path_factory.mktemp("uninterrupted") / "run")


def load_weights(path):
    with np.load(path) as arrays:
        return {name: arrays[name] for name in arrays.files if name != "progress"}


def test_the_folder_holds_all_that_is_needed(uninterrupted, recipe):
    assert Recipe.load(uninterrupted / "recipe.toml") == recipe
    assert Contract.load(uninterrupted / "contract.json") == ENHANCE
    assert {"curves.png", "history.csv", "samples", "tensorboard"} <= {
        path.name for path in uninterrupted.iterdir()
    }
    history = History.load(uninterrupted / "history.csv")
    assert history.column("loss")[0] == [1, 2, 3, 4, 5, 6]
    assert history.column("val_psnr")[0] == [3, 6]
    card = json.loads((uninterrupted / "training.json").read_text())
    assert card["steps"] == 6
    assert card["validation"]["psnr"] == max(history.column("val_psnr")[1])
    assert [path.name for path in sorted((uninterrupted / "checkpoints").iterdir())] == [
        f"step_0000000{step}.npz" for step in (2, 4, 6)
    ]


def test_the_saved_model_is_the_averaged_one_of_the_best_validation(uninterrupted):
    card = json.loads((uninterrupted / "training.json").read_text())
    model = keras.saving.load_model(uninterrupted / "model.keras", compile=False)
    arrays = load_weights(uninterrupted / "checkpoints" / "step_00000006.npz")
    raw = [arrays[f"model/{index}"] for index in range(len(model.weights))]
    differing = [not np.allclose(a, b) for a, b in zip(model.get_weights(), raw, strict=True)]
    assert any(differing)  # the average is not the last step's weights
    assert card["best_step"] in (3, 6)


def test_of_a_run_that_monitors_lpips_the_model_with_the_lowest_is_saved(recipe, tmp_path):
    settings = ["training.monitor=lpips", "training.steps=4", "training.validate_every=1"]
    run = train(recipe.replace(settings), tmp_path / "run")
    steps, lpips = History.load(run / "history.csv").column("val_lpips")
    assert len(set(lpips)) == 4
    card = json.loads((run / "training.json").read_text())
    assert card["best_step"] == steps[lpips.index(min(lpips))]
    assert card["validation"]["lpips"] == min(lpips)


@pytest.mark.parametrize("step", [3, 5])
def test_a_killed_run_is_resumed_to_the_same_weights(step, uninterrupted, recipe, tmp_path):
    (tmp_path / "recipe.toml").write_text(recipe.dump())
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, tmp_path / "recipe.toml", tmp_path / "run", str(step)],
        capture_output=True,
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    train(recipe, tmp_path / "run", resume=True)
    expected = load_weights(checkpoint.latest_checkpoint(uninterrupted / "checkpoints"))
    for name, array in load_weights(
        checkpoint.latest_checkpoint(tmp_path / "run" / "checkpoints")
    ).items():
        np.testing.assert_array_equal(array, expected[name], err_msg=name)
    rows = History.load(tmp_path / "run" / "history.csv").rows
    assert rows == History.load(uninterrupted / "history.csv").rows
    first, second = (
        keras.saving.load_model(run / "model.keras", compile=False).get_weights()
        for run in (uninterrupted, tmp_path / "run")
    )
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_loss_that_is_not_finite_stops_the_run_and_keeps_the_last_good_checkpoint(
    recipe, tmp_path
):
    # The first steps are good ones; then the learning rate makes the weights diverge.
    run = train(recipe.replace(["training.steps=2"]), tmp_path / "run")
    good = checkpoint.latest_checkpoint(run / "checkpoints")
    with pytest.raises(UsageError, match=r"became nan or infinite at step \d.*step_0+2\.npz"):
        train(
            recipe.replace(["training.learning_rate=1e30", "training.clip_value=0"]),
            run,
            resume=True,
        )
    assert checkpoint.latest_checkpoint(run / "checkpoints") == good
    assert all(np.isfinite(array).all() for array in load_weights(good).values())


def test_a_folder_that_holds_a_run_is_not_written_over(uninterrupted, recipe):
    with pytest.raises(UsageError, match=r"already holds a run\. Add --resume"):
        train(recipe, uninterrupted)


def test_a_run_is_resumed_with_its_own_recipe_only(uninterrupted, recipe):
    with pytest.raises(UsageError, match="started with another options, seed"):
        train(recipe.replace(["seed=2", "options.filters=6"]), uninterrupted, resume=True)


def test_a_checkpoint_of_another_model_is_refused(uninterrupted, recipe, tmp_path):
    run = train(recipe.replace(["training.steps=2", "options.filters=6"]), tmp_path / "run")
    foreign = checkpoint.latest_checkpoint(uninterrupted / "checkpoints")
    (run / "checkpoints" / foreign.name).write_bytes(foreign.read_bytes())
    with pytest.raises(UsageError, match="a checkpoint of another model"):
        train(recipe.replace(["options.filters=6"]), run, resume=True)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("model=driving_unt", "No model is called 'driving_unt'. Known: driving_unet"),
        ("options.filtres=4", "driving_unet has no option 'filtres'. Known: filters"),
        ("losses.l2=1.0", r"No loss is called 'l2'\. Known: .*\bl1\b"),
        ("pipeline.crop_size=64", "crop"),
        ("data=['nowhere_at_all']", "nowhere_at_all"),
    ],
)
def test_a_recipe_that_cannot_be_trained_writes_nothing(setting, message, recipe, tmp_path):
    with pytest.raises(UsageError, match=message):
        train(recipe.replace([setting]), tmp_path / "run")
    assert not (tmp_path / "run" / "recipe.toml").exists()


@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision_saves_a_model_in_float32(precision, recipe, tmp_path):
    run = train(
        recipe.replace([f"training.precision={precision}", "training.steps=2"]), tmp_path / "run"
    )
    model = keras.saving.load_model(run / "model.keras", compile=False)
    assert {layer.compute_dtype for layer in model.layers} == {"float32"}


def test_the_mirrored_strategy_trains(recipe, tmp_path):
    run = train(recipe.replace(["training.steps=2"]), tmp_path / "run", strategy="mirrored")
    assert (run / "model.keras").exists()


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_trains_under_another_backend(backend, recipe, tmp_path):
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    plain = recipe.replace(["pipeline.blur_prob=0", "training.steps=4"])
    (tmp_path / "recipe.toml").write_text(plain.dump())
    code = (
        "import sys, pathlib; from lowlight_tf.config import Recipe\n"
        "from lowlight_tf.training.trainer import train\n"
        "train(Recipe.load(pathlib.Path(sys.argv[1])), pathlib.Path(sys.argv[2]))\n"
        "jax, torch = sys.modules.get('jax'), sys.modules.get('torch')\n"
        "assert jax is None or jax.config.jax_default_matmul_precision == 'highest'\n"
        "assert torch is None or not torch.backends.cudnn.allow_tf32"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "recipe.toml", tmp_path / "run"],
        env={**os.environ, "KERAS_BACKEND": backend},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "run" / "training.json").read_text())["backend"] == backend
    assert KerasEngine(tmp_path / "run").model.count_params() > 0
