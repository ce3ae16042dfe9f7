"""AMFusion: fused by where there is light, and by what a detector looks for."""

import math
from pathlib import Path

import keras
from keras import KerasTensor, layers, ops

from lowlight_tf import checks
from lowlight_tf.checks import UsageError
from lowlight_tf.contract import FUSE_WITH_THUMBNAILS
from lowlight_tf.layers.attention import attention_gate
from lowlight_tf.layers.clip import UnitClip
from lowlight_tf.layers.illumination import CrossAttention, LearnedBlend, Smooth, SoftLightRegions
from lowlight_tf.layers.resample import DepthToSpace, SpaceToDepth
from lowlight_tf.models.nanodet import nanodet

SCALES = 3
"""Sizes that features are fused at."""

MAX_TOKENS = 256
"""Places of a detector's features that can be looked at."""

DETECTOR_LAYER = "stage2_join"
"""The layer of NanoDet-g that is looked at, of its third stage and of 16 pixels a place: what comes
after it is four fifths of the weights, which every file of this net would hold once more."""

LEAKY_SLOPE = 0.1
"""Slope of the activations below zero; see `models.dashcam_net`."""


def am_fusion(
    *,
    filters: int = 64,
    patch: int = 1,
    depth: int = 32,
    detector: str = "nanodet",
    name: str = "am_fusion",
) -> keras.Model:
    """Build the net that fuses by illumination and by detection.

    Each camera has an encoder of three sizes. At every size its spatial features are fused by the
    illumination of the place (IDFM): where it is normal, by a learned share of each camera; where
    it is dark, by a convolution over both; where it glares, by a convolution over the infrared
    features and the fine detail of the visible ones. An attention by channel and place weighs the
    result. At the smallest size, semantic features of both cameras are fused, and look by
    cross-attention at what a frozen detector makes of the whole pictures, 130 tokens (DSFM); what
    they find is added by a factor that begins at 0. A decoder leads back to full size and predicts
    for every pixel a gain of either picture and an offset.

    Whatever part of a scene the net is run on, the detector is shown all of it, small: tiles agree.

    Args:
        filters: Feature maps of the first size; the next have 1.5 and 2 times as many.
        patch: Side of the blocks of pixels that are folded into channels before the first
            convolution and unfolded after the last.
        depth: Length of queries and keys.
        detector: "nanodet", or a .keras file of a net from (B, 320, 416, 3) sRGB in [0, 1] to
            features (B, h, w, C) with at most 256 places; of several that it gives the last.
        name: Name of the Keras model.

    Returns:
        A model from {"visible": (B, H, W, 1), "infrared": (B, H, W, 1), "visible_glance":
        (B, 320, 416, 1), "infrared_glance": (B, 320, 416, 1)} in [0, 1] to {"fused": (B, H, W, 1)}
        and, to explain it, "illumination_map" (B, h, w, 3): how dark, normal and glaring each place
        of the first size is, and "attention_map" (B, h, w, 1): how strongly each place of the last
        one was changed by what the detector noted, in [0, 1). Any H and W.

    Raises:
        UsageError: If a number is too small, or the detector is none that will do.

    Reference:
        Pei et al., "Beyond Night Visibility: Adaptive Multi-Scale Fusion of Infrared and Visible
        Images", 2024, https://arxiv.org/abs/2403.01083.

    Differences from the paper:
        A reconstruction. The paper's text says what is fused by what; its equations, sizes and code
        were not to be had. Ours are: the number of scales and layers, the masks (sigmoids of
        blurred luma at 0.25 and 0.75, see `layers.illumination`), the rule of each region, one
        attention head, the detector's third stage pooled to 10 x 13 places by means, gains and an
        offset instead of a free picture, the detector itself (NanoDet-g), and its being shown luma.
        The net fuses luma; color is the visible picture's.
    """
    for option, value in {"filters": filters, "patch": patch, "depth": depth}.items():
        checks.check_min(option, value, 1)
    widths = (filters, 3 * filters // 2, 2 * filters)
    inputs = {
        port.name: keras.Input(port.shape(port.size or (None, None)), name=port.name)
        for port in FUSE_WITH_THUMBNAILS.inputs
    }
    pictures = [inputs[port.name] for port in FUSE_WITH_THUMBNAILS.image_inputs]
    folded, light = pictures, pictures[0]
    if patch > 1:
        folded = [SpaceToDepth(patch, name=f"{picture.name}_fold")(picture) for picture in pictures]
        light = _downsample(light, patch, "light")
    ours, theirs = (
        _encoder(picture, widths, port.name)
        for port, picture in zip(FUSE_WITH_THUMBNAILS.image_inputs, folded, strict=True)
    )
    fused, regions = [], []
    for scale, cameras in enumerate(zip(ours, theirs, strict=True)):
        light = _downsample(light, 2, f"light_{scale}") if scale else light
        features, seen = _fuse_by_light(*cameras, light, f"detail_{scale}")
        fused.append(features)
        regions.append(seen)

    glances = [inputs[port.name] for port in FUSE_WITH_THUMBNAILS.thumbnail_inputs]
    meant = _conv([ours[-1], theirs[-1]], widths[-1], "semantic")
    found = _match_features(meant, _detector_features(glances, detector), depth)
    meant = layers.Add(name="guided")([meant, found])

    x = _conv([fused[-1], meant], widths[-1], f"decoder_{SCALES - 1}")
    for scale in reversed(range(SCALES - 1)):
        x = _conv(x, 4 * widths[scale], f"up_{scale}", size=1)
        x = DepthToSpace(2, name=f"up_{scale}")([x, fused[scale]])
        x = _conv([x, fused[scale]], widths[scale], f"decoder_{scale}")
    picture = _decoder(x, folded)
    if patch > 1:
        picture = DepthToSpace(patch, name="unfold")([picture, pictures[0]])
    change = ops.tanh(ops.mean(ops.abs(found), axis=-1, keepdims=True))
    outputs = {"fused": picture, "illumination_map": regions[0], "attention_map": change}
    return keras.Model(inputs, outputs, name=name)


def _conv(
    x: KerasTensor | list[KerasTensor], maps: int, place: str, size: int = 3, strides: int = 1
) -> KerasTensor:
    if isinstance(x, list):
        x = layers.Concatenate(name=f"{place}_in")(x)
    x = layers.Conv2D(maps, size, strides, padding="same", name=f"{place}_conv")(x)
    return layers.LeakyReLU(LEAKY_SLOPE, name=f"{place}_act")(x)


def _downsample(x: KerasTensor, times: int, place: str) -> KerasTensor:
    return layers.AveragePooling2D(times, padding="same", name=place)(x)


def _encoder(x: KerasTensor, widths: tuple[int, ...], camera: str) -> list[KerasTensor]:
    """Return a camera's features at every size."""
    sizes = []
    for scale, maps in enumerate(widths):
        x = _conv(x, maps, f"{camera}_{scale}_a", strides=2 if scale else 1)
        x = _conv(x, maps, f"{camera}_{scale}_b")
        sizes.append(x)
    return sizes


def _fuse_by_light(
    ours: KerasTensor, theirs: KerasTensor, light: KerasTensor, place: str
) -> tuple[KerasTensor, KerasTensor]:
    """Fuse spatial features by the illumination of each place (IDFM); return the regions too."""
    maps = ours.shape[-1]
    dark, glare = SoftLightRegions(name=f"{place}_regions")(Smooth(name=f"{place}_light")(light))
    normal = 1.0 - dark - glare
    fine = layers.Subtract(name=f"{place}_fine")([ours, Smooth(name=f"{place}_coarse")(ours)])
    ways = {
        "normal": (normal, LearnedBlend(name=f"{place}_blend")([ours, theirs])),
        "dark": (dark, _conv([ours, theirs], maps, f"{place}_dark")),
        "glare": (glare, _conv([theirs, fine], maps, f"{place}_glare")),
    }
    parts = [
        layers.Multiply(name=f"{place}_{way}")([mask, features])
        for way, (mask, features) in ways.items()
    ]
    fused, _ = attention_gate(maps, place)(layers.Add(name=f"{place}_sum")(parts))
    return fused, layers.Concatenate(name=f"{place}_seen")([dark, normal, glare])


def _detector_features(glances: list[KerasTensor], detector: str) -> KerasTensor:
    """Return what a frozen detector makes of both whole pictures, side by side: (B, h, w, C)."""
    net = _detector(detector)
    noted = []
    for glance in glances:
        features = net(layers.Concatenate(name=f"{glance.name}_rgb")([glance] * 3))
        noted.append(list(features.values())[-1] if isinstance(features, dict) else features)
    places = math.prod(noted[0].shape[1:3])
    if places > MAX_TOKENS:
        raise UsageError(
            f"`detector` must give features of at most {MAX_TOKENS} places. Received: {detector} with "
            f"{places}. Pool them inside the file."
        )
    return layers.Concatenate(name="noted")(noted)


def _detector(detector: str) -> keras.Model:
    if detector == "nanodet":
        net = nanodet(features=True)
        noted = layers.AveragePooling2D(2, name="noted_small")(net.get_layer(DETECTOR_LAYER).output)
        return keras.Model(net.input, noted, name="nanodet", trainable=False)
    if not Path(detector).is_file():
        raise UsageError(
            f"`detector` must be nanodet or a .keras file. Received: {detector} (no such file)."
        )
    net = keras.saving.load_model(detector, compile=False)
    net.trainable = False
    return net


def _match_features(meant: KerasTensor, noted: KerasTensor, depth: int) -> KerasTensor:
    """Return what each place finds of use in what the detector noted (DSFM)."""
    maps = meant.shape[-1]
    queries = layers.Conv2D(depth, 1, name="queries")(meant)
    keys = layers.Conv2D(depth, 1, name="keys")(noted)
    values = layers.Conv2D(maps, 1, name="values")(noted)
    found = CrossAttention(name="look")([queries, keys, values])
    return layers.Conv2D(maps, 1, kernel_initializer="zeros", name="found")(found)


def _decoder(x: KerasTensor, folded: list[KerasTensor]) -> KerasTensor:
    """Return the fused picture: a gain of either picture, and an offset, for every pixel."""
    maps = folded[0].shape[-1]
    parts = []
    for port, picture in zip(FUSE_WITH_THUMBNAILS.image_inputs, folded, strict=True):
        gain = layers.Conv2D(maps, 3, padding="same", name=f"{port.name}_gain")(x)
        gain = layers.Activation("sigmoid", name=f"{port.name}_gain_act")(gain)
        parts.append(layers.Multiply(name=f"{port.name}_part")([gain, picture]))
    parts.append(layers.Conv2D(maps, 3, padding="same", name="offset")(x))
    return UnitClip(name="limit")(layers.Add(name="sum")(parts))
