"""Time training steps and compare with plain Keras `fit`: python benchmarks/training.py."""

import sys

import keras
import numpy as np
from side_by_side import side_by_side

from lowlight_tf.config import Recipe
from lowlight_tf.models import driving_unet
from lowlight_tf.training.composite_loss import CompositeLoss
from lowlight_tf.training.learner import Learner
from lowlight_tf.training.schedule import create_optimizer

STEPS_PER_ROUND = 10


class KerasGroupNormalization(keras.layers.GroupNormalization):
    """Keras's own layer, under the name and with the arguments of ours."""


def create_learner(recipe: Recipe, *, jit_compile: bool) -> Learner:
    """Return the model of a recipe with its loss and optimizer."""
    model = driving_unet.driving_unet(**recipe.options)
    learner = Learner(model, CompositeLoss(recipe.losses))
    learner.compile(optimizer=create_optimizer(recipe.training), jit_compile=jit_compile)
    return learner


def create_baseline(recipe: Recipe) -> keras.Model:
    """Return the same model with Keras's normalization, compiled by Keras with an L1 loss."""
    ours = driving_unet.GroupNormalization
    driving_unet.GroupNormalization = KerasGroupNormalization
    try:
        model = driving_unet.driving_unet(**recipe.options)
    finally:
        driving_unet.GroupNormalization = ours
    model.compile(optimizer="adam", loss={"enhanced": "mae"}, jit_compile=False)
    return model


def main() -> None:
    recipe = Recipe.load(sys.argv[1] if len(sys.argv) > 1 else "driving_unet_embedded")
    shape = recipe.pipeline.batch_size, recipe.pipeline.crop_size, recipe.pipeline.crop_size, 3
    rng = np.random.default_rng(0)
    low, target = (rng.random(shape, dtype=np.float32) for _ in range(2))

    def steps(model: keras.Model, target_name: str):
        def work() -> int:
            for _ in range(STEPS_PER_ROUND):
                model.train_on_batch({"low": low}, {target_name: target})
            return STEPS_PER_ROUND

        return work

    side_by_side(
        {
            "Keras fit, Keras GroupNormalization, L1": steps(create_baseline(recipe), "enhanced"),
            "the recipe": steps(create_learner(recipe, jit_compile=False), "target"),
            "the recipe, compiled": steps(create_learner(recipe, jit_compile=True), "target"),
        },
        unit="steps",
    )


if __name__ == "__main__":
    main()
