"""Random augmentations of a pair inside the tf.data graph, drawn from the sample's own seed."""

import math

import tensorflow as tf
from tensorflow.random import fold_in

from lowlight_tf.pipeline.lowlight_synthesis import light_blobs

KERNEL_TAPS = 13  # pixels of the Gaussian kernel: 3 sigma on either side at sigma 2

MAX_GLARE_LIGHTS = 2  # in an image
GLARE_SIGMA = 0.08, 0.3  # of the glare of a light, as a fraction of the image's shorter side
GLARE_PEAK = 1.0, 4.0  # in the middle; what is above 1 is saturated


def random_crop(
    images: list[tf.Tensor], crop_size: int, seed: tf.Tensor
) -> tuple[list[tf.Tensor], tf.Tensor]:
    """Cut the same random square out of all images.

    Args:
        images: Each (H, W, C), all of the same height and width.
        crop_size: Side of the square (pixels); 0 keeps the full images.
        seed: (2,) int64.

    Returns:
        Crops, each (crop_size, crop_size, C), and their window: (top, left, H, W), int32.
    """
    full_size = tf.shape(images[0])[:2]
    if not crop_size:
        return images, tf.concat([[0, 0], full_size], 0)
    positions = full_size - crop_size + 1
    top, left = (
        tf.random.stateless_uniform([], fold_in(seed, axis), 0, positions[axis], tf.int32)
        for axis in (0, 1)
    )
    crops = [
        tf.ensure_shape(
            image[top : top + crop_size, left : left + crop_size],
            [crop_size, crop_size, image.shape[2]],
        )
        for image in images
    ]
    return crops, tf.concat([[top, left], full_size], 0)


