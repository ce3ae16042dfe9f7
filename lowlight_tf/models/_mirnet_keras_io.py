"""For benchmarks only: the MIRNet of the Keras examples, a widely copied variant with errors."""

import keras
from keras import KerasTensor, layers

from lowlight_tf.checks import UsageError

STREAMS = 3
MIN_FILTERS = 8


def mirnet_keras_io(
    *,
    filters: int,
    groups: int,
    blocks: int,
    streams: int,
    patch: int,
    tone_curve: bool,
    predict_gain: bool,
    curve_head: bool,
    name: str,
) -> keras.Model:
    """Build the widely copied variant, layer by layer.

    Args:
        filters: Channels of the first stream, 64 there; at least 8.
        groups: Recursive residual groups, 3 there.
        blocks: Multi-scale residual blocks in each, 2 there.
        streams: Must be 3.
        patch: Must be 1.
        tone_curve: Must be False.
        predict_gain: Must be False.
        curve_head: Must be False.
        name: Name of the Keras model.

    Returns:
        A model from {"low": (B, H, W, 3)} to {"enhanced": (B, H, W, 3)}; H and W multiples of 4.

    Raises:
        UsageError: If `streams`, `patch`, `tone_curve`, `predict_gain` or `curve_head` has another
            value, or `filters` is below 8.

    Reference:
        https://keras.io/examples/vision/mirnet/, 2021.

    Differences from the paper, all of them kept:
        1. The softmax of selective kernel fusion runs over the channels of each branch, not over
           the branches: the weights of a branch sum to 1 over all channels, and the fused features
           are about `filters / 3` times weaker.
        2. The last fusion receives the first stream once and the third one twice. The result of the
           second stream is discarded, and its last unit and fusion are not part of the model.
        3. The convolution of spatial attention is 1x1, not 5x5.
        4. ReLU for PReLU; max pooling for blurred downsampling; nearest-neighbor upsampling and a
           convolution before it for transposed convolution and interpolation; biases.
        5. The second and third stream begin with the downsampled input, not with the output of the
           unit of the stream before; both columns have units of their own, and every resampling
           has weights of its own, whatever its target; each group begins with a convolution.
        6. The output is not clipped to [0, 1].

        With 64 filters, 3 groups and 2 blocks it has 36.4 million weights. Its training has errors
        of its own: PSNR is computed with a peak of 255 where it is 1 (48.13 dB too high),
        validation uses random crops, and there is no augmentation.
    """
    has_own_options = tone_curve or predict_gain or curve_head
    if streams != STREAMS or patch != 1 or has_own_options or filters < MIN_FILTERS:
        raise UsageError(
            'variant "keras_io" must have 3 streams, patch 1, no tone_curve, no predict_gain, no '
            f"curve_head, and at least {MIN_FILTERS} filters. Received: streams={streams}, "
            f"patch={patch}, tone_curve={tone_curve}, predict_gain={predict_gain}, "
            f"curve_head={curve_head}, filters={filters}."
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


def _conv(
    x: KerasTensor, channels: int, size: int = 3, activation: str | None = None
) -> KerasTensor:
    return layers.Conv2D(channels, size, padding="same", activation=activation)(x)


def _global_pool(x: KerasTensor) -> KerasTensor:
    return layers.GlobalAveragePooling2D(keepdims=True)(x)


def _multi_scale_block(x: KerasTensor, channels: int) -> KerasTensor:
    second = _downsample(x)
    third = _downsample(second)
    first, second, third = (_dual_attention(stream) for stream in (x, second, third))
    fused = _selective_fusion(first, _upsample(second), _upsample(_upsample(third)))
    # The original also computes a second stream here, which is never used.
    lowest = _selective_fusion(_downsample(_downsample(first)), _downsample(second), third)
    first, third = _dual_attention(fused), _upsample(_upsample(_dual_attention(lowest)))
    return layers.Add()([x, _conv(_selective_fusion(first, third, third), channels)])


def _selective_fusion(*streams: KerasTensor) -> KerasTensor:
    channels = streams[0].shape[-1]
    squeezed = _conv(_global_pool(layers.Add()(streams)), channels // 8, 1, "relu")
    weighted = [x * _conv(squeezed, channels, 1, "softmax") for x in streams]
    return layers.Add()(weighted)


def _dual_attention(x: KerasTensor) -> KerasTensor:
    channels = x.shape[-1]
    y = _conv(_conv(x, channels, 3, "relu"), channels)
    by_channel = y * _conv(_conv(_global_pool(y), channels // 8, 1, "relu"), channels, 1, "sigmoid")
    pooled = [keras.ops.max(y, -1, keepdims=True), keras.ops.mean(y, -1, keepdims=True)]
    by_pixel = y * _conv(layers.Concatenate()(pooled), 1, 1, "sigmoid")
    return layers.Add()([x, _conv(layers.Concatenate()([by_channel, by_pixel]), channels, 1)])


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
