"""The U-Net of "Learning to See in the Dark" has the published size."""

import numpy as np

from lowlight_tf.models.sid_unet import sid_unet


def test_has_the_published_weights():
    assert sid_unet().count_params() == 7_760_268


def test_each_packed_pixel_becomes_two_by_two_pixels():
    model = sid_unet(filters=2, depth=1)
    layer = model.get_layer("picture")
    layer.set_weights([np.zeros_like(layer.kernel), np.arange(12, dtype=np.float32)])
    enhanced = np.array(model({"raw": np.zeros((1, 2, 2, 4), np.float32)})["enhanced"])
    expected = np.arange(12).reshape(2, 2, 3)  # row, column, color
    np.testing.assert_array_equal(enhanced[0, :2, :2], expected)
    np.testing.assert_array_equal(enhanced[0, 2:, 2:], expected)
