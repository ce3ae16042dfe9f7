"""Ramps, and how far a result breaks their order."""

import numpy as np
import pytest

from lowlight_tf.checks import UsageError
from lowlight_tf.evaluation.road.ramps import order_violation, ramp, ramps


def test_a_ramp_rises_from_black_to_its_color():
    image = ramp((1.0, 0.5, 0.0), 200, size=(2, 101))
    np.testing.assert_array_equal(image[0, 0], [0, 0, 0])
    np.testing.assert_array_equal(image[1, -1], [200, 100, 0])
    assert (np.diff(image[0].astype(int), axis=0) >= 0).all()


def test_a_tone_curve_breaks_no_order():
    for _, image in ramps():
        curve = np.uint8(np.rint(255 * (np.arange(256) / 255) ** 0.4))
        assert order_violation(image, curve[image]) == 0


def test_the_largest_drop_counts():
    image = ramp((1.0, 1.0, 1.0), 3, size=(4, 8))  # codes 0 0 1 1 2 2 3 3
    result = np.uint8([0, 10, 20, 17, 18, 30])[[0, 0, 1, 1, 2, 2, 3, 3]][None, :, None]
    result = np.repeat(np.repeat(result, 4, 0), 3, -1)
    assert order_violation(image, result) == pytest.approx(3)  # 20 -> 17


def test_noise_within_one_tone_is_no_violation():
    image = np.full((1, 6, 3), 9, np.uint8)
    result = image + np.uint8([0, 5, 0, 5, 0, 5])[None, :, None]
    assert order_violation(image, result) == 0


def test_other_sizes_are_refused():
    with pytest.raises(UsageError, match="one size"):
        order_violation(ramp((1, 1, 1), 9), ramp((1, 1, 1), 9, size=(2, 2)))
    with pytest.raises(UsageError, match="code value"):
        ramp((1, 1, 1), 300)
