"""Constraints and initializers of user controls: results that are monotone by construction."""

import keras
import numpy as np
from keras import KerasTensor, ops


@keras.saving.register_keras_serializable("lowlight_tf")
class SignConstraint(keras.constraints.Constraint):
    """Keep some rows of a 1 x 1 kernel, (1, 1, in, out), at least 0, or at 0.

    Args:
        at_least_0: Indices of input channels whose weights stay at least 0.
        zero: The same for exactly 0.
    """

    def __init__(self, *, at_least_0: tuple[int, ...] = (), zero: tuple[int, ...] = ()) -> None:
        self.at_least_0, self.zero = at_least_0, zero

    def __call__(self, w: KerasTensor) -> KerasTensor:
        """Return the nearest kernel with those signs."""
        low = np.full((1, 1, w.shape[2], 1), -np.inf, np.float32)
        high = -low
        low[:, :, [*self.at_least_0, *self.zero]] = 0
        high[:, :, list(self.zero)] = 0
        return ops.minimum(ops.maximum(w, low), high)

    def get_config(self) -> dict:
        """Return what rebuilds the constraint."""
        return {"at_least_0": list(self.at_least_0), "zero": list(self.zero)}


@keras.saving.register_keras_serializable("lowlight_tf")
class BrightnessConstraint(keras.constraints.Constraint):
    """Keep the last two rows of a 1 x 1 kernel, (1, 1, in, out), those of a brightness control.

    They reach output channel 0 only: to brighten with a weight of at least 0, to darken with one of
    at most 0.
    """

    def __call__(self, w: KerasTensor) -> KerasTensor:
        """Return the nearest such kernel."""
        high = np.full(w.shape, np.inf, np.float32)
        high[:, :, -2:] = 0
        low = -high
        high[:, :, -2, 0], low[:, :, -1, 0] = np.inf, -np.inf
        return ops.minimum(ops.maximum(w, low), high)


@keras.saving.register_keras_serializable("lowlight_tf")
class BrightnessStart(keras.initializers.Initializer):
    """Kernel, (1, 1, in, out), of zeros but for the brightness control: 1 and -1."""

    def __call__(self, shape: tuple[int, ...], dtype: str | None = None) -> KerasTensor:
        """Return the kernel."""
        kernel = np.zeros(shape, np.float32)
        kernel[:, :, -2:, 0] = 1, -1
        return ops.convert_to_tensor(kernel, dtype)


def apply_constraints(model: keras.Model) -> None:
    """Constrain the weights of a new model: Keras does after each step, averages start before."""
    for weight in model.trainable_variables:
        if weight.constraint:
            weight.assign(weight.constraint(weight))
