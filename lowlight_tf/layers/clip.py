"""Clipping to [0, 1]."""

import keras
from keras import KerasTensor, ops


@keras.saving.register_keras_serializable("lowlight_tf")
class UnitClip(keras.layers.Layer):
    """Clip to [0, maximum], by default with a straight-through gradient in training. Any shape.

    The gradient of a plain clip is 0 where a value is outside [0, 1], so that a pixel that is once
    too bright stays too bright. Passing the gradient is right for an output, which is compared with
    a target; a clip inside a model needs the true gradient, or the values before it diverge.

    On a device the layer costs almost nothing: its ReLU is fused into the operation before it, and
    with 8 bits the minimum is what the scale of that operation's output does already.

    Args:
        straight_through: In training, pass the gradient as if nothing were clipped.
        maximum: Upper limit.

    Reference:
        Bengio et al., "Estimating or Propagating Gradients Through Stochastic Neurons for
        Conditional Computation", 2013 (the straight-through estimator).
    """

    def __init__(self, *, straight_through: bool = True, maximum: float = 1.0, **options) -> None:
        super().__init__(**options)
        self.straight_through, self.maximum = straight_through, maximum

    def call(self, inputs: KerasTensor, training: bool = False) -> KerasTensor:
        """Clip one batch."""
        clipped = ops.minimum(
            ops.relu(inputs), self.maximum
        )  # `ops.clip` is two operations on a device
        if not training or not self.straight_through:
            return clipped
        return inputs + ops.stop_gradient(clipped - inputs)

    def compute_output_shape(self, shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return the same shape."""
        return shape

    def get_config(self) -> dict:
        """Return the configuration that rebuilds the layer."""
        names = "straight_through", "maximum"
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}
