"""Night out of day: darken a picture the way night streets are lit, inside the tf.data graph."""

import tensorflow as tf
from tensorflow.random import fold_in as fold

from lowlight_tf.training_config import PipelineConfig

MAX_HEADLIGHTS = 4  # most headlights in a picture
MAX_LIGHT_POOLS = 3  # most pools of light


def synthesize_night(
    image: tf.Tensor,
    quantiles: tf.Tensor,
    options: PipelineConfig,
    seed: tf.Tensor,
    *,
    window: tf.Tensor | None = None,
    full_size: tf.Tensor | None = None,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Make a pair (dark, target) out of a day picture.

    The picture is darkened by a power and a factor, or takes on the histogram of a dark picture.
    Some nights have pools of light in which the day shows through, and some have headlights: small
    saturated discs with a halo, which are lit in the target as well, so that a net neither puts
    them out nor blows them up.

    Args:
        image: (H, W, 3) sRGB in [0, 1].
        quantiles: (256, 3): tones of a dark picture, as `pipeline.decode.dark_quantiles` gives.
        options: The fields that begin with `night_`.
        seed: (2,) int64.
        window: Where `image` was cut out of a whole picture: (top, left, height, width) as `crop`
            gives, so that the same seed makes the same night of a part and of the whole. None if it
            is the whole.
        full_size: The whole day picture, of any size, whose tones are matched; None takes `image`.

    Returns:
        (dark, target), shaped as `image`, in [0, 1].

    Reference:
        Data synthesis of https://github.com/YoungYoung619/Make-vehicles-see-in-the-dark, 2019
        and 2020.

    Differences from the reference:
        Its blobs are dark inside and bright outside; pools of light are the other way round. Their
        radius follows the picture's size. Headlights are ours. The dark picture whose histogram is
        taken is all the dark pictures of the training set together.
    """
    uniform = tf.random.stateless_uniform
    if window is None:
        window = tf.concat([[0, 0], tf.shape(image)[:2]], 0)
    place = window, tf.shape(image)
    gain = uniform([], seed, *options.night_gain)
    gamma = uniform([], fold(seed, 1), *options.night_gamma)
    matched = uniform([], fold(seed, 2)) < options.night_histogram_prob
    dark = tf.cond(
        matched,
        lambda: (
            match_histogram(image, quantiles, image if full_size is None else full_size)
            * uniform([], fold(seed, 3), 0.5, 1.0)
        ),
        lambda: gain * tf.pow(image, gamma),
    )

    count = tf.cast(uniform([], fold(seed, 4)) < options.night_pools_prob, tf.float32)
    pools = _light_blobs(place, MAX_LIGHT_POOLS, (0.1, 0.4), fold(seed, 100)) * count
    dark += tf.minimum(pools, 1) * (image - dark) * uniform([], fold(seed, 5), 0.2, 0.8)

    count = tf.cast(uniform([], fold(seed, 6)) < options.night_headlights_prob, tf.float32)
    lamps = _light_blobs(place, MAX_HEADLIGHTS, (0.01, 0.03), fold(seed, 200))
    halos = 0.15 * _light_blobs(place, MAX_HEADLIGHTS, (0.04, 0.1), fold(seed, 200))
    glow = tf.minimum(2 * lamps, 1) * count
    warm = tf.stack(
        [1.0, uniform([], fold(seed, 7), 0.8, 1.0), uniform([], fold(seed, 8), 0.6, 1.0)]
    )
    lit = tf.minimum(dark + count * halos * warm, 1)
    return tf.maximum(lit, glow * warm), tf.maximum(image, glow * warm)


def match_histogram(image: tf.Tensor, quantiles: tf.Tensor, full_size: tf.Tensor) -> tf.Tensor:
    """Give each color the tones of `quantiles`, keeping the order of tones.

    Args:
        image: (H, W, 3) in [0, 1].
        quantiles: (256, 3), rising.
        full_size: (h, w, 3): what the image is a part of; its tones become those of `quantiles`.

    Returns:
        (H, W, 3) in [0, 1].
    """

    def one(color: int) -> tf.Tensor:
        tones, seen = (
            tf.cast(tf.round(picture[..., color] * 255), tf.int32) for picture in (image, full_size)
        )
        counts = tf.math.bincount(tf.reshape(seen, [-1]), minlength=256, maxlength=256)
        below = tf.cast(tf.cumsum(counts) - counts // 2, tf.float32)
        share = below / tf.cast(tf.reduce_sum(counts), tf.float32)
        place = tf.cast(tf.round(share * 255), tf.int32)
        return tf.gather(tf.gather(quantiles[:, color], place), tones)

    return tf.stack([one(color) for color in range(3)], axis=-1)


def _light_blobs(
    place: tuple[tf.Tensor, tf.Tensor], most: int, radius: tuple[float, float], seed: tf.Tensor
) -> tf.Tensor:
    """Return (H, W, 1): the sum of Gaussian spots, at most `most`, radii as shares of the side.

    They are strewn over the whole picture; `place` is the window in it and the shape of the result.
    """
    window, shape = place
    count = tf.random.stateless_uniform([], seed, 1, most + 1, tf.int32)
    centres = tf.random.stateless_uniform([most, 2], fold(seed, 1))
    side = tf.cast(tf.minimum(window[2], window[3]), tf.float32)
    radii = tf.random.stateless_uniform([most], fold(seed, 2), *radius) * side

    def along(axis: int) -> tf.Tensor:
        points = tf.range(shape[axis], dtype=tf.float32) + tf.cast(window[axis], tf.float32)
        centre = centres[:, axis] * tf.cast(window[2 + axis], tf.float32)
        return tf.exp(-tf.square(points[:, None] - centre) / (2 * tf.square(radii)))

    lit = tf.cast(tf.range(most) < count, tf.float32)
    return tf.einsum("hn,wn,n->hw", along(0), along(1), lit)[..., None]
