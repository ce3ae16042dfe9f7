"""The night-driving U-Net: 3x3 and 1x1 convolutions with group normalization."""

import keras
from keras import KerasTensor, layers

from lowlight_tf import checks
from lowlight_tf.layers.normalization import GroupNormalization
from lowlight_tf.layers.resample import DepthToSpace, SpaceToDepth
from lowlight_tf.models._curve_head import falling_curve, predict_curve


def driving_unet(
    *,
    filters: int = 32,
    depth: int = 4,
    groups: int = 32,
    patch: int = 1,
    output_normalized: bool = True,
    predict_gain: bool = False,
    curve_head: bool = False,
    name: str = "driving_unet",
) -> keras.Model:
    """Build the U-Net that enhances night-driving images.

    Each level has two convolutions: 3x3 and 3x3 at the first level; below it, 3x3 and 1x1 in the
    encoder, 1x1 and 3x3 in the decoder. Each is followed by group normalization and LeakyReLU 0.2.
    Between levels, the encoder has 2x2 max pooling, the decoder 2x2 transposed convolutions of
    stride 2 and concatenation. Four convolutions (1x1 and 3x3 with half the filters; 1x1 and 3x3 to
    RGB) predict the image.

    Args:
        filters: Channels of the first level; each deeper level has twice as many.
        depth: Number of poolings.
        groups: Groups of every normalization, at most as many as it has channels. With fewer groups
            than channels, the ratio of the means of different channels is preserved.
        patch: Side of the blocks of pixels that are folded into channels before the first level and
            unfolded after the last; 4 makes the model about sixteen times cheaper per level.
        output_normalized: Normalize the last convolution too, as published. It gives every image
            the same mean and deviation per color, so that shipped models do without.
        predict_gain: Let the tail predict a gain and an offset for the normalized input, under the
            same sigmoid, instead of the image: detail need not pass through the model, and light
            sources saturate softly. Use it with `output_normalized=False`.
        curve_head: Predict a strength of a tone curve that keeps black and white, and a residual,
            instead of the image: see `models._curve_head`. The model sees the sum of image and
            curve; a convolution without normalization, over features and input, tells the head how
            dark each place is, and two over the mean of the input how dark the image is. In place
            of the tail's last block; not with the two options above.
        name: Name of the Keras model.

    Returns:
        A model from {"low": (B, H, W, 3)} to {"enhanced": (B, H, W, 3)}; sRGB in [0, 1], any
        H and W.

    Raises:
        UsageError: If a number is too small, or `curve_head` meets another option of the tail.

    Reference:
        "Low light enhance for driving scene", May 2019, the U-Net of
        https://github.com/YoungYoung619/Make-vehicles-see-in-the-dark

    Differences from the reference:
        Images are in [0, 1], not [-1, 1]; its tanh is therefore written as the sigmoid of twice the
        argument, the same curve. Transposed convolutions are written as a 1x1 convolution and
        depth-to-space, the same sums. `patch`, `predict_gain` and `curve_head` are our own; with
        `patch` the tail keeps all filters of the first level, half of which would be too few for a
        folded image. The reference code applies the activation of its second convolution twice;
        here once.
    """
    for option, value in {
        "filters": filters, "depth": depth, "groups": groups, "patch": patch,
    }.items():  # fmt: skip
        checks.check_min(option, value, 1)
    checks.check_min("filters", filters, 2)
    if curve_head and (output_normalized or predict_gain):
        raise checks.UsageError(
            "`curve_head` needs `output_normalized = false` and `predict_gain = false`. "
            f"Received: {output_normalized}, {predict_gain}."
        )

    def block(x: KerasTensor, channels: int, size: int, name: str) -> KerasTensor:
        x = layers.Conv2D(channels, size, padding="same", name=f"{name}_conv")(x)
        norm = GroupNormalization(_num_groups(channels, groups), name=f"{name}_norm")
        return layers.LeakyReLU(0.2, name=f"{name}_act")(norm(x))

    low = keras.Input((None, None, 3), name="low")
    colors = 3 * patch**2
    folded = SpaceToDepth(patch, name="fold")(low) if patch > 1 else low
    x = folded
    if curve_head:
        falling = falling_curve(folded)
        x = shade = layers.Subtract(name="shade")([folded, falling])

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
    if curve_head:
        x = layers.Concatenate(name="head_inputs")([x, shade])
        x = layers.Conv2D(tail, 3, padding="same", name="head_conv")(x)
        mean = layers.GlobalAveragePooling2D(keepdims=True, name="mean")(shade)
        mean = layers.Conv2D(tail, 1, activation="relu", name="mean_conv")(mean)
        x = layers.Add(name="head_sum")([x, layers.Conv2D(tail, 1, name="mean_out")(mean)])
        x = layers.LeakyReLU(0.2, name="head_act")(x)
        enhanced = predict_curve(x, folded, falling).enhanced
    else:
        x = block(x, colors, 1, "tail_c")
        color = layers.Conv2D(colors, 3, padding="same", name="color")(x)
        if output_normalized:
            color = GroupNormalization(_num_groups(colors, groups), name="color_norm")(color)
        if predict_gain:
            gain = layers.Conv2D(colors, 3, padding="same", bias_initializer="ones", name="gain")(x)
            color += gain * GroupNormalization(1, name="low_norm")(folded)
        enhanced = layers.Activation("sigmoid", name="range")(2.0 * color)
    if patch > 1:
        enhanced = DepthToSpace(patch, name="unfold")([enhanced, low])
    return keras.Model({"low": low}, {"enhanced": enhanced}, name=name)


def _num_groups(channels: int, max_groups: int) -> int:
    """Return the largest divisor of the channels up to `max_groups`: min(32, C) as published."""
    return next(n for n in range(min(channels, max_groups), 0, -1) if channels % n == 0)
