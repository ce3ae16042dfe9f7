"""Low-light enhancement of 4:2:0 video with memory: noise is averaged over the frames before."""

import keras
from keras import KerasTensor, layers, ops

from lowlight_tf import checks
from lowlight_tf.contract import (
    ENHANCE_PLANES,
    ENHANCE_PLANES_OVER_TIME,
    ENHANCE_WITH_BRIGHTNESS,
)
from lowlight_tf.layers.clip import UnitClip
from lowlight_tf.layers.resample import DepthToSpace, SpaceToDepth, SplitFrames
from lowlight_tf.layers.yuv import PlanesToRgb, RgbToPlanes
from lowlight_tf.models._dashcam_trunk import LEAKY_SLOPE
from lowlight_tf.models.dashcam_net_yuv import BLOCK, build_deployed

MAX_WEIGHT = 0.75
"""Largest weight of the past. An average over more frames would stick in 8 bits: what is closer to
it than 0.5 / (1 - weight) codes changes nothing."""

GATE_FILTERS = 12
"""Features of the differences that the weight of the past is predicted from."""

START_LOGIT = -2.0
"""Bias of the weight's logit before training: little of the past."""


def dashcam_net_temporal(
    *,
    filters: int = 24,
    blocks: int = 2,
    deep_filters: int = 28,
    deep_blocks: int = 1,
    context: int = 16,
    enter_size: int = 3,
    expansion: int = 2,
    clip_frames: int = 1,
    train_all: bool = False,
    name: str = "dashcam_net_temporal",
) -> keras.Model:
    """Build a `dashcam_net_yuv` that averages its input over time where the scene stands still.

    Before anything else, each pixel is mixed with the one that this step made of the frame before:

        filtered = now + weight (past - now), weight = memory 0.75 sigmoid(logit)

    The logits, one for each 4x4 pixels, are predicted from the differences around them and over the
    full frame, which tell noise from motion. Without memory, or in the first frame, the model is
    the `dashcam_net_yuv` of the same weights.

    It is trained on clips: images of `clip_frames` frames below each other. `KerasEngine` runs the
    model of a run on single frames.

    Args:
        filters: See `dashcam_net_yuv`, as all others but these.
        blocks: See there.
        deep_filters: See there.
        deep_blocks: See there.
        context: See there.
        enter_size: See there.
        expansion: See there.
        clip_frames: Number of frames of a clip, over all of which gradients flow back.
        train_all: Train all weights; else those that make the filter alone, and the others have to
            be those of a trained `dashcam_net_yuv`, see `training.initial_weights`.
        name: Name of the Keras model.

    Returns:
        A model with the ports of `dashcam_net_v2`, of clips. Its layer `DEPLOYED` is a model of one
        frame with the ports of `contract.ENHANCE_PLANES_OVER_TIME`.

    Raises:
        UsageError: If a number is too small.

    Reference:
        Ours. Recursive filters with a gate by motion are classical, as Dubois and Sabri, "Noise
        Reduction in Image Sequences Using Motion-Compensated Temporal Filtering", IEEE Trans.
        Communications 1984.

    Differences from the reference:
        The gate is learned; there is no motion compensation.
    """
    checks.check_min("clip_frames", clip_frames, 1)
    deployed = build_deployed(
        ENHANCE_PLANES_OVER_TIME,
        filter_planes=_filter_over_time,
        filters=filters,
        blocks=blocks,
        deep_filters=deep_filters,
        deep_blocks=deep_blocks,
        context=context,
        enter_size=enter_size,
        expansion=expansion,
    )
    if not train_all:
        for layer in deployed.layers:
            layer.trainable = layer.name.startswith("memory_")
    return _unroll(deployed, clip_frames, name)


