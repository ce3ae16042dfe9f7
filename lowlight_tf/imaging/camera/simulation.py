"""Simulated low-light capture: a well-exposed photograph -> (camera image, target).

The chain is that of a camera: linear light, exposure, uneven light, lamps, white balance, shot and
read noise on a Bayer mosaic, demosaicing, in-camera denoising, black level, tone curve, 8 bits,
JPEG or H.264. The target is the photograph with its light evened, lamps kept, and black where the
camera image contains no signal.
"""

import dataclasses

import cv2
import numpy as np

from lowlight_tf import checks
from lowlight_tf.imaging import color, dtypes
from lowlight_tf.imaging.camera.compression import h264, jpeg
from lowlight_tf.imaging.camera.illumination import Lamp, random_lamps, render_lamps, smooth_field

VISIBILITY_POWER = 4
"""Steepness with which targets fade below the visibility floor."""

MAX_VISIBILITY_FLOOR = 5.0
"""Highest code value (of 255) at which a target is halved."""

STORED_SIGMA = 3.0
"""Width of the window (pixels) over which noise is averaged to find what a camera image shows."""

VEIL_EV, VEIL_TINT = 3.0, 0.2
"""Unevenness of stray light (stops), and the standard deviation of the logarithm of its color."""

DEMOSAIC_SIGMA_SQUARED = {"green": 0.625, "red_blue": 0.5625}
"""Variance of white mosaic noise after bilinear demosaicing, averaged over the four positions."""

_CROSS = np.float32([[0, 1, 0], [1, 4, 1], [0, 1, 0]]) / 4
_SQUARE = np.float32([[1, 2, 1], [2, 4, 2], [1, 2, 1]]) / 4


@dataclasses.dataclass(frozen=True)
class Capture:
    """Settings of one simulated capture; `sample_capture` draws them.

    Attributes:
        exposure_ev: Stops of light, relative to the photograph; 0 or below.
        uneven_ev: Depth of the smooth unevenness (stops); 0 for even light.
        kept_unevenness: Fraction of the unevenness that the target keeps.
        lamps: Light sources, saturated in camera image and target alike.
        veil: Stray light of lens and air, smoothly uneven, where it is strongest (linear, 1 is
            white); the target has none.
        cast: Linear gains of red, green and blue.
        kept_cast: Fraction of the cast (of its logarithm) that the target keeps.
        shot: Variance of the shot noise for each unit of linear light.
        read: Standard deviation of the read noise (linear, 1 is white).
        denoise: Range sigma of the in-camera bilateral filter, sRGB units; 0 for none.
        black_level: Linear light that the camera maps to 0; negative lifts black.
        contrast: Strength of the S-shaped tone curve, in [0, 1).
        visibility_floor: Code value (of 255) of the camera image at which the target is halved.
        codec: "none", "jpeg" or "h264".
        quality: JPEG quality, or the constant rate factor of H.264.
        motion: Rows and columns by which the scene moves from frame to frame (pixels), H.264.
        frames: Frames that are encoded before the last one is taken, H.264.
    """

    exposure_ev: float = 0.0
    uneven_ev: float = 0.0
    kept_unevenness: float = 0.1
    lamps: tuple[Lamp, ...] = ()
    veil: float = 0.0
    cast: tuple[float, float, float] = (1.0, 1.0, 1.0)
    kept_cast: float = 0.15
    shot: float = 0.0
    read: float = 0.0
    denoise: float = 0.0
    black_level: float = 0.0
    contrast: float = 0.0
    visibility_floor: float = 8.0
    codec: str = "none"
    quality: int = 90
    motion: tuple[int, int] = (0, 0)
    frames: int = 1

    def __post_init__(self) -> None:
        """Refuse what no camera does."""
        checks.check_min("uneven_ev", self.uneven_ev, 0)
        checks.check_min("veil", self.veil, 0)
        checks.check_min("shot", self.shot, 0)
        checks.check_min("read", self.read, 0)
        checks.check_min("frames", self.frames, 1)
        checks.check_choice("codec", self.codec, ("none", "jpeg", "h264"))


