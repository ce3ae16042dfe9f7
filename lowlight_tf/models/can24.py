"""CAN24: dilated convolutions with few channels at full resolution."""

import keras
from keras import layers

from lowlight_tf import checks
from lowlight_tf.layers.clip import UnitClip
from lowlight_tf.layers.initialization import CenterIdentity
from lowlight_tf.layers.normalization import AdaptiveNormalization


def can24(*, filters: int = 24, depth: int = 7, name: str = "can24") -> keras.Model:
    """Build the context aggregation network with adaptive normalization (CAN24+AN).

    3x3 convolutions with dilation rates 1, 2, 4 ... 64, one more with rate 1, and a 1x1 convolution
    to RGB, all at full resolution. Each but the last is followed by adaptive normalization and
    LeakyReLU 0.2; at initialization they are the identity.

    Args:
        filters: Channels of each hidden convolution.
        depth: Number of dilated convolutions; the last has the rate 2^(depth - 1).
        name: Name of the Keras model.

    Returns:
        A model from {"low": (B, H, W, 3)} to {"enhanced": (B, H, W, 3)}; sRGB in [0, 1], any H and
        W.

    Raises:
        UsageError: If a number is less than 1.

    Reference:
        Chen, Xu and Koltun, "Fast Image Processing with Fully-Convolutional Networks", ICCV 2017,
        CAN24 of nine layers, and the authors' code, https://github.com/CQFIO/FastImageProcessing.

    Differences from the reference:
        The output is clipped to [0, 1], see `layers.clip`. In inference the normalization uses the
        running statistics of training; the authors' code always uses those of the input image.
    """
    checks.check_min("filters", filters, 1)
    checks.check_min("depth", depth, 1)
    low = keras.Input((None, None, 3), name="low")
    x = low
    for index, rate in enumerate([*(2**level for level in range(depth)), 1]):
        x = layers.Conv2D(
            filters,
            3,
            padding="same",
            dilation_rate=rate,
            use_bias=False,
            kernel_initializer=CenterIdentity(),
            name=f"conv{index}",
        )(x)
        x = AdaptiveNormalization(name=f"norm{index}")(x)
        x = layers.LeakyReLU(0.2, name=f"act{index}")(x)
    x = layers.Conv2D(3, 1, name="color")(x)
    return keras.Model({"low": low}, {"enhanced": UnitClip(name="limit")(x)}, name=name)
