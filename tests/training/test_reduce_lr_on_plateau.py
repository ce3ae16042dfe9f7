"""The learning rate is reduced when validation has not improved for long enough, and only then."""

import dataclasses
import json

import pytest

from lowlight_tf.models.driving_unet import driving_unet
from lowlight_tf.training import callbacks, checkpoint
from lowlight_tf.training.callbacks import TrainingState
from lowlight_tf.training.composite_loss import CompositeLoss
from lowlight_tf.training.history import History
from lowlight_tf.training.learner import Learner
from lowlight_tf.training.reduce_lr_on_plateau import ReduceLROnPlateau
from lowlight_tf.training.schedule import create_optimizer
from lowlight_tf.training.trainer import train
from lowlight_tf.training_config import TrainingConfig

CONFIG = TrainingConfig(
    schedule="plateau",
    learning_rate=1e-4,
    plateau_patience=3,
    plateau_factor=0.1,
    plateau_min_lr=2e-6,
)
PSNR = [10, 12, 11, 12, 11.9, 13, 13, 12, 13, 12, 12, 12, 12, 12, 12]
RATES = [1e-4] * 4 + [1e-5] * 4 + [2e-6] * 7
"""Reduced at the fifth validation, the third without improvement (equal is none), and the ninth."""


@pytest.fixture(scope="module")
def built():
    learner = Learner(driving_unet(filters=4, depth=1, groups=2), CompositeLoss({"l1": 1.0}))
    learner.compile(optimizer=create_optimizer(CONFIG))
    learner.optimizer.build(learner.trainable_variables)
    return learner


@pytest.fixture
def learner(built):
    """A learner at its first step."""
    built.optimizer.learning_rate = CONFIG.learning_rate
    return built


def validate(state, psnr, learner, path):
    """Validate once, with a scripted result."""
    plateau = ReduceLROnPlateau(state, 1, len(PSNR), training=CONFIG, path=path)
    plateau.set_model(learner)
    state.step += 1
    state.history.add(state.step, val_psnr=psnr)
    plateau.on_train_batch_end(0)


def test_it_reduces_at_the_right_validation_and_never_below_the_minimum(learner, tmp_path, capsys):
    state = TrainingState()
    for psnr in PSNR:
        validate(state, psnr, learner, tmp_path / "history.csv")
    written = History.load(tmp_path / "history.csv")
    assert written.column("learning_rate") == (list(range(1, 16)), RATES)
    assert float(learner.optimizer.learning_rate) == pytest.approx(2e-6)
    first, second = capsys.readouterr().out.splitlines()
    start = "step      5  learning rate 0.0001 -> 1e-05"
    assert first == f"{start}: validation PSNR has not improved 3 times in a row"
    assert "1e-05 -> 2e-06" in second


def test_of_a_metric_that_is_better_when_lower_the_lowest_counts(learner, tmp_path):
    training = dataclasses.replace(CONFIG, monitor="lpips")
    state = TrainingState()
    plateau = ReduceLROnPlateau(
        state, 1, len(PSNR), training=training, path=tmp_path / "history.csv"
    )
    plateau.set_model(learner)
    for psnr in PSNR:
        state.step += 1
        state.history.add(state.step, val_psnr=20, val_lpips=1 - psnr / 20)
        plateau.on_train_batch_end(0)
    assert History.load(tmp_path / "history.csv").column("learning_rate")[1] == RATES


@pytest.mark.parametrize("stop", [1, 3, 4, 5, 8])
def test_it_resumes_from_a_checkpoint_as_if_it_had_never_stopped(stop, learner, tmp_path):
    state = TrainingState()
    for psnr in PSNR[:stop]:
        validate(state, psnr, learner, tmp_path / "history.csv")
    saved = checkpoint.save_checkpoint(tmp_path, state.step, learner, state.fields())

    learner.optimizer.learning_rate = 1.0
    resumed = TrainingState.from_fields(*checkpoint.restore_checkpoint(saved, learner))
    for psnr in PSNR[stop:]:
        validate(resumed, psnr, learner, tmp_path / "history.csv")
    assert resumed.history.column("learning_rate")[1] == RATES


@pytest.mark.slow
def test_a_run_in_epochs_validates_once_an_epoch_and_reduces_the_same_after_a_stop(
    recipe, tmp_path, monkeypatch
):
    # A rate too small to change the weights: no validation is better than the first.
    constant = recipe.replace(
        [
            "pipeline.progressive_start=1.0",
            "training.epochs=4",
            "training.validate_every=0",
            "training.save_every=3",
            "training.warmup=0",
            "training.schedule=plateau",
            "training.learning_rate=1e-12",
            "training.plateau_patience=2",
            "training.plateau_min_lr=0",
        ]
    )
    uninterrupted = train(constant, tmp_path / "uninterrupted")
    history = History.load(uninterrupted / "history.csv")
    assert history.column("learning_rate") == (
        [2, 4, 6, 8],  # four training pairs, in batches of two
        [1e-12, 1e-12, 5e-13, 5e-13],
    )
    assert history.column("val_psnr")[0] == history.column("learning_rate")[0]
    assert history.rows[-1]["epoch"] == 4
    card = json.loads((uninterrupted / "training.json").read_text())
    assert (card["steps"], card["recipe"]["training"]["epochs"]) == (8, 4)

    def interrupt(self, logs, on_step=callbacks.ProgressLogger.on_step):
        on_step(self, logs)
        if self.state.step == 5:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(callbacks.ProgressLogger, "on_step", interrupt)
        with pytest.raises(KeyboardInterrupt):
            train(constant, tmp_path / "stopped")
    assert (
        checkpoint.latest_checkpoint(tmp_path / "stopped" / "checkpoints").stem == "step_00000003"
    )
    train(constant, tmp_path / "stopped", resume=True)
    assert History.load(tmp_path / "stopped" / "history.csv").rows == history.rows
