"""MIRNet: streams of several sizes that exchange what they see, the full size kept throughout."""

from collections.abc import Callable, Sequence

import keras
from keras import KerasTensor, layers

from lowlight_tf import checks
from lowlight_tf.layers.attention import BranchSoftmax, ChannelPool
from lowlight_tf.layers.clip import UnitClip
from lowlight_tf.layers.pyramid import BilinearUpsample, BlurPool, FoldedConv2DTranspose
from lowlight_tf.layers.resample import DepthToSpace, SpaceToDepth
from lowlight_tf.models import mirnet_keras_io

REDUCTION_RATIO = 8
"""By how many times fewer feature maps an attention has inside."""

MIN_CHANNELS = 4
"""Feature maps that it has at least: every second ReLU without a bias is never heard of again."""

Block = Callable[[KerasTensor], KerasTensor]
"""Layers that are made once; called again, they share their weights."""


def mirnet(
    *,
    filters: int = 64,
    groups: int = 3,
    blocks: int = 2,
    streams: int = 3,
    patch: int = 1,
    tone_curve: bool = False,
    predict_gain: bool = False,
    variant: str = "paper",
    name: str = "mirnet",
) -> keras.Model:
    """Build the net that the paper trained for denoising, super-resolution and dark pictures.

    A convolution to feature maps, recursive residual groups, a convolution back to a picture, and
    the sum with the picture that went in, limited to [0, 1]. A group is multi-scale residual blocks
    and a convolution, plus what went in. In a block each stream, half the size of the one before
    and with twice its maps, goes through a dual attention unit, then takes in all other streams by
    selective kernel fusion, goes through the same unit again, and all are fused at the full size.

    With 64 filters, 3 groups of 2 blocks and 3 streams the kernels have 31,787,268 weights, as many
    as those of the authors' code; with 168 slopes of PReLU 31,787,436 (there 151: units share one
    slope, being written with one as their default). The published figure is 31.8 million.

    Args:
        filters: Feature maps of the first stream; each next one has twice as many.
        groups: Recursive residual groups.
        blocks: Multi-scale residual blocks in each.
        streams: Sizes that a block works at, at least 2.
        patch: Side of the blocks of pixels that are folded into channels before the first
            convolution and unfolded after the last; 2 makes the net about four times cheaper.
        tone_curve: Show the convolutions the picture through the fixed tone curve 1 - (1 - x)^4; what
            they make is added to the picture itself. Without biases features are as dark as what is
            shown: of a dark picture they span a tenth of what they span of a bright one, and eight
            bits are too coarse for them.
        predict_gain: Let the last convolution also predict how many times each pixel is added to itself:
            a picture ten times too dark is made bright by a few numbers that hardly change from
            pixel to pixel, and its detail need not pass through the net.
        variant: "paper", or "keras_io" for the one in the Keras examples, with its faults and for
            comparison only: see `models.mirnet_keras_io`.
        name: Name of the Keras model.

    Returns:
        A model from {"low": (B, H, W, 3)} to {"enhanced": (B, H, W, 3)}; sRGB in [0, 1], any
        H and W (variant "keras_io": multiples of 4, and its result is not limited).

    Raises:
        UsageError: If a number is too small, or the variant has no such option.

    Reference:
        Zamir et al., "Learning Enriched Features for Real Image Restoration and Enhancement", ECCV
        2020, https://arxiv.org/abs/2003.06792, and the authors' code,
        https://github.com/swz30/MIRNet, from which what the paper leaves open is taken: no biases,
        a unit shared by both columns of a stream, the first fusion used again at the end, reduction
        to an eighth.

    Differences from the paper:
        The result is limited to [0, 1] (its code does so when it writes pictures). Zeros, not a
        mirror, lie around what is blurred before it is halved. `patch`, `tone_curve` and `predict_gain` are
        ours. Attention has at least 4 maps inside, in the code only that of the fusion has; slim
        nets alone differ. The same sums in another order: 1 x 1 convolutions before interpolation
        and before the product with spatial attention, transposed convolutions on the small picture,
        and what goes down one size is computed once for both columns.
    """
    for option, value in {
        "filters": filters, "groups": groups, "blocks": blocks, "patch": patch,
    }.items():  # fmt: skip
        checks.check_min(option, value, 1)
    checks.check_min("streams", streams, 2)
    checks.check_choice("variant", variant, ("paper", "keras_io"))
    if variant == "keras_io":
        return mirnet_keras_io.build(
            filters=filters,
            groups=groups,
            blocks=blocks,
            streams=streams,
            patch=patch,
            tone_curve=tone_curve,
            predict_gain=predict_gain,
            name=name,
        )

    low = keras.Input((None, None, 3), name="low")
    folded = SpaceToDepth(patch, name="fold")(low) if patch > 1 else low
    x = _conv(filters, 3, "enter")(_tone_curve(folded) if tone_curve else folded)
    for group in range(groups):
        y = x
        for block in range(blocks):
            y = _multi_scale_block(y, filters, streams, f"group{group}_block{block}")
        x += _conv(filters, 3, f"group{group}_leave")(y)
    enhanced = folded + _conv(3 * patch**2, 3, "leave")(x)
    if predict_gain:
        enhanced += folded * _conv(3 * patch**2, 3, "gain")(x)
    enhanced = UnitClip(name="range")(enhanced)
    if patch > 1:
        enhanced = DepthToSpace(patch, name="unfold")([enhanced, low])
    return keras.Model({"low": low}, {"enhanced": enhanced}, name=name)


def _conv(channels: int, size: int, place: str, **options) -> layers.Conv2D:
    return layers.Conv2D(channels, size, padding="same", use_bias=False, name=place, **options)


