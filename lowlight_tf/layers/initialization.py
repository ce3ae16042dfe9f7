"""Kernel initializers."""

import keras
import numpy as np
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


@keras.saving.register_keras_serializable("lowlight_tf")
class ChromaPixels(keras.initializers.Initializer):
    """A kernel, (1, 1, 16, 8), from the luma of a block of pixels to each value of its chroma.

    Luma is folded from blocks of 4 x 4 pixels, Cb and Cr from 2 x 2: see `layers.resample`.

    Args:
        weight: Of the four pixels that a value belongs to; all others have 0.
    """

    def __init__(self, weight: float) -> None:
        self.weight = weight

    def __call__(self, shape: tuple[int, ...], dtype: str | None = None) -> KerasTensor:
        """Return the kernel."""
        kernel = np.zeros((2, 2, 2, 2, 2, 2, 2), np.float32)  # rows, columns; chroma; Cb and Cr
        for row in range(2):
            for column in range(2):
                kernel[row, :, column, :, row, column] = self.weight
        return ops.convert_to_tensor(kernel.reshape(shape), dtype)

    def get_config(self) -> dict:
        """Return what rebuilds the initializer."""
        return {"weight": self.weight}
