"""An initializer of convolutions over folded pixels: the discrete cosine transform."""

import keras
import numpy as np


@keras.saving.register_keras_serializable("lowlight_tf")
class DCTInitializer(keras.initializers.Initializer):
    """The discrete cosine transform (DCT-II) of the luma of a block, as a 1x1 kernel.

    For a 1x1 convolution after `SpaceToDepth(size)` of an RGB image: (1, 1, 3 size^2, size^2 - 1),
    orthonormal, without the constant filter (DC). Luma is the mean of red, green and blue.
    """

    def __call__(self, shape: tuple[int, ...], dtype: str | None = None) -> np.ndarray:
        """Return the kernel.

        Raises:
            ValueError: If the shape is not that of such a kernel.
        """
        size = round((shape[-1] + 1) ** 0.5)
        if shape != (1, 1, 3 * size**2, size**2 - 1):
            raise ValueError(f"`shape` must be (1, 1, 3 n^2, n^2 - 1). Received: {shape}.")
        index = np.arange(size)
        basis = np.cos(np.pi * (index[None] + 0.5) * index[:, None] / size) * (2 / size) ** 0.5
        basis[0] /= 2**0.5
        filters = np.einsum("ai,bj->ijab", basis, basis).reshape(size**2, 1, size**2)[..., 1:]
        kernel = np.repeat(filters / 3, 3, axis=1).reshape(shape)
        return keras.ops.convert_to_tensor(kernel, dtype=dtype)