def sample_capture(rng: np.random.Generator) -> Capture:
    """Draw the settings of one capture.

    One in six is well exposed and nearly unchanged, so that a model learns to leave such images
    alone; the others are 0.5 to 7 stops too dark, half of them under uneven light.

    Args:
        rng: Source of the random values.
    """
    well_exposed = rng.uniform() < 1 / 6
    uneven = rng.uniform() < 0.5
    if well_exposed:
        exposure = -rng.uniform(0, 0.15)
        # Regions, not images, are what is to be left alone: some have one dark side.
        depth = rng.uniform(1, 5) if rng.uniform() < 0.3 else 0.0
    elif uneven:
        exposure, depth = -rng.uniform(0, 3.5), rng.uniform(1, 5)
    else:
        exposure, depth = -rng.uniform(0.5, 7), 0.0
    cast_sigma = 0.35 if rng.uniform() < 1 / 3 else 0.12
    if well_exposed:
        cast_sigma = 0.01
    cast = np.exp(cast_sigma * rng.standard_normal(3))
    cast = cast / (cast @ np.float64(color.LUMA_WEIGHTS))
    night = not well_exposed and rng.uniform() < 0.6
    lamps = random_lamps(int(rng.integers(1, 9)), rng) if night else []
    # Noise follows the amplification: little in good light.
    noise = rng.uniform(0, 0.25) if well_exposed else rng.uniform(0, 1)
    shot = 10 ** (-4.7 + 2.5 * noise)
    read = 10 ** (-4.2 + 1.9 * noise + rng.normal(0, 0.15))
    codec = rng.choice(["none", "jpeg", "h264"], p=[0.15, 0.4, 0.45])
    quality = int(rng.uniform(18, 36)) if codec == "h264" else int(rng.uniform(15, 96))
    if well_exposed:
        quality = int(rng.uniform(16, 28)) if codec == "h264" else int(rng.uniform(60, 98))
    capture = Capture(
        exposure_ev=float(exposure),
        uneven_ev=float(depth),
        kept_unevenness=float(rng.uniform(0.05, 0.15)),
        lamps=tuple(lamps),
        cast=tuple(map(float, cast)),
        shot=float(shot),
        read=float(read),
        denoise=float(rng.uniform(0.02, 0.12)) if rng.uniform() < 0.6 else 0.0,
        black_level=float(rng.choice([0.0, rng.uniform(0, 0.004), rng.uniform(-0.001, 0)])),
        contrast=float(rng.uniform(0, 0.35)) if not well_exposed else 0.0,
        codec=str(codec),
        quality=quality,
        motion=tuple(int(step) for step in rng.integers(-2, 3, 2)),
        frames=4,
    )
    floor = visibility_floor(capture) * rng.uniform(0.9, 1.2)
    return dataclasses.replace(capture, visibility_floor=float(floor))


def visibility_floor(capture: Capture) -> float:
    """Return the code value (of 255) below which a capture contains no signal worth showing.

    1.5 for rounding, and the standard deviation of the read noise near black (at most 4; half of it
    if the camera denoises), and what compression takes away: a code value for every 4 of H.264's
    rate factor above 16 and for every 14 of JPEG's quality below 70; at most 5 in all, for from
    there real cameras show something. So a model can learn from the grain and the blocks around it
    whether a dark pixel means anything.

    Args:
        capture: Its noise and compression are read.
    """
    sigma = 255 * 12.92 * capture.read * DEMOSAIC_SIGMA_SQUARED["green"] ** 0.5
    floor = 1.5 + min(sigma, 4.0) * (0.5 if capture.denoise else 1.0)
    if capture.codec == "h264":
        floor += max(capture.quality - 16, 0) / 4
    elif capture.codec == "jpeg":
        floor += max(70 - capture.quality, 0) / 14
    return min(floor, MAX_VISIBILITY_FLOOR)


