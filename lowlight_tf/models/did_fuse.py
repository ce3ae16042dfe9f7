"""DIDFuse with attention: infrared-visible fusion by decomposition into base and detail."""

import functools
from collections.abc import Callable

import keras
from keras import KerasTensor, layers, ops

from lowlight_tf import checks
from lowlight_tf.checks import UsageError
from lowlight_tf.contract import FUSE
from lowlight_tf.layers.attention import attention_gate
from lowlight_tf.layers.clip import UnitClip
from lowlight_tf.layers.fusion import STRATEGIES, FuseFeatures, ReflectionPadding2D
from lowlight_tf.layers.normalization import FreezableBatchNormalization
from lowlight_tf.layers.resample import DepthToSpace, SpaceToDepth

PRELU_INIT = 0.25
"""Initial negative slope of PReLU."""

Block = Callable[[KerasTensor], KerasTensor]
"""Layers that are created once; called again, they share their weights."""


def did_fuse(
    *,
    filters: int = 64,
    strategy: str = "average",
    attention: bool = True,
    patch: int = 1,
    normalized: bool = True,
    int8_friendly: bool = False,
    blend: bool = False,
    name: str = "did_fuse",
) -> keras.Model:
    """Build the autoencoder that fuses an infrared and a visible image.

    One encoder processes both images. Two convolutions compute features for the skip connections;
    two heads decompose them into base (low frequencies, common to both cameras) and detail. Channel
    and spatial attention weighs base and detail. All four feature maps are fused by a strategy, and
    the decoder reconstructs an image from them. The model is trained to reconstruct each image from
    its own features, with similar bases and dissimilar details.

    With 64 filters and without attention the convolutions have 260,161 weights, as the published
    ones. All strategies share the same weights: a model that was trained with one runs with
    another.

    Args:
        filters: Channels of every layer.
        strategy: Fusion strategy, one of `layers.fusion.STRATEGIES`; "attention" needs `attention`.
        attention: Weigh base and detail before they are fused.
        patch: Side of the blocks of pixels that are folded into channels before the first
            convolution and unfolded after the last; 2 makes the model about four times cheaper.
        normalized: Add batch normalization after each convolution, as published. A model that is
            trained to fuse and to reconstruct at once is better without: fusion and reconstruction
            then go through the same layers, instead of running statistics and batch statistics.
        int8_friendly: Use only operations that CPUs have 8-bit kernels for: zero padding in the
            first and the last convolution too, where the published model uses reflection, and
            LeakyReLU with a slope of 0.25 instead of PReLU, which is initialized to that.
        blend: Predict from the decoded features how much of the visible image each pixel of the
            fused one gets, the rest being infrared, and a residual; else the pixel itself. The
            spatial attention is a convolution of all features then, with a weight for each channel,
            which 8-bit kernels compute faster.
        name: Name of the Keras model.

    Returns:
        A model from {"visible": (B, H, W, 1), "infrared": (B, H, W, 1)}, luma and thermal image in
        [0, 1], any H and W, to {"fused": (B, H, W, 1)}; as explanations, "CAMERA_attention_map",
        (B, h, w, 1), of either camera: the spatial attention of its detail; and, for the losses
        only, "CAMERA_base", "CAMERA_detail" and "CAMERA_reconstructed".

    Raises:
        UsageError: If a number is too small, or the strategy is unknown or lacks its attention.

    Reference:
        Zhao et al., "DIDFuse: Deep Image Decomposition for Infrared and Visible Image Fusion",
        IJCAI 2020, and the authors' code, https://github.com/Zhaozixiang1228/IVIF-DIDFuse. The
        attention follows Woo et al., "CBAM: Convolutional Block Attention Module", ECCV 2018.

    Differences from the reference:
        The attention and the strategy of that name; spatial attention uses two learned sums of the
        features where CBAM uses maximum and mean. PReLU has a slope for each channel (theirs one
        for all). The fused image is normalized by the running statistics in training too, and does
        not update them. `patch`, `int8_friendly` and `blend` are our own.
    """
    checks.check_min("filters", filters, 1)
    checks.check_min("patch", patch, 1)
    checks.check_choice("strategy", strategy, STRATEGIES)
    if strategy == "attention" and not attention:
        raise UsageError(
            "`strategy` attention uses the logits of the attention. Received: attention=False. "
            "Leave it on, or choose another strategy."
        )

    conv = functools.partial(_conv, normalized=normalized, int8_friendly=int8_friendly)
    encoder = [
        conv(filters, "encoder_a", reflect=True),
        conv(filters, "encoder_b"),
        conv(filters, "base", "tanh"),
        conv(filters, "detail", "tanh"),
    ]
    gates = [
        attention_gate(filters, part, pooled=not blend) if attention else None
        for part in ("base", "detail")
    ]
    decoder = [
        conv(filters, "decoder_a"),
        conv(filters, "decoder_b"),
        conv(patch**2, "decoder_c", "sigmoid", reflect=True),
    ]
    mix = _make_blend(filters, patch) if blend else None
    unfold = DepthToSpace(patch, name="unfold") if patch > 1 else None

    def encode(image: KerasTensor) -> tuple[list[KerasTensor], list[KerasTensor | None]]:
        """Return base, detail and both skip features, and the attention logits of each."""
        first = encoder[0](image)
        second = encoder[1](first)
        parts, logits = [head(second) for head in encoder[2:]], [None, None]
        for index, gate in enumerate(gates):
            if gate:
                parts[index], logits[index] = gate(parts[index])
        return [*parts, second, first], [*logits, logits[1], logits[1]]

    def decode(
        features: list[KerasTensor], like: KerasTensor, last: Block = decoder[-1], **options
    ) -> KerasTensor:
        base, detail, second, first = features
        x = layers.Concatenate()([base, detail])
        for layer, skip in zip(decoder[:-1], (second, first), strict=True):
            x = layers.Concatenate()([layer(x, **options), skip])
        x = last(x, **options)
        return unfold([x, like]) if unfold else x

    images = {
        port.name: keras.Input((None, None, port.channels), name=port.name) for port in FUSE.inputs
    }
    fold = SpaceToDepth(patch, name="fold") if patch > 1 else lambda x: x
    folded = {camera: fold(image) for camera, image in images.items()}
    encoded = {camera: encode(image) for camera, image in folded.items()}
    outputs = {}
    for camera, (features, _) in encoded.items():
        outputs[f"{camera}_base"], outputs[f"{camera}_detail"] = features[:2]
        outputs[f"{camera}_reconstructed"] = decode(features, images[camera])

    fused = []
    for part, features, logits in zip(
        ("base", "detail", "second", "first"),
        zip(*(features for features, _ in encoded.values()), strict=True),
        zip(*(logits for _, logits in encoded.values()), strict=True),
        strict=True,
    ):
        inputs = [*features, *logits] if strategy == "attention" else list(features)
        fused.append(FuseFeatures(strategy, name=f"{part}_fused")(inputs))
    last = (lambda x, **options: mix(x, **folded)) if mix else decoder[-1]
    outputs["fused"] = decode(fused, images["visible"], last, frozen=True)
    if attention:
        outputs |= {
            f"{camera}_attention_map": layers.Activation("sigmoid", name=f"{camera}_map")(
                ops.mean(logits[1], axis=-1, keepdims=True)
            )
            for camera, (_, logits) in encoded.items()
        }
    return keras.Model(images, outputs, name=name)


