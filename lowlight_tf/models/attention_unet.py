"""Attention U-Net for RAW-to-RGB conversion: the generator of the GAN."""

import keras
from keras import KerasTensor, layers

from lowlight_tf import checks
from lowlight_tf.contract import RAW_TO_RGB
from lowlight_tf.layers.attention import additive_gate
from lowlight_tf.layers.resample import DepthToSpace


def attention_unet(
    *,
    filters: int = 64,
    depth: int = 4,
    attention: bool = True,
    normalized: bool = True,
    half: bool = False,
    name: str = "attention_unet",
) -> keras.Model:
    """Build a U-Net with attention gates in its skip connections.

    Each level has two convolutions, each with batch normalization and ReLU; max pooling leads to
    the next level, with twice the channels. In the decoder the features of the level below are
    upsampled and convolved; they are the gating signal of the attention gate of the skip
    connection, and are concatenated with its output. A 1x1 convolution predicts 12 values for each
    pixel of the packed RAW image, which unfold into 2x2 pixels of three colors, or 3 values at half
    the resolution.

    With 64 filters, a depth of 4 and half the resolution the convolutions have 34.9 million
    weights, as those of the published generator.

    Args:
        filters: Channels of the first level; each next level has twice as many.
        depth: Number of poolings.
        attention: Add attention gates to the skip connections.
        normalized: Add batch normalization after each convolution, as published.
        half: Output at half the resolution; see `attention_unet_half`.
        name: Name of the Keras model.

    Returns:
        A model from {"raw": (B, h, w, 4)}, packed Bayer times the exposure ratio, in [0, 1], h and
        w multiples of 2^depth, to {"enhanced": (B, 2h, 2w, 3)} sRGB, not clipped, and as
        explanation "attention_map" (B, h, w, 1), the coefficients of the first level's gate.

    Raises:
        UsageError: If a number is too small.

    Reference:
        Oktay et al., "Attention U-Net: Learning Where to Look for the Pancreas", MIDL 2018, as in
        the generator of https://github.com/yashthesia/computer-vision-project-fall21.

    Differences from the reference:
        Full resolution, as in SID's own protocol; theirs is half of it. Kernels are initialized as
        in He et al., ICCV 2015: with Keras's default and no normalization, the features vanish
        from level to level. `attention` and `normalized` can be switched off.
    """
    checks.check_min("filters", filters, 1)
    checks.check_min("depth", depth, 1)

    def conv(x: KerasTensor, channels: int, name: str) -> KerasTensor:
        x = layers.Conv2D(
            channels, 3, padding="same", kernel_initializer="he_normal", name=f"{name}_conv"
        )(x)
        if normalized:
            x = layers.BatchNormalization(epsilon=1e-5, momentum=0.9, name=f"{name}_norm")(x)
        return layers.ReLU(name=f"{name}_act")(x)

    def level(x: KerasTensor, channels: int, name: str) -> KerasTensor:
        return conv(conv(x, channels, f"{name}_a"), channels, f"{name}_b")

    port = RAW_TO_RGB.image_inputs[0]
    raw = x = keras.Input((None, None, port.channels), name=port.name)
    skips = []
    for index in range(depth):
        x = level(x, filters * 2**index, f"encoder_{index}")
        skips.append(x)
        x = layers.MaxPooling2D(name=f"pool_{index}")(x)
    x = level(x, filters * 2**depth, "bottom")
    outputs = {}
    for index in reversed(range(depth)):
        channels, skip = filters * 2**index, skips[index]
        # Nearest-neighbor upsampling in operations that the GPU delegate supports at any size.
        x = layers.Concatenate(name=f"copies_{index}")([x] * 4)
        x = conv(DepthToSpace(2, name=f"enlarge_{index}")(x), channels, f"up_{index}")
        if attention:
            skip, outputs["attention_map"] = additive_gate(
                skip, x, max(channels // 2, 1), f"gate_{index}", normalized=normalized
            )
        x = layers.Concatenate(name=f"join_{index}")([skip, x])
        x = level(x, channels, f"decoder_{index}")
    image = layers.Conv2D(3 if half else 12, 1, name="picture")(x)
    if not half:
        image = DepthToSpace(2, name="unfold")(image)
    outputs["enhanced"] = layers.Activation("linear", dtype="float32", name="enhanced")(image)
    return keras.Model({port.name: raw}, outputs, name=name)


def attention_unet_half(
    *,
    filters: int = 64,
    depth: int = 4,
    attention: bool = True,
    normalized: bool = True,
    name: str = "attention_unet_half",
) -> keras.Model:
    """Build `attention_unet` as published, with an output at half the resolution of the sensor.

    Returns:
        A model from {"raw": (B, h, w, 4)} to {"enhanced": (B, h, w, 3)} and "attention_map". It is
        evaluated against targets that are downscaled by 2, the protocol "half_resolution".
    """
    return attention_unet(
        filters=filters,
        depth=depth,
        attention=attention,
        normalized=normalized,
        half=True,
        name=name,
    )
