"""Magnitude pruning: the smallest weights become zero, the others learn to do without them.

A processor runs such a file no faster; it packs smaller, for a download or an update over the air.
"""

from collections.abc import Iterable

import keras
import tf_keras

from lowlight_tf.checks import UsageError
from lowlight_tf.export.tfmot.tf_keras_clone import (
    Batch,
    LossFn,
    clone_to_tf_keras,
    fine_tune,
    frozen_layers,
    import_tfmot,
)

SPARSITY_UPDATES = 20
"""How often the share of zeros grows, in the first half of the steps."""


def prune_model(
    model: keras.Model,
    batches: Iterable[Batch],
    loss_fn: LossFn,
    *,
    sparsity: float,
    steps: int,
    learning_rate: float,
) -> keras.Model:
    """Return a copy of a net with so many of the weights of each convolution that learns zero.

    Args:
        model: A functional model, folded, on the TensorFlow backend.
        batches: As `fine_tune` takes them.
        loss_fn: The same.
        sparsity: Share of the weights of each kernel that become zero, in (0, 1).
        steps: How many batches to learn from; the zeros come in the first half.
        learning_rate: At the first step.

    Raises:
        UsageError: If the net has a layer that cannot be rebuilt, or the share is none.

    Reference:
        Zhu and Gupta, "To prune, or not to prune", 2017: the share grows as a cubic of the step.
    """
    if not 0 < sparsity < 1:
        raise UsageError(f"`sparsity` must be a share between 0 and 1. Received: {sparsity}.")
    tools = import_tfmot().sparsity.keras
    last = max(steps // 2, 1)
    schedule = tools.PolynomialDecay(
        0.0, sparsity, begin_step=0, end_step=last, frequency=max(last // SPARSITY_UPDATES, 1)
    )

    fixed = frozen_layers(model)

    def pruned(operation: keras.Operation, layer: tf_keras.layers.Layer) -> tf_keras.layers.Layer:
        if isinstance(operation, keras.layers.Conv2D) and operation.name not in fixed:
            return tools.prune_low_magnitude(layer, schedule)
        return layer

    shadow = clone_to_tf_keras(model, pruned)
    fine_tune(
        shadow,
        batches,
        loss_fn,
        steps=steps,
        learning_rate=learning_rate,
        callback=tools.UpdatePruningStep(),
    )
    copy = keras.models.clone_model(model)
    shadow.copy_weights_to(copy)
    return copy
