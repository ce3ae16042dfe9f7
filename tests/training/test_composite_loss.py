"""A composite loss is the weighted sum of the losses that it names."""

import numpy as np
import pytest

from lowlight_tf.checks import UsageError
from lowlight_tf.training.composite_loss import CompositeLoss


def test_the_total_is_the_weighted_sum():
    images = {
        "target": np.full((2, 16, 16, 3), 0.5, np.float32),
        "enhanced": np.full((2, 16, 16, 3), 0.4, np.float16),
    }
    loss_fn = CompositeLoss({"l1": 3.0, "psnr": 0.01})
    losses = loss_fn(images)
    np.testing.assert_allclose(float(losses["l1"]), 0.1, rtol=1e-3)
    np.testing.assert_allclose(float(loss_fn.total(losses)), 3 * 0.1 - 0.01 * 20, rtol=5e-3)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({}, "at least one loss"),
        ({"charbonier": 1.0}, "No loss is called 'charbonier'. Known: charbonnier"),
        ({"l1": -1.0}, "`losses.l1` must be a positive number"),
    ],
)
def test_a_loss_that_cannot_be_computed_is_refused(weights, message):
    with pytest.raises(UsageError, match=message):
        CompositeLoss(weights)
