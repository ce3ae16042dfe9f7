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

GATE_FILTERS = 16
"""Features of the differences that the weight of the past is predicted from."""

DIFFERENCE_SCALE = 1e4
"""Scale of the first kernel's variance before training: noise of one code in 8 bits makes features
of about 0.4, of the 6 at which they are cut."""

MIN_LEVEL = 1e-2
"""Added to the mean of a feature over the frame before its logarithm is taken."""

START_LOGIT = -0.5
"""Bias of the weight's logit before training."""


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
    name: str = "dashcam_net_temporal",
) -> keras.Model:
    """Build a `dashcam_net_yuv` that averages its input over time where the scene stands still.

    Before anything else, each pixel is mixed with the one that this step made of the frame before:

        filtered = now + weight (past - now), weight = memory 0.75 sigmoid(logit)

    The logits, one for each 4x4 pixels, are predicted from the differences around them, as
    multiples of the differences over the full frame: what stands out of the noise has moved.
    Without memory, or in the first frame, the model is the `dashcam_net_yuv` of the same weights.

    The filter alone is trained, on clips: images of `clip_frames` frames below each other. All
    other weights have to be those of a trained `dashcam_net_yuv`, see `training.initial_weights`.
    `KerasEngine` runs the model of a run on single frames.

    Args:
        filters: See `dashcam_net_yuv`, as all others but these.
        blocks: See there.
        deep_filters: See there.
        deep_blocks: See there.
        context: See there.
        enter_size: See there.
        expansion: See there.
        clip_frames: Number of frames of a clip, over all of which gradients flow back.
        name: Name of the Keras model.

    Returns:
        A model with the ports of `dashcam_net_v2`. Its layer `DEPLOYED` is a model of one frame
        with the ports of `contract.ENHANCE_PLANES_OVER_TIME`. Of clips, the output is what is
        filtered and not yet enhanced, so that it is compared to the clip without noise.

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
    # Of blocks of 8x8 pixels. What is cut at 6 keeps fine steps in 8 bits, and motion does not pass
    # for much noise.
    x = layers.Conv2D(
        GATE_FILTERS, 2, strides=2, padding="same", activation="relu6", name="memory_conv",
        kernel_initializer=keras.initializers.VarianceScaling(DIFFERENCE_SCALE),
    )(differences[0])  # fmt: skip
    mean = layers.GlobalAveragePooling2D(keepdims=True, name="memory_mean")(x)
    level = ops.log(mean + MIN_LEVEL)
    offset = layers.Conv2D(GATE_FILTERS, 1, name="memory_frame")(level)
    offset = layers.LeakyReLU(LEAKY_SLOPE, name="memory_frame_act")(offset)
    offset = layers.Conv2D(GATE_FILTERS, 1, name="memory_offset")(offset)
    # Before training, the reciprocal of the features' geometric mean.
    gain = layers.Conv2D(
        GATE_FILTERS, 1, name="memory_gain",
        kernel_initializer=keras.initializers.Constant(-1 / GATE_FILTERS),
    )(level)  # fmt: skip
    x = layers.DepthwiseConv2D(
        3, padding="same", use_bias=False, activation="relu6", name="memory_around",
        depthwise_initializer=keras.initializers.RandomUniform(0.05, 0.15),
    )(x)  # fmt: skip
    x = layers.ReLU(6, name="memory_multiples")(
        layers.Multiply(name="memory_scaled")([x, ops.exp(gain)])
    )
    x = layers.Conv2D(GATE_FILTERS, 1, use_bias=False, name="memory_mix")(x)
    # In this order: the converter takes a second operand for the bias of the convolution, which the
    # GPU delegate does not add correctly in 8 bits.
    x = layers.ReLU(6, name="memory_gate_act")(layers.Add(name="memory_shifted")([offset, x]))
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
    thumbnail = keras.Input(small.shape(small.size), name=small.name)
    brightness = keras.Input(control.shape(control.size), name=control.name)
    to_planes = RgbToPlanes(name="planes")
    small_planes = layers.Concatenate(name="thumbnail_concat")(
        RgbToPlanes(halved=False, name="thumbnail_planes")(thumbnail)
    )
    memory = ops.ones_like(ops.max(brightness, axis=-1, keepdims=True))
    results, states = [], ()
    for frame in SplitFrames(clip_frames, name="frames")(low):
        luma, chroma = to_planes(frame)
        # The first frame is its own past, from which it differs in nothing.
        states = states or (SpaceToDepth(BLOCK)(luma), SpaceToDepth(BLOCK // 2)(chroma))
        values = luma, chroma, small_planes, brightness, memory, *states
        names = (port.name for port in ENHANCE_PLANES_OVER_TIME.inputs)
        outputs = deployed(dict(zip(names, values, strict=True)))
        states = tuple(outputs[port.state_of] for port in ENHANCE_PLANES_OVER_TIME.states)
        if clip_frames > 1:
            blocks = zip(states, (BLOCK, BLOCK // 2), (luma, chroma), strict=True)
            planes = [DepthToSpace(block)([state, like]) for state, block, like in blocks]
        else:
            planes = [outputs[port.name] for port in ENHANCE_PLANES.outputs]
        results.append(PlanesToRgb()(planes))
    clip = layers.Concatenate(1, name="clip")(results) if clip_frames > 1 else results[0]
    return keras.Model(
        {image.name: low, small.name: thumbnail, control.name: brightness},
        {ENHANCE_WITH_BRIGHTNESS.outputs[0].name: UnitClip(name="limited")(clip)},
        name=name,
    )
