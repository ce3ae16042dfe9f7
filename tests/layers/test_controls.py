"""Signs of weights that make a control monotone."""

import numpy as np

from lowlight_tf.layers.controls import BrightnessConstraint, BrightnessStart, SignConstraint


def test_sign_constraint_by_hand():
    kernel = np.float32([[-1, 2], [-3, 4], [5, -6]])[None, None]
    held = SignConstraint(at_least_0=(0,), zero=(2,))(kernel)
    np.testing.assert_array_equal(np.asarray(held)[0, 0], [[0, 2], [-3, 4], [0, 0]])


def test_brightness_constraint_by_hand():
    kernel = np.float32([[-1, 2], [3, 4], [-5, 6]])[None, None]
    held = BrightnessConstraint()(kernel)
    np.testing.assert_array_equal(np.asarray(held)[0, 0], [[-1, 2], [3, 0], [-5, 0]])
    held = BrightnessConstraint()(-kernel)
    np.testing.assert_array_equal(np.asarray(held)[0, 0], [[1, -2], [0, 0], [0, 0]])


def test_the_start_by_hand():
    kernel = np.asarray(BrightnessStart()((1, 1, 3, 2)))
    np.testing.assert_array_equal(kernel[0, 0], [[0, 0], [1, 0], [-1, 0]])
