"""Fusion of the features of two cameras."""

import keras
from keras import KerasTensor, ops

STRATEGIES = ("sum", "average", "l1_norm", "attention")
"""Fusion strategies of `FuseFeatures`."""

EPSILON = 1e-6
"""Added to both activity levels, so that inactive features of both cameras have equal weights."""


@keras.saving.register_keras_serializable("lowlight_tf")
class ReflectionPadding2D(keras.layers.Layer):
    """Pad each side by one reflected pixel: (B, H, W, C) -> (B, H + 2, W + 2, C)."""

    def call(self, inputs: KerasTensor) -> KerasTensor:
        """Pad one batch."""
        return ops.pad(inputs, [[0, 0], [1, 1], [1, 1], [0, 0]], mode="reflect")

    def compute_output_shape(self, shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return the shape with two more rows and columns."""
        return (shape[0], *(None if n is None else n + 2 for n in shape[1:3]), shape[3])


@keras.saving.register_keras_serializable("lowlight_tf")
class FuseFeatures(keras.layers.Layer):
    """Fuse the features of two cameras, (B, H, W, C) each, into one tensor of the same shape.

    Called on [visible, infrared], or for "attention" on [visible, infrared, visible logits,
    infrared logits], where the logits broadcast to the shape of the features.

    - "sum" and "average": of both, everywhere.
    - "l1_norm": each pixel is weighed by its activity level, the L1 norm over the channels averaged
      over 3x3 pixels; the weights of the two cameras sum to 1.
    - "attention": the weight of the visible camera is sigmoid(visible logits - infrared logits),
      the softmax over both.

    Args:
        strategy: One of `STRATEGIES`.

    Reference:
        Zhao et al., "DIDFuse: Deep Image Decomposition for Infrared and Visible Image Fusion",
        IJCAI 2020, section 3.4; "attention" is our own.

    Differences from the paper:
        A constant in the denominator of "l1_norm": the published code divides 0 by 0 in black
        regions.
    """

    def __init__(self, strategy: str = "average", **options) -> None:
        super().__init__(**options)
        self.strategy = strategy

    def call(self, inputs: list[KerasTensor]) -> KerasTensor:
        """Fuse one batch."""
        visible, infrared, *logits = inputs
        if self.strategy == "sum":
            return visible + infrared
        if self.strategy == "average":
            return 0.5 * (visible + infrared)
        if self.strategy == "l1_norm":
            activity_v, activity_i = _activity_level(visible), _activity_level(infrared)
            weight = (activity_v + EPSILON) / (activity_v + activity_i + 2 * EPSILON)
        else:
            weight = ops.sigmoid(logits[0] - logits[1])
        return infrared + weight * (visible - infrared)

    def compute_output_shape(self, shapes: list[tuple[int | None, ...]]) -> tuple[int | None, ...]:
        """Return the shape of the features of one camera."""
        return shapes[0]

    def get_config(self) -> dict:
        """Return the configuration that rebuilds the layer."""
        return {**super().get_config(), "strategy": self.strategy}


def _activity_level(features: KerasTensor) -> KerasTensor:
    """Return the L1 norm averaged over 3x3 pixels: (B, H, W, C) -> (B, H, W, 1)."""
    kernel = ops.full((3, 3, features.shape[-1], 1), 1 / 9, dtype=features.dtype)
    return ops.conv(ops.abs(features), kernel, padding="same")
