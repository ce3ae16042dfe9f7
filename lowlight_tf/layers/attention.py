"""What nets weigh their own features by."""

import keras
from keras import KerasTensor, ops


@keras.saving.register_keras_serializable("lowlight_tf")
class ChannelExtent(keras.layers.Layer):
    """The largest and the mean of all feature maps at each pixel: (B, H, W, C) -> (B, H, W, 2)."""

    def call(self, inputs: KerasTensor) -> KerasTensor:
        """Look at one batch."""
        most = ops.max(inputs, axis=-1, keepdims=True)
        return ops.concatenate([most, ops.mean(inputs, axis=-1, keepdims=True)], axis=-1)

    def compute_output_shape(self, shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return the shape with two channels."""
        return (*shape[:3], 2)


@keras.saving.register_keras_serializable("lowlight_tf")
class BranchSoftmax(keras.layers.Layer):
    """Shares of several branches in each feature map, which sum to 1 over the branches.

    (B, 1, 1, C * branches) -> one (B, 1, 1, C) for each branch. The inputs lie feature map by
    feature map, so that the branches of one are next to each other: the softmax runs over the last
    axis, the only one over which devices have it, and nothing is transposed.

    Args:
        branches: How many.
    """

    def __init__(self, branches: int, **options) -> None:
        super().__init__(**options)
        self.branches = branches

    def call(self, inputs: KerasTensor) -> list[KerasTensor]:
        """Weigh one batch."""
        channels = inputs.shape[-1] // self.branches
        shares = ops.softmax(ops.reshape(inputs, (-1, 1, channels, self.branches)), axis=-1)
        return [
            ops.reshape(shares[..., place : place + 1], (-1, 1, 1, channels))
            for place in range(self.branches)
        ]

    def compute_output_shape(self, shape: tuple[int | None, ...]) -> list[tuple[int | None, ...]]:
        """Return the shape of each branch's shares."""
        return [(*shape[:3], shape[3] // self.branches)] * self.branches

    def get_config(self) -> dict:
        """Return what rebuilds the layer."""
        return {**super().get_config(), "branches": self.branches}
