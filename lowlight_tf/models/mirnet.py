"""MIRNet: parallel streams at several resolutions that exchange features in every block."""

from collections.abc import Callable, Sequence

import keras
from keras import KerasTensor, layers

from lowlight_tf import checks
from lowlight_tf.checks import UsageError
from lowlight_tf.layers.attention import BranchSoftmax, ChannelPool
from lowlight_tf.layers.clip import UnitClip
from lowlight_tf.layers.pyramid import BilinearUpsample, BlurPool, FoldedConv2DTranspose
from lowlight_tf.layers.resample import DepthToSpace, SpaceToDepth
from lowlight_tf.models import _mirnet_keras_io
from lowlight_tf.models._curve_head import falling_curve, predict_curve

REDUCTION_RATIO = 8
"""Channels of an attention's input divided by channels of its squeezed descriptor."""

MIN_CHANNELS = 4
"""Minimum channels of the descriptor: of ReLUs without a bias about every second is always 0."""

Block = Callable[[KerasTensor], KerasTensor]
"""Layers that are created once; called again, they share their weights."""


def mirnet(
    *,
    filters: int = 64,
    groups: int = 3,
    blocks: int = 2,
    streams: int = 3,
    patch: int = 1,
    tone_curve: bool = False,
    predict_gain: bool = False,
    curve_head: bool = False,
    variant: str = "paper",
    name: str = "mirnet",
) -> keras.Model:
    """Build MIRNet for denoising, super-resolution and low-light enhancement.

    A convolution to features, recursive residual groups, a convolution back to an image, and the
    sum with the input, clipped to [0, 1]. A group is multi-scale residual blocks and a convolution,
    with a residual connection. In a block each stream, at half the resolution of the one before and
    with twice its channels, goes through a dual attention unit, then receives all other streams by
    selective kernel fusion, goes through the same unit again, and all are fused at full resolution.

    With 64 filters, 3 groups of 2 blocks and 3 streams the kernels have 31,787,268 weights, as many
    as those of the authors' code; with 168 slopes of PReLU 31,787,436 (there 151: units share one
    slope, as one PReLU is a default argument). The published figure is 31.8 million.

    Args:
        filters: Channels of the first stream; each next stream has twice as many.
        groups: Recursive residual groups.
        blocks: Multi-scale residual blocks in each.
        streams: Resolutions in a block, at least 2.
        patch: Side of the blocks of pixels that are folded into channels before the first
            convolution and unfolded after the last; 2 makes the model about four times cheaper.
        tone_curve: Apply the fixed tone curve 1 - (1 - x)^4 to the input of the convolutions; their
            output is added to the image itself. Without biases, features scale with the input: for
            a dark image their range is a tenth of that for a bright one, for which 8 bits are too
            coarse.
        predict_gain: Let the last convolution also predict a gain of each pixel, by which it is
            added to itself: an image that is ten times too dark becomes bright by a few numbers
            that hardly change from pixel to pixel, and its detail need not pass through the model.
        curve_head: Predict a strength of a tone curve that keeps black and white, and a residual,
            instead of what is added to the image: see `models._curve_head`. The model sees the sum
            of image and curve.
        variant: "paper", or "keras_io" for the one in the Keras examples, with its errors and for
            comparison only: see `models._mirnet_keras_io`.
        name: Name of the Keras model.

    Returns:
        A model from {"low": (B, H, W, 3)} to {"enhanced": (B, H, W, 3)}; sRGB in [0, 1], any
        H and W (variant "keras_io": multiples of 4, and its output is not clipped).

    Raises:
        UsageError: If a number is too small, the variant has no such option, or `curve_head` meets
            `tone_curve` or `predict_gain`.

    Reference:
        Zamir et al., "Learning Enriched Features for Real Image Restoration and Enhancement", ECCV
        2020, https://arxiv.org/abs/2003.06792, and the authors' code,
        https://github.com/swz30/MIRNet, for what the paper does not specify: no biases, a unit
        shared by both columns of a stream, the first fusion used again at the end, reduction to an
        eighth.

    Differences from the paper:
        The output is clipped to [0, 1] (the authors' code does so when it saves images). Zero
        padding, not reflection, in the blur before downsampling. `patch`, `tone_curve`,
        `predict_gain` and `curve_head` are our own. Attention has at least 4 squeezed channels; in
        the authors' code only that of the fusion has a minimum; this affects slim models only. The
        same sums in another order: 1x1 convolutions before interpolation and before the product
        with spatial attention, transposed convolutions on the downsampled features, and what both
        columns downsample by one octave is computed once.
    """
    for option, value in {
        "filters": filters, "groups": groups, "blocks": blocks, "patch": patch,
    }.items():  # fmt: skip
        checks.check_min(option, value, 1)
    checks.check_min("streams", streams, 2)
    checks.check_choice("variant", variant, ("paper", "keras_io"))
    if curve_head and (tone_curve or predict_gain):
        raise UsageError(
            "`curve_head` needs `tone_curve = false` and `predict_gain = false`. "
            f"Received: {tone_curve} and {predict_gain}."
        )
    if variant == "keras_io":
        return _mirnet_keras_io.mirnet_keras_io(
            filters=filters,
            groups=groups,
            blocks=blocks,
            streams=streams,
            patch=patch,
            tone_curve=tone_curve,
            predict_gain=predict_gain,
            curve_head=curve_head,
            name=name,
        )

    low = keras.Input((None, None, 3), name="low")
    folded = SpaceToDepth(patch, name="fold")(low) if patch > 1 else low
    if curve_head:
        falling = falling_curve(folded)
        toned = layers.Subtract(name="shade")([folded, falling])
    else:
        toned = _tone_curve(folded) if tone_curve else folded
    x = _conv(filters, 3, "enter")(toned)
    for group in range(groups):
        y = x
        for block in range(blocks):
            y = _multi_scale_block(y, filters, streams, f"group{group}_block{block}")
        x += _conv(filters, 3, f"group{group}_leave")(y)
    if curve_head:
        enhanced = predict_curve(_conv(filters, 3, "leave")(x), folded, falling).enhanced
    else:
        enhanced = folded + _conv(3 * patch**2, 3, "leave")(x)
        if predict_gain:
            enhanced += folded * _conv(3 * patch**2, 3, "gain")(x)
        enhanced = UnitClip(name="range")(enhanced)
    if patch > 1:
        enhanced = DepthToSpace(patch, name="unfold")([enhanced, low])
    return keras.Model({"low": low}, {"enhanced": enhanced}, name=name)


