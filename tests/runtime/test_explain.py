"""Explanation maps are drawn over the full upright image."""

import numpy as np
import pytest

from lowlight_tf.checks import UsageError
from lowlight_tf.contract import ENHANCE, FUSE, RAW_TO_RGB, Contract, Port
from lowlight_tf.imaging.raw import cfa
from lowlight_tf.imaging.raw.raw_image import RawImage, RawMetadata
from lowlight_tf.runtime.engine import Engine
from lowlight_tf.runtime.explain import explain


class ExplainingEngine(Engine):
    """Returns the first image; its map is the brightness at a quarter of the size."""

    name = "explaining"
    size = None
    preprocessing = None

    def __init__(self, contract=ENHANCE, size=None, channels=1):
        self.contract, self.size, self.channels = contract, size, channels

    def __call__(self, images):
        (first, *_), (output,) = self.contract.image_inputs, self.contract.outputs
        return {output.name: images[first.name]}

    def explanation_maps(self, images):
        image = images[self.contract.image_inputs[0].name][:, ::4, ::4, :1]
        return {"where_map": np.float32(image).repeat(self.channels, axis=3)}


def bright_corner(height, width):
    image = np.zeros((height, width, 3), np.float32)
    image[: height // 2, : width // 2] = 1
    return image


@pytest.mark.parametrize("size", [None, (48, 64), (64, 48), (16, 24)])
def test_a_map_is_aligned_with_its_image_for_any_engine_size(size):
    image = bright_corner(40, 56)
    drawn = explain(ExplainingEngine(size=size), image)["where"]
    assert drawn.shape == image.shape
    yellow, blue = drawn[:12, :20], drawn[28:, 36:]
    assert yellow[..., 1].min() > 0.8
    assert blue[..., 1].max() < 0.1


def test_three_map_channels_are_blue_green_and_red():
    class LightMapEngine(ExplainingEngine):
        def explanation_maps(self, images):
            return {"light_map": np.float32([1, 0.5, 0]).reshape(1, 1, 1, 3).repeat(4, 1)}

    np.testing.assert_allclose(
        explain(LightMapEngine(), bright_corner(8, 8))["light"][3, 3], [0, 0.5, 1]
    )


def test_a_fusion_map_is_drawn_over_the_first_camera():
    wide = Contract(FUSE.inputs, (Port("fused", 1),), multiple_of=8)
    image = bright_corner(30, 50)
    drawn = explain(ExplainingEngine(wide), image, np.zeros((30, 50, 1), np.float32))["where"]
    assert drawn.shape == image.shape
    assert drawn[5, 5, 1] > 0.8 > drawn[25, 45, 1]


@pytest.mark.parametrize("size", [None, (48, 64), (64, 48), (8, 16)])
@pytest.mark.parametrize("orientation", [1, 6])
def test_a_raw_map_is_drawn_over_the_developed_image(size, orientation):
    class RawEngine(ExplainingEngine):
        def __call__(self, images):
            return {"enhanced": images["raw"][..., :3].repeat(2, 1).repeat(2, 2)}

    raw_values = np.zeros((40, 56), np.uint16)
    raw_values[:20, :28] = 1000
    metadata = RawMetadata("BGGR", (40, 56), (0.0,) * 4, (1000.0,) * 4, orientation=orientation)
    image = RawImage(cfa.pack(raw_values, "BGGR"), metadata)
    drawn = explain(RawEngine(RAW_TO_RGB, size=size), image, ratio=2.0)["where"]
    drawn = metadata.undo_orientation(drawn)
    assert drawn.shape == (40, 56, 3)
    assert drawn[4:9, 4:9, 1].min() > 0.7
    assert drawn[30:, 42:, 1].max() < 0.1


def test_the_model_is_run_for_its_maps_alone():
    class MapsOnlyEngine(ExplainingEngine):
        def __call__(self, images):
            raise AssertionError("run once more")

    assert set(explain(MapsOnlyEngine(), bright_corner(8, 8))) == {"where"}


def test_a_model_without_explanation_maps_is_named():
    class SilentEngine(ExplainingEngine):
        def explanation_maps(self, images):
            return {}

    with pytest.raises(UsageError, match="explaining has no outputs that explain"):
        explain(SilentEngine(), bright_corner(8, 8))
