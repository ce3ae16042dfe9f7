"""A model of luma and chroma is run on RGB images."""

import numpy as np
import pytest

from lowlight_tf.contract import ENHANCE_PLANES
from lowlight_tf.runtime.engine import Engine
from lowlight_tf.runtime.enhance import enhance
from lowlight_tf.runtime.rgb_engine import RgbEngine


class Unchanged(Engine):
    """Returns its planes, and notes what it was given."""

    name, contract = "unchanged", ENHANCE_PLANES

    def __call__(self, images):
        self.images = images
        return {"enhanced_luma": images["luma"], "enhanced_chroma": images["chroma"]}


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_an_image_comes_back_as_from_a_video(dtype):
    rows, columns = np.mgrid[:40, :56]
    image = np.stack([rows * 4, columns * 3, 200 - rows * 2], -1).astype(np.uint8)
    values = image if dtype == np.uint8 else np.float32(image) / 255
    result = enhance(RgbEngine(Unchanged()), values)
    assert result.dtype == dtype
    scale = 1 if dtype == np.uint8 else 255
    assert np.abs(result.astype(float) * scale - image).max() <= 4  # chroma is halved


def test_planes_are_bytes_of_limited_range():
    engine = Unchanged()
    image = np.zeros((32, 32, 3), np.uint8)
    image[16:] = 255
    enhance(RgbEngine(engine), image)
    assert set(np.unique(engine.images["luma"])) == {16, 235}
    assert set(np.unique(engine.images["chroma"])) == {128}
    assert engine.images["chroma"].shape == (1, 16, 16, 2)
    assert engine.images["planes_thumbnail"].shape == (1, 128, 192, 3)
