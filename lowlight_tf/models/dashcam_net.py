"""DashcamNet, our own: night images in blocks of 4x4 pixels, exposure from a thumbnail."""

import keras
from keras import KerasTensor, layers

from lowlight_tf import checks
from lowlight_tf.contract import ENHANCE_WITH_THUMBNAIL
from lowlight_tf.layers.clip import UnitClip
from lowlight_tf.layers.dct import DCTInitializer
from lowlight_tf.layers.reparameterization import CollapsibleConv2D
from lowlight_tf.layers.resample import DepthToSpace, SpaceToDepth

BLOCK = 4
"""Side of the blocks that are folded into channels (pixels)."""

LEAKY_SLOPE = 0.1
"""Negative slope of the activations. With plain ReLU two thirds of the units became inactive for
good within the first thousand steps, up to all 24 of the first layer."""

MEAN_SHADE = 0.6
"""Average shade of an image that is scaled by its level; see `dashcam_net`."""

MAX_GAIN = 16.0
"""Maximum of the level, by which the input is scaled; about 2 at initialization."""


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
    """Build the model that enhances the frames of a camera with the least memory traffic.

    The image is folded into blocks of 4x4 pixels and is not unfolded before the end: nothing is
    computed at full resolution. The input of the trunk is the shade of the image,
    (1 - clip(image x level))^4, which is 1 in black and 0 in white: a tone curve that raises dark
    values four times more than bright ones, as gamma does, in one difference and three products. A
    trunk of residual blocks at 1/4 of the resolution, with some more at 1/8, predicts from it a
    white point and a span for every value: enhanced = clip(lift x (white - span x shade)). (On the
    validation pairs of LOL-v1, the best white point and span of a full image give 26.1 dB; the best
    gain and offset of the image itself 24.6 dB.)

    The exposure of the output is predicted from a thumbnail of the full image, in two stages. The
    first, four convolutions, predicts the level by which the input of the trunk and of the second
    stage is scaled. The second, which thus is independent of the brightness of the input, predicts
    the lift from the mean shade, from the mean magnitudes of 15 cosine filters on blocks of 4x4
    pixels, and from the features of the first stage, by one linear layer. The filters are fixed,
    and the linear layer is not trained with the rest but fitted in closed form afterwards
    (`training.exposure_calibration`): on a few hundred scenes, anything with more parameters or
    more training overfitted. Until then the lift is 1. Whatever tile of an image the model is run
    on, the thumbnail is that of the full image, so that tiles agree. In a video it can be a running
    mean, so that the exposure is steady.

    The operations on a device, after `layers.reparameterization.reparameterize_model`, are
    space-to-depth, convolution with leaky ReLU, sum, difference, product, minimum with 1, sigmoid,
    mean over height and width, and depth-to-space.

    Args:
        filters: Channels of the trunk.
        blocks: Residual blocks at 1/4 of the resolution.
        deep_filters: Channels at 1/8 of the resolution.
        deep_blocks: Residual blocks there.
        context: Channels of the first stage on the thumbnail.
        expansion: Of the collapsible convolutions in training; no effect on the device.
        name: Name of the Keras model.

    Returns:
        A model from {"low": (B, H, W, 3), "thumbnail": (B, 128, 192, 3)} to
        {"enhanced": (B, H, W, 3)}; sRGB in [0, 1], any H and W; multiples of 8 need no padding.

    Raises:
        UsageError: If a number is too small.

    Reference:
        Our own. The gain and offset follow Cui et al., "You Only Need 90K Parameters to Adapt
        Light", BMVC 2022; the convolutions Bhardwaj et al., MLSys 2022.

    Differences from the reference:
        No attention and no normalization; gain and offset are applied to blocks; the global branch
        receives a thumbnail instead of features.
    """
    for option, value in {
        "filters": filters, "deep_filters": deep_filters, "context": context,
    }.items():  # fmt: skip
        checks.check_min(option, value, 1)
    for option, value in {
        "blocks": blocks, "deep_blocks": deep_blocks, "expansion": expansion,
    }.items():  # fmt: skip
        checks.check_min(option, value, 0)

    def conv(x: KerasTensor, channels: int, name: str, size: int = 3, **options) -> KerasTensor:
        layer = CollapsibleConv2D(
            channels, size, expansion=expansion, name=f"{name}_conv", **options
        )
        return layer(x)

    def activate(x: KerasTensor, name: str) -> KerasTensor:
        return layers.LeakyReLU(LEAKY_SLOPE, name=f"{name}_act")(x)

    def block(x: KerasTensor, channels: int, name: str) -> KerasTensor:
        y = activate(conv(x, channels, f"{name}_a"), f"{name}_a")
        y = conv(y, channels, f"{name}_b")
        return activate(layers.Add(name=name)([x, y]), f"{name}_b")

    (thumbnail_port,) = ENHANCE_WITH_THUMBNAIL.thumbnail_inputs
    (image_port,) = ENHANCE_WITH_THUMBNAIL.image_inputs
    low = keras.Input((None, None, image_port.channels), name=image_port.name)
    thumbnail = keras.Input(thumbnail_port.shape(thumbnail_port.size), name=thumbnail_port.name)
    colors = image_port.channels * BLOCK**2

    def shade(x: KerasTensor, name: str) -> KerasTensor:
        scaled = layers.Multiply(name=f"{name}_level")([x, level])
        x = 1.0 - UnitClip(straight_through=False, name=f"{name}_seen")(scaled)
        x = layers.Multiply(name=f"{name}_square")([x, x])
        return layers.Multiply(name=f"{name}_shade")([x, x])

    def mean(x: KerasTensor, name: str) -> KerasTensor:
        return layers.GlobalAveragePooling2D(keepdims=True, name=f"{name}_mean")(x)

    folded_thumbnail = SpaceToDepth(BLOCK, name="glance")(thumbnail)
    x = activate(conv(folded_thumbnail, context, "dark_a", 1), "dark_a")
    x = activate(conv(x, context, "dark_b", strides=2), "dark_b")
    x = mean(activate(conv(x, 2 * context, "dark_c", strides=2), "dark_c"), "dark")
    level_features = activate(conv(x, 2 * context, "dark_d", 1), "dark_d")
    level = layers.Conv2D(
        1, 1, activation="sigmoid", bias_initializer=keras.initializers.Constant(-2), name="level"
    )(level_features)
    level = MAX_GAIN * level

    thumbnail_shade = shade(folded_thumbnail, "glance")
    cosines = layers.Conv2D(
        BLOCK**2 - 1, 1, kernel_initializer=DCTInitializer(), trainable=False, name="lit_conv"
    )(thumbnail_shade)
    cosines = mean(activate(cosines, "lit"), "lit")

    def calibrate(x: KerasTensor, name: str) -> KerasTensor:
        return layers.Conv2D(1, 1, kernel_initializer="zeros", trainable=False, name=name)(x)

    lift = layers.Add(name="lift_look")(
        [calibrate(mean(thumbnail_shade, "glance"), "lift_shade"), calibrate(cosines, "lift_lit")]
    )
    lift = layers.Add(name="lift")([lift, calibrate(level_features, "lift_dark")])
    lift = 2.0 * layers.Activation("sigmoid", name="lift_act")(lift)

    folded = shade(SpaceToDepth(BLOCK, name="fold")(low), "picture")
    x = activate(conv(folded, filters, "enter", center=MEAN_SHADE), "enter")
    y = activate(conv(x, deep_filters, "down", strides=2), "down")
    for index in range(deep_blocks):
        y = block(y, deep_filters, f"deep{index}")
    y = conv(y, 4 * filters, "up", 1)
    x = layers.Add(name="join")([x, DepthToSpace(2, name="up")([y, x])])
    for index in range(blocks):
        x = block(x, filters, f"block{index}")
    x = layers.Multiply(name="lifted")([x, lift])

    def head(sign: int, name: str) -> KerasTensor:
        initializer = keras.initializers.RandomNormal(sign / filters, 0.3 / filters)
        layer = layers.Conv2D(colors, 1, use_bias=False, kernel_initializer=initializer, name=name)
        return layer(x)

    shaded = layers.Multiply(name="shaded")([folded, head(-1, "span")])
    output = UnitClip(name="whole")(layers.Add(name="whole_raw")([head(1, "white"), shaded]))
    enhanced = DepthToSpace(BLOCK, name="unfold")([output, low])
    return keras.Model(
        {image_port.name: low, thumbnail_port.name: thumbnail},
        {ENHANCE_WITH_THUMBNAIL.outputs[0].name: enhanced},
        name=name,
    )
