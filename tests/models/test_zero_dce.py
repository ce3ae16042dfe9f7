"""Zero-DCE as in the paper. Tests of every model are in test_every_model.py."""

import numpy as np
import pytest

from lowlight_tf.checks import UsageError
from lowlight_tf.models.zero_dce import zero_dce


def with_constant_curves(alpha, *, iterations):
    model = zero_dce(filters=4, iterations=iterations)
    curves = model.get_layer("curves")
    kernel, bias = curves.get_weights()
    curves.set_weights([np.zeros_like(kernel), np.full_like(bias, np.arctanh(alpha))])
    return model


def test_has_the_published_number_of_weights():
    assert zero_dce().count_params() == 79_416  # Guo et al. 2020, section 3.2


def test_curves_of_0_are_the_identity(rng):
    low = rng.random((1, 5, 7, 3), dtype=np.float32)
    outputs = with_constant_curves(0.0, iterations=2)({"low": low})
    np.testing.assert_array_equal(outputs["enhanced"], low)
    assert outputs["curves"].shape == (1, 5, 7, 6)


def test_a_curve_is_applied_once_per_iteration():
    # 0.2 + 0.5 * 0.2 * 0.8 = 0.28, and 0.28 + 0.5 * 0.28 * 0.72 = 0.3808.
    low = np.full((1, 4, 4, 3), 0.2, np.float32)
    for iterations, expected in ((1, 0.28), (2, 0.3808)):
        enhanced = with_constant_curves(0.5, iterations=iterations)({"low": low})["enhanced"]
        np.testing.assert_allclose(enhanced, np.full_like(low, expected), rtol=1e-5)


def test_every_iteration_and_color_has_its_own_curve():
    model = with_constant_curves(0.0, iterations=2)
    kernel, bias = model.get_layer("curves").get_weights()
    bias[[1, 5]] = np.arctanh([0.5, 0.5])  # green in the first iteration, blue in the second
    model.get_layer("curves").set_weights([kernel, bias])
    low = np.full((1, 4, 4, 3), 0.2, np.float32)
    enhanced = np.asarray(model({"low": low})["enhanced"])
    np.testing.assert_allclose(enhanced[0, 0, 0], [0.2, 0.28, 0.28], rtol=1e-5)


@pytest.mark.parametrize("alpha", [-0.999, 0.999])
def test_extreme_curves_are_monotonic_and_stay_in_the_range(alpha):
    ramp = np.linspace(0, 1, 256, dtype=np.float32)[None, None, :, None].repeat(3, axis=-1)
    tones = np.asarray(with_constant_curves(alpha, iterations=8)({"low": ramp})["enhanced"])
    assert 0 <= tones.min() <= tones.max() <= 1
    assert (np.diff(tones, axis=2) >= 0).all()


def test_zero_iterations_are_rejected():
    with pytest.raises(UsageError, match=r"`iterations` must be at least 1\. Received: .*=0"):
        zero_dce(iterations=0)


@pytest.mark.slow
def test_the_gpu_delegate_runs_every_operation(gpu_report):
    assert gpu_report(zero_dce(filters=8)).unsupported_ops == ()
