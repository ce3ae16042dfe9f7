"""What the paper says of Zero-DCE. What holds for every model is in test_every_model.py."""

import numpy as np
import pytest

from lowlight_tf.checks import UsageError
from lowlight_tf.models.zero_dce import zero_dce


def with_constant_curves(slope, *, iterations):
    model = zero_dce(filters=4, iterations=iterations)
    curves = model.get_layer("curves")
    kernel, bias = curves.get_weights()
    curves.set_weights([np.zeros_like(kernel), np.full_like(bias, np.arctanh(slope))])
    return model


def test_has_the_published_number_of_weights():
    assert zero_dce().count_params() == 79_416  # Guo et al. 2020, section 3.2


def test_flat_curves_leave_the_picture_alone(rng):
    low = rng.random((1, 5, 7, 3), dtype=np.float32)
    outputs = with_constant_curves(0.0, iterations=2)({"low": low})
    np.testing.assert_array_equal(outputs["enhanced"], low)
    assert outputs["curves"].shape == (1, 5, 7, 6)


def test_a_curve_is_applied_as_often_as_it_says():
    # 0.2 + 0.5 * 0.2 * 0.8 = 0.28, and 0.28 + 0.5 * 0.28 * 0.72 = 0.3808.
    low = np.full((1, 4, 4, 3), 0.2, np.float32)
    for iterations, expected in ((1, 0.28), (2, 0.3808)):
        enhanced = with_constant_curves(0.5, iterations=iterations)({"low": low})["enhanced"]
        np.testing.assert_allclose(enhanced, np.full_like(low, expected), rtol=1e-5)


def test_every_iteration_and_color_has_a_curve_of_its_own():
    model = with_constant_curves(0.0, iterations=2)
    kernel, bias = model.get_layer("curves").get_weights()
    bias[[1, 5]] = np.arctanh([0.5, 0.5])  # green in the first iteration, blue in the second
    model.get_layer("curves").set_weights([kernel, bias])
    low = np.full((1, 4, 4, 3), 0.2, np.float32)
    enhanced = np.asarray(model({"low": low})["enhanced"])
    np.testing.assert_allclose(enhanced[0, 0, 0], [0.2, 0.28, 0.28], rtol=1e-5)


@pytest.mark.parametrize("slope", [-0.999, 0.999])
def test_the_steepest_curves_keep_the_range_and_the_order_of_tones(slope):
    ramp = np.linspace(0, 1, 256, dtype=np.float32)[None, None, :, None].repeat(3, axis=-1)
    tones = np.asarray(with_constant_curves(slope, iterations=8)({"low": ramp})["enhanced"])
    assert 0 <= tones.min() <= tones.max() <= 1
    assert (np.diff(tones, axis=2) >= 0).all()


def test_refuses_zero_iterations_in_plain_words():
    with pytest.raises(UsageError, match=r"`iterations` must be at least 1\. Received: .*=0"):
        zero_dce(iterations=0)


@pytest.mark.slow
def test_the_delegate_takes_every_operation(proof):
    assert proof(zero_dce(filters=8)).refused == ()
