"""Normalization layers whose graphs run undivided on a GPU delegate."""

import keras
import numpy as np
from keras import KerasTensor, ops

from lowlight_tf.checks import UsageError


@keras.saving.register_keras_serializable("lowlight_tf")
class GroupNormalization(keras.layers.Layer):
    """Group normalization in 4-D operations only, equal to that of Keras to 1e-5.

    (B, H, W, C) -> (B, H, W, C), any H and W. Keras reshapes to five dimensions, which the LiteRT
    GPU delegate and the int16x8 quantizer reject. Here every channel is averaged over (H, W), and a
    1x1 convolution with a constant block-diagonal kernel then averages over each group. The mean is
    subtracted before squaring (two passes), so that float16 does not overflow.

    Args:
        groups: Number of groups of channels; must divide the number of channels.
        epsilon: Added to the variance.

    Raises:
        UsageError: If `groups` does not divide the channels.

    Reference:
        Wu and He, "Group Normalization", ECCV 2018, https://arxiv.org/abs/1803.08494

    Differences from the paper:
        None in the numbers.
    """

    def __init__(self, groups: int = 32, *, epsilon: float = 1e-5, **options) -> None:
        super().__init__(**options)
        self.groups = groups
        self.epsilon = epsilon

    def build(self, shape: tuple[int | None, ...]) -> None:
        """Create the learned scale and shift, and the constant kernel of the group means."""
        channels = shape[-1]
        if self.groups < 1 or channels % self.groups:
            raise UsageError(
                f"`groups` must divide the number of channels, {channels}. "
                f"Received: groups={self.groups}. Choose `filters` and `groups` to fit."
            )
        self.gamma = self.add_weight(name="gamma", shape=(channels,), initializer="ones")
        self.beta = self.add_weight(name="beta", shape=(channels,), initializer="zeros")
        size = channels // self.groups
        kernel = np.kron(np.eye(self.groups), np.full((size, size), 1 / size))
        self._group_mean_kernel = kernel.astype("float32")[None, None]

    def call(self, inputs: KerasTensor) -> KerasTensor:
        """Normalize one batch."""
        # float16 cannot hold the statistics of a full image: cast to float32 for the computation.
        x = ops.cast(inputs, "float32")
        centered = x - self._group_mean(x)
        deviation = ops.rsqrt(self._group_mean(centered * centered) + self.epsilon)
        scale = deviation * ops.cast(self.gamma, "float32")
        return ops.cast(centered * scale + ops.cast(self.beta, "float32"), self.compute_dtype)

    def _group_mean(self, x: KerasTensor) -> KerasTensor:
        """Average over each group of channels and all pixels: (B, H, W, C) -> (B, 1, 1, C)."""
        means = ops.mean(x, axis=(1, 2), keepdims=True)
        if self.groups == x.shape[-1]:
            return means
        return ops.conv(means, ops.convert_to_tensor(self._group_mean_kernel), padding="valid")

    def get_config(self) -> dict:
        """Return the configuration that rebuilds the layer."""
        return {**super().get_config(), "groups": self.groups, "epsilon": self.epsilon}


@keras.saving.register_keras_serializable("lowlight_tf")
class FreezableBatchNormalization(keras.layers.BatchNormalization):
    """Batch normalization that can be frozen for a single call, in training too.

    Called with `frozen=True`, it normalizes by the running statistics, as in inference, and does
    not update them. (A functional model passes its own `training` to all of its layers, so that
    `training=False` for one call has no effect.)
    """

    def call(
        self,
        inputs: KerasTensor,
        training: bool | None = None,
        mask: KerasTensor | None = None,
        frozen: bool = False,
    ) -> KerasTensor:
        """Normalize one batch."""
        return super().call(inputs, training=bool(training) and not frozen, mask=mask)


@keras.saving.register_keras_serializable("lowlight_tf")
class AdaptiveNormalization(keras.layers.Layer):
    """A learned blend of the input and its batch normalization; at first the input.

    (B, H, W, C) -> (B, H, W, C): lambda x + mu BN(x), with one lambda (1 at first) and one mu (0 at
    first) for all channels. In inference it is one product and one sum, which converters fold into
    the convolution before it.

    Args:
        epsilon: Added to the variance.
        momentum: Of the running statistics.

    Reference:
        Chen, Xu and Koltun, "Fast Image Processing with Fully-Convolutional Networks", ICCV 2017,
        section 3. Differences: none.
    """

    def __init__(self, *, epsilon: float = 1e-3, momentum: float = 0.99, **options) -> None:
        super().__init__(**options)
        self.epsilon, self.momentum = epsilon, momentum
        # A scale of the normalization itself would be redundant with mu.
        self.norm = keras.layers.BatchNormalization(
            epsilon=epsilon, momentum=momentum, scale=False, name="norm"
        )

    def build(self, shape: tuple[int | None, ...]) -> None:
        """Create lambda and mu, and the weights of the normalization."""
        scalar = {"shape": (), "autocast": False}
        self.identity_weight = self.add_weight(name="lambda", initializer="ones", **scalar)
        self.norm_weight = self.add_weight(name="mu", initializer="zeros", **scalar)
        self.norm.build(shape)

    def call(self, inputs: KerasTensor, training: bool | None = None) -> KerasTensor:
        """Normalize one batch."""
        norm = self.norm
        if training:
            identity_weight, norm_weight = (
                ops.cast(x, self.compute_dtype) for x in (self.identity_weight, self.norm_weight)
            )
            return identity_weight * inputs + norm_weight * norm(inputs, training=True)
        scale = self.norm_weight * ops.rsqrt(norm.moving_variance + self.epsilon)
        shift = self.norm_weight * ops.cast(norm.beta, "float32") - scale * norm.moving_mean
        gain, shift = (
            ops.cast(x, self.compute_dtype) for x in (self.identity_weight + scale, shift)
        )
        return inputs * gain + shift

    def compute_output_shape(self, shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return the same shape."""
        return shape

    def get_config(self) -> dict:
        """Return the configuration that rebuilds the layer."""
        return {**super().get_config(), "epsilon": self.epsilon, "momentum": self.momentum}