def _filter_over_time(
    luma: KerasTensor,
    chroma: KerasTensor,
    *,
    memory: KerasTensor,
    past_luma: KerasTensor,
    past_chroma: KerasTensor,
) -> tuple[KerasTensor, KerasTensor]:
    """Return luma and chroma in blocks, mixed with the past."""
    differences = [
        layers.Subtract(name=f"memory_{plane}_difference")([past, now])
        for plane, past, now in (("luma", past_luma, luma), ("chroma", past_chroma, chroma))
    ]
    # Blocks of 8x8 pixels; linear, so that noise cancels out before its strength is measured.
    x = layers.Conv2D(GATE_FILTERS, 2, strides=2, padding="same", name="memory_conv")(
        differences[0]
    )
    x = layers.LeakyReLU(LEAKY_SLOPE, name="memory_act")(x)
    everywhere = layers.GlobalAveragePooling2D(keepdims=True, name="memory_mean")(x)
    everywhere = layers.Conv2D(GATE_FILTERS, 1, use_bias=False, name="memory_frame")(everywhere)
    x = layers.Conv2D(GATE_FILTERS, 3, padding="same", name="memory_around")(x)
    x = layers.LeakyReLU(LEAKY_SLOPE, name="memory_gate_act")(
        layers.Add(name="memory_offset")([everywhere, x])
    )
    weight = layers.Conv2D(
        4, 1, activation="sigmoid", name="memory_weight",
        bias_initializer=keras.initializers.Constant(START_LOGIT),
    )(x)  # fmt: skip
    limit = layers.Rescaling(MAX_WEIGHT, name="memory_limit")(memory)
    weight = layers.Multiply(name="memory_weight_limited")([limit, weight])
    weight = DepthToSpace(2, name="memory_unfold")([weight, luma])
    filtered = []
    for plane, now, difference in zip(("luma", "chroma"), (luma, chroma), differences, strict=True):
        change = layers.Multiply(name=f"memory_{plane}_change")([difference, weight])
        filtered.append(layers.Add(name=f"memory_{plane}")([now, change]))
    return tuple(filtered)


def _unroll(deployed: keras.Model, clip_frames: int, name: str) -> keras.Model:
    """Return a model of clips with the ports of `dashcam_net_v2`."""
    image, small, control = ENHANCE_WITH_BRIGHTNESS.inputs
    low = keras.Input((None, None, image.channels), name=image.name)
    thumbnail = thumbnail_input = keras.Input(small.shape(small.size), name=small.name)
    brightness = keras.Input(control.shape(control.size), name=control.name)
    to_planes = RgbToPlanes(name="planes")
    to_small = RgbToPlanes(halved=False, name="thumbnail_planes")
    memory = ops.ones_like(ops.max(brightness, axis=-1, keepdims=True))
    results, states = [], ()
    for frame in SplitFrames(clip_frames, name="frames")(low):
        luma, chroma = to_planes(frame)
        # The first frame is its own past, from which it differs in nothing.
        states = states or (SpaceToDepth(BLOCK)(luma), SpaceToDepth(BLOCK // 2)(chroma))
        if clip_frames > 1:  # the thumbnail is of all frames
            thumbnail = ops.image.resize(frame, small.size, data_format="channels_last")
        small_planes = layers.Concatenate()(to_small(thumbnail))
        values = luma, chroma, small_planes, brightness, memory, *states
        names = (port.name for port in ENHANCE_PLANES_OVER_TIME.inputs)
        outputs = deployed(dict(zip(names, values, strict=True)))
        states = tuple(outputs[port.state_of] for port in ENHANCE_PLANES_OVER_TIME.states)
        planes = [outputs[port.name] for port in ENHANCE_PLANES.outputs]
        results.append(PlanesToRgb()(planes))
    clip = layers.Concatenate(1, name="clip")(results) if clip_frames > 1 else results[0]
    return keras.Model(
        {image.name: low, small.name: thumbnail_input, control.name: brightness},
        {ENHANCE_WITH_BRIGHTNESS.outputs[0].name: UnitClip(name="limited")(clip)},
        name=name,
    )
