"""A run small enough for a test."""

import numpy as np
import pytest

from lowlight_tf.config import Recipe
from lowlight_tf.imaging import image_io


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    """Six pairs of 40 x 48 pixels in low/ and high/."""
    rng = np.random.default_rng(5)
    root = tmp_path_factory.mktemp("pairs")
    for number in range(6):
        low = rng.uniform(0, 0.3, (40, 48, 3)).astype(np.float32)
        for side, image in (("low", low), ("high", np.sqrt(low))):
            (root / side).mkdir(exist_ok=True)
            image_io.write_float_rgb(root / side / f"{number}.png", image)
    return root


@pytest.fixture(scope="session")
def recipe(folder):
    """Six steps of two crops, in two stages, with everything on that has a state to save."""
    return Recipe.load("driving_unet_embedded").replace(
        [
            f"data=['{folder}']",
            "options.filters=4",
            "options.depth=1",
            "pipeline.crop_size=16",
            "pipeline.batch_size=2",
            "pipeline.progressive_start=0.5",
            "pipeline.progressive_crop_size=24",
            "pipeline.progressive_batch_size=1",
            "losses.ms_ssim=0.1",
            "training.steps=6",
            "training.warmup=2",
            "training.ema_momentum=0.5",
            "training.log_every=1",
            "training.summary_every=2",
            "training.save_every=2",
            "training.validate_every=3",
            "training.validation_split=0.3",
        ]
    )
