"""How fast a net learns, beside the plainest loop: python benchmarks/training.py."""

import sys

import keras
import numpy as np
from side_by_side import side_by_side

from lowlight_tf.config import Recipe
from lowlight_tf.models import driving_unet as model
from lowlight_tf.training.composite_loss import CompositeLoss
from lowlight_tf.training.learner import Learner
from lowlight_tf.training.onednn import enable_onednn_bfloat16
from lowlight_tf.training.schedule import create_optimizer

STEPS = 10


class KerasGroupNormalization(keras.layers.GroupNormalization):
    """Keras's own, called as ours is."""


def learner(recipe: Recipe, *, compiled: bool) -> Learner:
    made = Learner(model.driving_unet(**recipe.options), CompositeLoss(recipe.losses))
    made.compile(optimizer=create_optimizer(recipe.training), jit_compile=compiled)
    return made


def plain(recipe: Recipe) -> keras.Model:
    """The plainest alternative: the same layers with Keras's normalization, compile and fit, L1."""
    ours, model.GroupNormalization = model.GroupNormalization, KerasGroupNormalization
    try:
        net = model.driving_unet(**recipe.options)
    finally:
        model.GroupNormalization = ours
    net.compile(optimizer="adam", loss={"enhanced": "mae"}, jit_compile=False)
    return net


def main() -> None:
    print(enable_onednn_bfloat16())
    recipe = Recipe.load(sys.argv[1] if len(sys.argv) > 1 else "driving_unet_embedded")
    size = recipe.pipeline.batch_size, recipe.pipeline.crop_size, recipe.pipeline.crop_size, 3
    rng = np.random.default_rng(0)
    low, target = (rng.random(size, dtype=np.float32) for _ in range(2))

    def steps(net: keras.Model, target_name: str):
        def work() -> int:
            for _ in range(STEPS):
                net.train_on_batch({"low": low}, {target_name: target})
            return STEPS

        return work

    side_by_side(
        {
            "Keras fit, Keras GroupNormalization, L1": steps(plain(recipe), "enhanced"),
            "the recipe": steps(learner(recipe, compiled=False), "target"),
            "the recipe, compiled": steps(learner(recipe, compiled=True), "target"),
        },
        unit="steps",
    )


if __name__ == "__main__":
    main()
