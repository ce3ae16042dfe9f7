"""Constraints and initializers of user controls: results that are monotone by construction."""

import keras
import numpy as np
from keras import KerasTensor, ops


@keras.saving.register_keras_serializable("lowlight_tf")
class SignConstraint(keras.constraints.Constraint):
    """Keep some rows of a 1 x 1 kernel, (1, 1, in, out), at least 0, at most 0, or at 0.

    Args:
        at_least_0: Indices of input channels whose weights stay at least 0.
        at_most_0: The same for at most 0.
        zero: The same for exactly 0.
    """

    def __init__(
        self,
        *,
        at_least_0: tuple[int, ...] = (),
        at_most_0: tuple[int, ...] = (),
        zero: tuple[int, ...] = (),
    ) -> None:
        self.at_least_0, self.at_most_0, self.zero = at_least_0, at_most_0, zero

    def __call__(self, w: KerasTensor) -> KerasTensor:
        """Return the nearest kernel with those signs."""
        low = np.full((1, 1, w.shape[2], 1), -np.inf, np.float32)
        high = -low
        low[:, :, [*self.at_least_0, *self.zero]] = 0
        high[:, :, [*self.at_most_0, *self.zero]] = 0
        return ops.minimum(ops.maximum(w, low), high)

    def get_config(self) -> dict:
        """Return what rebuilds the constraint."""
        names = ("at_least_0", "at_most_0", "zero")
        return {name: list(getattr(self, name)) for name in names}


@keras.saving.register_keras_serializable("lowlight_tf")
class BrightnessStart(keras.initializers.Initializer):
    """Kernel (1, 1, 2, 1) of (1, -1): brighten less darken."""

    def __call__(self, shape: tuple[int, ...], dtype: str | None = None) -> KerasTensor:
        """Return the kernel."""
        return ops.convert_to_tensor(np.float32([1, -1]).reshape(shape), dtype)

    def get_config(self) -> dict:
        """Return what rebuilds the initializer."""
        return {}


@keras.saving.register_keras_serializable("lowlight_tf")
class FirstChannel(keras.initializers.Initializer):
    """Kernel (1, 1, 1, C) that writes its input to channel 0."""

    def __call__(self, shape: tuple[int, ...], dtype: str | None = None) -> KerasTensor:
        """Return the kernel."""
        return ops.convert_to_tensor(np.eye(1, shape[-1], dtype=np.float32)[None, None], dtype)

    def get_config(self) -> dict:
        """Return what rebuilds the initializer."""
        return {}
