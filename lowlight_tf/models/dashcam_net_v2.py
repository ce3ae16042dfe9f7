"""Low-light enhancement for dashcams by tone curves that keep black and white, version 2."""

import keras
from keras import KerasTensor, layers

from lowlight_tf import checks
from lowlight_tf.checks import UsageError
from lowlight_tf.contract import ENHANCE_WITH_BRIGHTNESS
from lowlight_tf.layers.clip import UnitClip
from lowlight_tf.layers.controls import BrightnessStart, FirstChannel, SignConstraint
from lowlight_tf.layers.reparameterization import CollapsibleConv2D
from lowlight_tf.layers.resample import DepthToSpace, SpaceToDepth

BLOCK = 4
"""Side of the pixel blocks that are folded into channels (pixels)."""

LEAKY_SLOPE = 0.1
"""Negative slope of the activations. Under plain ReLU two thirds of the units of version 1 died."""

FEATURE_CENTER = 0.8
"""Mean of the trunk's input, the sum of both tone curves, over typical training images."""

SOFT, STEEP = 5.0, 24.0
"""Slopes at black of the two tone curves, tanh(slope x). tanh(5) is white to 0.03 of a code value
(of 255)."""

SINGLE = 12.0
"""Slope at black of the curve where there is only one."""

GATE_BIAS = -0.002
"""Closes the gate in white blocks, where the two curves differ by 9e-5."""

RESIDUAL_GAIN = 8.0
"""Factor on the mean difference of the curves in a block, at which its residual is let through:
none where the block is black, all where it is between 1 and 80 code values, none from 150."""


