"""Random changes of a pair, inside the tf.data graph; every draw has the sample's own seed."""

import math

import tensorflow as tf
from tensorflow.random import fold_in as fold

KERNEL_TAPS = 13  # of the Gaussian blur (pixels): three deviations of 2 to either side


def random_crop(
    images: list[tf.Tensor], size: int, seed: tf.Tensor
) -> tuple[list[tf.Tensor], tf.Tensor]:
    """Cut the same random square out of every image.

    Args:
        images: Each (H, W, C), all of one height and width.
        size: Side of the square (pixels); 0 leaves the images whole.
        seed: (2,) int64.

    Returns:
        Images of (size, size, C), and where they lay: (top, left, H, W), int32.
    """
    whole = tf.shape(images[0])[:2]
    if not size:
        return images, tf.concat([[0, 0], whole], 0)
    room = tf.shape(images[0])[:2] - size + 1
    top, left = (
        tf.random.stateless_uniform([], fold(seed, axis), 0, room[axis], tf.int32)
        for axis in (0, 1)
    )
    cut = [
        tf.ensure_shape(image[top : top + size, left : left + size], [size, size, image.shape[2]])
        for image in images
    ]
    return cut, tf.concat([[top, left], whole], 0)


def random_d4(images: list[tf.Tensor], seed: tf.Tensor) -> list[tf.Tensor]:
    """Flip and turn square images alike, one of the eight ways a square can lie."""
    way = tf.random.stateless_uniform([], seed, 0, 8, tf.int32)

    def apply(image: tf.Tensor) -> tf.Tensor:
        image = tf.cond(way % 2 == 0, lambda: image, lambda: image[::-1])
        image = tf.cond(way // 2 % 2 == 0, lambda: image, lambda: image[:, ::-1])
        return tf.cond(way // 4 == 0, lambda: image, lambda: tf.transpose(image, [1, 0, 2]))

    return [apply(image) for image in images]


def random_exposure(low: tf.Tensor, stops: float, seed: tf.Tensor) -> tf.Tensor:
    """Scale an image by 2 to the power of a random number in [-stops, stops]; clip to [0, 1]."""
    gain = 2.0 ** tf.random.stateless_uniform([], seed, -stops, stops)
    return tf.clip_by_value(low * gain, 0, 1)


def random_gamma(low: tf.Tensor, max_change: float, seed: tf.Tensor) -> tf.Tensor:
    """Raise an image in [0, 1] to a random power in [1 / (1 + most), 1 + most]."""
    max_change = math.log1p(max_change)
    return tf.pow(low, tf.exp(tf.random.stateless_uniform([], seed, -max_change, max_change)))


def random_target_blend_weight(share: float, seed: tf.Tensor) -> tf.Tensor:
    """Return how opaque a target lies over its input: in (0, 1) for a `share`, else 0."""
    opaque = tf.random.stateless_uniform([], seed)
    return tf.where(_bernoulli(share, seed), opaque, 0.0)


def random_thumbnail_crop(
    thumbnail: tf.Tensor, size: tuple[int, int], min_fraction: float, seed: tf.Tensor
) -> tf.Tensor:
    """Show a random part of a thumbnail at another size, flipped at random.

    A few hundred whole pictures are soon known by heart, and with them how bright each is to be.

    Args:
        thumbnail: (h, w, C), larger than `size` by as much as it will be cut, or it is blurred.
        size: Height and width of the result (pixels).
        min_fraction: Share of the sides that is shown at least, in (0, 1].
        seed: (2,) int64.
    """
    whole = tf.cast(tf.shape(thumbnail)[:2], tf.float32)
    part = tf.random.stateless_uniform([2], seed, min_fraction, 1)
    begin = tf.random.stateless_uniform([2], fold(seed, 1)) * (1 - part)
    first, last = (tf.cast(tf.round(edge * whole), tf.int32) for edge in (begin, begin + part))
    shown = tf.image.resize(thumbnail[first[0] : last[0], first[1] : last[1]], size, "area")
    ways = tf.random.stateless_uniform([2], fold(seed, 2)) < 0.5
    for axis in (0, 1):
        shown = tf.where(ways[axis], tf.reverse(shown, [axis]), shown)
    return shown


def mixup(images: dict[str, tf.Tensor], prob: float, seed: tf.Tensor) -> dict[str, tf.Tensor]:
    """Lay each picture over its neighbour in the batch, transparent to a random degree.

    Args:
        images: (B, H, W, C) each; all are mixed alike.
        prob: Of the batches that this is done to.
        seed: (2,) int64.

    Reference:
        Zhang et al., "mixup: Beyond Empirical Risk Minimization", ICLR 2018, with the
        Beta(1.2, 1.2) of Cai et al., "Retinexformer", ICCV 2023.

    Differences from the reference:
        The partner is the neighbour in the batch; batches are shuffled already.
    """
    parts = tf.random.stateless_gamma([2], seed, alpha=1.2)
    own = tf.where(_bernoulli(prob, seed), parts[0] / tf.reduce_sum(parts), 1.0)
    return {name: own * image + (1 - own) * tf.roll(image, 1, 0) for name, image in images.items()}


def random_gaussian_blur(
    low: tf.Tensor, prob: float, sigma: tuple[float, float], seed: tf.Tensor
) -> tf.Tensor:
    """Blur a `prob` of the images with a Gaussian of random deviation (pixels)."""
    deviation = tf.random.stateless_uniform([], seed, *sigma)
    offsets = tf.range(KERNEL_TAPS, dtype=tf.float32) - KERNEL_TAPS // 2
    gaussian = tf.exp(-tf.square(offsets / tf.maximum(deviation, 1e-3)) / 2)
    gaussian /= tf.reduce_sum(gaussian)

    def blurred() -> tf.Tensor:
        # Each color is an image of its own, each axis a pass of its own: 26 taps instead of 169.
        x = tf.transpose(low, [2, 0, 1])[..., None]
        half = KERNEL_TAPS // 2
        x = tf.pad(x, [[0, 0], [half, half], [half, half], [0, 0]], "SYMMETRIC")
        for shape in ([KERNEL_TAPS, 1, 1, 1], [1, KERNEL_TAPS, 1, 1]):
            x = tf.nn.conv2d(x, tf.reshape(gaussian, shape), 1, "VALID")
        return tf.transpose(x[..., 0], [1, 2, 0])

    return tf.cond(_bernoulli(prob, seed), blurred, lambda: low)


def add_gaussian_noise(low: tf.Tensor, max_sigma: float, seed: tf.Tensor) -> tf.Tensor:
    """Add Gaussian noise of random deviation, at most `max_sigma` in [0, 1] units; clip to [0, 1]."""
    deviation = tf.random.stateless_uniform([], seed, 0, max_sigma)
    grain = tf.random.stateless_normal(tf.shape(low), fold(seed, 1))
    return tf.clip_by_value(low + deviation * grain, 0, 1)


def _bernoulli(share: float, seed: tf.Tensor) -> tf.Tensor:
    return tf.random.stateless_uniform([], fold(seed, 7)) < share
