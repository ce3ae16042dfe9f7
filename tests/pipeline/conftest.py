"""Pairs on disk, small and known."""

import numpy as np
import pytest

from lowlight_tf.config import Recipe
from lowlight_tf.datasets.pairing import Pair
from lowlight_tf.imaging import image_io


@pytest.fixture
def pairs(tmp_path, rng):
    """Five pairs of 40 x 56 pixels; every target is twice its input and a little more."""
    made = []
    for number in range(5):
        low = rng.uniform(0, 0.3, (40, 56, 3)).astype(np.float32)
        for side, image in (("low", low), ("high", low * 2 + 0.05 * number)):
            (tmp_path / side).mkdir(exist_ok=True)
            image_io.write_float_rgb(tmp_path / side / f"{number}.png", image)
        paths = (tmp_path / side / f"{number}.png" for side in ("low", "high"))
        made.append(Pair(str(number), {"low": next(paths)}, next(paths)))
    return made


@pytest.fixture
def recipe():
    """Crops of 16 pixels, three in a batch, everything random turned on."""
    return Recipe().replace(
        [
            "pipeline.crop=16",
            "pipeline.batch=3",
            "pipeline.exposure_ev=0.5",
            "pipeline.blur=0.5",
            "pipeline.noise=0.02",
        ]
    )
