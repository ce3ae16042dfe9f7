"""What kernels begin as."""

import numpy as np

from lowlight_tf.layers.initialization import CenterIdentity


def test_a_center_is_that_of_odd_kernels():
    kernel = np.asarray(CenterIdentity()((3, 5, 2, 3)))
    assert kernel.sum() == 2
    assert kernel[1, 2, 0, 0] == kernel[1, 2, 1, 1] == 1
