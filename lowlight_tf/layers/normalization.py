"""Normalization layers whose graphs stay whole on a GPU delegate."""

import keras
import numpy as np
from keras import KerasTensor, ops

from lowlight_tf.checks import UsageError


@keras.saving.register_keras_serializable("lowlight_tf")
class GroupNormalization(keras.layers.Layer):
    """Group normalization in 4-D operations only, equal to Keras's own to 1e-5.

    Keras reshapes (B, H, W, C) to five dimensions, which the LiteRT GPU delegate and the int16x8
    quantizer refuse. Here every channel is averaged over (H, W), and a 1x1 convolution by a
    constant block matrix then averages inside the groups. The mean is taken off before squaring
    (two passes), so that float16 does not overflow.

    Args:
        groups: Into how many groups the channels are divided; must divide their number.
        epsilon: Added to the variance.

    Input and output: (B, H, W, C), any H and W.

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
        """Make the learned scale and shift, and the constant matrix of the groups."""
        channels = shape[-1]
        if self.groups < 1 or channels % self.groups:
            raise UsageError(
                f"`groups` must divide the number of channels, {channels}. "
                f"Received: groups={self.groups}. Choose `filters` and `groups` to fit."
            )
        self.gamma = self.add_weight(name="gamma", shape=(channels,), initializer="ones")
        self.beta = self.add_weight(name="beta", shape=(channels,), initializer="zeros")
        size = channels // self.groups
        blocks = np.kron(np.eye(self.groups), np.full((size, size), 1 / size))
        self._blocks = blocks.astype("float32")[None, None]

    def call(self, inputs: KerasTensor) -> KerasTensor:
        """Normalize one batch."""
        # float16 cannot hold the statistics of a whole picture; float32 in, float32 inside.
        x = ops.cast(inputs, "float32")
        centred = x - self._average(x)
        deviation = ops.rsqrt(self._average(centred * centred) + self.epsilon)
        scale = deviation * ops.cast(self.gamma, "float32")
        return ops.cast(centred * scale + ops.cast(self.beta, "float32"), self.compute_dtype)

    def _average(self, x: KerasTensor) -> KerasTensor:
        """Average over a group of channels and the whole picture: (B, H, W, C) -> (B, 1, 1, C)."""
        means = ops.mean(x, axis=(1, 2), keepdims=True)
        if self.groups == x.shape[-1]:
            return means
        return ops.conv(means, ops.convert_to_tensor(self._blocks), padding="valid")

    def get_config(self) -> dict:
        """Return what rebuilds the layer."""
        return {**super().get_config(), "groups": self.groups, "epsilon": self.epsilon}


@keras.saving.register_keras_serializable("lowlight_tf")
class FreezableBatchNormalization(keras.layers.BatchNormalization):
    """Batch normalization that some of its inputs only pass, in training too.

    Called with `passed`, it normalizes by the running statistics, as on the device, and these learn
    nothing of it. (A functional net hands its own `training` to all its layers: no use to say
    `training=False` to one.)
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
    """What comes in and its batch normalization, mixed as is learned; at first as it comes in.

    (B, H, W, C) -> the same: l x + m BN(x), with one l (1 at first) and one m (0 at first) for all
    maps. Outside training it is one product and one sum, which converters make part of the
    convolution before it.

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
        # A normalization's own scale would be but another m.
        self.norm = keras.layers.BatchNormalization(
            epsilon=epsilon, momentum=momentum, scale=False, name="norm"
        )

    def build(self, shape: tuple[int | None, ...]) -> None:
        """Make the two learned shares, and what the normalization has."""
        whole = {"shape": (), "autocast": False}
        self.kept = self.add_weight(name="kept", initializer="ones", **whole)
        self.mixed = self.add_weight(name="mixed", initializer="zeros", **whole)
        self.norm.build(shape)

    def call(self, inputs: KerasTensor, training: bool | None = None) -> KerasTensor:
        """Normalize one batch."""
        norm = self.norm
        if training:
            kept, mixed = (ops.cast(x, self.compute_dtype) for x in (self.kept, self.mixed))
            return kept * inputs + mixed * norm(inputs, training=True)
        scale = self.mixed * ops.rsqrt(norm.moving_variance + self.epsilon)
        shift = self.mixed * ops.cast(norm.beta, "float32") - scale * norm.moving_mean
        gain, shift = (ops.cast(x, self.compute_dtype) for x in (self.kept + scale, shift))
        return inputs * gain + shift

    def compute_output_shape(self, shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return the same shape."""
        return shape

    def get_config(self) -> dict:
        """Return what rebuilds the layer."""
        return {**super().get_config(), "epsilon": self.epsilon, "momentum": self.momentum}
