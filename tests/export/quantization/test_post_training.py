"""Ranges leave out a lamp in the dark, but never cut what stands for a whole picture."""

import numpy as np
import pytest

from lowlight_tf.export.quantization.post_training import RangeObserver


def test_one_lamp_does_not_widen_a_range(rng):
    span = RangeObserver()
    for _ in range(20):
        values = rng.uniform(-1, 1, (1, 400, 600, 1))
        values[0, 0, 0] = 50
        span.update(values)
    low, high = span.min_max()
    assert low == pytest.approx(-1, abs=0.01)
    assert high == pytest.approx(1, abs=0.01)


def test_an_odd_picture_does_not_either_but_what_stands_for_one_is_spanned():
    maps, whole = RangeObserver(), RangeObserver()
    for number in range(40):
        value = 30.0 if number == 7 else 2.0
        maps.update(np.full((1, 4, 4, 2), value))
        whole.update(np.float32([value, 1.0]).reshape(1, 1, 1, 2))
    assert maps.min_max() == pytest.approx((0, 2))
    assert whole.min_max() == pytest.approx((0, 30))
