"""The learning rate follows the schedule of the recipe."""

import numpy as np
import pytest

from lowlight_tf.training.schedule import WarmupSchedule, create_optimizer
from lowlight_tf.training_config import TrainingConfig


def rates(steps, **options):
    schedule = WarmupSchedule(TrainingConfig(steps=300, learning_rate=1e-3, **options))
    return [float(schedule(step)) for step in steps]


def test_a_third_of_the_steps_has_the_full_rate_and_the_rest_a_tenth():
    np.testing.assert_allclose(
        rates([0, 99, 100, 299], schedule="step"), [1e-3, 1e-3, 1e-4, 1e-4], rtol=1e-6
    )


def test_the_cosine_ends_at_a_hundredth():
    first, middle, last = rates([0, 150, 300], schedule="cosine")
    np.testing.assert_allclose([first, middle, last], [1e-3, 0.505e-3, 1e-5], rtol=1e-4)


def test_the_rate_rises_evenly_during_the_warm_up():
    np.testing.assert_allclose(rates([0, 4, 9, 10], warmup=10), [1e-4, 5e-4, 1e-3, 1e-3], rtol=1e-5)


def test_in_float16_alone_the_loss_is_scaled():
    half, full = (
        create_optimizer(TrainingConfig(precision=p, beta_1=0.5))
        for p in ("mixed_float16", "float32")
    )
    assert float(half.scale_loss(1.0)) > 1000
    assert float(full.scale_loss(1.0)) == 1
    assert half.inner_optimizer.beta_1 == full.beta_1 == 0.5


def test_an_unknown_schedule_is_refused():
    with pytest.raises(ValueError, match="`schedule` must be one of"):
        TrainingConfig(schedule="linear")