def _conv(channels: int, size: int, name: str, **options) -> layers.Conv2D:
    return layers.Conv2D(channels, size, padding="same", use_bias=False, name=name, **options)


def _tone_curve(x: KerasTensor) -> KerasTensor:
    """Return 1 - (1 - x)^4: dark values about four times as bright; 0 and 1 stay."""
    shade = layers.Multiply(name="shade_2")([1.0 - x] * 2)
    return 1.0 - layers.Multiply(name="shade_4")([shade, shade])


def _prelu(name: str) -> layers.PReLU:
    """Return a PReLU with one slope for all channels, as in PyTorch."""
    initializer = keras.initializers.Constant(0.25)
    return layers.PReLU(initializer, shared_axes=[1, 2, 3], name=name)


def _global_pool(x: KerasTensor) -> KerasTensor:
    return layers.GlobalAveragePooling2D(keepdims=True)(x)


def _multi_scale_block(x: KerasTensor, filters: int, streams: int, name: str) -> KerasTensor:
    """Apply a multi-scale residual block (MRB): two columns of units and a mesh between them."""
    widths = [filters * 2**stream for stream in range(streams)]
    units = [_dual_attention(channels, f"{name}_unit{s}") for s, channels in enumerate(widths)]
    fusions = [
        _selective_fusion(channels, streams, f"{name}_fuse{s}") for s, channels in enumerate(widths)
    ]

    downsampled, first = {}, []
    y = x
    for stream, unit in enumerate(units):
        if stream:
            y = _downsample(y, widths[stream - 1], f"{name}_down{stream}")
            downsampled[stream - 1, stream] = y  # the mesh uses it too, with these same weights
        y = unit(y)
        first.append(y)

    def resample(column: Sequence[KerasTensor], source: int, target: int, part: str) -> KerasTensor:
        """Resample a stream to the resolution of another, one octave at a time."""
        if (source, target) in downsampled:
            return downsampled[source, target]
        y, prefix = column[source], f"{name}_{part}{source}{target}"
        for stream in range(source, target):
            y = _downsample(y, widths[stream], f"{prefix}_{stream}")
        for stream in range(source, target, -1):
            y = _upsample(y, column[stream - 1], widths[stream], f"{prefix}_{stream}")
        return y

    def resample_all(column: Sequence[KerasTensor], target: int, part: str) -> list[KerasTensor]:
        return [resample(column, source, target, part) for source in range(streams)]

    second = [
        unit(fuse(resample_all(first, target, "mesh")))
        for target, (unit, fuse) in enumerate(zip(units, fusions, strict=True))
    ]
    y = fusions[0](resample_all(second, 0, "last"))
    return x + _conv(filters, 3, f"{name}_leave")(y)


