"""RAW pictures out of photographs: what a camera did to them is undone, and noise added.

A photograph (sRGB) becomes the light of a made-up camera (`unprocessed`), that of a short exposure
becomes digits behind color filters (`taken`), and both together a training sample (`sample`).
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
from lowlight_tf.imaging.raw.raw_image import RawImage, RawMetadata, RawSample, compute_color_matrix

CAMERAS = {  # XYZ (D65) to the camera's colors, in ten thousandths
    "Sony ILCE-7S": (5838, -1430, -246, -3497, 11477, 2297, -748, 1885, 5778),
    "Fujifilm X-T2": (11434, -4948, -1210, -3746, 12042, 1903, -666, 1479, 5235),
    "Canon EOS 5D Mark III": (6722, -635, -963, -4287, 12460, 2028, -908, 2162, 5668),
    "Nikon D750": (9020, -2890, -715, -4535, 12436, 2348, -934, 1919, 7086),
}
"""Color matrices of cameras, as Adobe's DNG Converter and dcraw (D. Coffin) publish them."""

RED_GAIN_RANGE, BLUE_GAIN_RANGE = (1.9, 2.4), (1.5, 1.9)
"""Gains of white balance that are drawn from (Brooks et al.)."""

SHOT_NOISE_RANGE = (1e-5, 1e-3)
"""Shot noise that is drawn from: white is 100000 to 1000 electrons."""

READ_NOISE_FIT = (2.18, 1.20, 0.26)
"""log(read^2) = 2.18 log(shot) + 1.20, spread 0.26: cameras of the Darmstadt set (Brooks et al.)"""

ROW_NOISE_RANGE = (0.0, 0.3)
"""Row noise that is drawn from, as a share of the read noise. Ours."""

HIGHLIGHT_THRESHOLD = 0.9
"""Gray above which white is kept white."""


@dataclasses.dataclass(frozen=True)
class SimulatedCamera:
    """A made-up camera.

    Attributes:
        xyz_to_camera: (3, 3) rows: from XYZ (D65) to its colors.
        camera_wb: Gains of red, green and blue that make gray gray; none below 1.
        cfa_pattern: Of its color filters, see `mosaic`.
        bit_depth: Of its digits.
        black_level: Digit of black. White is the largest digit.
        tone_curve: Whether its pictures have gone through the tone curve 3 x^2 - 2 x^3 after sRGB's.
            LibRaw knows none, nor have the targets of See-in-the-Dark.
    """

    xyz_to_camera: tuple[tuple[float, ...], ...]
    camera_wb: tuple[float, float, float]
    cfa_pattern: str = cfa.BAYER
    bit_depth: int = 14
    black_level: float = 512.0
    tone_curve: bool = False

    @property
    def color_matrix(self) -> np.ndarray:
        """From balanced camera colors to linear sRGB, (3, 3)."""
        return compute_color_matrix(np.array(self.xyz_to_camera))

    def metadata(self, size: tuple[int, int]) -> RawMetadata:
        """Return what the camera says of a picture of some height and width (pixels)."""
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
    """The noise of a sensor: of light x, in shares of white, shot x + read^2 + row^2 is added.

    Attributes:
        shot: Variance for each unit of light: 1 / electrons of white.
        read: Standard deviation of each pixel on its own.
        row: Standard deviation of what a row has in common.
    """

    shot: float
    read: float
    row: float = 0.0


def random_camera(rng: np.random.Generator, **known: Any) -> SimulatedCamera:
    """Draw a camera: a mean of `CAMERAS` with random weights, and gains of white balance.

    Args:
        rng: Where it comes from.
        **known: Attributes of `Camera` that are not drawn.
    """
    weights = rng.dirichlet(np.ones(len(CAMERAS)))
    from_xyz = (weights @ np.array(list(CAMERAS.values())) / 1e4).reshape(3, 3)
    drawn = {
        "from_xyz": tuple(map(tuple, from_xyz.tolist())),
        "wb": (float(rng.uniform(*RED_GAIN_RANGE)), 1.0, float(rng.uniform(*BLUE_GAIN_RANGE))),
    }
    return SimulatedCamera(**drawn | known)


def random_noise(
    rng: np.random.Generator, *, shot_noise_range: tuple[float, float] = SHOT_NOISE_RANGE
) -> NoiseModel:
    """Draw a noise: shot noise whose logarithm is uniform, read noise by `READ`, row by `ROW`."""
    chosen = float(np.exp(rng.uniform(*np.log(shot_noise_range))))
    slope, start, spread = READ_NOISE_FIT
    read = float(np.exp((slope * np.log(chosen) + start + rng.normal(0, spread)) / 2))
    return NoiseModel(chosen, read, read * float(rng.uniform(*ROW_NOISE_RANGE)))


def smoothstep(image: np.ndarray) -> np.ndarray:
    """Return 3 x^2 - 2 x^3, the tone curve of Brooks et al., of [0, 1]."""
    return image**2 * (3 - 2 * image)


