"""RAW images simulated from sRGB images: inverted camera processing, plus sensor noise.

`unprocess` inverts the processing of a simulated camera, `simulate_capture` samples the light of a
short exposure through color filters, and `sample_pair` combines both into a training pair.
"""

import dataclasses
from typing import Any

import cv2
import numpy as np

from lowlight_tf import checks
from lowlight_tf.checks import UsageError
from lowlight_tf.imaging import color
from lowlight_tf.imaging.noise import add_sensor_noise
from lowlight_tf.imaging.raw import cfa
from lowlight_tf.imaging.raw.raw_image import (
    RawImage,
    RawMetadata,
    RawSample,
    compute_color_matrix,
)

CAMERAS = {  # XYZ (D65) to camera colors, in ten thousandths
    "Sony ILCE-7S": (5838, -1430, -246, -3497, 11477, 2297, -748, 1885, 5778),
    "Fujifilm X-T2": (11434, -4948, -1210, -3746, 12042, 1903, -666, 1479, 5235),
    "Canon EOS 5D Mark III": (6722, -635, -963, -4287, 12460, 2028, -908, 2162, 5668),
    "Nikon D750": (9020, -2890, -715, -4535, 12436, 2348, -934, 1919, 7086),
}
"""Color matrices of cameras, as published by Adobe's DNG Converter and dcraw (D. Coffin)."""

RED_GAIN_RANGE, BLUE_GAIN_RANGE = (1.9, 2.4), (1.5, 1.9)
"""Ranges of random white balance gains (Brooks et al.)."""

SHOT_NOISE_RANGE = (1e-5, 1e-3)
"""Range of random shot noise: white is 100,000 to 1,000 electrons."""

READ_NOISE_FIT = (2.18, 1.20, 0.26)
"""Slope, intercept and standard deviation of the fit log(read^2) = 2.18 log(shot) + 1.20 to the
cameras of the Darmstadt dataset (Brooks et al.)."""

ROW_NOISE_RANGE = (0.0, 0.3)
"""Range of random row noise, as a fraction of the read noise. Our choice."""

HIGHLIGHT_THRESHOLD = 0.9
"""Gray level above which highlights are preserved."""


@dataclasses.dataclass(frozen=True)
class SimulatedCamera:
    """A simulated camera.

    Attributes:
        xyz_to_camera: (3, 3), from XYZ (D65) to camera colors.
        camera_wb: White balance gains of red, green and blue; none below 1.
        cfa_pattern: Pattern of the color filters, see `cfa`.
        bit_depth: Bits per raw value.
        black_level: Raw value of black. White is the largest raw value.
        tone_curve: Whether its images have the tone curve 3 x^2 - 2 x^3 in addition to that of
            sRGB. LibRaw applies none, and the targets of See-in-the-Dark have none.
    """

    xyz_to_camera: tuple[tuple[float, ...], ...]
    camera_wb: tuple[float, float, float]
    cfa_pattern: str = cfa.BAYER
    bit_depth: int = 14
    black_level: float = 512.0
    tone_curve: bool = False

    @property
    def color_matrix(self) -> np.ndarray:
        """(3, 3) from white-balanced camera colors to linear sRGB."""
        return compute_color_matrix(np.array(self.xyz_to_camera))

    def metadata(self, size: tuple[int, int]) -> RawMetadata:
        """Return the metadata of an image of the given height and width (pixels)."""
        channels = cfa.packing_factor(self.cfa_pattern) ** 2
        return RawMetadata(
            cfa_pattern=self.cfa_pattern,
            size=size,
            black_level=(self.black_level,) * channels,
            white_level=(2.0**self.bit_depth - 1,) * channels,
            camera_wb=self.camera_wb,
            color_matrix=tuple(map(tuple, self.color_matrix.tolist())),
        )


