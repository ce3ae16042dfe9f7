"""Steps per epoch, the learning rate over the steps, and the optimizer that follows it."""

import dataclasses

import keras
from keras import ops

from lowlight_tf.config import Recipe
from lowlight_tf.training_config import TrainingConfig


def steps_per_epoch(recipe: Recipe, num_pairs: int) -> int:
    """Return how many full batches one pass over the training pairs has, at least 1."""
    return max(num_pairs // recipe.pipeline.batch_size, 1)


def resolve_epochs(recipe: Recipe, num_pairs: int) -> Recipe:
    """Return the recipe with its length in steps, converted from epochs where it gives those.

    Args:
        recipe: Its `training.epochs`, `training.validate_every` and `pipeline.batch_size` are read.
        num_pairs: Number of training pairs.
    """
    training, epoch = recipe.training, steps_per_epoch(recipe, num_pairs)
    if not training.epochs:
        return recipe
    in_steps = dataclasses.replace(
        training,
        steps=training.epochs * epoch,
        validate_every=training.validate_every or epoch,
    )
    return dataclasses.replace(recipe, training=in_steps)


@keras.saving.register_keras_serializable("lowlight_tf")
class WarmupSchedule(keras.optimizers.schedules.LearningRateSchedule):
    """Linear warm-up, then constant, one step to a tenth, or half a cosine to a hundredth.

    The step comes after a third of the steps.

    Args:
        training: Its `learning_rate`, `schedule`, `warmup` and `steps` are read.
    """

    def __init__(self, training: TrainingConfig) -> None:
        self.training = training

    def __call__(self, step):
        """Return the learning rate of a step, counted from 0."""
        training = self.training
        step = ops.cast(step, "float32")
        rate = ops.convert_to_tensor(training.learning_rate, "float32")
        if training.schedule == "step":
            rate = ops.where(step < training.steps // 3, rate, rate / 10)
        elif training.schedule == "cosine":
            decay_steps = max(training.steps - training.warmup, 1)
            fraction = ops.clip((step - training.warmup) / decay_steps, 0, 1)
            rate = rate * (0.01 + 0.99 * 0.5 * (1 + ops.cos(3.14159265 * fraction)))
        return rate * ops.minimum(1.0, (step + 1) / max(training.warmup, 1))

    def get_config(self) -> dict:
        """Return the arguments that rebuild the schedule."""
        return {"training": self.training}


class ResumableAdamW(keras.optimizers.AdamW):
    """AdamW that does not overwrite the weights with their running average when `fit` ends.

    With several replicas it expects gradients that are averaged over them already
    (`learner.replicas_mean`). Keras's own clips the gradients of each replica, then adds them up.
    """

    def finalize_variable_values(self, var_list) -> None:
        """Do nothing: a run may be resumed, and validation reads the average itself."""

    def _all_reduce_sum_gradients(self, grads_and_vars):
        return grads_and_vars


def create_optimizer(training: TrainingConfig) -> keras.optimizers.Optimizer:
    """Build AdamW with the recipe's decay, clipping, and running average of the weights.

    In float16 it scales the loss, so that small gradients do not vanish, and skips steps whose
    gradients overflowed. Under the schedule "plateau" the learning rate is a variable of the
    optimizer, which `ReduceLROnPlateau` sets.
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
