"""What a net went by is drawn over the whole picture, right side up."""

import numpy as np
import pytest

from lowlight_tf.checks import UsageError
from lowlight_tf.contract import ENHANCE, FUSE, RAW_TO_RGB, Contract, Port
from lowlight_tf.imaging.raw import cfa
from lowlight_tf.imaging.raw.raw_image import RawImage, RawMetadata
from lowlight_tf.runtime.engine import Engine
from lowlight_tf.runtime.explain import explain


class Telling(Engine):
    """Gives back the first picture; attends to what is bright, at a quarter of the size."""

    name = "telling"
    size = None
    preprocessing = None

    def __init__(self, contract=ENHANCE, size=None, channels=1):
        self.contract, self.size, self.channels = contract, size, channels

    def __call__(self, images):
        (given, *_), (wanted,) = self.contract.image_inputs, self.contract.outputs
        return {wanted.name: images[given.name]}

    def explanation_maps(self, images):
        image = images[self.contract.image_inputs[0].name][:, ::4, ::4, :1]
        return {"where_map": np.float32(image).repeat(self.channels, axis=3)}


def bright_corner(height, width):
    picture = np.zeros((height, width, 3), np.float32)
    picture[: height // 2, : width // 2] = 1
    return picture


@pytest.mark.parametrize("size", [None, (48, 64), (64, 48), (16, 24)])
def test_a_map_is_aligned_with_its_image_for_any_engine_size(size):
    picture = bright_corner(40, 56)
    drawn = explain(Telling(size=size), picture)["where"]
    assert drawn.shape == picture.shape
    yellow, blue = drawn[:12, :20], drawn[28:, 36:]
    assert yellow[..., 1].min() > 0.8
    assert blue[..., 1].max() < 0.1


def test_three_map_channels_are_blue_green_and_red():
    class Lights(Telling):
        def explanation_maps(self, images):
            return {"light_map": np.float32([1, 0.5, 0]).reshape(1, 1, 1, 3).repeat(4, 1)}

    np.testing.assert_allclose(explain(Lights(), bright_corner(8, 8))["light"][3, 3], [0, 0.5, 1])


def test_a_fusion_map_is_drawn_over_the_first_camera():
    wide = Contract(FUSE.inputs, (Port("fused", 1),), multiple_of=8)
    picture = bright_corner(30, 50)
    drawn = explain(Telling(wide), picture, np.zeros((30, 50, 1), np.float32))["where"]
    assert drawn.shape == picture.shape
    assert drawn[5, 5, 1] > 0.8 > drawn[25, 45, 1]


@pytest.mark.parametrize("size", [None, (48, 64), (64, 48), (8, 16)])
@pytest.mark.parametrize("orientation", [1, 6])
def test_a_raw_map_is_drawn_over_the_developed_image(size, orientation):
    class Unfolding(Telling):
        def __call__(self, images):
            return {"enhanced": images["raw"][..., :3].repeat(2, 1).repeat(2, 2)}

    digits = np.zeros((40, 56), np.uint16)
    digits[:20, :28] = 1000
    shot = RawMetadata("BGGR", (40, 56), (0.0,) * 4, (1000.0,) * 4, orientation=orientation)
    picture = RawImage(cfa.pack(digits, "BGGR"), shot)
    drawn = explain(Unfolding(RAW_TO_RGB, size=size), picture, ratio=2.0)["where"]
    drawn = shot.undo_orientation(drawn)
    assert drawn.shape == (40, 56, 3)
    assert drawn[4:9, 4:9, 1].min() > 0.7
    assert drawn[30:, 42:, 1].max() < 0.1


def test_the_model_is_run_for_its_maps_alone():
    class Listening(Telling):
        def __call__(self, images):
            raise AssertionError("run once more")

    assert set(explain(Listening(), bright_corner(8, 8))) == {"where"}


def test_a_model_without_explanation_maps_is_named():
    class Silent(Telling):
        def explanation_maps(self, images):
            return {}

    with pytest.raises(UsageError, match="telling has no outputs that explain"):
        explain(Silent(), bright_corner(8, 8))
