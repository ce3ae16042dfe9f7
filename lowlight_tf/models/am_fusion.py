"""AMFusion: infrared-visible fusion guided by illumination and by the features of a detector."""

import math
from pathlib import Path

import keras
from keras import KerasTensor, layers, ops

from lowlight_tf import checks
from lowlight_tf.checks import UsageError
from lowlight_tf.contract import FUSE_WITH_THUMBNAILS
from lowlight_tf.layers.attention import attention_gate
from lowlight_tf.layers.clip import UnitClip
from lowlight_tf.layers.illumination import (
    CrossAttention,
    LearnedBlend,
    SoftLightRegions,
    day_weight,
)
from lowlight_tf.layers.resample import DepthToSpace, SpaceToDepth
from lowlight_tf.models.nanodet import nanodet

SCALES = 3
"""Number of scales at which features are fused."""

MAX_TOKENS = 256
"""Maximum number of pixels of the detector's features, the tokens of the cross-attention."""

DETECTOR_LAYER = "stage2_join"
"""The layer of NanoDet-g whose features are used: its third stage, stride 16. The layers after it
hold four fifths of the weights, which every file of this model would contain once more."""

LEAKY_SLOPE = 0.1
"""Negative slope of the activations; see `models.dashcam_net`."""


def am_fusion(
    *,
    filters: int = 64,
    patch: int = 1,
    depth: int = 32,
    detector: str = "nanodet",
    name: str = "am_fusion",
) -> keras.Model:
    """Build AMFusion.

    Each camera has an encoder with three scales. At every scale the spatial features are fused by
    the illumination of each pixel (IDFM): normal regions by a learned weight of each camera per
    channel, of which there are two, for day and night; dark regions by a convolution over both;
    glare by a convolution over the infrared features and the high-frequency part of the visible
    ones. By day, which the mean luma of the full frame decides, light regions are sky and not
    glare. A channel and spatial attention weighs the result. At the smallest scale, the semantic
    features of both cameras are fused and attend to the features of a frozen detector for both full
    images, 130 tokens (DSFM); the result is added, scaled by 0 at initialization. A decoder returns
    to full size and predicts, for every pixel, a gain of either image and an offset.

    Args:
        filters: Channels at the first scale; the next have 1.5 and 2 times as many.
        patch: Side of the blocks of pixels that are folded into channels before the first
            convolution and unfolded after the last.
        depth: Length of queries and keys.
        detector: "nanodet", or a .keras file of a model from (B, 320, 416, 3) sRGB in [0, 1] to
            features (B, h, w, C) with at most 256 pixels; of several outputs, the last one is used.
        name: Name of the Keras model.

    Returns:
        A model from {"visible": (B, H, W, 1), "infrared": (B, H, W, 1), "visible_glance":
        (B, 320, 416, 1), "infrared_glance": (B, 320, 416, 1)} in [0, 1] to {"fused": (B, H, W, 1)}
        and, as explanations, "illumination_map" (B, h, w, 3): the masks of dark, normal and glare
        regions at the first scale, and "attention_map" (B, h, w, 1): how strongly each pixel of
        the last scale was changed by the detector's features, in [0, 1). Any H and W.

    Raises:
        UsageError: If a number is too small, or the detector is not usable.

    Reference:
        Pei et al., "Beyond Night Visibility: Adaptive Multi-Scale Fusion of Infrared and Visible
        Images", 2024, https://arxiv.org/abs/2403.01083.

    Differences from the paper:
        A reconstruction. The paper's text describes what is fused by what; its equations, sizes and
        code were not available. Our own choices are: the number of scales and layers, the masks
        (sigmoids of blurred luma at 0.25 and 0.75, see `layers.illumination`), day and night, the
        rule of each region, one attention head, the detector's third stage average-pooled to 10x13
        pixels, gains and an offset instead of an unconstrained image, the detector itself
        (NanoDet-g) and its luma input. The model fuses luma; the color is that of the visible
        image.
    """
    for option, value in {"filters": filters, "patch": patch, "depth": depth}.items():
        checks.check_min(option, value, 1)
    widths = (filters, 3 * filters // 2, 2 * filters)
    inputs = {
        port.name: keras.Input(port.shape(port.size or (None, None)), name=port.name)
        for port in FUSE_WITH_THUMBNAILS.inputs
    }
    images = [inputs[port.name] for port in FUSE_WITH_THUMBNAILS.image_inputs]
    folded, luma = images, images[0]
    if patch > 1:
        folded = [SpaceToDepth(patch, name=f"{image.name}_fold")(image) for image in images]
        luma = _downsample(luma, patch, "light")
    visible, infrared = (
        _encoder(image, widths, port.name)
        for port, image in zip(FUSE_WITH_THUMBNAILS.image_inputs, folded, strict=True)
    )
    thumbnails = [inputs[port.name] for port in FUSE_WITH_THUMBNAILS.thumbnail_inputs]
    day = day_weight(thumbnails[0])
    fused, regions = [], []
    for scale, cameras in enumerate(zip(visible, infrared, strict=True)):
        luma = _downsample(luma, 2, f"light_{scale}") if scale else luma
        features, masks = _fuse_by_illumination(*cameras, luma, day, f"detail_{scale}")
        fused.append(features)
        regions.append(masks)

    semantic = _conv([visible[-1], infrared[-1]], widths[-1], "semantic")
    attended = _match_features(semantic, _detector_features(thumbnails, detector), depth)
    semantic = layers.Add(name="guided")([semantic, attended])

    x = _conv([fused[-1], semantic], widths[-1], f"decoder_{SCALES - 1}")
    for scale in reversed(range(SCALES - 1)):
        x = _conv(x, 4 * widths[scale], f"up_{scale}", size=1)
        x = DepthToSpace(2, name=f"up_{scale}")([x, fused[scale]])
        x = _conv([x, fused[scale]], widths[scale], f"decoder_{scale}")
    image = _gain_and_offset(x, folded)
    if patch > 1:
        image = DepthToSpace(patch, name="unfold")([image, images[0]])
    change = ops.tanh(ops.mean(ops.abs(attended), axis=-1, keepdims=True))
    outputs = {"fused": image, "illumination_map": regions[0], "attention_map": change}
    return keras.Model(inputs, outputs, name=name)


def _conv(
    x: KerasTensor | list[KerasTensor], channels: int, name: str, size: int = 3, strides: int = 1
) -> KerasTensor:
    if isinstance(x, list):
        x = layers.Concatenate(name=f"{name}_in")(x)
    x = layers.Conv2D(channels, size, strides, padding="same", name=f"{name}_conv")(x)
    return layers.LeakyReLU(LEAKY_SLOPE, name=f"{name}_act")(x)


def _downsample(x: KerasTensor, factor: int, name: str) -> KerasTensor:
    return layers.AveragePooling2D(factor, padding="same", name=name)(x)


def _smooth(x: KerasTensor, name: str) -> KerasTensor:
    return layers.AveragePooling2D(3, 1, "same", name=name)(x)


def _encoder(x: KerasTensor, widths: tuple[int, ...], camera: str) -> list[KerasTensor]:
    """Return the features of a camera at every scale."""
    scales = []
    for scale, channels in enumerate(widths):
        x = _conv(x, channels, f"{camera}_{scale}_a", strides=2 if scale else 1)
        x = _conv(x, channels, f"{camera}_{scale}_b")
        scales.append(x)
    return scales


def _fuse_by_illumination(
    visible: KerasTensor, infrared: KerasTensor, luma: KerasTensor, day: KerasTensor, name: str
) -> tuple[KerasTensor, KerasTensor]:
    """Fuse spatial features by the illumination of each pixel (IDFM); return the masks too."""
    channels = visible.shape[-1]
    dark, glare = SoftLightRegions(name=f"{name}_regions")([_smooth(luma, f"{name}_light"), day])
    normal = 1.0 - dark - glare
    high_frequencies = layers.Subtract(name=f"{name}_fine")(
        [visible, _smooth(visible, f"{name}_coarse")]
    )
    branches = {
        "normal": (
            ops.multiply(1.0 - day, normal),
            LearnedBlend(name=f"{name}_blend")([visible, infrared]),
        ),
        "day": (
            ops.multiply(day, normal),
            LearnedBlend(name=f"{name}_day_blend")([visible, infrared]),
        ),
        "dark": (dark, _conv([visible, infrared], channels, f"{name}_dark")),
        "glare": (glare, _conv([infrared, high_frequencies], channels, f"{name}_glare")),
    }
    masked = [
        layers.Multiply(name=f"{name}_{region}")([mask, features])
        for region, (mask, features) in branches.items()
    ]
    fused, _ = attention_gate(channels, name)(layers.Add(name=f"{name}_sum")(masked))
    return fused, layers.Concatenate(name=f"{name}_seen")([dark, normal, glare])


def _detector_features(thumbnails: list[KerasTensor], detector: str) -> KerasTensor:
    """Return a frozen detector's features of both full images, concatenated: (B, h, w, C)."""
    model = _load_detector(detector)
    features = []
    for thumbnail in thumbnails:
        output = model(layers.Concatenate(name=f"{thumbnail.name}_rgb")([thumbnail] * 3))
        features.append(list(output.values())[-1] if isinstance(output, dict) else output)
    tokens = math.prod(features[0].shape[1:3])
    if tokens > MAX_TOKENS:
        raise UsageError(
            f"`detector` must return features of at most {MAX_TOKENS} pixels. "
            f"Received: {detector} with {tokens}. Pool them inside the file."
        )
    return layers.Concatenate(name="noted")(features)


def _load_detector(detector: str) -> keras.Model:
    if detector == "nanodet":
        model = nanodet(features=True)
        features = model.get_layer(DETECTOR_LAYER).output
        pooled = layers.AveragePooling2D(2, name="noted_small")(features)
        return keras.Model(model.input, pooled, name="nanodet", trainable=False)
    if not Path(detector).is_file():
        raise UsageError(
            f"`detector` must be nanodet or a .keras file. Received: {detector} (no such file)."
        )
    model = keras.saving.load_model(detector, compile=False)
    model.trainable = False
    return model


def _match_features(semantic: KerasTensor, detected: KerasTensor, depth: int) -> KerasTensor:
    """Return what the semantic features attend to in the detector's features (DSFM)."""
    channels = semantic.shape[-1]
    queries = layers.Conv2D(depth, 1, name="queries")(semantic)
    keys = layers.Conv2D(depth, 1, name="keys")(detected)
    values = layers.Conv2D(channels, 1, name="values")(detected)
    attended = CrossAttention(name="look")([queries, keys, values])
    return layers.Conv2D(channels, 1, kernel_initializer="zeros", name="found")(attended)


def _gain_and_offset(x: KerasTensor, folded: list[KerasTensor]) -> KerasTensor:
    """Return the fused image: a gain of either image, and an offset, for every pixel."""
    channels = folded[0].shape[-1]
    terms = []
    for port, image in zip(FUSE_WITH_THUMBNAILS.image_inputs, folded, strict=True):
        gain = layers.Conv2D(channels, 3, padding="same", name=f"{port.name}_gain")(x)
        gain = layers.Activation("sigmoid", name=f"{port.name}_gain_act")(gain)
        terms.append(layers.Multiply(name=f"{port.name}_part")([gain, image]))
    terms.append(layers.Conv2D(channels, 3, padding="same", name="offset")(x))
    return UnitClip(name="limit")(layers.Add(name="sum")(terms))
