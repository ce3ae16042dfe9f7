"""Magnitude pruning: the smallest weights are set to zero and the others trained to compensate.

Runtimes execute such a file no faster. It compresses better, for a download or an update over the
air.
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
"""Number of times that the sparsity is raised, in the first half of the steps."""


def prune_model(
    model: keras.Model,
    batches: Iterable[Batch],
    loss_fn: LossFn,
    *,
    sparsity: float,
    steps: int,
    learning_rate: float,
) -> keras.Model:
    """Return a copy of a model with part of the weights of each trainable convolution at zero.

    Args:
        model: A functional model, reparameterized, on the TensorFlow backend.
        batches: See `fine_tune`.
        loss_fn: See `fine_tune`.
        sparsity: Fraction of the weights of each kernel that become zero, in (0, 1).
        steps: Number of batches to train on; the zeros are set in the first half.
        learning_rate: Initial learning rate.

    Raises:
        UsageError: If the model has a layer that cannot be cloned, or the sparsity is invalid.

    Reference:
        Zhu and Gupta, "To prune, or not to prune", 2017: the sparsity is a cubic function of the
        step.
    """
    if not 0 < sparsity < 1:
        raise UsageError(f"`sparsity` must be a fraction between 0 and 1. Received: {sparsity}.")
    tfmot_sparsity = import_tfmot().sparsity.keras
    end_step = max(steps // 2, 1)
    schedule = tfmot_sparsity.PolynomialDecay(
        0.0,
        sparsity,
        begin_step=0,
        end_step=end_step,
        frequency=max(end_step // SPARSITY_UPDATES, 1),
    )
    frozen = frozen_layers(model)

    def wrap(operation: keras.Operation, layer: tf_keras.layers.Layer) -> tf_keras.layers.Layer:
        if isinstance(operation, keras.layers.Conv2D) and operation.name not in frozen:
            return tfmot_sparsity.prune_low_magnitude(layer, schedule)
        return layer

    clone = clone_to_tf_keras(model, wrap)
    fine_tune(
        clone,
        batches,
        loss_fn,
        steps=steps,
        learning_rate=learning_rate,
        callback=tfmot_sparsity.UpdatePruningStep(),
    )
    copy = keras.models.clone_model(model)
    clone.copy_weights_to(copy)
    return copy
