"""The U-Net of "Learning to See in the Dark", the baseline of the attention U-Net."""

import keras
from keras import KerasTensor, layers

from lowlight_tf import checks
from lowlight_tf.contract import RAW_TO_RGB
from lowlight_tf.layers.resample import DepthToSpace


def sid_unet(*, filters: int = 32, depth: int = 4, name: str = "sid_unet") -> keras.Model:
    """Build the U-Net for RAW-to-RGB conversion in low light.

    Each level has two convolutions with leaky ReLU; max pooling leads to the next level, with twice
    the channels, and a transposed convolution back. A 1x1 convolution predicts 12 values for each
    pixel of the packed RAW image, which unfold into 2x2 pixels. With 32 filters and a depth of 4 it
    has 7,760,268 weights, as published.

    Args:
        filters: Channels of the first level; each next level has twice as many.
        depth: Number of poolings.
        name: Name of the Keras model.

    Returns:
        A model from {"raw": (B, h, w, 4)}, packed Bayer times the exposure ratio, in [0, 1], h and
        w multiples of 2^depth, to {"enhanced": (B, 2h, 2w, 3)} sRGB, not clipped.

    Raises:
        UsageError: If a number is too small.

    Reference:
        Chen et al., "Learning to See in the Dark", CVPR 2018, https://arxiv.org/abs/1805.01934.

    Differences from the paper:
        The transposed convolution of size and stride 2 is written as a 1x1 convolution and
        depth-to-space: the same sums.
    """
    checks.check_min("filters", filters, 1)
    checks.check_min("depth", depth, 1)

    def level(x: KerasTensor, channels: int, name: str) -> KerasTensor:
        for part in "ab":
            x = layers.Conv2D(channels, 3, padding="same", name=f"{name}_{part}_conv")(x)
            x = layers.LeakyReLU(0.2, name=f"{name}_{part}_act")(x)
        return x

    port = RAW_TO_RGB.image_inputs[0]
    raw = x = keras.Input((None, None, port.channels), name=port.name)
    skips = []
    for index in range(depth):
        x = level(x, filters * 2**index, f"encoder_{index}")
        skips.append(x)
        x = layers.MaxPooling2D(name=f"pool_{index}")(x)
    x = level(x, filters * 2**depth, "bottom")
    for index in reversed(range(depth)):
        channels = filters * 2**index
        x = layers.Conv2D(4 * channels, 1, use_bias=False, name=f"up_{index}_conv")(x)
        x = DepthToSpace(2, name=f"up_{index}")(x)
        x = layers.Concatenate(name=f"join_{index}")([x, skips[index]])
        x = level(x, channels, f"decoder_{index}")
    x = DepthToSpace(2, name="unfold")(layers.Conv2D(12, 1, name="picture")(x))
    enhanced = layers.Activation("linear", dtype="float32", name="enhanced")(x)
    return keras.Model({port.name: raw}, {"enhanced": enhanced}, name=name)
