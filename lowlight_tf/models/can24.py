"""CAN24: few maps at full size, seen from ever farther apart."""

import keras
from keras import layers

from lowlight_tf import checks
from lowlight_tf.layers.clip import UnitClip
from lowlight_tf.layers.initialization import CenterIdentity
from lowlight_tf.layers.normalization import AdaptiveNormalization


def can24(*, filters: int = 24, depth: int = 7, name: str = "can24") -> keras.Model:
    """Build the context aggregation network with adaptive normalization (CAN24+AN).

    Convolutions of 3 x 3 pixels whose taps lie 1, 2, 4 ... 64 pixels apart, one more whose taps are
    neighbours, and one of single pixels to color: no picture is ever shrunk. Each but the last is
    normalized adaptively and followed by LeakyReLU 0.2; at first they pass on what they see.

    Args:
        filters: Feature maps of each hidden convolution.
        depth: Convolutions with ever wider taps; the widest lie 2^(depth - 1) pixels apart.
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
        What leaves [0, 1] is cut inside the net, see `layers.limit`. On a device the normalization
        goes by running statistics of the training pictures; the authors' code takes those of the
        picture that it is shown, always.
    """
    checks.check_min("filters", filters, 1)
    checks.check_min("depth", depth, 1)
    low = keras.Input((None, None, 3), name="low")
    x = low
    for place, apart in enumerate([*(2**level for level in range(depth)), 1]):
        x = layers.Conv2D(
            filters,
            3,
            padding="same",
            dilation_rate=apart,
            use_bias=False,
            kernel_initializer=CenterIdentity(),
            name=f"conv{place}",
        )(x)
        x = AdaptiveNormalization(name=f"norm{place}")(x)
        x = layers.LeakyReLU(0.2, name=f"act{place}")(x)
    x = layers.Conv2D(3, 1, name="color")(x)
    return keras.Model({"low": low}, {"enhanced": UnitClip(name="limit")(x)}, name=name)
