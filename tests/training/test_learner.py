"""A learner with a teacher: it is compared with what the teacher makes of the batch."""

import keras
import numpy as np
import pytest

from lowlight_tf.checks import UsageError
from lowlight_tf.training.composite_loss import CompositeLoss
from lowlight_tf.training.learner import Learner
from lowlight_tf.training.trainer import train


def brightener(gain):
    """A net of one weight: the factor that it brightens by."""
    low = keras.Input((None, None, 3), name="low")
    layer = keras.layers.Conv2D(3, 1, use_bias=False)
    net = keras.Model({"low": low}, {"enhanced": layer(low)})
    layer.kernel.assign(gain * np.eye(3)[None, None])
    return net


def test_a_pupil_comes_to_do_what_its_teacher_does_whatever_the_target():
    low = {"low": np.random.default_rng(0).random((8, 4, 4, 3), np.float32) / 4}
    pupil, teacher = brightener(1.0), brightener(3.0)
    learner = Learner(pupil, CompositeLoss({"distilled": 1.0}), teacher=teacher)
    learner.compile(optimizer=keras.optimizers.Adam(0.05))
    learner.fit(low, {"target": np.zeros((8, 4, 4, 3), np.float32)}, epochs=120, verbose=0)
    np.testing.assert_allclose(pupil(low)["enhanced"], 3 * low["low"], atol=0.05)
    np.testing.assert_array_equal(teacher(low)["enhanced"], 3 * low["low"])


def test_the_teacher_is_no_part_of_what_is_saved():
    learner = Learner(brightener(1.0), CompositeLoss({"distilled": 1.0}), teacher=brightener(3.0))
    assert len(learner.net.weights) == 1
    assert len(learner.trainable_variables) == 1


@pytest.mark.parametrize("setting", [["objective.distilled=1.0"], ["training.teacher='somewhere'"]])
def test_a_teacher_and_its_loss_go_together(recipe, tmp_path, setting):
    with pytest.raises(UsageError, match="go together"):
        train(recipe.replace(setting), tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_a_run_can_learn_from_a_run(recipe, tmp_path):
    first = train(recipe.replace(["training.steps=1"]), tmp_path / "first")
    taught = recipe.replace(
        ["training.steps=2", f"training.teacher='{first}'", "objective.distilled=1.0"]
    )
    second = train(taught, tmp_path / "second")
    assert "distilled" in (second / "history.csv").read_text()
    with pytest.raises(UsageError, match="No contract"):
        train(taught.replace([f"training.teacher='{tmp_path}/none'"]), tmp_path / "third")