def _make_blend(filters: int, patch: int) -> Callable[..., KerasTensor]:
    """Return what makes fused blocks of pixels of features and of the blocks of both images.

    How far each image is from its mean says which of the two stands out where both are smooth.
    """
    compare = layers.Conv2D(filters, 3, padding="same", name="compare_conv")
    # One convolution: CPU kernels compute 16 channels in the time of 4.
    predict = layers.Conv2D(
        2 * patch**2, 3, padding="same", kernel_initializer="zeros", name="blend_conv"
    )
    weigh = layers.Activation("sigmoid", name="visible_weight")

    def blend(x: KerasTensor, **images: KerasTensor) -> KerasTensor:
        deviations = []
        for camera, image in images.items():
            mean = layers.GlobalAveragePooling2D(keepdims=True, name=f"{camera}_mean")(image)
            deviations.append(layers.Subtract(name=f"{camera}_deviation")([image, mean]))
        x = layers.Concatenate(name="compared")([x, *deviations])  # copies the features once
        x = layers.LeakyReLU(PRELU_INIT, name="compare_act")(compare(x))
        # Slices, since the GPU delegate splits channels wrongly.
        both = predict(x)
        weight, residual = both[..., : patch**2], both[..., patch**2 :]
        visible, infrared = images["visible"], images["infrared"]
        difference = layers.Subtract(name="difference")([visible, infrared])
        visible_part = layers.Multiply(name="visible_part")([weigh(weight), difference])
        fused = layers.Add(name="blended")([infrared, visible_part])
        return UnitClip(name="limited")(layers.Add(name="corrected")([fused, residual]))

    return blend


def _conv(
    channels: int,
    name: str,
    activation: str = "prelu",
    *,
    normalized: bool,
    int8_friendly: bool,
    reflect: bool = False,
) -> Block:
    """Return a 3x3 convolution, batch normalization and activation."""
    reflect = reflect and not int8_friendly
    pad = ReflectionPadding2D(name=f"{name}_pad") if reflect else lambda x: x
    conv = layers.Conv2D(channels, 3, padding="valid" if reflect else "same", name=f"{name}_conv")
    norm = lambda x, **options: x  # noqa: E731
    if normalized:
        norm = FreezableBatchNormalization(epsilon=1e-5, momentum=0.9, name=f"{name}_norm")
    if activation != "prelu":
        activate = layers.Activation(activation, name=f"{name}_act")
    elif int8_friendly:
        activate = layers.LeakyReLU(PRELU_INIT, name=f"{name}_act")
    else:
        slope = keras.initializers.Constant(PRELU_INIT)
        activate = layers.PReLU(slope, shared_axes=[1, 2], name=f"{name}_act")
    return lambda x, **options: activate(norm(conv(pad(x)), **options))
