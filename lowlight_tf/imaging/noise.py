"""Darken a picture as a sensor would: less light, the noise of photons and of reading them out."""

import numpy as np

from lowlight_tf import checks
from lowlight_tf.imaging import color


def darken(
    image: np.ndarray,
    *,
    exposure: float,
    rng: np.random.Generator,
    shot: float = 5e-4,
    read: float = 1e-3,
    bits: int = 12,
) -> np.ndarray:
    """Take the picture again with less light.

    The light of a pixel, x in [0, 1], becomes y = exposure * x. The sensor counts photons, adds the
    noise of its amplifier, and rounds, so that what is read has the mean y and the variance
    shot * y + read^2 + (2^bits - 1)^-2 / 12, as long as nothing is cut off at black or white and
    the noise spans a step of the digits.

    Args:
        image: (H, W, C) sRGB in [0, 1].
        exposure: How much light is left, as a factor; 1 / 16 is four stops less.
        rng: Where the noise comes from.
        shot: Variance of the shot noise for each unit of light: 1 / the number of electrons that
            make white, at the amplification in use. 0 makes none.
        read: Standard deviation of the read noise, as a share of white. 0 makes none.
        bits: Depth of the sensor's digits.

    Returns:
        (H, W, C) float32 sRGB in [0, 1].

    Raises:
        UsageError: If `exposure` is not positive, or a noise is negative.

    Reference:
        Foi et al., "Practical Poissonian-Gaussian Noise Modeling and Fitting for Single-Image
        Raw-Data", IEEE TIP 2008, https://doi.org/10.1109/TIP.2008.2001399; a = shot, b = read^2.

    Differences from the reference:
        Rounding is added. Each color of each pixel is a sensor of its own: there is no mosaic, no
        color matrix, and the tone curve of the camera is sRGB's.
    """
    checks.check_positive("exposure", exposure)
    checks.check_min("shot", shot, 0)
    checks.check_min("read", read, 0)
    checks.check_min("bits", bits, 1)
    light = exposure * color.to_linear(np.asarray(image, np.float64))
    light = add_sensor_noise(light, rng=rng, shot=shot, read=read)
    white = 2**bits - 1
    digits = np.rint(np.clip(light, 0, 1) * white)
    return color.to_srgb(digits / white).astype(np.float32)


def add_sensor_noise(
    light: np.ndarray,
    *,
    rng: np.random.Generator,
    shot: float,
    read: float,
    row: float = 0.0,
) -> np.ndarray:
    """Return what a sensor makes of light: mean x, variance shot * x + read^2 + row^2.

    Args:
        light: (H, W) or (H, W, C) float64, 1 for white.
        rng: Where the noise comes from.
        shot: Variance of the shot noise for each unit of light. 0 makes none.
        read: Standard deviation of the read noise, as a share of white. 0 makes none.
        row: Standard deviation of what a whole row has in common. 0 makes none.

    Returns:
        The same shape, float64; not clipped, not rounded.

    Reference:
        Foi et al., see `darken`. Row noise: Wei et al., "A Physics-based Noise Formation Model for
        Extreme Low-light Raw Denoising", CVPR 2020, https://arxiv.org/abs/2003.12751.

    Differences from the reference:
        Read noise is Gaussian, without the heavy tails that Wei et al. find.
    """
    if shot:
        light = shot * rng.poisson(light / shot)
    light = light + rng.normal(0, read, light.shape)
    if row:
        light = light + rng.normal(0, row, (len(light), *(1,) * (light.ndim - 1)))
    return light
