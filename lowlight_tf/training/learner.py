"""A net and what it is judged by; `fit` is Keras's own."""

import keras
from keras import KerasTensor, ops

from lowlight_tf.losses import fidelity
from lowlight_tf.training.objective import Objective


class Learner(keras.Model):
    """Train `net` on an objective, logging every loss and the PSNR of the batch.

    Args:
        net: From {port: (B, H, W, C)} to {port: (B, H, W, C)}.
        objective: What is made small. It is asked with the ports, the outputs and the target.
    """

    def __init__(self, net: keras.Model, objective: Objective) -> None:
        super().__init__()
        self.net = net
        self.objective = objective
        self.trackers = {
            name: keras.metrics.Mean(name=name) for name in (*objective.weights, "psnr_batch")
        }

    def call(self, inputs: dict[str, KerasTensor], training: bool = False) -> dict:
        """Run the net."""
        return self.net(inputs, training=training)

    def compute_loss(
        self, x=None, y=None, y_pred=None, sample_weight=None, training=True
    ) -> KerasTensor:
        """Judge one batch."""
        losses = self.objective({**x, **y, **y_pred})
        for name, value in losses.items():
            self.trackers[name].update_state(value)
        # PSNR (dB) of the batch's crops, not of whole pictures: for watching, not for reporting.
        (enhanced,) = y_pred.values()
        enhanced = ops.clip(ops.cast(enhanced, "float32"), 0, 1)
        quality = -fidelity.psnr(y["target"], ops.stop_gradient(enhanced))
        self.trackers["psnr_batch"].update_state(ops.mean(quality))
        return self.objective.total(losses)
