"""Where a picture is dark, where it glares, and where it is neither."""

import keras
from keras import KerasTensor, ops

DARK_BELOW, GLARE_ABOVE = 0.25, 0.75
"""Blurred luma below which a region is dark, and above which it glares."""

SIGMOID_STEEPNESS = 20.0
"""How fast one region goes over into the next: within about 0.1 of luma to either side."""


@keras.saving.register_keras_serializable("lowlight_tf")
class SoftLightRegions(keras.layers.Layer):
    """Tell dark and glaring regions by blurred luma.

    (B, H, W, 1) in [0, 1] -> (B, H, W, 1) twice: how dark and how glaring each place is, in [0, 1].
    What is left to 1 is how normal it is; it is never below 0.
    """

    def call(self, inputs: KerasTensor) -> list[KerasTensor]:
        """Look at one batch."""
        return list(soft_light_regions(inputs))

    def compute_output_shape(self, shape: tuple[int | None, ...]) -> list[tuple[int | None, ...]]:
        """Return the shape, twice."""
        return [shape, shape]


def soft_light_regions(blurred: KerasTensor) -> tuple[KerasTensor, KerasTensor]:
    """Return how dark and how glaring each place of a blurred luma is; see `LightRegions`."""
    return ops.sigmoid(SIGMOID_STEEPNESS * (DARK_BELOW - blurred)), ops.sigmoid(
        SIGMOID_STEEPNESS * (blurred - GLARE_ABOVE)
    )


@keras.saving.register_keras_serializable("lowlight_tf")
class LearnedBlend(keras.layers.Layer):
    """Mix two cameras' features, (B, H, W, C) each, by a learned share for each feature map.

    Called on [visible, infrared]; the shares of the first begin at a half and stay in (0, 1).
    """

    def build(self, shapes: list[tuple[int | None, ...]]) -> None:
        """Make the shares."""
        self.share = self.add_weight(name="share", shape=(shapes[0][-1],), initializer="zeros")

    def call(self, inputs: list[KerasTensor]) -> KerasTensor:
        """Mix one batch."""
        visible, infrared = inputs
        return infrared + ops.sigmoid(self.share) * (visible - infrared)

    def compute_output_shape(self, shapes: list[tuple[int | None, ...]]) -> tuple[int | None, ...]:
        """Return the shape of either."""
        return shapes[0]


@keras.saving.register_keras_serializable("lowlight_tf")
class Smooth(keras.layers.Layer):
    """Average over 3 x 3 pixels; at the border over those that are there."""

    def call(self, inputs: KerasTensor) -> KerasTensor:
        """Average one batch."""
        return ops.average_pool(inputs, 3, 1, "same")


@keras.saving.register_keras_serializable("lowlight_tf")
class CrossAttention(keras.layers.Layer):
    """Let every place of a picture look at what was found anywhere.

    Called on [queries (B, H, W, D), keys (B, h, w, D), values (B, h, w, C)], gives (B, H, W, C):
    at each place the mean of all values, weighed by the softmax of query x key / sqrt(D).

    Reference:
        Vaswani et al., "Attention Is All You Need", NeurIPS 2017. Differences: one head.
    """

    def call(self, inputs: list[KerasTensor]) -> KerasTensor:
        """Look around in one batch."""
        queries, keys, values = inputs
        batch, height, width, depth = ops.shape(queries)
        channels = values.shape[-1]
        asked = ops.reshape(queries, (batch, height * width, depth))
        known = ops.reshape(keys, (batch, -1, depth))
        scores = ops.matmul(asked, ops.transpose(known, (0, 2, 1))) * depth**-0.5
        found = ops.matmul(ops.softmax(scores), ops.reshape(values, (batch, -1, channels)))
        return ops.reshape(found, (batch, height, width, channels))

    def compute_output_shape(self, shapes: list[tuple[int | None, ...]]) -> tuple[int | None, ...]:
        """Return the shape of the queries with the channels of the values."""
        return (*shapes[0][:3], shapes[2][-1])
