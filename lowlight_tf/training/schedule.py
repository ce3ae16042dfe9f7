"""How the learning rate goes from the first step to the last, and the optimizer that follows it."""

import dataclasses

import keras
from keras import ops

from lowlight_tf.config import Recipe
from lowlight_tf.training_config import TrainingConfig


def steps_per_epoch(recipe: Recipe, pairs: int) -> int:
    """Return how many steps one pass over so many training pairs takes, the last rest left out."""
    return max(pairs // recipe.pipeline.batch_size, 1)


def resolve_epochs(recipe: Recipe, pairs: int) -> Recipe:
    """Return a recipe whose epochs, if it goes by them, are counted out as steps.

    Args:
        recipe: Its `training.epochs`, `training.validate_every` and `pipeline.batch` are read.
        pairs: How many there are to learn from.
    """
    plan, epoch = recipe.training, steps_per_epoch(recipe, pairs)
    if not plan.epochs:
        return recipe
    counted = dataclasses.replace(
        plan, steps=plan.epochs * epoch, validate_every=plan.validate_every or epoch
    )
    return dataclasses.replace(recipe, training=counted)


@keras.saving.register_keras_serializable("lowlight_tf")
class WarmupSchedule(keras.optimizers.schedules.LearningRateSchedule):
    """Warm-up, then constant, a tenth after a third of the steps, or half a cosine to a hundredth.

    Args:
        training: Its `learning_rate`, `schedule`, `warmup` and `steps` are read.
    """

    def __init__(self, training: TrainingConfig) -> None:
        self.training = training

    def __call__(self, step):
        """Return the learning rate of a step, counted from 0."""
        plan = self.training
        step = ops.cast(step, "float32")
        rate = ops.convert_to_tensor(plan.learning_rate, "float32")
        if plan.schedule == "third":
            rate = ops.where(step < plan.steps // 3, rate, rate / 10)
        elif plan.schedule == "cosine":
            share = ops.clip((step - plan.warmup) / max(plan.steps - plan.warmup, 1), 0, 1)
            rate = rate * (0.01 + 0.99 * 0.5 * (1 + ops.cos(3.14159265 * share)))
        return rate * ops.minimum(1.0, (step + 1) / max(plan.warmup, 1))

    def get_config(self) -> dict:
        """Return what rebuilds the schedule."""
        return {"training": self.training}


class ResumableAdamW(keras.optimizers.AdamW):
    """AdamW that leaves the weights alone when `fit` ends; the running average is kept apart.

    Of several replicas it wants the means of the gradients (`learner.replicas_mean`), and takes
    them as they are. Keras's own clips the gradients of each replica, then adds them up.
    """

    def finalize_variable_values(self, var_list) -> None:
        """Do nothing: a run may go on, and validation asks for the average itself."""

    def _all_reduce_sum_gradients(self, grads_and_vars):
        return grads_and_vars


def create_optimizer(training: TrainingConfig) -> keras.optimizers.Optimizer:
    """Build Adam as the recipe wants it: decay, clipping, running average of the weights.

    In float16 it scales the loss, so that small gradients are not lost, and passes over steps whose
    gradients became infinite. Where the rate waits for a plateau it is a variable of the optimizer,
    for `PSNRPlateau` to cut.
    """
    optimizer = ResumableAdamW(
        training.learning_rate if training.schedule == "plateau" else WarmupSchedule(training),
        beta_1=training.beta_1,
        weight_decay=training.weight_decay,
        clipvalue=training.clip_value or None,
        global_clipnorm=training.clip_norm or None,
        use_ema=training.ema_momentum > 0,
        ema_momentum=training.ema_momentum or 0.99,
    )
    if training.precision == "mixed_float16":
        return keras.optimizers.LossScaleOptimizer(optimizer)
    return optimizer