@dataclasses.dataclass(frozen=True)
class NoiseModel:
    """Sensor noise: light x, as a fraction of white, has the variance shot x + read^2 + row^2.

    Attributes:
        shot: Variance of the shot noise per unit of light: 1 / electrons at white.
        read: Standard deviation of the read noise of each pixel.
        row: Standard deviation of the noise that all pixels of a row share.
    """

    shot: float
    read: float
    row: float = 0.0


def random_camera(rng: np.random.Generator, **attributes: Any) -> SimulatedCamera:
    """Sample a camera: a random convex combination of `CAMERAS`, with random white balance gains.

    Args:
        rng: Source of randomness.
        **attributes: Attributes of `SimulatedCamera` that are given, not sampled.
    """
    weights = rng.dirichlet(np.ones(len(CAMERAS)))
    xyz_to_camera = (weights @ np.array(list(CAMERAS.values())) / 1e4).reshape(3, 3)
    sampled = {
        "xyz_to_camera": tuple(map(tuple, xyz_to_camera.tolist())),
        "camera_wb": (
            float(rng.uniform(*RED_GAIN_RANGE)),
            1.0,
            float(rng.uniform(*BLUE_GAIN_RANGE)),
        ),
    }
    return SimulatedCamera(**sampled | attributes)


def random_noise(
    rng: np.random.Generator, *, shot_noise_range: tuple[float, float] = SHOT_NOISE_RANGE
) -> NoiseModel:
    """Sample a noise model: log-uniform shot noise, read noise by `READ_NOISE_FIT`, row noise."""
    shot = float(np.exp(rng.uniform(*np.log(shot_noise_range))))
    slope, intercept, sigma = READ_NOISE_FIT
    read = float(np.exp((slope * np.log(shot) + intercept + rng.normal(0, sigma)) / 2))
    return NoiseModel(shot, read, read * float(rng.uniform(*ROW_NOISE_RANGE)))


def smoothstep(image: np.ndarray) -> np.ndarray:
    """Return 3 x^2 - 2 x^3 of values in [0, 1]: the tone curve of Brooks et al."""
    return image**2 * (3 - 2 * image)


def inverse_smoothstep(image: np.ndarray) -> np.ndarray:
    """Return 1/2 - sin(asin(1 - 2 y) / 3) of values in [0, 1]: the inverse of `smoothstep`."""
    return 0.5 - np.sin(np.arcsin(1 - 2 * np.clip(image, 0, 1)) / 3)


def unprocess(image: np.ndarray, camera: SimulatedCamera) -> np.ndarray:
    """Convert an sRGB image, (H, W, 3), to the linear light that a camera's sensor received.

    Tone curve, sRGB transfer function, color matrix and white balance are inverted in this order.
    Division by the gains would turn clipped white into gray; so where the gray level g of a pixel
    is above 0.9, the divisor of a channel decreases from its gain at g = 0.9 to 1 at g = 1:
    x max(a + (1 - a) / gain, 1 / gain) with a = (max(g - 0.9, 0) / 0.1)^2.

    Args:
        image: (H, W, 3) sRGB in [0, 1].
        camera: The camera to simulate.

    Returns:
        (H, W, 3) float64 in [0, 1], camera colors before white balance.

    Reference:
        Brooks et al., "Unprocessing Images for Learned Raw Denoising", CVPR 2019,
        https://arxiv.org/abs/1811.11127.

    Differences from the reference:
        The transfer function of sRGB in place of the power 2.2; the tone curve is inverted only if
        the camera has one; no global gain: the exposure ratio alone defines the brightness;
        matrices of other cameras.
    """
    light = np.asarray(image, np.float64)
    if camera.tone_curve:
        light = inverse_smoothstep(light)
    light = cv2.transform(color.to_linear(light), np.linalg.inv(camera.color_matrix))
    gray = light.mean(axis=-1, keepdims=True)
    highlight = (np.maximum(gray - HIGHLIGHT_THRESHOLD, 0) / (1 - HIGHLIGHT_THRESHOLD)) ** 2
    inverse_gain = 1 / np.array(camera.camera_wb)
    factor = np.maximum(highlight + (1 - highlight) * inverse_gain, inverse_gain)
    return np.clip(light * factor, 0, 1)


