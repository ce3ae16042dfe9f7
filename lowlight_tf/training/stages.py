"""The stages of a run: steps between which the crop size or the discriminator changes."""

import itertools
from typing import NamedTuple

from lowlight_tf.config import Recipe


class TrainingStage(NamedTuple):
    """Steps that are traced once.

    Attributes:
        begin: First step.
        end: The step after the last.
        crop_size: Side of the crops (pixels).
        batch_size: Images in a batch.
        first_sample: Number of samples drawn in the stages before.
        discriminator_active: Whether the discriminator takes part.
    """

    begin: int
    end: int
    crop_size: int
    batch_size: int
    first_sample: int
    discriminator_active: bool


def plan_stages(recipe: Recipe) -> list[TrainingStage]:
    """Divide the steps at the change of crop size and at the start of the discriminator."""
    pipeline, steps = recipe.pipeline, recipe.training.steps
    late = round(pipeline.progressive_start * steps)
    discriminator = recipe.discriminator.start_step(steps) if recipe.discriminator.model else 0
    stages, first_sample = [], 0
    for begin, end in itertools.pairwise(sorted({0, discriminator, late, steps})):
        if begin >= late:
            sizes = pipeline.progressive_crop_size, pipeline.progressive_batch_size
        else:
            sizes = pipeline.crop_size, pipeline.batch_size
        stage = TrainingStage(begin, end, *sizes, first_sample, begin >= discriminator)
        stages.append(stage)
        first_sample += (end - begin) * stage.batch_size
    return stages
