"""A learner with a teacher: its outputs are compared with the teacher's."""

import keras
import numpy as np
import pytest

from lowlight_tf.checks import UsageError
from lowlight_tf.training.composite_loss import CompositeLoss
from lowlight_tf.training.learner import Learner
from lowlight_tf.training.trainer import train


def brightener(gain):
    """A model of one weight: the factor that it brightens by."""
    low = keras.Input((None, None, 3), name="low")
    layer = keras.layers.Conv2D(3, 1, use_bias=False)
    model = keras.Model({"low": low}, {"enhanced": layer(low)})
    layer.kernel.assign(gain * np.eye(3)[None, None])
    return model


def test_a_student_converges_to_its_teacher_whatever_the_target():
    low = {"low": np.random.default_rng(0).random((8, 4, 4, 3), np.float32) / 4}
    student, teacher = brightener(1.0), brightener(3.0)
    learner = Learner(student, CompositeLoss({"distillation": 1.0}), teacher=teacher)
    learner.compile(optimizer=keras.optimizers.Adam(0.05))
    learner.fit(low, {"target": np.zeros((8, 4, 4, 3), np.float32)}, epochs=120, verbose=0)
    np.testing.assert_allclose(student(low)["enhanced"], 3 * low["low"], atol=0.05)
    np.testing.assert_array_equal(teacher(low)["enhanced"], 3 * low["low"])


def test_the_teacher_is_not_saved_in_checkpoints():
    learner = Learner(
        brightener(1.0), CompositeLoss({"distillation": 1.0}), teacher=brightener(3.0)
    )
    assert len(learner.model.weights) == 1
    assert len(learner.trainable_variables) == 1


@pytest.mark.parametrize("setting", [["losses.distillation=1.0"], ["training.teacher='somewhere'"]])
def test_a_teacher_and_its_loss_go_together(recipe, tmp_path, setting):
    with pytest.raises(UsageError, match="go together"):
        train(recipe.replace(setting), tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_a_run_can_be_distilled_from_a_run(recipe, tmp_path):
    first = train(recipe.replace(["training.steps=1"]), tmp_path / "first")
    distilled = recipe.replace(
        ["training.steps=2", f"training.teacher='{first}'", "losses.distillation=1.0"]
    )
    second = train(distilled, tmp_path / "second")
    assert "distillation" in (second / "history.csv").read_text()
    with pytest.raises(UsageError, match="No contract"):
        train(distilled.replace([f"training.teacher='{tmp_path}/none'"]), tmp_path / "third")