def random_d4(images: list[tf.Tensor], seed: tf.Tensor) -> list[tf.Tensor]:
    """Apply the same random one of the eight symmetries of a square (group D4) to all images.

    Args:
        images: Each (H, H, C).
        seed: (2,) int64.
    """
    symmetry = tf.random.stateless_uniform([], seed, 0, 8, tf.int32)

    def apply(image: tf.Tensor) -> tf.Tensor:
        image = tf.cond(symmetry % 2 == 0, lambda: image, lambda: image[::-1])
        image = tf.cond(symmetry // 2 % 2 == 0, lambda: image, lambda: image[:, ::-1])
        return tf.cond(symmetry // 4 == 0, lambda: image, lambda: tf.transpose(image, [1, 0, 2]))

    return [apply(image) for image in images]


def random_exposure(image: tf.Tensor, max_stops: float, seed: tf.Tensor) -> tf.Tensor:
    """Scale an image by 2 to the power of a uniform number in +-max_stops; clip to [0, 1]."""
    gain = 2.0 ** tf.random.stateless_uniform([], seed, -max_stops, max_stops)
    return tf.clip_by_value(image * gain, 0, 1)


def random_gamma(image: tf.Tensor, max_change: float, seed: tf.Tensor) -> tf.Tensor:
    """Raise an image in [0, 1] to a random power in [1 / (1 + max_change), 1 + max_change]."""
    max_log = math.log1p(max_change)
    return tf.pow(image, tf.exp(tf.random.stateless_uniform([], seed, -max_log, max_log)))


def random_target_blend_weight(prob: float, seed: tf.Tensor) -> tf.Tensor:
    """Return the weight of the target blended into its input: in (0, 1) with `prob`, else 0."""
    weight = tf.random.stateless_uniform([], seed)
    return tf.where(_bernoulli(prob, seed), weight, 0.0)


def random_thumbnail_crop(
    thumbnail: tf.Tensor, size: tuple[int, int], min_fraction: float, seed: tf.Tensor
) -> tf.Tensor:
    """Crop, resize and flip a thumbnail at random.

    Otherwise a few hundred thumbnails are soon memorized, with the brightness of their targets.

    Args:
        thumbnail: (h, w, C); larger than `size` by 1 / min_fraction, so that no crop is enlarged.
        size: Height and width of the result (pixels).
        min_fraction: Smallest side of the crop, as a fraction of the thumbnail's, in (0, 1].
        seed: (2,) int64.

    Returns:
        (*size, C).
    """
    full_size = tf.cast(tf.shape(thumbnail)[:2], tf.float32)
    fraction = tf.random.stateless_uniform([2], seed, min_fraction, 1)
    begin = tf.random.stateless_uniform([2], fold_in(seed, 1)) * (1 - fraction)
    first, last = (
        tf.cast(tf.round(edge * full_size), tf.int32) for edge in (begin, begin + fraction)
    )
    crop = tf.image.resize(thumbnail[first[0] : last[0], first[1] : last[1]], size, "area")
    flips = tf.random.stateless_uniform([2], fold_in(seed, 2)) < 0.5
    for axis in (0, 1):
        crop = tf.where(flips[axis], tf.reverse(crop, [axis]), crop)
    return crop


def mixup(images: dict[str, tf.Tensor], prob: float, seed: tf.Tensor) -> dict[str, tf.Tensor]:
    """Blend each image with its neighbor in the batch, with a random weight.

    Args:
        images: (B, H, W, C) each; all are blended with the same weight.
        prob: Fraction of the batches that are blended.
        seed: (2,) int64.

    Reference:
        Zhang et al., "mixup: Beyond Empirical Risk Minimization", ICLR 2018, with the
        Beta(1.2, 1.2) of Cai et al., "Retinexformer", ICCV 2023.

    Differences from the reference:
        The partner is the neighbor in the batch; batches are shuffled already.
    """
    gammas = tf.random.stateless_gamma([2], seed, alpha=1.2)
    weight = tf.where(_bernoulli(prob, seed), gammas[0] / tf.reduce_sum(gammas), 1.0)
    return {
        name: weight * image + (1 - weight) * tf.roll(image, 1, 0) for name, image in images.items()
    }


def random_gaussian_blur(
    image: tf.Tensor, prob: float, sigma: tuple[float, float], seed: tf.Tensor
) -> tf.Tensor:
    """Blur an image, (H, W, C), with probability `prob` and a random sigma (pixels)."""
    drawn_sigma = tf.random.stateless_uniform([], seed, *sigma)
    offsets = tf.range(KERNEL_TAPS, dtype=tf.float32) - KERNEL_TAPS // 2
    kernel = tf.exp(-tf.square(offsets / tf.maximum(drawn_sigma, 1e-3)) / 2)
    kernel /= tf.reduce_sum(kernel)

    def blur() -> tf.Tensor:
        # Channels as a batch, one axis at a time: 26 taps instead of 169.
        x = tf.transpose(image, [2, 0, 1])[..., None]
        half = KERNEL_TAPS // 2
        x = tf.pad(x, [[0, 0], [half, half], [half, half], [0, 0]], "SYMMETRIC")
        for shape in ([KERNEL_TAPS, 1, 1, 1], [1, KERNEL_TAPS, 1, 1]):
            x = tf.nn.conv2d(x, tf.reshape(kernel, shape), 1, "VALID")
        return tf.transpose(x[..., 0], [1, 2, 0])

    return tf.cond(_bernoulli(prob, seed), blur, lambda: image)


def random_black_level(image: tf.Tensor, max_level: float, seed: tf.Tensor) -> tf.Tensor:
    """Raise the black of every other image to a random level, at most `max_level`; keep white.

    Cameras add an offset, and light is scattered in lenses and windshields: the black of a night
    drive may be 3 of 255 everywhere. A model learns that such a level alone shows nothing.
    """
    level = tf.maximum(tf.random.stateless_uniform([], seed, -max_level, max_level), 0)
    return level + (1 - level) * image


def random_contrast(image: tf.Tensor, min_factor: float, seed: tf.Tensor) -> tf.Tensor:
    """Scale the contrast of an image about its mean by a factor in [min_factor, 1]."""
    log_factor = tf.random.stateless_uniform([], seed, math.log(max(min_factor, 1e-3)), 0)
    mean = tf.reduce_mean(image)
    return mean + tf.exp(log_factor) * (image - mean)


def random_swap(images: dict[str, tf.Tensor], prob: float, seed: tf.Tensor) -> dict[str, tf.Tensor]:
    """Exchange two images of one shape with probability `prob`."""
    swapped = _bernoulli(prob, seed)
    first, second = images.values()
    exchanged = tf.where(swapped, second, first), tf.where(swapped, first, second)
    return dict(zip(images, exchanged, strict=True))


def random_glare(image: tf.Tensor, prob: float, seed: tf.Tensor) -> tf.Tensor:
    """Add the glare of one or two lights to an image, (H, W, C), with `prob`; clip to [0, 1]."""
    size = tf.shape(image)[:2]
    window = tf.concat([[0, 0], size], 0)
    lights = light_blobs(window, size, MAX_GLARE_LIGHTS, GLARE_SIGMA, seed)
    peak = tf.random.stateless_uniform([], fold_in(seed, 3), *GLARE_PEAK)
    glaring = tf.minimum(image + peak * lights, 1)
    return tf.where(_bernoulli(prob, seed), glaring, image)


def add_gaussian_noise(image: tf.Tensor, max_sigma: float, seed: tf.Tensor) -> tf.Tensor:
    """Add Gaussian noise with a random sigma, at most `max_sigma` (white is 1); clip to [0, 1]."""
    sigma = tf.random.stateless_uniform([], seed, 0, max_sigma)
    noise = tf.random.stateless_normal(tf.shape(image), fold_in(seed, 1))
    return tf.clip_by_value(image + sigma * noise, 0, 1)


def _bernoulli(prob: float, seed: tf.Tensor) -> tf.Tensor:
    """Return True with probability `prob`."""
    return tf.random.stateless_uniform([], fold_in(seed, 7)) < prob