def _tone_curve(x: KerasTensor) -> KerasTensor:
    """Return 1 - (1 - x)^4: what is dark, four times brighter; 0 and 1 stay."""
    shade = layers.Multiply(name="shade_2")([1.0 - x] * 2)
    return 1.0 - layers.Multiply(name="shade_4")([shade, shade])


def _prelu(place: str) -> layers.PReLU:
    """Return a PReLU with one slope for all feature maps, as PyTorch has it."""
    start = keras.initializers.Constant(0.25)
    return layers.PReLU(start, shared_axes=[1, 2, 3], name=place)


def _global_pool(x: KerasTensor) -> KerasTensor:
    return layers.GlobalAveragePooling2D(keepdims=True)(x)


def _multi_scale_block(x: KerasTensor, filters: int, streams: int, place: str) -> KerasTensor:
    """Lay a multi-scale residual block (MRB): two columns of units, a mesh between them."""
    maps = [filters * 2**stream for stream in range(streams)]
    units = [_dual_attention(count, f"{place}_unit{s}") for s, count in enumerate(maps)]
    fusions = [
        _selective_fusion(count, streams, f"{place}_fuse{s}") for s, count in enumerate(maps)
    ]

    halves, first = {}, []
    y = x
    for stream, unit in enumerate(units):
        if stream:
            y = _downsample(y, maps[stream - 1], f"{place}_down{stream}")
            halves[stream - 1, stream] = y  # the mesh wants it too, with these same weights
        y = unit(y)
        first.append(y)

    def moved(column: Sequence[KerasTensor], source: int, target: int, title: str) -> KerasTensor:
        """Bring a stream to the size of another, an octave at a time."""
        if (source, target) in halves:
            return halves[source, target]
        y, way = column[source], f"{place}_{title}{source}{target}"
        for stream in range(source, target):
            y = _downsample(y, maps[stream], f"{way}_{stream}")
        for stream in range(source, target, -1):
            y = _upsample(y, column[stream - 1], maps[stream], f"{way}_{stream}")
        return y

    def gathered(column: Sequence[KerasTensor], target: int, title: str) -> list[KerasTensor]:
        return [moved(column, source, target, title) for source in range(streams)]

    second = [
        unit(fuse(gathered(first, target, "mesh")))
        for target, (unit, fuse) in enumerate(zip(units, fusions, strict=True))
    ]
    y = fusions[0](gathered(second, 0, "last"))
    return x + _conv(filters, 3, f"{place}_leave")(y)


def _dual_attention(channels: int, place: str) -> Block:
    """Make a dual attention unit (DAU): two convolutions, weighed by map and by pixel, plus x."""
    enter, slope = _conv(channels, 3, f"{place}_a"), _prelu(f"{place}_slope")
    leave = _conv(channels, 3, f"{place}_b")
    least = max(channels // REDUCTION_RATIO, MIN_CHANNELS)
    squeeze = _conv(least, 1, f"{place}_squeeze", activation="relu")
    excite = _conv(channels, 1, f"{place}_excite", activation="sigmoid")
    look = _conv(1, 5, f"{place}_look", activation="sigmoid")
    by_map, by_pixel = (_conv(channels, 1, f"{place}_by_{axis}") for axis in ("map", "pixel"))

    def unit(x: KerasTensor) -> KerasTensor:
        y = leave(slope(enter(x)))
        maps, pixels = excite(squeeze(_global_pool(y))), look(ChannelPool()(y))
        # One 1x1 convolution of both products, side by side, in the paper; a pixel's share may as
        # well be applied after it.
        return x + by_map(y * maps) + by_pixel(y) * pixels

    return unit


def _selective_fusion(channels: int, streams: int, place: str) -> Callable:
    """Make a selective kernel fusion (SKFF): the sum of all streams, each map in its own shares."""
    least = max(channels // REDUCTION_RATIO, MIN_CHANNELS)
    squeeze, slope = _conv(least, 1, f"{place}_squeeze"), _prelu(f"{place}_slope")
    choose = _conv(channels * streams, 1, f"{place}_choose")

    def fuse(tensors: Sequence[KerasTensor]) -> KerasTensor:
        # The GPU delegate errs on sums of 8-bit means; the mean of the sum is right.
        mean = _global_pool(layers.Add()(tensors))
        shares = BranchSoftmax(streams)(choose(slope(squeeze(mean))))
        return layers.Add()([x * share for x, share in zip(tensors, shares, strict=True)])

    return fuse


def _downsample(x: KerasTensor, channels: int, place: str) -> KerasTensor:
    """Lay a downsampling module: half the size, twice the feature maps."""
    y = _prelu(f"{place}_slope_a")(_conv(channels, 1, f"{place}_a")(x))
    y = _prelu(f"{place}_slope_b")(_conv(channels, 3, f"{place}_b")(y))
    y = _conv(2 * channels, 1, f"{place}_c")(BlurPool()(y))
    return y + _conv(2 * channels, 1, f"{place}_past")(BlurPool()(x))


def _upsample(x: KerasTensor, like: KerasTensor, channels: int, place: str) -> KerasTensor:
    """Lay an upsampling module: the size of `like`, half the feature maps."""
    y = _prelu(f"{place}_slope_a")(_conv(channels, 1, f"{place}_a")(x))
    y = FoldedConv2DTranspose(channels, name=f"{place}_b")(y)
    y = _prelu(f"{place}_slope_b")(DepthToSpace(2)([y, like]))
    y = _conv(channels // 2, 1, f"{place}_c")(y)
    past = _conv(channels // 2, 1, f"{place}_past")(x)
    return y + BilinearUpsample()([past, like])