def _dual_attention(channels: int, name: str) -> Block:
    """Return a dual attention unit (DAU): channel and spatial attention, and a residual."""
    enter, prelu = _conv(channels, 3, f"{name}_a"), _prelu(f"{name}_slope")
    leave = _conv(channels, 3, f"{name}_b")
    squeezed = max(channels // REDUCTION_RATIO, MIN_CHANNELS)
    squeeze = _conv(squeezed, 1, f"{name}_squeeze", activation="relu")
    excite = _conv(channels, 1, f"{name}_excite", activation="sigmoid")
    spatial = _conv(1, 5, f"{name}_look", activation="sigmoid")
    by_channel, by_pixel = (_conv(channels, 1, f"{name}_by_{axis}") for axis in ("map", "pixel"))

    def unit(x: KerasTensor) -> KerasTensor:
        y = leave(prelu(enter(x)))
        channel_weights = excite(squeeze(_global_pool(y)))
        pixel_weights = spatial(ChannelPool()(y))
        # In the paper, one 1x1 convolution of both products, concatenated. The weight of a pixel is
        # the same for all channels and may be applied after it.
        return x + by_channel(y * channel_weights) + by_pixel(y) * pixel_weights

    return unit


def _selective_fusion(channels: int, streams: int, name: str) -> Callable:
    """Return a selective kernel fusion (SKFF): a sum of all streams, weighed per channel."""
    squeezed = max(channels // REDUCTION_RATIO, MIN_CHANNELS)
    squeeze, prelu = _conv(squeezed, 1, f"{name}_squeeze"), _prelu(f"{name}_slope")
    select = _conv(channels * streams, 1, f"{name}_choose")

    def fuse(tensors: Sequence[KerasTensor]) -> KerasTensor:
        # The GPU delegate is wrong on sums of 8-bit means; the mean of the sum is right.
        mean = _global_pool(layers.Add()(tensors))
        weights = BranchSoftmax(streams)(select(prelu(squeeze(mean))))
        return layers.Add()([x * weight for x, weight in zip(tensors, weights, strict=True)])

    return fuse


def _downsample(x: KerasTensor, channels: int, name: str) -> KerasTensor:
    """Apply a residual downsampling module: half the size, twice the channels."""
    y = _prelu(f"{name}_slope_a")(_conv(channels, 1, f"{name}_a")(x))
    y = _prelu(f"{name}_slope_b")(_conv(channels, 3, f"{name}_b")(y))
    y = _conv(2 * channels, 1, f"{name}_c")(BlurPool()(y))
    return y + _conv(2 * channels, 1, f"{name}_past")(BlurPool()(x))


def _upsample(x: KerasTensor, like: KerasTensor, channels: int, name: str) -> KerasTensor:
    """Apply a residual upsampling module: the size of `like`, half the channels."""
    y = _prelu(f"{name}_slope_a")(_conv(channels, 1, f"{name}_a")(x))
    y = FoldedConv2DTranspose(channels, name=f"{name}_b")(y)
    y = _prelu(f"{name}_slope_b")(DepthToSpace(2)([y, like]))
    y = _conv(channels // 2, 1, f"{name}_c")(y)
    residual = _conv(channels // 2, 1, f"{name}_past")(x)
    return y + BilinearUpsample()([residual, like])
