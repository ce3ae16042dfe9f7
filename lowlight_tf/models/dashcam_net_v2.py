"""Low-light enhancement for dashcams by tone curves that keep black and white, version 2."""

import keras
from keras import KerasTensor, layers

from lowlight_tf import checks
from lowlight_tf.contract import ENHANCE_WITH_BRIGHTNESS
from lowlight_tf.layers.controls import BrightnessConstraint, BrightnessStart, SignConstraint
from lowlight_tf.layers.reparameterization import CollapsibleConv2D
from lowlight_tf.layers.resample import DepthToSpace, SpaceToDepth
from lowlight_tf.models._curve_head import falling_curve, predict_curve

BLOCK = 4
"""Side of the pixel blocks that are folded into channels (pixels)."""

LEAKY_SLOPE = 0.1
"""Negative slope of the activations. Under plain ReLU two thirds of the units of version 1 died."""

FEATURE_CENTER = 0.8
"""Mean of the trunk's input, the sum of image and curve, over typical training images."""


def dashcam_net_v2(
    *,
    filters: int = 24,
    blocks: int = 2,
    deep_filters: int = 28,
    deep_blocks: int = 1,
    context: int = 16,
    enter_size: int = 3,
    expansion: int = 2,
    name: str = "dashcam_net_v2",
) -> keras.Model:
    """Build a model that brightens a camera's frames by bounded tone curves.

    The image is folded into blocks of 4 x 4 pixels and unfolded at the end; nothing is computed at
    full size. A trunk of convolutions at a quarter, an eighth and a sixteenth of the size predicts,
    for each value, a strength of the tone curve 1 - exp(-16 x) and a residual, which is off in
    blocks that are black or white: see `models._curve_head`. Nothing is clipped before the trunk:
    it sees the sum of image and curve.

    A thumbnail of the full image adds a bias to the features at an eighth of the size and to those
    that b and r are computed from (exposure and color balance), so that tiles agree and a video can
    be smoothed. The brightness control shifts the logits of b by weights of one sign: the result is
    monotone in it.

    Args:
        filters: Feature maps at a quarter of the size.
        blocks: Residual blocks there.
        deep_filters: Feature maps at an eighth and a sixteenth of the size.
        deep_blocks: Residual blocks at a sixteenth of the size.
        context: Feature maps of the thumbnail branch.
        enter_size: Size of the first convolution's kernel, 1 or 3: most of the smallest model's
            time.
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
        Ours. The convolutions are those of Bhardwaj et al., "Collapsible Linear Blocks for
        Super-Efficient Super Resolution", MLSys 2022.
    """
    for option, value in {
        "filters": filters, "deep_filters": deep_filters, "context": context,
        "enter_size": enter_size,
    }.items():  # fmt: skip
        checks.check_min(option, value, 1)
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

    image, small, control = ENHANCE_WITH_BRIGHTNESS.inputs
    low = keras.Input((None, None, image.channels), name=image.name)
    thumbnail = keras.Input(small.shape(small.size), name=small.name)
    brightness = keras.Input(control.shape(control.size), name=control.name)

    # Thumbnail branch: one vector for the full image.
    x = SpaceToDepth(BLOCK, name="thumbnail_fold")(thumbnail)
    x = layers.Subtract(name="thumbnail_shade")([x, falling_curve(x, "thumbnail_curve")])
    x = activate(conv(x, context, "global_a", center=FEATURE_CENTER), "global_a")
    x = activate(conv(x, context, "global_b", strides=2), "global_b")
    x = activate(conv(x, 2 * context, "global_c", strides=2), "global_c")
    x = layers.GlobalAveragePooling2D(keepdims=True, name="global_mean")(x)
    context_vector = activate(conv(x, 2 * context, "global_d", 1), "global_d")

    # Trunk.
    folded = SpaceToDepth(BLOCK, name="fold")(low)
    falling = falling_curve(folded)
    shade = layers.Subtract(name="shade")([folded, falling])
    quarter = activate(conv(shade, filters, "enter", enter_size, center=FEATURE_CENTER), "enter")
    eighth = conv(quarter, deep_filters, "down", strides=2)
    offset = layers.Conv2D(deep_filters, 1, use_bias=False, name="context")(context_vector)
    # The smaller operand comes first: the GPU delegate adds it wrongly to int8 features otherwise.
    eighth = activate(layers.Add(name="down_context")([offset, eighth]), "down")
    deep = activate(conv(eighth, deep_filters, "deep", strides=2), "deep")
    for number in range(deep_blocks):
        deep = residual_block(deep, deep_filters, f"deep{number}")
    deep = conv(deep, 4 * deep_filters, "deep_up", 1)
    eighth = layers.Add(name="deep_join")([eighth, DepthToSpace(2, name="deep_up")([deep, eighth])])
    up = conv(activate(eighth, "deep_join"), 4 * filters, "up", 1)
    x = layers.Add(name="join")([quarter, DepthToSpace(2, name="up")([up, quarter])])
    for number in range(blocks):
        x = residual_block(x, filters, f"block{number}")

    # Brightness control: channel 0 raises the logits of the strengths, and nothing else.
    shift = layers.Conv2D(
        filters, 1, use_bias=False, name="shift",
        kernel_initializer=BrightnessStart(), kernel_constraint=BrightnessConstraint(),
    )(layers.Concatenate(name="shift_inputs")([context_vector, brightness]))  # fmt: skip
    x = layers.Add(name="shifted")([shift, x])

    result = predict_curve(
        x, folded, falling,
        strength_constraint=SignConstraint(at_least_0=(0,)),
        residual_constraint=SignConstraint(zero=(0,)),
    )  # fmt: skip
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
