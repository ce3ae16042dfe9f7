"""Properties of every enhancement baseline in the catalog."""

import numpy as np
import pytest

from lowlight_tf.catalog import BASELINES
from lowlight_tf.contract import ENHANCE

NAMES = [name for name in BASELINES if BASELINES.find(name).contract == ENHANCE]


@pytest.fixture(params=NAMES)
def baseline(request):
    return BASELINES.find(request.param).load()


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (5, 7), (40, 33)])
def test_the_output_has_the_shape_of_the_input_which_is_not_modified(baseline, shape, rng):
    low = rng.random((*shape, 3), dtype=np.float32) ** 3
    low[0, 0] = 0
    original = low.copy()
    result = baseline(low)
    assert (result.shape, result.dtype) == (low.shape, np.float32)
    assert 0 <= result.min() <= result.max() <= 1
    np.testing.assert_array_equal(low, original)


def test_dark_images_are_brightened(baseline, rng):
    coarse = rng.random((6, 8, 3)).repeat(6, axis=0).repeat(6, axis=1)
    low = np.float32(0.15 * coarse + 0.02 * rng.random(coarse.shape))
    assert baseline(low).mean() > 1.2 * low.mean()


def test_gray_stays_gray(baseline, rng):
    low = rng.random((24, 30, 1), dtype=np.float32).repeat(3, axis=-1) ** 2
    assert np.ptp(baseline(low), axis=-1).max() < 1e-5


@pytest.mark.parametrize("level", [0.0, 1.0])
def test_black_and_white_images_give_finite_results(baseline, level):
    assert np.isfinite(baseline(np.full((20, 24, 3), level, np.float32))).all()
