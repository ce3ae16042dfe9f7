"""Kernel initializers."""

import numpy as np

from lowlight_tf.layers.initialization import CenterIdentity


def test_center_identity_is_1_in_the_center_of_odd_kernels():
    kernel = np.asarray(CenterIdentity()((3, 5, 2, 3)))
    assert kernel.sum() == 2
    assert kernel[1, 2, 0, 0] == kernel[1, 2, 1, 1] == 1