def inverse_smoothstep(image: np.ndarray) -> np.ndarray:
    """Return 1/2 - sin(asin(1 - 2 y) / 3): the inverse of `toned`."""
    return 0.5 - np.sin(np.arcsin(1 - 2 * np.clip(image, 0, 1)) / 3)


def unprocess(image: np.ndarray, camera: SimulatedCamera) -> np.ndarray:
    """Return the light that a camera saw of a photograph.

    In this order: tone curve, sRGB's curve, color matrix and white balance are undone. Dividing by
    the gains makes gray of white that was cut off; so where the gray g of a pixel is above 0.9, a
    channel is divided by less, by its gain for g = 0.9 and by 1 for g = 1:
    x max(a + (1 - a) / gain, 1 / gain) with a = (max(g - 0.9, 0) / 0.1)^2.

    Args:
        image: (H, W, 3) sRGB in [0, 1].
        camera: Of which it shall be.

    Returns:
        (H, W, 3) float64 in [0, 1], camera colors before white balance.

    Reference:
        Brooks et al., "Unprocessing Images for Learned Raw Denoising", CVPR 2019,
        https://arxiv.org/abs/1811.11127.

    Differences from the reference:
        sRGB's curve in place of the power 2.2; the tone curve is undone only where the camera has
        one; no gain of all channels: how bright a picture was is said by its exposure ratio alone;
        matrices of other cameras.
    """
    light = np.asarray(image, np.float64)
    if camera.tone_curve:
        light = inverse_smoothstep(light)
    light = cv2.transform(color.to_linear(light), np.linalg.inv(camera.color_matrix))
    gray = light.mean(axis=-1, keepdims=True)
    kept = (np.maximum(gray - HIGHLIGHT_THRESHOLD, 0) / (1 - HIGHLIGHT_THRESHOLD)) ** 2
    share = 1 / np.array(camera.camera_wb)
    return np.clip(light * np.maximum(kept + (1 - kept) * share, share), 0, 1)


def process(light: np.ndarray, camera: SimulatedCamera) -> np.ndarray:
    """Return the photograph of a camera's light: the inverse of `unprocessed`, but for highlights.

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
    """Take a picture with 1 / ratio of the light: color filters, noise, rounding.

    A pixel of light x reads round(black + (white - black) y), where y has the mean x / ratio and
    the variance shot y + read^2 + row^2 + (white - black)^-2 / 12; digits end at 0 and at white.

    Args:
        light: (H, W, 3) in [0, 1], camera colors, as `unprocessed` returns.
        camera: The camera.
        noise: Of the short exposure.
        ratio: How many times longer the light was seen.
        rng: Where the noise comes from.

    Raises:
        UsageError: If `ratio` is not positive.
    """
    checks.check_positive("ratio", ratio)
    shot = camera.metadata(light.shape[:2])
    seen = cfa.mosaic(light, camera.cfa_pattern) / ratio
    seen = add_sensor_noise(seen, rng=rng, **dataclasses.asdict(noise))
    white = 2**camera.bit_depth - 1
    digits = np.rint(np.clip(camera.black_level + seen * (white - camera.black_level), 0, white))
    return RawImage(cfa.pack(digits.astype(np.uint16), camera.cfa_pattern), shot)


def sample_pair(
    image: np.ndarray,
    rng: np.random.Generator,
    *,
    ratio: float | tuple[float, float] = (100.0, 300.0),
    camera: SimulatedCamera | None = None,
    noise: NoiseModel | None = None,
) -> RawSample:
    """Make a training sample of a photograph.

    Args:
        image: (H, W, 3) sRGB in [0, 1]. An odd last row or column is left out.
        rng: Where everything random comes from.
        ratio: Exposure ratio, or limits between which it is drawn.
        camera: Of which it shall be; default: drawn. Of phase RGGB (any other has a margin, and the
            target would lie beside the light).
        noise: Of the short exposure; default: drawn.

    Returns:
        The dark light, packed (h, w, 4); the ratio; the photograph itself, (2h, 2w, 3).

    Raises:
        UsageError: If a ratio is not positive, or the camera's phase is another.
    """
    camera = camera or random_camera(rng)
    noise = noise or random_noise(rng)
    if camera.cfa_pattern != cfa.BAYER:
        raise UsageError(f"A sample's phase must be {cfa.BAYER}. Received: {camera.cfa_pattern}.")
    chosen = ratio if isinstance(ratio, int | float) else float(rng.uniform(*ratio))
    height, width = (side // 2 * 2 for side in image.shape[:2])
    target = np.asarray(image[:height, :width], np.float32)
    picture = simulate_capture(
        unprocess(target, camera), camera=camera, noise=noise, ratio=chosen, rng=rng
    )
    return RawSample(picture.packed, float(chosen), target, picture.metadata)
