"""Ours: night pictures on a camera board, in blocks of 4 x 4 pixels, exposed from afar."""

import keras
from keras import KerasTensor, layers

from lowlight_tf import checks
from lowlight_tf.contract import ENHANCE_WITH_THUMBNAIL
from lowlight_tf.layers.clip import UnitClip
from lowlight_tf.layers.dct import DCTInitializer
from lowlight_tf.layers.reparameterization import CollapsibleConv2D
from lowlight_tf.layers.resample import DepthToSpace, SpaceToDepth

BLOCK = 4
"""Side of the blocks of pixels that are folded into channels (pixels)."""

LEAKY_SLOPE = 0.1
"""Slope of the activations below zero. With plain ReLU two thirds of the units fell silent for good
within the first thousand steps, up to all 24 of those that see the picture first."""

MEAN_SHADE = 0.6
"""What the shade of a picture at its level is like on average."""

MAX_GAIN = 16.0
"""How much brighter the trunk sees a picture at most; before anything is learned, about 2."""


def dashcam_net(
    *,
    filters: int = 24,
    blocks: int = 2,
    deep_filters: int = 36,
    deep_blocks: int = 1,
    context: int = 16,
    expansion: int = 2,
    name: str = "dashcam_net",
) -> keras.Model:
    """Build the net that brightens a camera's frames for the fewest bytes moved.

    The picture is folded into blocks of 4 x 4 pixels and is not unfolded before the end: nothing is
    computed at full size. What the net works on is the picture's shade, (1 - limit(picture x
    level))^4, which is 1 in black and 0 in white: a tone curve that brightens the dark four times
    more than the bright, as gamma does, in one difference and three products. A trunk of residual
    blocks at a quarter of the size, with a few more at an eighth, predicts from it a white point
    and a span for every value: enhanced = limit(lift x (white - span x shade)). (On LOL-v1's
    validation pairs the best white and span for a whole picture come to 26.1 dB; the best gain and
    offset on the picture itself to 24.6.)

    How bright the result becomes is decided from afar, on a thumbnail of the whole picture, in two
    looks. The first, of four convolutions, sets the level at which the picture is seen, by the
    trunk and by the second look. The second, to which dark pictures are no darker than others,
    tells how bright the result should be (lift): from its means, from the mean strengths of 15
    cosine filters on blocks of 4 x 4 pixels, and from what the first look found, by one weight for
    each. These filters are not learned, and the lift is not learned along with the rest, but fitted
    in closed form when the rest is done (`training.exposure`): with a few hundred scenes, whatever
    had more freedom or more time knew them by heart. Until then it is 1. Whatever part of a picture
    the net is run on, the thumbnail is that of the whole: tiles agree. In a video it can be a
    running mean, and exposure is steady.

    What runs on a device (after `layers.reparameterization.reparameterize_model`) is space-to-depth, convolutions
    with leaky ReLU, sum, difference, product, minimum with 1, sigmoid, mean over height and width,
    and depth-to-space.

    Args:
        filters: Feature maps of the trunk.
        blocks: Residual blocks at a quarter of the size.
        deep_filters: Feature maps at an eighth of the size.
        deep_blocks: Residual blocks there.
        context: Feature maps of the first look at the thumbnail.
        expansion: Of the collapsible convolutions in training; without meaning on the device.
        name: Name of the Keras model.

    Returns:
        A model from {"low": (B, H, W, 3), "thumbnail": (B, 128, 192, 3)} to
        {"enhanced": (B, H, W, 3)}; sRGB in [0, 1], any H and W; multiples of 8 need no padding.

    Raises:
        UsageError: If a number is too small.

    Reference:
        Ours. The gain and offset follow Cui et al., "You Only Need 90K Parameters to Adapt Light",
        BMVC 2022; the convolutions Bhardwaj et al., MLSys 2022.

    Differences from the reference:
        No attention and no normalization; gain and offset are applied to blocks; the global branch
        sees a thumbnail instead of features.
    """
    for option, value in {
        "filters": filters, "deep_filters": deep_filters, "context": context,
    }.items():  # fmt: skip
        checks.check_min(option, value, 1)
    for option, value in {
        "blocks": blocks, "deep_blocks": deep_blocks, "expansion": expansion,
    }.items():  # fmt: skip
        checks.check_min(option, value, 0)

    def conv(x: KerasTensor, channels: int, place: str, size: int = 3, **more):
        return CollapsibleConv2D(channels, size, expansion=expansion, name=f"{place}_conv", **more)(
            x
        )

    def active(x: KerasTensor, place: str) -> KerasTensor:
        return layers.LeakyReLU(LEAKY_SLOPE, name=f"{place}_act")(x)

    def block(x: KerasTensor, channels: int, place: str) -> KerasTensor:
        y = active(conv(x, channels, f"{place}_a"), f"{place}_a")
        y = conv(y, channels, f"{place}_b")
        return active(layers.Add(name=place)([x, y]), f"{place}_b")

    small, picture = (
        ENHANCE_WITH_THUMBNAIL.thumbnail_inputs[0],
        ENHANCE_WITH_THUMBNAIL.image_inputs[0],
    )
    low = keras.Input((None, None, picture.channels), name=picture.name)
    thumbnail = keras.Input(small.shape(small.size), name=small.name)
    colors = picture.channels * BLOCK**2

    def shade(x: KerasTensor, place: str) -> KerasTensor:
        lit = UnitClip(strict=True, name=f"{place}_seen")(
            layers.Multiply(name=f"{place}_level")([x, level])
        )
        x = 1.0 - lit
        x = layers.Multiply(name=f"{place}_square")([x, x])
        return layers.Multiply(name=f"{place}_shade")([x, x])

    def mean(x: KerasTensor, place: str) -> KerasTensor:
        return layers.GlobalAveragePooling2D(keepdims=True, name=f"{place}_mean")(x)

    glance = SpaceToDepth(BLOCK, name="glance")(thumbnail)
    x = active(conv(glance, context, "dark_a", 1), "dark_a")
    x = active(conv(x, context, "dark_b", strides=2), "dark_b")
    x = mean(active(conv(x, 2 * context, "dark_c", strides=2), "dark_c"), "dark")
    dark = active(conv(x, 2 * context, "dark_d", 1), "dark_d")
    level = layers.Conv2D(
        1, 1, activation="sigmoid", bias_initializer=keras.initializers.Constant(-2), name="level"
    )(dark)
    level = MAX_GAIN * level

    seen = shade(glance, "glance")
    lit = layers.Conv2D(
        BLOCK**2 - 1, 1, kernel_initializer=DCTInitializer(), trainable=False, name="lit_conv"
    )(seen)
    lit = mean(active(lit, "lit"), "lit")

    def fitted(x: KerasTensor, place: str) -> KerasTensor:
        return layers.Conv2D(1, 1, kernel_initializer="zeros", trainable=False, name=place)(x)

    lift = layers.Add(name="lift_look")(
        [fitted(mean(seen, "glance"), "lift_shade"), fitted(lit, "lift_lit")]
    )
    lift = layers.Add(name="lift")([lift, fitted(dark, "lift_dark")])
    lift = 2.0 * layers.Activation("sigmoid", name="lift_act")(lift)

    folded = shade(SpaceToDepth(BLOCK, name="fold")(low), "picture")
    x = active(conv(folded, filters, "enter", center=MEAN_SHADE), "enter")
    y = active(conv(x, deep_filters, "down", strides=2), "down")
    for number in range(deep_blocks):
        y = block(y, deep_filters, f"deep{number}")
    y = conv(y, 4 * filters, "up", 1)
    x = layers.Add(name="join")([x, DepthToSpace(2, name="up")([y, x])])
    for number in range(blocks):
        x = block(x, filters, f"block{number}")
    x = layers.Multiply(name="lifted")([x, lift])

    def head(sign: int, place: str) -> KerasTensor:
        start = keras.initializers.RandomNormal(sign / filters, 0.3 / filters)
        return layers.Conv2D(colors, 1, use_bias=False, kernel_initializer=start, name=place)(x)

    shaded = layers.Multiply(name="shaded")([folded, head(-1, "span")])
    whole = UnitClip(name="whole")(layers.Add(name="whole_raw")([head(1, "white"), shaded]))
    enhanced = DepthToSpace(BLOCK, name="unfold")([whole, low])
    return keras.Model(
        {picture.name: low, small.name: thumbnail},
        {ENHANCE_WITH_THUMBNAIL.outputs[0].name: enhanced},
        name=name,
    )
