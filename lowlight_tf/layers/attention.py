"""What nets weigh their own features by."""

from collections.abc import Callable

import keras
from keras import KerasTensor, layers, ops

REDUCTION_RATIO = 4
"""By how many times fewer feature maps the channel attention of a gate has inside."""


@keras.saving.register_keras_serializable("lowlight_tf")
class ChannelPool(keras.layers.Layer):
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


def attention_gate(
    maps: int, place: str
) -> Callable[[KerasTensor], tuple[KerasTensor, KerasTensor]]:
    """Return what weighs features first by channel, then by place; called again, it is the same.

    It gives the weighed features, and by what score at each place, (B, H, W, 1). Each weight is
    twice a sigmoid, so that they begin near 1 and not at a half of a half.

    Args:
        maps: Feature maps of what is weighed.
        place: Begins the names of its layers.

    Reference:
        Woo et al., "CBAM: Convolutional Block Attention Module", ECCV 2018.

    Differences from the paper:
        Channels are told from their means alone, places from two learned sums of the features
        where CBAM takes their largest and their mean: processors have no eight-bit kernel for
        the largest.
    """
    inside = max(maps // REDUCTION_RATIO, 4)
    mean = layers.GlobalAveragePooling2D(keepdims=True, name=f"{place}_mean")
    squeeze = layers.Conv2D(inside, 1, name=f"{place}_squeeze")
    heard = layers.LeakyReLU(0.1, name=f"{place}_heard")
    excite = layers.Conv2D(maps, 1, activation="sigmoid", name=f"{place}_channels")
    look = layers.Conv2D(2, 1, name=f"{place}_look")
    where = layers.Conv2D(1, 7, padding="same", name=f"{place}_places")
    open_ = layers.Activation("sigmoid", name=f"{place}_places_act")
    weigh = [layers.Multiply(name=f"{place}_{way}_gain") for way in ("channel", "place")]

    def apply(x: KerasTensor) -> tuple[KerasTensor, KerasTensor]:
        x = weigh[0]([x, 2.0 * excite(heard(squeeze(mean(x))))])
        score = where(look(x))
        return weigh[1]([x, 2.0 * open_(score)]), score

    return apply


def additive_gate(
    features: KerasTensor, guide: KerasTensor, inside: int, place: str, *, normalized: bool = True
) -> tuple[KerasTensor, KerasTensor]:
    """Let through what a guide asks for: features x sigmoid(w relu(features' + guide')).

    Both are brought to `inside` feature maps by 1 x 1 convolutions and added; one more convolution
    makes of the sum how open the gate is at each place.

    Args:
        features: (B, H, W, C).
        guide: (B, H, W, G), of the same size.
        inside: Feature maps of the sum.
        place: Begins the names of the layers.
        normalized: Batch normalization after each convolution.

    Returns:
        The features that are let through, and how open the gate is, (B, H, W, 1) in [0, 1].

    Reference:
        Oktay et al., "Attention U-Net", MIDL 2018, equations 1 and 2.

    Differences from the paper:
        The guide is enlarged before, not after; normalization as in the generator that
        `models.attention_unet` names.
    """

    def conv(x: KerasTensor, maps: int, part: str) -> KerasTensor:
        x = layers.Conv2D(maps, 1, name=f"{place}_{part}_conv")(x)
        if normalized:
            x = layers.BatchNormalization(epsilon=1e-5, momentum=0.9, name=f"{place}_{part}_norm")(
                x
            )
        return x

    both = [conv(features, inside, "features"), conv(guide, inside, "guide")]
    asked = layers.ReLU(name=f"{place}_asked")(layers.Add(name=f"{place}_sum")(both))
    opened = layers.Activation("sigmoid", name=f"{place}_open")(conv(asked, 1, "open"))
    return layers.Multiply(name=place)([features, opened]), opened
