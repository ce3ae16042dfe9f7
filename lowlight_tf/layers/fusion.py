"""How the features of two cameras become those of one picture, and what guides that."""

import keras
from keras import KerasTensor, ops

STRATEGIES = ("sum", "average", "l1_norm", "attention")
"""Ways in which `FuseFeatures` joins features."""

EPSILON = 1e-6
"""Added to activities, so that where nothing is active both cameras count alike."""


@keras.saving.register_keras_serializable("lowlight_tf")
class ReflectionPadding2D(keras.layers.Layer):
    """Show each side of a picture one pixel of its mirror: (B, H, W, C) -> (B, H + 2, W + 2, C)."""

    def call(self, inputs: KerasTensor) -> KerasTensor:
        """Pad one batch."""
        return ops.pad(inputs, [[0, 0], [1, 1], [1, 1], [0, 0]], mode="reflect")

    def compute_output_shape(self, shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return the shape with two rows and two columns more."""
        return (shape[0], *(None if n is None else n + 2 for n in shape[1:3]), shape[3])


@keras.saving.register_keras_serializable("lowlight_tf")
class FuseFeatures(keras.layers.Layer):
    """Join the features of two cameras, (B, H, W, C) each, into one of the same shape.

    Called on [visible, infrared], or for "attention" on [visible, infrared, score of visible, score
    of infrared], whose shapes broadcast to that of the features.

    - "sum" and "average": of both, everywhere.
    - "l1_norm": each pixel's features are weighed by the activity around it: the sum of absolute
      values over all maps, averaged over 3 x 3 pixels. The infrared camera's share is its part of
      both activities.
    - "attention": the visible camera's share is sigmoid(its score - the other's), which is the
      softmax over the two.

    Args:
        strategy: One of `STRATEGIES`.

    Reference:
        Zhao et al., "DIDFuse: Deep Image Decomposition for Infrared and Visible Image Fusion",
        IJCAI 2020, section 3.4; "attention" is ours.

    Differences from the paper:
        A constant in the denominator of "l1_norm": the published code divides 0 by 0 in the dark.
    """

    def __init__(self, strategy: str = "average", **options) -> None:
        super().__init__(**options)
        self.strategy = strategy

    def call(self, inputs: list[KerasTensor]) -> KerasTensor:
        """Join one batch."""
        visible, infrared, *scores = inputs
        if self.strategy == "sum":
            return visible + infrared
        if self.strategy == "average":
            return 0.5 * (visible + infrared)
        if self.strategy == "l1_norm":
            mine, other = _activity(visible), _activity(infrared)
            share = (mine + EPSILON) / (mine + other + 2 * EPSILON)
        else:
            share = ops.sigmoid(scores[0] - scores[1])
        return infrared + share * (visible - infrared)

    def compute_output_shape(self, shapes: list[tuple[int | None, ...]]) -> tuple[int | None, ...]:
        """Return the shape of either."""
        return shapes[0]

    def get_config(self) -> dict:
        """Return what rebuilds the layer."""
        return {**super().get_config(), "strategy": self.strategy}


def _activity(features: KerasTensor) -> KerasTensor:
    """Return how active the features around each pixel are: (B, H, W, C) -> (B, H, W, 1)."""
    kernel = ops.full((3, 3, features.shape[-1], 1), 1 / 9, dtype=features.dtype)
    return ops.conv(ops.abs(features), kernel, padding="same")
