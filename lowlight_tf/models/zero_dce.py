"""Zero-DCE: enhancement by a tone curve for every pixel."""

import functools

import keras
from keras import layers, ops

from lowlight_tf import checks


def zero_dce(*, filters: int = 32, iterations: int = 8, name: str = "zero_dce") -> keras.Model:
    """Build DCE-Net, which predicts a curve for each pixel, color and iteration.

    Each iteration maps a value v in [0, 1] to v + a v (1 - v), with a in [-1, 1]. The map is
    monotonic and stays in [0, 1], so that the image needs no clipping. Seven convolutions predict
    the parameters a; the last three have skip connections from the first three. It is trained
    without targets, see `losses.zero_reference`.

    Args:
        filters: Channels of each hidden convolution.
        iterations: Number of times the curve is applied.
        name: Name of the Keras model.

    Returns:
        A model from {"low": (B, H, W, 3)} to {"enhanced": (B, H, W, 3)}, sRGB in [0, 1], any H and
        W, and, for the losses only, "curves": (B, H, W, 3 * iterations), the parameters a.

    Raises:
        UsageError: If a number is less than 1.

    Reference:
        Guo et al., "Zero-Reference Deep Curve Estimation for Low-Light Image Enhancement", CVPR
        2020, https://arxiv.org/abs/2001.06826

    Differences from the paper:
        None. (The authors' code has the opposite sign: negate its last convolution to use it here.)
    """
    checks.check_min("filters", filters, 1)
    checks.check_min("iterations", iterations, 1)
    # As the authors' code: small initial weights, so that the curves are the identity at first.
    initializer = keras.initializers.RandomNormal(stddev=0.02)
    conv = functools.partial(
        layers.Conv2D, kernel_size=3, padding="same", kernel_initializer=initializer
    )
    relu = functools.partial(conv, filters, activation="relu")

    low = keras.Input((None, None, 3), name="low")
    x1 = relu(name="conv1")(low)
    x2 = relu(name="conv2")(x1)
    x3 = relu(name="conv3")(x2)
    x4 = relu(name="conv4")(x3)
    x5 = relu(name="conv5")(layers.Concatenate(name="join3")([x3, x4]))
    x6 = relu(name="conv6")(layers.Concatenate(name="join2")([x2, x5]))
    last = conv(3 * iterations, activation="tanh", name="curves")
    curves = last(layers.Concatenate(name="join1")([x1, x6]))

    enhanced = low
    for alpha in ops.split(curves, iterations, axis=-1):
        enhanced = enhanced + alpha * enhanced * (1.0 - enhanced)
    return keras.Model({"low": low}, {"enhanced": enhanced, "curves": curves}, name=name)
