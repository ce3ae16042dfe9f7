"""A run small enough for a test."""

import numpy as np
import pytest

from lowlight_tf.config import Recipe
from lowlight_tf.imaging import image_io


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    """Six pairs of 40 x 48 pixels in low/ and high/."""
    rng = np.random.default_rng(5)
    place = tmp_path_factory.mktemp("pairs")
    for number in range(6):
        low = rng.uniform(0, 0.3, (40, 48, 3)).astype(np.float32)
        for side, image in (("low", low), ("high", np.sqrt(low))):
            (place / side).mkdir(exist_ok=True)
            image_io.write_float_rgb(place / side / f"{number}.png", image)
    return place


@pytest.fixture(scope="session")
def recipe(folder):
    """Six steps of two crops, in two stages, with everything that has a state turned on."""
    return Recipe.load("driving_unet_embedded").replace(
        [
            f"data=['{folder}']",
            "options.filters=4",
            "options.depth=1",
            "pipeline.crop=16",
            "pipeline.batch=2",
            "pipeline.late_from=0.5",
            "pipeline.late_crop=24",
            "pipeline.late_batch=1",
            "objective.ms_ssim=0.1",
            "training.steps=6",
            "training.warmup=2",
            "training.ema=0.5",
            "training.log_every=1",
            "training.summary_every=2",
            "training.save_every=2",
            "training.validate_every=3",
            "training.validation=0.3",
        ]
    )
