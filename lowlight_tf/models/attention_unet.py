"""The attention U-Net that develops RAW pictures: the generator of the GAN."""

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
    """Build the U-Net whose skip connections pass a gate.

    Each level is two convolutions, each with batch normalization and ReLU; pooling leads to the
    next, with twice the feature maps. On the way back, what comes from below is enlarged and
    convolved; it tells the gate which places of the level's own features to let through, and both
    are joined. A 1 x 1 convolution makes the picture: 12 values for each place of the packed RAW,
    unfolded into 2 x 2 pixels of three colors, or 3 at half the resolution.

    With 64 filters, a depth of 4 and half the resolution the convolutions have 34.9 million
    weights, as those of the published generator.

    Args:
        filters: Feature maps of the first level; each next one has twice as many.
        depth: How many times the picture is halved.
        attention: Pass skip connections through gates; without, as they are.
        normalized: Batch normalization after each convolution, as published.
        half: Give the picture at half the resolution; see `attention_unet_half`.
        name: Name of the Keras model.

    Returns:
        A model from {"raw": (B, h, w, 4)}, packed Bayer times the exposure ratio, in [0, 1], h and
        w multiples of 2^depth, to {"enhanced": (B, 2h, 2w, 3)} sRGB, not limited, and to explain
        it "attention_map" (B, h, w, 1), the first level's gate.

    Raises:
        UsageError: If a number is too small.

    Reference:
        Oktay et al., "Attention U-Net: Learning Where to Look for the Pancreas", MIDL 2018, as in
        the generator of https://github.com/yashthesia/computer-vision-project-fall21.

    Differences from the reference:
        Full resolution, as in SID's own protocol; theirs is half of it. Kernels begin as in He et
        al., ICCV 2015: without normalization the features of others fade from level to level.
        `attention` and `normalized` can be switched off.
    """
    checks.check_min("filters", filters, 1)
    checks.check_min("depth", depth, 1)

    def conv(x: KerasTensor, maps: int, place: str) -> KerasTensor:
        x = layers.Conv2D(
            maps, 3, padding="same", kernel_initializer="he_normal", name=f"{place}_conv"
        )(x)
        if normalized:
            x = layers.BatchNormalization(epsilon=1e-5, momentum=0.9, name=f"{place}_norm")(x)
        return layers.ReLU(name=f"{place}_act")(x)

    def level(x: KerasTensor, maps: int, place: str) -> KerasTensor:
        return conv(conv(x, maps, f"{place}_a"), maps, f"{place}_b")

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
        maps, skip = filters * 2**index, skips[index]
        # Each pixel four times, in operations that a GPU's delegate has and any size goes through.
        x = layers.Concatenate(name=f"copies_{index}")([x] * 4)
        x = conv(DepthToSpace(2, name=f"enlarge_{index}")(x), maps, f"up_{index}")
        if attention:
            skip, outputs["attention_map"] = additive_gate(
                skip, x, max(maps // 2, 1), f"gate_{index}", normalized=normalized
            )
        x = layers.Concatenate(name=f"join_{index}")([skip, x])
        x = level(x, maps, f"decoder_{index}")
    picture = layers.Conv2D(3 if half else 12, 1, name="picture")(x)
    if not half:
        picture = DepthToSpace(2, name="unfold")(picture)
    outputs["enhanced"] = layers.Activation("linear", dtype="float32", name="enhanced")(picture)
    return keras.Model({port.name: raw}, outputs, name=name)


def attention_unet_half(
    *,
    filters: int = 64,
    depth: int = 4,
    attention: bool = True,
    normalized: bool = True,
    name: str = "attention_unet_half",
) -> keras.Model:
    """Build `attention_unet` as published: its picture has half the resolution of the sensor.

    Returns:
        A model from {"raw": (B, h, w, 4)} to {"enhanced": (B, h, w, 3)} and "attention_map". To be
        judged by targets that were shrunk to half, a protocol of its own.
    """
    return attention_unet(
        filters=filters,
        depth=depth,
        attention=attention,
        normalized=normalized,
        half=True,
        name=name,
    )
