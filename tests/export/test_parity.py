"""Parity of a file with its model in decibels."""

import numpy as np
import pytest

from lowlight_tf.export.parity import parity_db


def constant_engine(value):
    """Return a function that is called like an engine and returns one gray value."""
    return lambda images: {"enhanced": np.full_like(images["low"], value)}


def test_a_tenth_of_the_range_is_20_decibels():
    batch = {"low": np.zeros((1, 4, 4, 3), np.float32)}
    assert parity_db(constant_engine(0.5), constant_engine(0.6), [batch, batch]) == pytest.approx(
        20, abs=0.01
    )


def test_equal_outputs_have_the_largest_parity():
    batch = {"low": np.zeros((1, 4, 4, 3), np.float32)}
    assert parity_db(constant_engine(0.5), constant_engine(0.5), [batch]) == 120
