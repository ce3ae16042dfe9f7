"""Ranges exclude a lamp in the dark, but never clip global statistics of an image."""

import numpy as np
import pytest

from lowlight_tf.export.quantization.post_training import RangeObserver


def test_one_lamp_does_not_widen_a_range(rng):
    observer = RangeObserver()
    for _ in range(20):
        values = rng.uniform(-1, 1, (1, 400, 600, 1))
        values[0, 0, 0] = 50
        observer.update(values)
    low, high = observer.min_max()
    assert low == pytest.approx(-1, abs=0.01)
    assert high == pytest.approx(1, abs=0.01)


def test_an_unusual_image_does_not_either_but_its_global_statistics_are_included():
    maps, statistics = RangeObserver(), RangeObserver()
    for index in range(40):
        value = 30.0 if index == 7 else 2.0
        maps.update(np.full((1, 4, 4, 2), value))
        statistics.update(np.float32([value, 1.0]).reshape(1, 1, 1, 2))
    assert maps.min_max() == pytest.approx((0, 2))
    assert statistics.min_max() == pytest.approx((0, 30))
