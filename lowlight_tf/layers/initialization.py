"""What kernels begin as."""

import keras
from keras import KerasTensor, ops


@keras.saving.register_keras_serializable("lowlight_tf")
class CenterIdentity(keras.initializers.Initializer):
    """A kernel that passes map i of its input on as map i of its output, (k, k, C, D).

    Maps that the other side lacks are left out, or empty.
    """

    def __call__(self, shape: tuple[int, ...], dtype: str | None = None) -> KerasTensor:
        """Return the kernel."""
        rows, columns, *maps = shape
        center = ops.eye(*maps, dtype=dtype)[None, None]
        around = [[rows // 2, rows - rows // 2 - 1], [columns // 2, columns - columns // 2 - 1]]
        return ops.pad(center, [*around, [0, 0], [0, 0]])
