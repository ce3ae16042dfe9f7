"""DIDFuse with attention: what two cameras saw, taken apart into base and detail, and joined."""

import functools
from collections.abc import Callable

import keras
from keras import KerasTensor, layers

from lowlight_tf import checks
from lowlight_tf.checks import UsageError
from lowlight_tf.contract import FUSE
from lowlight_tf.layers.attention import attention_gate
from lowlight_tf.layers.fusion import STRATEGIES, FuseFeatures, ReflectionPadding2D
from lowlight_tf.layers.normalization import FreezableBatchNormalization
from lowlight_tf.layers.resample import DepthToSpace, SpaceToDepth

PRELU_INIT = 0.25
"""Of PReLU below zero, before anything is learned."""

Block = Callable[[KerasTensor], KerasTensor]
"""Layers that are made once; called again, they share their weights."""


def did_fuse(
    *,
    filters: int = 64,
    strategy: str = "average",
    attention: bool = True,
    patch: int = 1,
    normalized: bool = True,
    int8_friendly: bool = False,
    name: str = "did_fuse",
) -> keras.Model:
    """Build the autoencoder that fuses an infrared picture with a visible one.

    One encoder sees both pictures. Two convolutions give features that are kept for the decoder;
    two heads take them apart into base (what both cameras see alike, and large) and detail. An
    attention, by channel and then by place, weighs base and detail. All four are joined by a
    strategy, and the decoder makes a picture of them. It learns to give back each picture from its
    own features, while the bases of both become alike and the details different.

    With 64 filters and without attention the convolutions have 260,161 weights, as the published
    ones. All strategies share their weights: a net that was trained with one runs with another.

    Args:
        filters: Feature maps of every layer.
        strategy: How features are joined, one of `layers.fusion.STRATEGIES`; "attention" needs
            `attention`.
        attention: Weigh base and detail before they are joined.
        patch: Side of the blocks of pixels that are folded into channels before the first
            convolution and unfolded after the last; 2 makes the net about four times cheaper.
        normalized: Batch normalization after each convolution, as published. A net that learns to
            fuse along with giving back does better without: what is fused and what is given back
            then go through the same layers, instead of running statistics and a batch's own.
        int8_friendly: Only what the eight-bit kernels of processors compute: zeros beyond the border of
            the first and the last convolution too, where the published net has a mirror, and a
            fixed slope of 0.25 below zero in place of PReLU's, which begins there.
        name: Name of the Keras model.

    Returns:
        A model from {"visible": (B, H, W, 1), "infrared": (B, H, W, 1)}, luma and thermal picture
        in [0, 1], any H and W, to {"fused": (B, H, W, 1)}; to explain it, "CAMERA_attention_map",
        (B, h, w, 1), of either camera: how much its detail counts where; and, for the losses alone,
        "CAMERA_base", "CAMERA_detail" and "CAMERA_reconstructed".

    Raises:
        UsageError: If a number is too small, or the strategy is unknown or lacks its attention.

    Reference:
        Zhao et al., "DIDFuse: Deep Image Decomposition for Infrared and Visible Image Fusion",
        IJCAI 2020, and the authors' code, https://github.com/Zhaozixiang1228/IVIF-DIDFuse. The
        attention follows Woo et al., "CBAM: Convolutional Block Attention Module", ECCV 2018.

    Differences from the reference:
        The attention and the strategy of that name; the attention by place looks at two learned
        sums of the features where CBAM takes their largest and their mean. PReLU has a slope for
        each map (theirs one for all). What is fused is normalized by the running statistics in
        training too, of which it is no part. `patch` and `int8_friendly` are ours.
    """
    checks.check_min("filters", filters, 1)
    checks.check_min("patch", patch, 1)
    checks.check_choice("strategy", strategy, STRATEGIES)
    if strategy == "attention" and not attention:
        raise UsageError(
            "`strategy` attention goes by the scores of the attention. Received: attention=False. "
            "Leave it on, or take another strategy."
        )

    conv = functools.partial(_conv, normalized=normalized, portable=int8_friendly)
    encoder = [
        conv(filters, "encoder_a", mirrored=True),
        conv(filters, "encoder_b"),
        conv(filters, "base", "tanh"),
        conv(filters, "detail", "tanh"),
    ]
    gates = [attention_gate(filters, place) if attention else None for place in ("base", "detail")]
    decoder = [
        conv(filters, "decoder_a"),
        conv(filters, "decoder_b"),
        conv(patch**2, "decoder_c", "sigmoid", mirrored=True),
    ]
    unfold = DepthToSpace(patch, name="unfold") if patch > 1 else None

    def encode(picture: KerasTensor) -> tuple[list[KerasTensor], list[KerasTensor | None]]:
        """Return base and detail, weighed, what is kept for the decoder, and the scores."""
        first = encoder[0](picture)
        second = encoder[1](first)
        parts, scores = [head(second) for head in encoder[2:]], [None, None]
        for index, gate in enumerate(gates):
            if gate:
                parts[index], scores[index] = gate(parts[index])
        return [*parts, second, first], [*scores, scores[1], scores[1]]

    def decode(features: list[KerasTensor], like: KerasTensor, **how) -> KerasTensor:
        base, detail, second, first = features
        x = layers.Concatenate()([base, detail])
        for layer, kept in zip(decoder, (second, first, None), strict=True):
            x = layer(x, **how)
            x = x if kept is None else layers.Concatenate()([x, kept])
        return unfold([x, like]) if unfold else x

    pictures = {
        port.name: keras.Input((None, None, port.channels), name=port.name) for port in FUSE.inputs
    }
    fold = SpaceToDepth(patch, name="fold") if patch > 1 else lambda x: x
    known = {camera: encode(fold(picture)) for camera, picture in pictures.items()}
    outputs = {}
    for camera, (features, _) in known.items():
        outputs[f"{camera}_base"], outputs[f"{camera}_detail"] = features[:2]
        outputs[f"{camera}_reconstructed"] = decode(features, pictures[camera])

    joined = []
    places = ("base", "detail", "second", "first")
    for place, pair, scores in zip(
        places,
        zip(*(features for features, _ in known.values()), strict=True),
        zip(*(scores for _, scores in known.values()), strict=True),
        strict=True,
    ):
        told = scores if strategy == "attention" else ()
        joined.append(FuseFeatures(strategy, name=f"{place}_fused")([*pair, *told]))
    outputs["fused"] = decode(joined, pictures["visible"], passed=True)
    if attention:
        outputs |= {
            f"{camera}_attention_map": layers.Activation("sigmoid", name=f"{camera}_map")(scores[1])
            for camera, (_, scores) in known.items()
        }
    return keras.Model(pictures, outputs, name=name)


def _conv(
    maps: int,
    place: str,
    active: str = "prelu",
    *,
    normalized: bool,
    portable: bool,
    mirrored: bool = False,
) -> Block:
    """Return a convolution of 3 x 3 pixels, batch normalization and activation."""
    pads = mirrored and not portable
    pad = ReflectionPadding2D(name=f"{place}_pad") if pads else lambda x: x
    conv = layers.Conv2D(maps, 3, padding="valid" if pads else "same", name=f"{place}_conv")
    norm = lambda x, **how: x  # noqa: E731
    if normalized:
        norm = FreezableBatchNormalization(epsilon=1e-5, momentum=0.9, name=f"{place}_norm")
    if active != "prelu":
        act = layers.Activation(active, name=f"{place}_act")
    elif portable:
        act = layers.LeakyReLU(PRELU_INIT, name=f"{place}_act")
    else:
        slope = keras.initializers.Constant(PRELU_INIT)
        act = layers.PReLU(slope, shared_axes=[1, 2], name=f"{place}_act")
    return lambda x, **how: act(norm(conv(pad(x)), **how))
