"""Cosine filters are the transform that everyone knows."""

import cv2
import numpy as np
import pytest

from lowlight_tf.layers.dct import DCTInitializer
from lowlight_tf.layers.resample import SpaceToDepth


def test_the_filters_are_opencv_s_cosine_transform_of_the_luma(rng):
    block = rng.random((1, 4, 4, 3), dtype=np.float32)
    kernel = np.asarray(DCTInitializer()((1, 1, 48, 15)))
    found = (np.asarray(SpaceToDepth(4)(block)) @ kernel[0, 0]).ravel()
    wanted = cv2.dct(block[0].mean(-1)).ravel()[1:]  # without the mean
    np.testing.assert_allclose(found, wanted, atol=1e-6)


def test_a_shape_of_another_kernel_is_refused():
    with pytest.raises(ValueError, match="n\\^2"):
        DCTInitializer()((1, 1, 48, 16))
