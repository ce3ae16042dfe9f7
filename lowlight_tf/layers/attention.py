"""Attention layers and gates."""

from collections.abc import Callable

import keras
from keras import KerasTensor, layers, ops

REDUCTION_RATIO = 4
"""Channels of the gated features divided by channels of the squeezed descriptor."""

MIN_SQUEEZED_CHANNELS = 4


@keras.saving.register_keras_serializable("lowlight_tf")
class ChannelPool(keras.layers.Layer):
    """Maximum and mean over the channels of each pixel: (B, H, W, C) -> (B, H, W, 2)."""

    def call(self, inputs: KerasTensor) -> KerasTensor:
        """Pool one batch."""
        maximum = ops.max(inputs, axis=-1, keepdims=True)
        return ops.concatenate([maximum, ops.mean(inputs, axis=-1, keepdims=True)], axis=-1)

    def compute_output_shape(self, shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return the shape with two channels."""
        return (*shape[:3], 2)


@keras.saving.register_keras_serializable("lowlight_tf")
class BranchSoftmax(keras.layers.Layer):
    """Weights of several branches for each channel, with sum 1 over the branches.

    (B, 1, 1, C * branches) -> one (B, 1, 1, C) per branch. The channel is the slow index of the
    input and the branch the fast one, so that the softmax runs over the last axis, the only one
    over which devices support it, and nothing is transposed.

    Args:
        branches: Number of branches.
    """

    def __init__(self, branches: int, **options) -> None:
        super().__init__(**options)
        self.branches = branches

    def call(self, inputs: KerasTensor) -> list[KerasTensor]:
        """Compute the weights of one batch."""
        channels = inputs.shape[-1] // self.branches
        weights = ops.softmax(ops.reshape(inputs, (-1, 1, channels, self.branches)), axis=-1)
        return [
            ops.reshape(weights[..., branch : branch + 1], (-1, 1, 1, channels))
            for branch in range(self.branches)
        ]

    def compute_output_shape(self, shape: tuple[int | None, ...]) -> list[tuple[int | None, ...]]:
        """Return the shape of the weights of each branch."""
        return [(*shape[:3], shape[3] // self.branches)] * self.branches

    def get_config(self) -> dict:
        """Return the configuration that rebuilds the layer."""
        return {**super().get_config(), "branches": self.branches}


def attention_gate(
    channels: int, name: str, *, pooled: bool = True
) -> Callable[[KerasTensor], tuple[KerasTensor, KerasTensor]]:
    """Return a gate that weighs features by channel and then by pixel (CBAM).

    The gate is a function from features (B, H, W, C) to the weighed features and the logits of the
    weight of each pixel, (B, H, W, 1). Its layers are created once: called again, it shares their
    weights. Each weight is twice a sigmoid, so that weights are near 1 at initialization, not 1/4.

    Args:
        channels: C.
        name: Prefix of the layer names.
        pooled: Whether the spatial attention is a convolution of two sums of the features, with a
            weight for each pixel as in the paper; else it is a 1x1 convolution of all features,
            with a weight for each pixel and channel, and the logits are (B, H, W, C).

    Reference:
        Woo et al., "CBAM: Convolutional Block Attention Module", ECCV 2018.

    Differences from the paper:
        Channel attention uses the mean alone, and spatial attention two learned sums of the
        features, where CBAM uses maximum and mean: CPUs have no 8-bit kernel for the maximum.
    """
    squeezed = max(channels // REDUCTION_RATIO, MIN_SQUEEZED_CHANNELS)
    mean = layers.GlobalAveragePooling2D(keepdims=True, name=f"{name}_mean")
    squeeze = layers.Conv2D(squeezed, 1, name=f"{name}_squeeze")
    activation = layers.LeakyReLU(0.1, name=f"{name}_heard")
    excite = layers.Conv2D(channels, 1, activation="sigmoid", name=f"{name}_channels")
    if pooled:
        sums = layers.Conv2D(2, 1, name=f"{name}_look")
        spatial = [sums, layers.Conv2D(1, 7, padding="same", name=f"{name}_places")]
    else:
        spatial = [layers.Conv2D(channels, 1, name=f"{name}_places")]
    spatial_activation = layers.Activation("sigmoid", name=f"{name}_places_act")
    by_channel = layers.Multiply(name=f"{name}_channel_gain")
    by_pixel = layers.Multiply(name=f"{name}_place_gain")

    def apply(x: KerasTensor) -> tuple[KerasTensor, KerasTensor]:
        x = by_channel([x, 2.0 * excite(activation(squeeze(mean(x))))])
        logits = x
        for layer in spatial:
            logits = layer(logits)
        return by_pixel([x, 2.0 * spatial_activation(logits)]), logits

    return apply


def additive_gate(
    features: KerasTensor,
    gating: KerasTensor,
    inter_channels: int,
    name: str,
    *,
    normalized: bool = True,
) -> tuple[KerasTensor, KerasTensor]:
    """Multiply features by additive attention: sigmoid(conv(relu(conv(features) + conv(gating)))).

    Args:
        features: (B, H, W, C).
        gating: Gating signal, (B, H, W, G).
        inter_channels: Channels of the sum.
        name: Name of the product layer, and prefix of the names of the others.
        normalized: Add batch normalization after each 1x1 convolution.

    Returns:
        The weighed features, (B, H, W, C), and the attention coefficients, (B, H, W, 1) in [0, 1].

    Reference:
        Oktay et al., "Attention U-Net", MIDL 2018, equations 1 and 2.

    Differences from the paper:
        The gating signal is upsampled before, not after; normalization as in the generator that
        `models.attention_unet` names.
    """

    def conv(x: KerasTensor, channels: int, part: str) -> KerasTensor:
        x = layers.Conv2D(channels, 1, name=f"{name}_{part}_conv")(x)
        if normalized:
            norm = layers.BatchNormalization(epsilon=1e-5, momentum=0.9, name=f"{name}_{part}_norm")
            x = norm(x)
        return x

    terms = [conv(features, inter_channels, "features"), conv(gating, inter_channels, "guide")]
    joint = layers.ReLU(name=f"{name}_asked")(layers.Add(name=f"{name}_sum")(terms))
    coefficients = layers.Activation("sigmoid", name=f"{name}_open")(conv(joint, 1, "open"))
    return layers.Multiply(name=name)([features, coefficients]), coefficients
