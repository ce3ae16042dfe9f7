"""DCTInitializer is the discrete cosine transform of OpenCV."""

import cv2
import numpy as np
import pytest

from lowlight_tf.layers.dct import DCTInitializer
from lowlight_tf.layers.resample import SpaceToDepth


def test_the_filters_are_opencvs_dct_of_the_luma(rng):
    block = rng.random((1, 4, 4, 3), dtype=np.float32)
    kernel = np.asarray(DCTInitializer()((1, 1, 48, 15)))
    output = (np.asarray(SpaceToDepth(4)(block)) @ kernel[0, 0]).ravel()
    expected = cv2.dct(block[0].mean(-1)).ravel()[1:]  # without DC
    np.testing.assert_allclose(output, expected, atol=1e-6)


def test_another_kernel_shape_is_rejected():
    with pytest.raises(ValueError, match="n\\^2"):
        DCTInitializer()((1, 1, 48, 16))
