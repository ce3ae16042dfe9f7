"""Small pairs on disk with known content."""

import numpy as np
import pytest

from lowlight_tf.config import Recipe
from lowlight_tf.datasets.pairing import Pair
from lowlight_tf.imaging import image_io


@pytest.fixture
def pairs(tmp_path, rng):
    """Five pairs of 40 x 56 pixels; each target is twice its input plus a constant."""
    written = []
    for number in range(5):
        low = rng.uniform(0, 0.3, (40, 56, 3)).astype(np.float32)
        for folder, image in (("low", low), ("high", low * 2 + 0.05 * number)):
            (tmp_path / folder).mkdir(exist_ok=True)
            image_io.write_float_rgb(tmp_path / folder / f"{number}.png", image)
        paths = (tmp_path / folder / f"{number}.png" for folder in ("low", "high"))
        written.append(Pair(str(number), {"low": next(paths)}, next(paths)))
    return written


@pytest.fixture
def recipe():
    """Crops of 16 pixels, three in a batch, with random exposure, blur and noise."""
    return Recipe().replace(
        [
            "pipeline.crop_size=16",
            "pipeline.batch_size=3",
            "pipeline.random_exposure_ev=0.5",
            "pipeline.blur_prob=0.5",
            "pipeline.noise_sigma_max=0.02",
        ]
    )
