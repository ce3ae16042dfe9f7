"""Ours: night pictures on a camera board, wholly in blocks of 4 x 4 pixels, exposure from afar."""

import keras
from keras import KerasTensor, layers

from lowlight_tf import checks
from lowlight_tf.checks import UsageError
from lowlight_tf.layers.limit import Limit
from lowlight_tf.layers.reparameterization import CollapsibleConv2D
from lowlight_tf.layers.resample import DepthToSpace, SpaceToDepth

PATCH = 4


def dashcam_net(
    *,
    filters: int = 24,
    blocks: int = 2,
    deep_filters: int = 40,
    deep_blocks: int = 1,
    context: int = 16,
    expansion: int = 2,
    residual_input: bool = False,
    name: str = "dashcam_net",
) -> keras.Model:
    low = keras.Input((None, None, 3), name="low")
    thumbnail = keras.Input((64, 96, 3), name="thumbnail")
    colors = 3 * PATCH**2
    folded = SpaceToDepth(PATCH, name="fold")(low)

    def conv(x, channels, size=3, place="", strides=1, active=True, residual=False):
        x = CollapsibleConv2D(
            channels,
            size,
            strides=strides,
            expansion=expansion,
            residual=residual,
            name=f"{place}_conv" if active else place,
        )(x)
        return (
            layers.PReLU(
                shared_axes=[1, 2],
                alpha_initializer=keras.initializers.Constant(0.2),
                name=f"{place}_act",
            )(x)
            if active
            else x
        )

    def block(x, channels, place):
        y = conv(x, channels, 3, f"{place}_a")
        return conv(y, channels, 3, f"{place}_b", residual=False) + x

    # exposure
    v = SpaceToDepth(PATCH, name="thumb_fold")(thumbnail)
    v = conv(v, context, 1, "thumb_a")
    v = conv(v, context, 3, "thumb_b", strides=2)
    v = conv(v, 2 * context, 3, "thumb_c", strides=2)
    v = keras.ops.mean(v, axis=(1, 2), keepdims=True)
    v = conv(v, 2 * context, 1, "thumb_d")
    level = layers.Conv2D(
        colors,
        1,
        bias_initializer=keras.initializers.Constant(1.0),
        activation="relu",
        name="level",
    )(v)
    x = Limit(name="exposed")(folded * (level * 8.0))

    x = conv(x, filters, 3, "enter")
    if deep_filters:
        d = conv(x, deep_filters, 3, "down", strides=2)
        for i in range(deep_blocks):
            d = block(d, deep_filters, f"deep{i}")
        d = layers.Conv2D(4 * filters, 1, name="up_conv")(d)
        d = DepthToSpace(2, name="up")([d, x])
        x = x + d
    for i in range(blocks):
        x = block(x, filters, f"block{i}")
    gate = layers.Conv2D(filters, 1, activation="sigmoid", name="gate")(v)
    x = x * (gate * 2.0)
    gain = layers.Conv2D(
        colors, 1, bias_initializer=keras.initializers.Constant(4.0), activation="relu", name="gain"
    )(x)
    offset = layers.Conv2D(colors, 1, name="offset")(x)
    bright = Limit(name="gained")(folded * gain)
    bright = Limit(name="range")(bright + offset)
    enhanced = DepthToSpace(PATCH, name="unfold")([bright, low])
    return keras.Model({"low": low, "thumbnail": thumbnail}, {"enhanced": enhanced}, name=name)
