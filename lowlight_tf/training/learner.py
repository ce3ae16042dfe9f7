"""A net and what it is judged by; `fit` is Keras's own."""

from collections.abc import Sequence

import keras
from keras import KerasTensor, ops

from lowlight_tf.losses import fidelity
from lowlight_tf.training.composite_loss import CompositeLoss


class Learner(keras.Model):
    """Train `net` on an objective, logging every loss and, with a target, the batch's PSNR.

    Args:
        net: From {port: (B, H, W, C)} to {port: (B, H, W, C)}.
        objective: What is made small. It is asked with the ports, the outputs and, where there is
            one, the target.
        teacher: A net with the same ports, which does not learn; the objective is asked with what
            it makes of the batch too, as "teacher_output".
    """

    def __init__(
        self, net: keras.Model, objective: CompositeLoss, *, teacher: keras.Model | None = None
    ) -> None:
        super().__init__()
        self.net = net
        self.objective = objective
        # Inside a function Keras does not see it: its weights are no part of the checkpoints.
        self._teach = (lambda inputs: teacher(inputs, training=False)) if teacher else None
        watched = ("psnr_batch",) if "target" in objective.takes else ()
        self.trackers = {
            name: keras.metrics.Mean(name=name) for name in (*objective.weights, *watched)
        }

    @property
    def checkpoint_variables(self) -> dict[str, list]:
        """What a checkpoint holds: variables, in an order that stays, by kind."""
        return {"net": self.net.weights, "optimizer": self.optimizer.variables}

    def call(self, inputs: dict[str, KerasTensor], training: bool = False) -> dict:
        """Run the net."""
        return self.net(inputs, training=training)

    def compute_loss(
        self, x=None, y=None, y_pred=None, sample_weight=None, training=True
    ) -> KerasTensor:
        """Judge one batch."""
        images = {**x, **(y or {}), **y_pred}
        if self._teach:
            (taught,) = self._teach(x).values()
            images["teacher_output"] = ops.clip(ops.stop_gradient(taught), 0, 1)
        losses = self.objective(images)
        for name, value in losses.items():
            self.trackers[name].update_state(value)
        if "psnr_batch" in self.trackers:
            # PSNR (dB) of the batch's crops, not of whole pictures: for watching, not reporting.
            enhanced = ops.clip(ops.cast(y_pred["enhanced"], "float32"), 0, 1)
            quality = -fidelity.psnr(y["target"], ops.stop_gradient(enhanced))
            self.trackers["psnr_batch"].update_state(ops.mean(quality))
        return self.objective.total(losses)


def replicas_mean(tensors: Sequence) -> list:
    """Return the means over all replicas of TensorFlow's strategy, of tensors that each has.

    None stays None: the gradient of a weight that is not used.
    """
    import tensorflow as tf

    known = [tensor for tensor in tensors if tensor is not None]
    replica = tf.distribute.get_replica_context()
    means = iter(replica.all_reduce(tf.distribute.ReduceOp.MEAN, known))
    return [None if tensor is None else next(means) for tensor in tensors]
