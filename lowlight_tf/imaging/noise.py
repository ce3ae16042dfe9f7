"""Simulation of low light: less exposure, shot noise, read noise and quantization."""

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
    bit_depth: int = 12,
) -> np.ndarray:
    """Simulate a capture of the same scene, (H, W, C), with less light.

    The linear light of a pixel, x in [0, 1], becomes y = exposure * x. Shot noise, read noise and
    quantization give it the mean y and the variance
    shot * y + read^2 + (2^bit_depth - 1)^-2 / 12, as long as nothing is clipped at black or white
    and the noise spans a quantization step.

    Args:
        image: (H, W, C) sRGB in [0, 1].
        exposure: Factor of the linear light; 1 / 16 is four stops less.
        rng: Source of the noise.
        shot: Variance of the shot noise per unit of light: 1 / the number of electrons at white,
            at the current gain. 0 disables it.
        read: Standard deviation of the read noise, as a fraction of white. 0 disables it.
        bit_depth: Bits of the sensor's analog-to-digital converter.

    Returns:
        (H, W, C) float32 sRGB in [0, 1].

    Raises:
        UsageError: If `exposure` is not positive, or a noise parameter is negative.

    Reference:
        Foi et al., "Practical Poissonian-Gaussian Noise Modeling and Fitting for Single-Image
        Raw-Data", IEEE TIP 2008, https://doi.org/10.1109/TIP.2008.2001399; a = shot, b = read^2.

    Differences from the reference:
        Quantization is added. Each channel of each pixel is sampled by a sensor of its own: there
        is no color filter array and no color matrix, and the camera's tone curve is that of sRGB.
    """
    checks.check_positive("exposure", exposure)
    checks.check_min("shot", shot, 0)
    checks.check_min("read", read, 0)
    checks.check_min("bit_depth", bit_depth, 1)
    light = exposure * color.to_linear(np.asarray(image, np.float64))
    light = add_sensor_noise(light, rng=rng, shot=shot, read=read)
    white_level = 2**bit_depth - 1
    raw_values = np.rint(np.clip(light, 0, 1) * white_level)
    return color.to_srgb(raw_values / white_level).astype(np.float32)


def add_sensor_noise(
    light: np.ndarray,
    *,
    rng: np.random.Generator,
    shot: float,
    read: float,
    row: float = 0.0,
) -> np.ndarray:
    """Add sensor noise to linear light x: mean x, variance shot * x + read^2 + row^2.

    Args:
        light: (H, W) or (H, W, C) float64; white is 1.
        rng: Source of the noise.
        shot: Variance of the shot noise per unit of light. 0 disables it.
        read: Standard deviation of the read noise, as a fraction of white. 0 disables it.
        row: Standard deviation of the noise that all pixels of a row share. 0 disables it.

    Returns:
        The same shape, float64; neither clipped nor rounded.

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