def process(light: np.ndarray, camera: SimulatedCamera) -> np.ndarray:
    """Convert a camera's light, (H, W, 3), to sRGB: inverts `unprocess`, except for highlights.

    Args:
        light: (H, W, 3) in [0, 1], camera colors before white balance.
        camera: The camera.

    Returns:
        (H, W, 3) float32 sRGB in [0, 1].
    """
    balanced = np.clip(light * np.array(camera.camera_wb), 0, 1)
    image = color.to_srgb(np.clip(cv2.transform(balanced, camera.color_matrix), 0, 1))
    return np.float32(smoothstep(image) if camera.tone_curve else image)


def simulate_capture(
    light: np.ndarray,
    *,
    camera: SimulatedCamera,
    noise: NoiseModel,
    ratio: float,
    rng: np.random.Generator,
) -> RawImage:
    """Simulate a RAW capture of 1 / ratio of the light: color filters, noise, quantization.

    The raw value of a pixel of light x is round(black + (white - black) y), where y has the mean
    x / ratio and the variance shot y + read^2 + row^2 + (white - black)^-2 / 12; raw values are
    clipped to [0, white].

    Args:
        light: (H, W, 3) in [0, 1], camera colors, as `unprocess` returns.
        camera: The camera.
        noise: Noise of the short exposure.
        ratio: Exposure ratio of the light to the short exposure.
        rng: Source of the noise.

    Raises:
        UsageError: If `ratio` is not positive.
    """
    checks.check_positive("ratio", ratio)
    metadata = camera.metadata(light.shape[:2])
    mosaic = cfa.mosaic(light, camera.cfa_pattern) / ratio
    mosaic = add_sensor_noise(mosaic, rng=rng, **dataclasses.asdict(noise))
    white, black = 2**camera.bit_depth - 1, camera.black_level
    raw_values = np.rint(np.clip(black + mosaic * (white - black), 0, white))
    return RawImage(cfa.pack(raw_values.astype(np.uint16), camera.cfa_pattern), metadata)


def sample_pair(
    image: np.ndarray,
    rng: np.random.Generator,
    *,
    ratio: float | tuple[float, float] = (100.0, 300.0),
    camera: SimulatedCamera | None = None,
    noise: NoiseModel | None = None,
) -> RawSample:
    """Synthesize a RAW training pair from an sRGB image, (H, W, 3).

    Args:
        image: (H, W, 3) sRGB in [0, 1]. An odd last row or column is dropped.
        rng: Source of all randomness.
        ratio: Exposure ratio, or its range for uniform sampling.
        camera: The camera; default: random. Its pattern must be RGGB: others are padded, which
            would shift the target.
        noise: Noise of the short exposure; default: random.

    Returns:
        Low light, packed (h, w, 4); the ratio; the image itself, (2h, 2w, 3).

    Raises:
        UsageError: If a ratio is not positive, or the camera has another pattern.
    """
    camera = camera or random_camera(rng)
    noise = noise or random_noise(rng)
    if camera.cfa_pattern != cfa.BAYER:
        raise UsageError(
            f"The color filters of a sample must be {cfa.BAYER}. Received: {camera.cfa_pattern}."
        )
    sampled_ratio = ratio if isinstance(ratio, int | float) else float(rng.uniform(*ratio))
    height, width = (side // 2 * 2 for side in image.shape[:2])
    target = np.asarray(image[:height, :width], np.float32)
    capture = simulate_capture(
        unprocess(target, camera), camera=camera, noise=noise, ratio=sampled_ratio, rng=rng
    )
    return RawSample(capture.packed, float(sampled_ratio), target, capture.metadata)
