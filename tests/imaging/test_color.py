"""Luma is that of BT.601."""

import numpy as np
import pytest

from lowlight_tf.imaging.color import luma


def test_luma_weighs_the_primaries_as_bt_601_does():
    primaries = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255]]], np.uint8)
    assert luma(primaries)[0] == pytest.approx([76.245, 149.685, 29.07, 255.0], abs=1e-9)


def test_luma_keeps_the_range_and_the_type_of_floats():
    white = np.ones((2, 3, 3), np.float32)
    assert luma(white).dtype == np.float32
    assert luma(white) == pytest.approx(np.ones((2, 3)), abs=1e-6)
