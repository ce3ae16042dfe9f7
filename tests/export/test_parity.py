"""How like its net a file is, in decibels."""

import numpy as np
import pytest

from lowlight_tf.export.parity import parity_db


def painter(grey):
    """Return what calls like an engine and gives one grey for any picture."""
    return lambda images: {"enhanced": np.full_like(images["low"], grey)}


def test_a_tenth_of_the_range_is_20_decibels():
    picture = {"low": np.zeros((1, 4, 4, 3), np.float32)}
    assert parity_db(painter(0.5), painter(0.6), [picture, picture]) == pytest.approx(20, abs=0.01)


def test_equal_outputs_end_the_scale():
    picture = {"low": np.zeros((1, 4, 4, 3), np.float32)}
    assert parity_db(painter(0.5), painter(0.5), [picture]) == 120
