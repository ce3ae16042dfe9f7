"""Layers for fusion by illumination: soft light regions, learned blending, cross-attention."""

import keras
from keras import KerasTensor, ops

from lowlight_tf.constants import (
    DARK_BELOW,
    DAY_ABOVE,
    DAY_GLARE_SHIFT,
    DAY_STEEPNESS,
    GLARE_ABOVE,
)

SIGMOID_STEEPNESS = 20.0
"""Slope of the masks: the transition between regions is about 0.1 of luma wide on either side."""


@keras.saving.register_keras_serializable("lowlight_tf")
class SoftLightRegions(keras.layers.Layer):
    """Soft masks of dark and glare regions from blurred luma.

    Called on [(B, H, W, 1) in [0, 1], `day_weight`], returns two masks (B, H, W, 1) in [0, 1]:
    dark, glare. Their sum is at most 1; the rest is the mask of normal light. Called on luma alone,
    as in models of version 0.1.0, it is night.
    """

    def call(self, inputs: KerasTensor | list[KerasTensor]) -> list[KerasTensor]:
        """Compute the masks of one batch."""
        blurred, day = inputs if isinstance(inputs, list) else (inputs, None)
        return list(soft_light_regions(blurred, day))

    def compute_output_shape(
        self, shape: tuple[int | None, ...] | list[tuple[int | None, ...]]
    ) -> list[tuple[int | None, ...]]:
        """Return the shape of the luma, twice."""
        return 2 * [shape[0] if isinstance(shape, list) else shape]


def soft_light_regions(
    blurred: KerasTensor, day: KerasTensor | None
) -> tuple[KerasTensor, KerasTensor]:
    """Return the soft masks of dark and glare regions of blurred luma; see `SoftLightRegions`."""
    dark = ops.sigmoid(SIGMOID_STEEPNESS * (DARK_BELOW - blurred))
    if day is None:
        return dark, ops.sigmoid(SIGMOID_STEEPNESS * (blurred - GLARE_ABOVE))
    # The smaller operand comes first, see `models._dashcam_trunk`.
    above = ops.add(-GLARE_ABOVE - DAY_GLARE_SHIFT * day, blurred)
    return dark, ops.sigmoid(SIGMOID_STEEPNESS * above)


def day_weight(frame: KerasTensor) -> KerasTensor:
    """Return how much it is day in full frames of luma, (B, H, W, 1) -> (B, 1, 1, 1) in (0, 1).

    It depends on the mean luma alone: by night most of a frame is dark, whatever lamps it shows.
    """
    mean = ops.mean(frame, axis=(1, 2), keepdims=True)
    return ops.sigmoid(DAY_STEEPNESS * (mean - DAY_ABOVE))


@keras.saving.register_keras_serializable("lowlight_tf")
class LearnedBlend(keras.layers.Layer):
    """Blend the features of two cameras, (B, H, W, C) each, by one learned weight per channel.

    Called on [visible, infrared]. The weights of the visible camera are sigmoids, 0.5 at first.
    """

    def build(self, shapes: list[tuple[int | None, ...]]) -> None:
        """Create the logits of the weights."""
        self.logits = self.add_weight(name="logits", shape=(shapes[0][-1],), initializer="zeros")

    def call(self, inputs: list[KerasTensor]) -> KerasTensor:
        """Blend one batch."""
        visible, infrared = inputs
        return infrared + ops.sigmoid(self.logits) * (visible - infrared)

    def compute_output_shape(self, shapes: list[tuple[int | None, ...]]) -> tuple[int | None, ...]:
        """Return the shape of the features of one camera."""
        return shapes[0]


@keras.saving.register_keras_serializable("lowlight_tf")
class CrossAttention(keras.layers.Layer):
    """Attention of one image over the tokens of another, with one head.

    Called on [queries (B, H, W, D), keys (B, h, w, D), values (B, h, w, C)], returns (B, H, W, C):
    at each pixel the mean of all values, weighed by softmax(query x key / sqrt(D)).

    Reference:
        Vaswani et al., "Attention Is All You Need", NeurIPS 2017. Differences: one head.
    """

    def call(self, inputs: list[KerasTensor]) -> KerasTensor:
        """Attend in one batch."""
        queries, keys, values = inputs
        batch, height, width, depth = ops.shape(queries)
        channels = values.shape[-1]
        queries = ops.reshape(queries, (batch, height * width, depth))
        keys = ops.reshape(keys, (batch, -1, depth))
        scores = ops.matmul(queries, ops.transpose(keys, (0, 2, 1))) * depth**-0.5
        attended = ops.matmul(ops.softmax(scores), ops.reshape(values, (batch, -1, channels)))
        return ops.reshape(attended, (batch, height, width, channels))

    def compute_output_shape(self, shapes: list[tuple[int | None, ...]]) -> tuple[int | None, ...]:
        """Return the shape of the queries with the channels of the values."""
        return (*shapes[0][:3], shapes[2][-1])
