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
    checks.positive("exposure", exposure)
    checks.at_least("shot", shot, 0)
    checks.at_least("read", read, 0)
    checks.at_least("bits", bits, 1)
    light = exposure * color.to_linear(np.asarray(image, np.float64))
    if shot:
        light = shot * rng.poisson(light / shot)
    light = light + rng.normal(0, read, light.shape)
    white = 2**bits - 1
    digits = np.rint(np.clip(light, 0, 1) * white)
    return color.to_srgb(digits / white).astype(np.float32)
