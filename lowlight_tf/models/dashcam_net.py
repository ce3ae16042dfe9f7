"""Ours: night pictures on a camera board, in blocks of 4 x 4 pixels, exposed from afar."""

import keras
from keras import KerasTensor, layers

from lowlight_tf import checks
from lowlight_tf.contract import EXPOSE
from lowlight_tf.layers.limit import Limit
from lowlight_tf.layers.reparameterization import CollapsibleConv2D
from lowlight_tf.layers.resample import DepthToSpace, SpaceToDepth

BLOCK = 4
"""Side of the blocks of pixels that are folded into channels (pixels)."""

MOST = 16.0
"""How much brighter the trunk sees a picture at most; before anything is learned, half of it."""


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
    computed at full size, not even the product of picture and gain. A trunk of residual blocks at a
    quarter of the size, with a few more at an eighth, predicts a gain and an offset for every value
    of the folded picture: enhanced = limit(limit(picture x level x lift x gain) + offset).

    How bright the result becomes is decided from afar, on a thumbnail of the whole picture, in two
    looks. The first, of four convolutions, sets the level at which the picture is seen, by the
    trunk and by the second look. The second, to which dark pictures are no darker than others,
    tells how bright the result should be (lift), and how strongly each of the trunk's last feature
    maps speaks. It is a single convolution within blocks and a mean: contrast and the density of
    edges say something of how bright a picture is meant to be, and a deeper look learned the
    pictures by heart. Whatever part of a picture the net is run on, the thumbnail is that of the
    whole: tiles agree. In a video the thumbnail can be a running mean, and exposure is steady.

    What runs on a device (after `layers.reparameterization.fold`) is space-to-depth, convolutions
    with ReLU, sum, product, minimum with 1, sigmoid, mean over height and width, and
    depth-to-space.

    Args:
        filters: Feature maps of the trunk.
        blocks: Residual blocks at a quarter of the size.
        deep_filters: Feature maps at an eighth of the size.
        deep_blocks: Residual blocks there.
        context: Feature maps of the looks at the thumbnail.
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
        checks.at_least(option, value, 1)
    for option, value in {
        "blocks": blocks, "deep_blocks": deep_blocks, "expansion": expansion,
    }.items():  # fmt: skip
        checks.at_least(option, value, 0)

    def conv(x: KerasTensor, channels: int, place: str, size: int = 3, strides: int = 1):
        return CollapsibleConv2D(
            channels, size, strides=strides, expansion=expansion, name=f"{place}_conv"
        )(x)

    def active(x: KerasTensor, place: str) -> KerasTensor:
        return layers.ReLU(name=f"{place}_act")(x)

    def block(x: KerasTensor, channels: int, place: str) -> KerasTensor:
        y = active(conv(x, channels, f"{place}_a"), f"{place}_a")
        y = conv(y, channels, f"{place}_b")
        return active(layers.Add(name=place)([x, y]), f"{place}_b")

    small, picture = EXPOSE.thumbnails[0], EXPOSE.pictures[0]
    low = keras.Input((None, None, picture.channels), name=picture.name)
    thumbnail = keras.Input(small.shape(small.size), name=small.name)
    colors = picture.channels * BLOCK**2

    def seen(x: KerasTensor, place: str) -> KerasTensor:
        return Limit(strict=True, name=place)(layers.Multiply(name=f"{place}_raw")([x, level]))

    def mean(x: KerasTensor, place: str) -> KerasTensor:
        return layers.GlobalAveragePooling2D(keepdims=True, name=f"{place}_mean")(x)

    glance = SpaceToDepth(BLOCK, name="glance")(thumbnail)
    x = active(conv(glance, context, "dark_a", 1), "dark_a")
    x = active(conv(x, context, "dark_b", 3, 2), "dark_b")
    x = mean(active(conv(x, 2 * context, "dark_c", 3, 2), "dark_c"), "dark")
    x = active(conv(x, 2 * context, "dark_d", 1), "dark_d")
    level = MOST * layers.Conv2D(1, 1, activation="sigmoid", name="level")(x)

    x = active(conv(seen(glance, "glance_seen"), context, "lit", 1), "lit")
    lit = mean(x, "lit")
    lift = 2.0 * layers.Conv2D(1, 1, activation="sigmoid", name="lift")(lit)
    weight = layers.Conv2D(filters, 1, activation="sigmoid", name="weight")(lit)

    folded = SpaceToDepth(BLOCK, name="fold")(low)
    x = active(conv(seen(folded, "seen"), filters, "enter"), "enter")
    y = active(conv(x, deep_filters, "down", strides=2), "down")
    for number in range(deep_blocks):
        y = block(y, deep_filters, f"deep{number}")
    y = conv(y, 4 * filters, "up", 1)
    x = layers.Add(name="join")([x, DepthToSpace(2, name="up")([y, x])])
    for number in range(blocks):
        x = block(x, filters, f"block{number}")
    x = layers.Multiply(name="weighted")([x, weight])

    gain = layers.Conv2D(colors, 1, activation="relu", bias_initializer="ones", name="gain")(x)
    gain = layers.Multiply(name="whole_gain")([gain, level * lift])
    offset = layers.Conv2D(colors, 1, name="offset")(x)
    bright = Limit(name="bright")(layers.Multiply(name="bright_raw")([folded, gain]))
    whole = Limit(name="whole")(layers.Add(name="whole_raw")([bright, offset]))
    enhanced = DepthToSpace(BLOCK, name="unfold")([whole, low])
    return keras.Model(
        {picture.name: low, small.name: thumbnail}, {EXPOSE.outputs[0].name: enhanced}, name=name
    )
