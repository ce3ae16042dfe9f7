"""Training targets of a brightness control: the same input, brighter or darker results."""

import tensorflow as tf

from lowlight_tf.contract import MAX_BRIGHTNESS_EV

EV_PER_DOUBLING = 1.5
"""EV that double the exponent of the tone curve. With it mid-gray (0.45) comes within 0.05 of what
a camera makes of it at -2 to +1 EV; towards white the curve bends, where a camera clips."""


def adjust_brightness(image: tf.Tensor, ev: tf.Tensor) -> tf.Tensor:
    """Return an image at another brightness: 1 - (1 - x)^(2^(EV / 1.5)).

    Black and white stay, tones keep their order, and the result rises with EV.

    Args:
        image: sRGB in [0, 1], of any shape.
        ev: Scalar.
    """
    return 1 - tf.pow(tf.maximum(1 - image, 0), 2.0 ** (ev / EV_PER_DOUBLING))


def random_brightness(fraction: float, seed: tf.Tensor) -> tf.Tensor:
    """Return an EV, uniform in +-MAX_BRIGHTNESS_EV for a fraction of the samples, else 0.

    Args:
        fraction: Of the samples, in [0, 1].
        seed: (2,) int.
    """
    ev = tf.random.stateless_uniform([], seed, -MAX_BRIGHTNESS_EV, MAX_BRIGHTNESS_EV)
    changed = tf.random.stateless_uniform([], tf.random.experimental.stateless_fold_in(seed, 1))
    return tf.where(changed < fraction, ev, 0.0)


def brightness_port(ev: tf.Tensor) -> tf.Tensor:
    """Return what the port `brightness` is given for an EV, (1, 1, 2) in [0, 1]."""
    level = ev / MAX_BRIGHTNESS_EV
    return tf.reshape(tf.stack([tf.maximum(level, 0), tf.maximum(-level, 0)]), [1, 1, 2])
