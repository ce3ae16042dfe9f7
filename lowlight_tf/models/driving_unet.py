"""The night-driving U-Net: half of the 3x3 convolutions are 1x1, all are group-normalized."""

import keras
from keras import KerasTensor, layers

from lowlight_tf import checks
from lowlight_tf.layers.normalization import GroupNormalization
from lowlight_tf.layers.resample import DepthToSpace, SpaceToDepth


def driving_unet(
    *,
    filters: int = 32,
    depth: int = 4,
    groups: int = 32,
    patch: int = 1,
    output_normalized: bool = True,
    predict_gain: bool = False,
    name: str = "driving_unet",
) -> keras.Model:
    """Build the U-Net that brightens night-driving pictures.

    Each level is two convolutions: 3x3 and 3x3 at the first, 3x3 and 1x1 below it on the way down,
    1x1 and 3x3 on the way up. Each is followed by group normalization and LeakyReLU 0.2. Levels are
    joined by 2x2 max pooling down, by 2x2 transposed convolutions of stride 2 and concatenation up.
    Four convolutions (1x1, 3x3 at half the filters; 1x1, 3x3 to color) make the picture.

    Args:
        filters: Feature maps of the first level; each deeper level has twice as many.
        depth: How many times the picture is halved.
        groups: Groups of every normalization, at most as many as it has channels. With fewer groups
            than channels the brightness of one map against another survives.
        patch: Side of the blocks of pixels that are folded into channels before the first level and
            unfolded after the last; 4 makes the net about sixteen times cheaper per level.
        output_normalized: Normalize the last convolution too, as published. It gives every picture
            the same mean and spread per color, so shipped nets go without.
        predict_gain: Let the tail predict a gain and an offset for the normalized picture, under the same
            sigmoid, instead of the picture: detail need not pass through the net, and light sources
            saturate softly. Goes with `output_normalized=False`.
        name: Name of the Keras model.

    Returns:
        A model from {"low": (B, H, W, 3)} to {"enhanced": (B, H, W, 3)}; sRGB in [0, 1], any
        H and W.

    Raises:
        UsageError: If a number is less than 1, or `groups` does not divide the filters.

    Reference:
        "Low light enhance for driving scene", May 2019, the U-Net of
        https://github.com/YoungYoung619/Make-vehicles-see-in-the-dark

    Differences from the reference:
        Images are in [0, 1], not [-1, 1]; its tanh is therefore written as the sigmoid of twice the
        argument, the same curve. Transposed convolutions are written as a 1x1 convolution and
        depth-to-space, the same sums. `patch` and `predict_gain` are ours; with `patch` the tail keeps
        all filters of the first level, where half of them could not carry a folded picture. The
        code activates its second convolution twice; here once.
    """
    for option, value in {
        "filters": filters, "depth": depth, "groups": groups, "patch": patch,
    }.items():  # fmt: skip
        checks.check_min(option, value, 1)
    checks.check_min("filters", filters, 2)

    def block(x: KerasTensor, channels: int, size: int, place: str) -> KerasTensor:
        x = layers.Conv2D(channels, size, padding="same", name=f"{place}_conv")(x)
        norm = GroupNormalization(_groups(channels, groups), name=f"{place}_norm")
        return layers.LeakyReLU(0.2, name=f"{place}_act")(norm(x))

    low = keras.Input((None, None, 3), name="low")
    colors = 3 * patch**2
    folded = SpaceToDepth(patch, name="fold")(low) if patch > 1 else low
    x = folded

    skips = []
    for level in range(depth + 1):
        channels = filters * 2**level
        if level:
            x = layers.MaxPooling2D(2, padding="same", name=f"down{level}")(x)
        x = block(x, channels, 3, f"enc{level}a")
        x = block(x, channels, 1 if level else 3, f"enc{level}b")
        skips.append(x)
    for level in reversed(range(depth)):
        channels = filters * 2**level
        x = layers.Conv2D(4 * channels, 1, name=f"up{level}_conv")(x)
        x = DepthToSpace(2, name=f"up{level}")([x, skips[level]])
        x = layers.Concatenate(name=f"join{level}")([skips[level], x])
        x = block(x, channels, 1, f"dec{level}a")
        x = block(x, channels, 3, f"dec{level}b")

    tail = max(filters // 2, min(filters, colors))
    x = block(x, tail, 1, "tail_a")
    x = block(x, tail, 3, "tail_b")
    x = block(x, colors, 1, "tail_c")
    color = layers.Conv2D(colors, 3, padding="same", name="color")(x)
    if output_normalized:
        color = GroupNormalization(_groups(colors, groups), name="color_norm")(color)
    if predict_gain:
        gain = layers.Conv2D(colors, 3, padding="same", bias_initializer="ones", name="gain")(x)
        color += gain * GroupNormalization(1, name="low_norm")(folded)
    enhanced = layers.Activation("sigmoid", name="range")(2.0 * color)
    if patch > 1:
        enhanced = DepthToSpace(patch, name="unfold")([enhanced, low])
    return keras.Model({"low": low}, {"enhanced": enhanced}, name=name)


def _groups(channels: int, most: int) -> int:
    """Return the largest number of equal groups that is at most `most`: min(32, C) as published."""
    return next(n for n in range(min(channels, most), 0, -1) if channels % n == 0)
