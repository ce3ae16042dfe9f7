"""Conversion between RGB and the planes of 4:2:0 video, BT.709, for training."""

import keras
import numpy as np
from keras import KerasTensor, ops

from lowlight_tf.layers.resample import enlarge_linearly

RED, BLUE = 0.2126, 0.0722
"""Weights of BT.709 in the luma."""

LUMA_LEVELS, CHROMA_LEVELS = 219, 224
"""Number of steps from black to white, and of chroma, in 8 bits of limited range."""

GRAY = 112 / LUMA_LEVELS
"""Chroma of gray: the byte 128, where 16 is 0 and 235 is 1 as in luma."""

CHROMA_SCALE = CHROMA_LEVELS / LUMA_LEVELS
"""Range of chroma."""

TO_RGB = np.array(
    [
        [0, 2 * (1 - RED)],
        [
            -2 * BLUE * (1 - BLUE) / (1 - RED - BLUE),
            -2 * RED * (1 - RED) / (1 - RED - BLUE),
        ],
        [2 * (1 - BLUE), 0],
    ],
    np.float32,
)
"""Red, green and blue less luma, of (Cb, Cr)."""


@keras.saving.register_keras_serializable("lowlight_tf")
class RgbToPlanes(keras.layers.Layer):
    """Convert RGB to the luma and the halved chroma that a video of 8 bits would hold.

    (B, H, W, 3) sRGB in [0, 1] -> [(B, H, W, 1), (B, ceil(H / 2), ceil(W / 2), 2)]: Y, and Cb and
    Cr around `GRAY`, all rounded to the bytes of limited range, of which 16 is 0 and 235 is 1.

    Args:
        halved: Halve the chroma; else it has the size of the image.

    Reference:
        ITU-T H.273 (2021), section 8.3, equations 38 to 52, as `imaging.yuv`. Differences: none.
    """

    def __init__(self, *, halved: bool = True, **options) -> None:
        super().__init__(**options)
        self.halved = halved

    def call(self, inputs: KerasTensor) -> list[KerasTensor]:
        """Convert one batch."""
        luma = ops.sum(inputs * np.float32([RED, 1 - RED - BLUE, BLUE]), -1, keepdims=True)
        difference = inputs[..., 2::-2] - luma  # of blue and red
        chroma = difference / np.float32([2 * (1 - BLUE), 2 * (1 - RED)])
        if self.halved:
            chroma = ops.average_pool(chroma, 2, 2, "same")
        planes = luma, chroma * CHROMA_SCALE + GRAY
        return [ops.round(plane * LUMA_LEVELS) / LUMA_LEVELS for plane in planes]

    def compute_output_shape(self, shape: tuple[int | None, ...]) -> list[tuple[int | None, ...]]:
        """Return the shapes of luma and chroma."""
        step = 2 if self.halved else 1
        sides = (None if side is None else -(-side // step) for side in shape[1:3])
        return [(*shape[:3], 1), (shape[0], *sides, 2)]

    def get_config(self) -> dict:
        """Return the configuration that rebuilds the layer."""
        return {**super().get_config(), "halved": self.halved}


@keras.saving.register_keras_serializable("lowlight_tf")
class PlanesToRgb(keras.layers.Layer):
    """Convert luma and halved chroma to RGB, which is not clipped; the inverse of `RgbToPlanes`.

    [(B, H, W, 1), (B, ceil(H / 2), ceil(W / 2), 2)] -> (B, H, W, 3), with linearly interpolated
    chroma, as `imaging.yuv` does.
    """

    def call(self, inputs: list[KerasTensor]) -> KerasTensor:
        """Convert one batch."""
        luma, chroma = inputs
        _, height, width, _ = ops.shape(luma)
        chroma = enlarge_linearly(chroma - GRAY)[:, :height, :width]
        return luma + ops.matmul(chroma, TO_RGB.T / CHROMA_SCALE)

    def compute_output_shape(self, shapes: list) -> tuple[int | None, ...]:
        """Return the shape of the image."""
        return (*shapes[0][:3], 3)
