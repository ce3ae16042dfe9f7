"""The MIRNet of the Keras examples, for comparison: what is known by that name, with its faults."""

import keras
from keras import KerasTensor, layers

from lowlight_tf.checks import UsageError

STREAMS = 3


def build(
    *,
    filters: int,
    groups: int,
    blocks: int,
    streams: int,
    patch: int,
    tone_curve: bool,
    predict_gain: bool,
    name: str,
) -> keras.Model:
    """Build the widely copied variant, layer by layer.

    Args:
        filters: Feature maps of the first stream, 64 there; at least 8.
        groups: Recursive residual groups, 3 there.
        blocks: Multi-scale residual blocks in each, 2 there.
        streams: Must be 3.
        patch: Must be 1.
        tone_curve: Must be False.
        predict_gain: Must be False.
        name: Name of the Keras model.

    Returns:
        A model from {"low": (B, H, W, 3)} to {"enhanced": (B, H, W, 3)}; H and W multiples of 4.

    Raises:
        UsageError: If `streams`, `patch`, `tone_curve` or `predict_gain` is another, or the filters are few.

    Reference:
        https://keras.io/examples/vision/mirnet/, 2021.

    Differences from the paper, all of them kept:
        1. Selective kernel fusion takes its softmax over the feature maps of each branch, not over
           the branches: the shares of a branch sum to 1 over all maps, and what is fused is about
           `filters / 3` times weaker.
        2. The last fusion is given the first stream once and the third one twice. What the second
           stream finds is thrown away, and its last unit and fusion are not part of the net.
        3. Spatial attention looks at single pixels: its convolution is 1x1, not 5x5.
        4. ReLU for PReLU; max pooling for the blurred halving; nearest neighbors and a convolution
           of the small picture for transposed convolution and interpolation; biases.
        5. The second and third stream begin with the picture made small, not with what the unit of
           the stream before has made of it; both columns have units of their own, and every
           resizing has weights of its own, wherever it goes; each group begins with a convolution.
        6. The result is not limited to [0, 1].

        With 64 filters, 3 groups and 2 blocks it has 36.4 million weights. Its training is another
        matter: PSNR there takes the peak to be 255 where it is 1 (48.13 dB too high), validation is
        on random crops, and nothing is augmented.
    """
    if streams != STREAMS or patch != 1 or tone_curve or predict_gain or filters < 8:
        raise UsageError(
            'variant "keras_io" has 3 streams, no patch, tone or gain, and at least 8 filters. '
            f"Received: streams={streams}, patch={patch}, toned={tone_curve}, gained={predict_gain}, "
            f"filters={filters}."
        )
    low = keras.Input((None, None, 3), name="low")
    x = _conv(low, filters)
    for _ in range(groups):
        y = _conv(x, filters)
        for _ in range(blocks):
            y = _multi_scale_block(y, filters)
        x = layers.Add()([_conv(y, filters), x])
    enhanced = layers.Add()([low, _conv(x, 3)])
    return keras.Model({"low": low}, {"enhanced": enhanced}, name=name)


def _conv(x: KerasTensor, channels: int, size: int = 3, active: str | None = None) -> KerasTensor:
    return layers.Conv2D(channels, size, padding="same", activation=active)(x)


def _global_pool(x: KerasTensor) -> KerasTensor:
    return layers.GlobalAveragePooling2D(keepdims=True)(x)


def _multi_scale_block(x: KerasTensor, channels: int) -> KerasTensor:
    second = _downsample(x)
    third = _downsample(second)
    first, second, third = (_dual_attention(stream) for stream in (x, second, third))
    fused = _selective_fusion(first, _upsample(second), _upsample(_upsample(third)))
    # The second stream is fused and attended to here in the original, and then never used.
    lowest = _selective_fusion(_downsample(_downsample(first)), _downsample(second), third)
    first, third = _dual_attention(fused), _upsample(_upsample(_dual_attention(lowest)))
    return layers.Add()([x, _conv(_selective_fusion(first, third, third), channels)])


def _selective_fusion(*streams: KerasTensor) -> KerasTensor:
    channels = streams[0].shape[-1]
    compact = _conv(_global_pool(layers.Add()(streams)), channels // 8, 1, "relu")
    weighed = [x * _conv(compact, channels, 1, "softmax") for x in streams]
    return layers.Add()(weighed)


def _dual_attention(x: KerasTensor) -> KerasTensor:
    channels = x.shape[-1]
    y = _conv(_conv(x, channels, 3, "relu"), channels)
    by_map = y * _conv(_conv(_global_pool(y), channels // 8, 1, "relu"), channels, 1, "sigmoid")
    extent = [keras.ops.max(y, -1, keepdims=True), keras.ops.mean(y, -1, keepdims=True)]
    by_pixel = y * _conv(layers.Concatenate()(extent), 1, 1, "sigmoid")
    return layers.Add()([x, _conv(layers.Concatenate()([by_map, by_pixel]), channels, 1)])


def _downsample(x: KerasTensor) -> KerasTensor:
    channels = x.shape[-1]
    y = _conv(_conv(x, channels, 1, "relu"), channels, 3, "relu")
    y = _conv(layers.MaxPooling2D()(y), 2 * channels, 1)
    return layers.Add()([_conv(layers.MaxPooling2D()(x), 2 * channels, 1), y])


def _upsample(x: KerasTensor) -> KerasTensor:
    channels = x.shape[-1]
    y = _conv(_conv(x, channels, 1, "relu"), channels, 3, "relu")
    y = _conv(layers.UpSampling2D()(y), channels // 2, 1)
    return layers.Add()([_conv(layers.UpSampling2D()(x), channels // 2, 1), y])
