"""Kernel initializers."""

import keras
from keras import KerasTensor, ops


@keras.saving.register_keras_serializable("lowlight_tf")
class CenterIdentity(keras.initializers.Initializer):
    """A convolution kernel, (k, k, C, D), that copies input channel i to output channel i.

    Input channels beyond D are dropped; output channels beyond C are zero.
    """

    def __call__(self, shape: tuple[int, ...], dtype: str | None = None) -> KerasTensor:
        """Return the kernel."""
        rows, columns, *channels = shape
        center = ops.eye(*channels, dtype=dtype)[None, None]
        padding = [[rows // 2, rows - rows // 2 - 1], [columns // 2, columns - columns // 2 - 1]]
        return ops.pad(center, [*padding, [0, 0], [0, 0]])
