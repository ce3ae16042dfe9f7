"""Pairs of images whose metrics can be computed by hand."""

import numpy as np
import pytest

from lowlight_tf.datasets.pairing import Pair
from lowlight_tf.imaging import image_io


@pytest.fixture
def pair_of(tmp_path):
    """Return a function that writes a pair of flat images of two levels."""

    def pair(name, low, target, *, size=(12, 15), target_size=None, dtype=np.uint8):
        paths = {}
        sizes = {"low": size, "high": target_size or size}
        for side, level in (("low", low), ("high", target)):
            paths[side] = tmp_path / side / f"{name}.png"
            paths[side].parent.mkdir(exist_ok=True)
            image_io.save_image(
                paths[side], image_io.LoadedImage(np.full((*sizes[side], 3), level, dtype))
            )
        return Pair(name, {"low": paths["low"]}, paths["high"])

    return pair


@pytest.fixture
def scene_of(tmp_path):
    """Return a function that writes images of two cameras: (H, W, 3) and (H, W) uint8."""

    def scene(name, visible, infrared):
        paths = {}
        for side, image in (("visible", visible), ("infrared", infrared)):
            paths[side] = tmp_path / side / f"{name}.png"
            paths[side].parent.mkdir(exist_ok=True)
            rgb = image if image.ndim == 3 else image[..., None].repeat(3, axis=2)
            image_io.save_image(paths[side], image_io.LoadedImage(rgb, gray=image.ndim == 2))
        return Pair(name, paths, None)

    return scene
