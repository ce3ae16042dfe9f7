"""Values kept between black and white."""

import keras
from keras import KerasTensor, ops


@keras.saving.register_keras_serializable("lowlight_tf")
class UnitClip(keras.layers.Layer):
    """Clip to [0, 1]; in training the gradient passes as if nothing were clipped.

    A plain clip has no gradient where a pixel is beyond the ends, and what is once too bright stays
    so. Passing it is right for a result, which is compared with a target; what goes on into a net
    wants the true gradient (`strict`), or it runs away.

    On the device it is next to free: half of it becomes part of the operation before it, and in
    eight bits the other half is what the scale of that operation's result does already.
    """

    def __init__(self, *, strict: bool = False, **options) -> None:
        super().__init__(**options)
        self.strict = strict

    def call(self, inputs: KerasTensor, training: bool = False) -> KerasTensor:
        """Clip one batch."""
        clipped = ops.minimum(ops.relu(inputs), 1.0)  # `ops.clip` is two operations on a device
        if not training or self.strict:
            return clipped
        return inputs + ops.stop_gradient(clipped - inputs)

    def compute_output_shape(self, shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return the same shape."""
        return shape

    def get_config(self) -> dict:
        """Return what rebuilds the layer."""
        return {**super().get_config(), "strict": self.strict}
