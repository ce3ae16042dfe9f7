"""Filters that are known before anything is learned: the cosines of blocks of pixels."""

import keras
import numpy as np


@keras.saving.register_keras_serializable("lowlight_tf")
class DCTInitializer(keras.initializers.Initializer):
    """The discrete cosine transform (DCT-II) of a block's luma, as a kernel over folded pixels.

    For a 1 x 1 convolution after `SpaceToDepth(size)` of a picture in color: (1, 1, 3 size^2,
    size^2 - 1), orthonormal, without the one that gives the mean. Luma is the mean of red, green
    and blue.
    """

    def __call__(self, shape: tuple[int, ...], dtype: str | None = None) -> np.ndarray:
        """Return the kernel.

        Raises:
            ValueError: If the shape is not that of such a kernel.
        """
        size = round((shape[-1] + 1) ** 0.5)
        if shape != (1, 1, 3 * size**2, size**2 - 1):
            raise ValueError(f"`shape` must be (1, 1, 3 n^2, n^2 - 1). Received: {shape}.")
        place = np.arange(size)
        waves = np.cos(np.pi * (place[None] + 0.5) * place[:, None] / size) * (2 / size) ** 0.5
        waves[0] /= 2**0.5
        filters = np.einsum("ai,bj->ijab", waves, waves).reshape(size**2, 1, size**2)[..., 1:]
        kernel = np.repeat(filters / 3, 3, axis=1).reshape(shape)
        return keras.ops.convert_to_tensor(kernel, dtype=dtype)