def simulate_capture(
    image: np.ndarray,
    capture: Capture,
    rng: np.random.Generator,
    *,
    reference: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Photograph an image again, at night.

    Args:
        image: (H, W, 3) uint8 sRGB, well exposed.
        capture: What the scene and the camera are like.
        rng: Source of noise and of the unevenness.
        reference: What the target is made of instead of `image`, of the same shape: a brighter
            exposure of the same scene.

    Returns:
        (camera image, target), each (h, w, 3) uint8 sRGB. With motion the border is cut off by the
        way that the scene moves; H.264 cuts odd sides to even ones.

    Reference:
        The order of the steps follows Brooks et al., "Unprocessing Images for Learned Raw
        Denoising", CVPR 2019, https://arxiv.org/abs/1811.11127, section 3.

    Differences from the reference:
        No color matrix; exposure, uneven light, lamps and compression are added; the result is what
        the camera stores, not what its sensor reads.
    """
    light = color.to_linear(dtypes.img_as_float32(image))
    size = image.shape[:2]
    missing_ev = (
        smooth_field(size, capture.uneven_ev, rng)[..., None]
        if capture.uneven_ev
        else np.zeros((*size, 1), np.float32)
    )
    exposed = expose(light, missing_ev, capture)
    if reference is not None:
        light = color.to_linear(dtypes.img_as_float32(reference))
    target = even_light(light, missing_ev, capture)
    if capture.lamps:
        glow = render_lamps(size, list(capture.lamps))
        exposed, target = exposed + glow, target + glow
    veil = np.zeros_like(exposed)
    if capture.veil:
        tint = np.float32(np.exp(VEIL_TINT * rng.standard_normal(3)) * capture.veil)
        veil = tint * np.exp2(-smooth_field(size, VEIL_EV, rng))[..., None]
    step = np.array(capture.motion) if capture.codec == "h264" else np.zeros(2, int)
    count = capture.frames if capture.codec == "h264" else 1
    windows = _moving_windows(size, step, count, even=capture.codec == "h264")
    captured = [process((exposed + veil)[window], capture, rng) for window in windows]
    if capture.codec == "h264":
        low = h264(captured, crf=capture.quality)[-1]
    elif capture.codec == "jpeg":
        low = jpeg(captured[-1], capture.quality)
    else:
        low = captured[-1]
    exposed, veil, target = (light[windows[-1]] for light in (exposed, veil, target))
    return low, make_target(target, low, exposed, capture, veil=develop(veil, capture))


def expose(light: np.ndarray, missing_ev: np.ndarray, capture: Capture) -> np.ndarray:
    """Return the light that reaches a sensor: (H, W, 3) linear, less the stops of (H, W, 1)."""
    exposure = np.exp2(np.float32(capture.exposure_ev) - missing_ev)
    return light * exposure * np.float32(capture.cast)


def even_light(light: np.ndarray, missing_ev: np.ndarray, capture: Capture) -> np.ndarray:
    """Return the light of a target: it keeps a part of the unevenness and of the cast."""
    target = light * np.exp2(-np.float32(capture.kept_unevenness) * missing_ev)
    return target * np.float32(capture.cast) ** np.float32(capture.kept_cast)


def make_target(
    light: np.ndarray,
    stored: np.ndarray,
    exposed: np.ndarray,
    capture: Capture,
    *,
    veil: np.ndarray,
) -> np.ndarray:
    """Return the target of a capture, faded where the camera image contains no signal.

    Args:
        light: (H, W, 3) linear light of the target.
        stored: (H, W, 3) uint8, the camera image.
        exposed: (H, W, 3) linear light of the scene, without stray light.
        capture: Its tone curve and its visibility floor are read.
        veil: The sRGB image of stray light alone, (H, W, 3), or (1, 1, 3) for the level of black.

    Returns:
        (H, W, 3) uint8 sRGB.
    """
    signal = develop(exposed, capture) - develop(np.zeros_like(exposed[:1, :1]), capture)
    # What denoising and compression took away is not seen either: flat blocks where light was.
    above_veil = dtypes.img_as_float32(stored) - veil
    signal = np.minimum(signal, cv2.GaussianBlur(above_veil, (0, 0), STORED_SIGMA))
    target = color.to_srgb(np.clip(light, 0, 1))
    target = fade_unseen(target, signal, floor=capture.visibility_floor)
    return dtypes.img_as_uint8(target)


def process(light: np.ndarray, capture: Capture, rng: np.random.Generator) -> np.ndarray:
    """Return the 8-bit image that a camera makes of light, before compression.

    Args:
        light: (H, W, 3) linear float32, 1 for white; more is saturated.
        capture: Noise, denoising, black level and tone curve.
        rng: Source of the noise.

    Returns:
        (H, W, 3) uint8 sRGB.
    """
    if capture.shot or capture.read:
        light = light + sensor_noise(light, shot=capture.shot, read=capture.read, rng=rng)
    image = develop(light, capture)
    if capture.denoise:
        image = cv2.bilateralFilter(image, 5, capture.denoise, 1.5)
    return dtypes.img_as_uint8(image)


def develop(light: np.ndarray, capture: Capture) -> np.ndarray:
    """Return the sRGB image of linear light: black level, sRGB curve, S-shaped contrast.

    Args:
        light: (H, W, 3) linear float32.
        capture: Its `black_level` and `contrast` are read.

    Returns:
        (H, W, 3) float32 in [0, 1].
    """
    light = (light - np.float32(capture.black_level)) / np.float32(1 - capture.black_level)
    image = color.to_srgb(np.clip(light, 0, 1))
    if capture.contrast:
        smoothstep = image * image * (3 - 2 * image)
        image += np.float32(capture.contrast) * (smoothstep - image)
    return image


def sensor_noise(
    light: np.ndarray, *, shot: float, read: float, rng: np.random.Generator
) -> np.ndarray:
    """Return the noise of a Bayer sensor (RGGB) after bilinear demosaicing.

    At each pixel of the mosaic its variance is shot * light + read^2; demosaicing averages it from
    neighbours, which correlates pixels and lowers the variance by `DEMOSAIC_SIGMA_SQUARED`.

    Args:
        light: (H, W, 3) linear float32; the mean, of which saturation (1) bounds the noise.
        shot: Variance of the shot noise for each unit of light.
        read: Standard deviation of the read noise.
        rng: Source of the noise.

    Returns:
        (H, W, 3) float32, mean 0.

    Reference:
        Foi et al., "Practical Poissonian-Gaussian Noise Modeling and Fitting for Single-Image
        Raw-Data", IEEE TIP 2008, https://doi.org/10.1109/TIP.2008.2001399; a = shot, b = read^2.

    Differences from the reference:
        The Poisson part is Gaussian of the same variance.
    """
    height, width = light.shape[:2]
    mosaic = rng.standard_normal((height, width), np.float32)
    noise = np.zeros_like(light)
    phases = {0: [(0, 0)], 1: [(0, 1), (1, 0)], 2: [(1, 1)]}
    for channel, places in phases.items():
        for row, column in places:
            site = (slice(row, None, 2), slice(column, None, 2))
            variance = shot * np.clip(light[site][..., channel], 0, 1) + read**2
            noise[(*site, channel)] = mosaic[site] * np.sqrt(variance)
        kernel = _CROSS if channel == 1 else _SQUARE
        noise[..., channel] = cv2.filter2D(
            noise[..., channel], -1, kernel, borderType=cv2.BORDER_REFLECT_101
        )
    return noise


def fade_unseen(target: np.ndarray, signal: np.ndarray, *, floor: float) -> np.ndarray:
    """Darken a target where the camera image contains no signal.

    The target is multiplied by w = s^4 / (s^4 + floor^4), s the luma (of 255) of the camera
    image above its black, averaged over a neighbourhood of a few pixels; its color
    fades at 1.5 times the floor. Without it the best answer to noise is gray fog.

    Args:
        target: (H, W, 3) sRGB float32 in [0, 1].
        signal: (H, W, 3) float32, at most 1: the sRGB camera image without noise, less the level at
            which it stores black.
        floor: Code value at which the target is halved; 0 changes nothing.

    Returns:
        (H, W, 3) float32 in [0, 1].
    """
    if not floor:
        return target
    codes = cv2.GaussianBlur(255 * color.luma(np.float32(signal)), (0, 0), 2)[..., None]
    codes = np.maximum(codes, 0)

    def visibility(half: float) -> np.ndarray:
        ratio = (codes / np.float32(half)) ** VISIBILITY_POWER
        return ratio / (1 + ratio)

    gray = color.luma(target)[..., None]
    return visibility(floor) * (gray + visibility(1.5 * floor) * (target - gray))


def _moving_windows(
    size: tuple[int, int], step: np.ndarray, count: int, *, even: bool
) -> list[tuple[slice, slice]]:
    """Return the window of each frame: moved by `step` each time, the last frame unmoved."""
    room = np.abs(step) * (count - 1)
    shape = np.array(size) - room
    if even:
        shape -= shape % 2
    start = np.where(step < 0, room, 0)
    windows = []
    for index in range(count):
        top, left = start + step * index
        windows.append((slice(top, top + shape[0]), slice(left, left + shape[1])))
    return windows