def dashcam_net_v2(
    *,
    filters: int = 24,
    blocks: int = 2,
    deep_filters: int = 28,
    deep_blocks: int = 1,
    context: int = 16,
    curves: int = 2,
    expansion: int = 2,
    name: str = "dashcam_net_v2",
) -> keras.Model:
    """Build a model that brightens a camera's frames by bounded tone curves.

    The image x is folded into blocks of 4 x 4 pixels and unfolded at the end; nothing is computed
    at full size. A trunk of convolutions at a quarter, an eighth and a sixteenth of the size
    predicts two curve parameters a and b in [0, 1] and a residual r for each value:

        soft, steep = tanh(5 x), tanh(24 x)
        curve       = soft + a (steep - soft)
        enhanced    = clip(x + b (curve - x) + r)

    Without r, black and white stay what they are and the curve of each value rises everywhere,
    whatever the weights are; its slope at black is between 1 and 24. r is computed from features
    that are multiplied by the block's mean of 8 (steep - soft), at most 1: it is 0 in blocks that
    are black or well lit. Nothing is clipped before the trunk: it sees soft + steep.

    A thumbnail of the full image adds a bias to the features at an eighth of the size and to those
    that a, b and r are computed from (exposure and color balance), so that tiles agree and a video
    can be smoothed. The brightness control shifts the logits of a and b by weights of one sign: the
    result is monotone in it.

    Args:
        filters: Feature maps at a quarter of the size.
        blocks: Residual blocks there.
        deep_filters: Feature maps at an eighth and a sixteenth of the size.
        deep_blocks: Residual blocks at a sixteenth of the size.
        context: Feature maps of the thumbnail branch.
        curves: 2, or 1 for tanh(12 x) instead of the mixture: a third less time in the smallest
            model, whose time goes into operations on each value.
        expansion: Of the collapsible convolutions in training; without meaning on the device.
        name: Name of the Keras model.

    Returns:
        A model from {"low": (B, H, W, 3), "thumbnail": (B, 128, 192, 3), "brightness":
        (B, 1, 1, 2)} to {"enhanced": (B, H, W, 3)}; sRGB in [0, 1], any H and W; multiples of 16
        need no padding. Brightness is (EV / 2, 0) to brighten by up to 2 EV, (0, -EV / 2) to
        darken, zeros for automatic.

    Raises:
        UsageError: If a number is too small.

    Reference:
        Ours. Curves that keep 0 and 1 are from Guo et al., "Zero-Reference Deep Curve Estimation
        for Low-Light Image Enhancement", CVPR 2020; the convolutions from Bhardwaj et al., MLSys
        2022.

    Differences from the reference:
        Two fixed curves are mixed instead of iterating one; the parameters are predicted for blocks
        of pixels; a gated residual is added.
    """
    for option, value in {
        "filters": filters, "deep_filters": deep_filters, "context": context,
    }.items():  # fmt: skip
        checks.check_min(option, value, 1)
    if curves not in (1, 2):
        raise UsageError(f"`curves` must be 1 or 2. Received: curves={curves}.")
    for option, value in {
        "blocks": blocks, "deep_blocks": deep_blocks, "expansion": expansion,
    }.items():  # fmt: skip
        checks.check_min(option, value, 0)

    def conv(x: KerasTensor, channels: int, place: str, size: int = 3, **options) -> KerasTensor:
        return CollapsibleConv2D(
            channels, size, expansion=expansion, name=f"{place}_conv", **options
        )(x)

    def activate(x: KerasTensor, place: str) -> KerasTensor:
        return layers.LeakyReLU(LEAKY_SLOPE, name=f"{place}_act")(x)

    def residual_block(x: KerasTensor, channels: int, place: str) -> KerasTensor:
        y = activate(conv(x, channels, f"{place}_a"), f"{place}_a")
        y = conv(y, channels, f"{place}_b")
        return activate(layers.Add(name=place)([x, y]), f"{place}_b")

    def multiply(x: KerasTensor, y: KerasTensor, place: str) -> KerasTensor:
        return layers.Multiply(name=place)([x, y])

    def curve(x: KerasTensor, slope: float, place: str) -> KerasTensor:
        return layers.Activation("tanh", name=place)(x * slope)

    image, small, control = ENHANCE_WITH_BRIGHTNESS.inputs
    low = keras.Input((None, None, image.channels), name=image.name)
    thumbnail = keras.Input(small.shape(small.size), name=small.name)
    brightness = keras.Input(control.shape(control.size), name=control.name)
    colors = image.channels * BLOCK**2

    # Thumbnail branch: one vector for the full image.
    x = SpaceToDepth(BLOCK, name="thumbnail_fold")(thumbnail)
    x = layers.Add(name="thumbnail_curves")(
        [curve(x, SOFT, "thumbnail_soft"), curve(x, STEEP, "thumbnail_steep")]
    )
    x = activate(conv(x, context, "global_a", center=FEATURE_CENTER), "global_a")
    x = activate(conv(x, context, "global_b", strides=2), "global_b")
    x = activate(conv(x, 2 * context, "global_c", strides=2), "global_c")
    x = layers.GlobalAveragePooling2D(keepdims=True, name="global_mean")(x)
    context_vector = activate(conv(x, 2 * context, "global_d", 1), "global_d")

    # Trunk.
    folded = SpaceToDepth(BLOCK, name="fold")(low)
    if curves == 2:
        first, second = curve(folded, SOFT, "soft"), curve(folded, STEEP, "steep")
    else:
        first, second = folded, curve(folded, SINGLE, "single")
    shade = layers.Add(name="curves")([first, second])
    quarter = activate(conv(shade, filters, "enter", center=FEATURE_CENTER), "enter")
    eighth = conv(quarter, deep_filters, "down", strides=2)
    offset = layers.Conv2D(deep_filters, 1, use_bias=False, name="context")(context_vector)
    eighth = activate(layers.Add(name="down_context")([eighth, offset]), "down")
    deep = activate(conv(eighth, deep_filters, "deep", strides=2), "deep")
    for number in range(deep_blocks):
        deep = residual_block(deep, deep_filters, f"deep{number}")
    deep = conv(deep, 4 * deep_filters, "deep_up", 1)
    eighth = layers.Add(name="deep_join")([eighth, DepthToSpace(2, name="deep_up")([deep, eighth])])
    up = conv(activate(eighth, "deep_join"), 4 * filters, "up", 1)
    x = layers.Add(name="join")([quarter, DepthToSpace(2, name="up")([up, quarter])])
    for number in range(blocks):
        x = residual_block(x, filters, f"block{number}")

    # Brightness control: channel 0 raises the logits of both curve parameters, and nothing else.
    shift = layers.Conv2D(
        1, 1, use_bias=False, name="brightness_shift",
        kernel_initializer=BrightnessStart(),
        kernel_constraint=SignConstraint(at_least_0=(0,), at_most_0=(1,)),
    )(brightness)  # fmt: skip
    shift = layers.Conv2D(
        filters, 1, use_bias=False, kernel_initializer=FirstChannel(), trainable=False,
        name="brightness_channel",
    )(shift)  # fmt: skip
    context_shift = layers.Conv2D(
        filters, 1, use_bias=False, kernel_initializer="zeros", name="context_shift"
    )(context_vector)
    shift = layers.Add(name="shift")([shift, context_shift])
    x = layers.Add(name="shifted")([x, shift])

    def head(x: KerasTensor, place: str, **options) -> KerasTensor:
        return layers.Conv2D(colors, 1, name=place, **options)(x)

    between = layers.Subtract(name="between")([second, first])
    gate = layers.Conv2D(
        filters, 1, trainable=False, name="gate_mean",
        kernel_initializer=keras.initializers.Constant(RESIDUAL_GAIN / colors),
        bias_initializer=keras.initializers.Constant(GATE_BIAS),
    )(between)  # fmt: skip
    gate = UnitClip(straight_through=False, name="gate")(gate)
    residual = head(
        multiply(x, gate, "gated"), "residual", use_bias=False,
        kernel_constraint=SignConstraint(zero=(0,)),
        kernel_initializer=keras.initializers.RandomNormal(0, 0.1 / filters),
    )  # fmt: skip
    rising = SignConstraint(at_least_0=(0,))
    lift = between
    if curves == 2:
        a = head(x, "steepness", activation="sigmoid", kernel_constraint=rising)
        mixed = layers.Add(name="curve")([first, multiply(a, between, "steepened")])
        lift = layers.Subtract(name="lift")([mixed, folded])
    b = head(x, "strength", activation="sigmoid", kernel_constraint=rising)
    change = multiply(b, lift, "strengthened")
    result = layers.Add(name="lifted")([folded, change])
    result = UnitClip(name="limited")(layers.Add(name="enhanced_raw")([result, residual]))
    enhanced = DepthToSpace(BLOCK, name="unfold")([result, low])
    model = keras.Model(
        {image.name: low, small.name: thumbnail, control.name: brightness},
        {ENHANCE_WITH_BRIGHTNESS.outputs[0].name: enhanced},
        name=name,
    )
    for weight in model.trainable_variables:
        if weight.constraint:  # Keras constrains after each step only; averages start before
            weight.assign(weight.constraint(weight))
    return model
