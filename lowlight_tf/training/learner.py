"""The model under training and its loss as one Keras model; `fit` is Keras's own."""

from collections.abc import Sequence

import keras
from keras import KerasTensor, ops

from lowlight_tf.losses import fidelity
from lowlight_tf.training.composite_loss import CompositeLoss


class Learner(keras.Model):
    """Train `model` on a loss, logging each of its terms and, with a target, the batch's PSNR.

    Args:
        model: From {port: (B, H, W, C)} to {port: (B, H, W, C)}.
        loss_fn: The loss to minimize. It is called with the inputs, the outputs and, where there is
            one, the target.
        teacher: A frozen model with the same ports, for distillation; the loss is called with its
            output too, as "teacher_output".
    """

    def __init__(
        self, model: keras.Model, loss_fn: CompositeLoss, *, teacher: keras.Model | None = None
    ) -> None:
        super().__init__()
        self.model = model
        self.loss_fn = loss_fn
        # Inside a function Keras does not track it: its weights are not saved in checkpoints.
        self._predict_teacher = (lambda x: teacher(x, training=False)) if teacher else None
        psnr = ("psnr_batch",) if "target" in loss_fn.inputs else ()
        self.trackers = {name: keras.metrics.Mean(name=name) for name in (*loss_fn.weights, *psnr)}

    @property
    def checkpoint_variables(self) -> dict[str, list]:
        """Group -> variables that a checkpoint holds, always in the same order."""
        return {"model": self.model.weights, "optimizer": self.optimizer.variables}

    def call(self, inputs: dict[str, KerasTensor], training: bool = False) -> dict:
        """Run the model."""
        return self.model(inputs, training=training)

    def compute_loss(
        self, x=None, y=None, y_pred=None, sample_weight=None, training=True
    ) -> KerasTensor:
        """Return the loss of one batch and update the logged means."""
        images = {**x, **(y or {}), **y_pred}
        if self._predict_teacher:
            (teacher_output,) = self._predict_teacher(x).values()
            images["teacher_output"] = ops.clip(ops.stop_gradient(teacher_output), 0, 1)
        losses = self.loss_fn(images)
        for name, value in losses.items():
            self.trackers[name].update_state(value)
        if "psnr_batch" in self.trackers:
            # PSNR (dB) of the batch's crops, not of full images: for monitoring, not reporting.
            enhanced = ops.clip(ops.cast(y_pred["enhanced"], "float32"), 0, 1)
            psnr = -fidelity.psnr(y["target"], ops.stop_gradient(enhanced))
            self.trackers["psnr_batch"].update_state(ops.mean(psnr))
        return self.loss_fn.total(losses)


def replicas_mean(tensors: Sequence) -> list:
    """Return the means of tensors over all replicas of TensorFlow's strategy.

    None stays None: it is the gradient of a weight that is not used.
    """
    import tensorflow as tf

    present = [tensor for tensor in tensors if tensor is not None]
    replica = tf.distribute.get_replica_context()
    means = iter(replica.all_reduce(tf.distribute.ReduceOp.MEAN, present))
    return [None if tensor is None else next(means) for tensor in tensors]
