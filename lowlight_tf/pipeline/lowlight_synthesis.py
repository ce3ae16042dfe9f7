"""Low-light synthesis: a night image from a daytime image, inside the tf.data graph."""

import tensorflow as tf
from tensorflow.random import fold_in

from lowlight_tf.training_config import PipelineConfig

MAX_HEADLIGHTS = 4  # in an image
MAX_LIGHT_POOLS = 3  # in an image


def synthesize_night(
    image: tf.Tensor,
    quantiles: tf.Tensor,
    options: PipelineConfig,
    seed: tf.Tensor,
    *,
    window: tf.Tensor | None = None,
    full_image: tf.Tensor | None = None,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Synthesize a pair (dark, target) from a daytime image.

    The image is darkened by a gamma and a gain, or its histogram is matched to dark images. At
    random, pools of light are added, in which the darkening is reduced, and headlights: small
    saturated discs with a halo. Headlights are added to the target too, so that a model neither
    dims nor enlarges them.

    Args:
        image: (H, W, 3) sRGB in [0, 1].
        quantiles: (256, 3): pixel values of dark images, from `image_cache.dark_quantiles`.
        options: The fields that begin with `night_`.
        seed: (2,) int64.
        window: If `image` is a crop: (top, left, height, width) of `random_crop`, so that the same
            seed gives the same night for a crop and for the full image. None if it is the full
            image.
        full_image: The full daytime image, of any size, whose histogram is matched; None for
            `image`.

    Returns:
        (dark, target), shaped like `image`, in [0, 1].

    Reference:
        Data synthesis of https://github.com/YoungYoung619/Make-vehicles-see-in-the-dark, 2019
        and 2020.

    Differences from the reference:
        Its blobs are dark inside and bright outside; pools of light are the opposite. Their radius
        is relative to the image size. Headlights are ours. The histogram is that of all dark images
        of the training set together, not of one image.
    """
    uniform = tf.random.stateless_uniform
    if window is None:
        window = tf.concat([[0, 0], tf.shape(image)[:2]], 0)
    size = tf.shape(image)[:2]
    gain = uniform([], seed, *options.night_gain)
    gamma = uniform([], fold_in(seed, 1), *options.night_gamma)
    match = uniform([], fold_in(seed, 2)) < options.night_histogram_prob
    dark = tf.cond(
        match,
        lambda: (
            match_histogram(image, quantiles, image if full_image is None else full_image)
            * uniform([], fold_in(seed, 3), 0.5, 1.0)
        ),
        lambda: gain * tf.pow(image, gamma),
    )

    has_pools = tf.cast(uniform([], fold_in(seed, 4)) < options.night_pools_prob, tf.float32)
    pools = light_blobs(window, size, MAX_LIGHT_POOLS, (0.1, 0.4), fold_in(seed, 100)) * has_pools
    dark += tf.minimum(pools, 1) * (image - dark) * uniform([], fold_in(seed, 5), 0.2, 0.8)

    has_headlights = tf.cast(
        uniform([], fold_in(seed, 6)) < options.night_headlights_prob, tf.float32
    )
    discs = light_blobs(window, size, MAX_HEADLIGHTS, (0.01, 0.03), fold_in(seed, 200))
    halos = 0.15 * light_blobs(window, size, MAX_HEADLIGHTS, (0.04, 0.1), fold_in(seed, 200))
    discs = tf.minimum(2 * discs, 1) * has_headlights
    light_color = tf.stack(
        [1.0, uniform([], fold_in(seed, 7), 0.8, 1.0), uniform([], fold_in(seed, 8), 0.6, 1.0)]
    )
    dark = tf.minimum(dark + has_headlights * halos * light_color, 1)
    return tf.maximum(dark, discs * light_color), tf.maximum(image, discs * light_color)


def match_histogram(image: tf.Tensor, quantiles: tf.Tensor, full_image: tf.Tensor) -> tf.Tensor:
    """Match the histogram of each channel to `quantiles`; the order of the values is kept.

    Args:
        image: (H, W, 3) in [0, 1].
        quantiles: (256, 3), rising.
        full_image: (h, w, 3), of which `image` is a part; its histogram is the one that is matched.

    Returns:
        (H, W, 3) in [0, 1].
    """

    def match_channel(channel: int) -> tf.Tensor:
        values, full_values = (
            tf.cast(tf.round(one[..., channel] * 255), tf.int32) for one in (image, full_image)
        )
        counts = tf.math.bincount(tf.reshape(full_values, [-1]), minlength=256, maxlength=256)
        rank = tf.cast(tf.cumsum(counts) - counts // 2, tf.float32)
        fraction = rank / tf.cast(tf.reduce_sum(counts), tf.float32)
        index = tf.cast(tf.round(fraction * 255), tf.int32)
        return tf.gather(tf.gather(quantiles[:, channel], index), values)

    return tf.stack([match_channel(channel) for channel in range(3)], axis=-1)


def light_blobs(
    window: tf.Tensor,
    size: tf.Tensor,
    max_count: int,
    radius_range: tuple[float, float],
    seed: tf.Tensor,
) -> tf.Tensor:
    """Return the sum of 1 to `max_count` Gaussian blobs at random positions in the full image.

    Args:
        window: (top, left, height, width): position of the crop, and size of the full image.
        size: Height and width of the crop.
        max_count: Largest number of blobs.
        radius_range: Limits of the sigma, as a fraction of the shorter side of the full image.
        seed: (2,) int64.

    Returns:
        (*size, 1).
    """
    count = tf.random.stateless_uniform([], seed, 1, max_count + 1, tf.int32)
    centers = tf.random.stateless_uniform([max_count, 2], fold_in(seed, 1))
    shorter_side = tf.cast(tf.minimum(window[2], window[3]), tf.float32)
    radii = tf.random.stateless_uniform([max_count], fold_in(seed, 2), *radius_range) * shorter_side

    def along(axis: int) -> tf.Tensor:
        points = tf.range(size[axis], dtype=tf.float32) + tf.cast(window[axis], tf.float32)
        center = centers[:, axis] * tf.cast(window[2 + axis], tf.float32)
        return tf.exp(-tf.square(points[:, None] - center) / (2 * tf.square(radii)))

    is_used = tf.cast(tf.range(max_count) < count, tf.float32)
    return tf.einsum("hn,wn,n->hw", along(0), along(1), is_used)[..., None]
