"""Signs of weights that make a control monotone."""

import numpy as np

from lowlight_tf.layers.controls import BrightnessStart, FirstChannel, SignConstraint


def test_sign_constraint_by_hand():
    kernel = np.float32([[-1, 2], [-3, 4], [5, -6]])[None, None]
    held = SignConstraint(at_least_0=(0,), at_most_0=(1,), zero=(2,))(kernel)
    np.testing.assert_array_equal(np.asarray(held)[0, 0], [[0, 2], [-3, 0], [0, 0]])


def test_initializers_by_hand():
    np.testing.assert_array_equal(np.asarray(BrightnessStart()((1, 1, 2, 1))).ravel(), [1, -1])
    np.testing.assert_array_equal(np.asarray(FirstChannel()((1, 1, 1, 3))).ravel(), [1, 0, 0])
