"""Driving clips made from day videos: darkened, lit by headlights, encoded, decoded."""

from collections.abc import Sequence

import numpy as np

from lowlight_tf.imaging import color, dtypes
from lowlight_tf.imaging.camera.compression import h264
from lowlight_tf.imaging.camera.illumination import Lamp, ellipse_distance, render_lamps
from lowlight_tf.imaging.camera.simulation import Capture, process

NIGHT = Capture(
    exposure_ev=-5.5, shot=4e-4, read=8e-4, denoise=0.03, black_level=0.002, contrast=0.15
)
"""The camera: 5.5 stops too little light, noise, in-camera denoising, crushed black."""

BEAM_CENTER, BEAM_RADII, BEAM_EV = (0.85, 0.5), (0.3, 0.45), 4.5
"""Headlights: center and radii as fractions of height and width, and how much light they add
(stops) at the center."""

LAMPS = (
    Lamp((0.32, 0.2), 0.012, 0.12, (1.0, 0.8, 0.5)),
    Lamp((0.25, 0.7), 0.010, 0.10, (1.0, 0.85, 0.6)),
    Lamp((0.55, 0.42), 0.008, 0.15, (1.0, 0.95, 0.9)),
    Lamp((0.56, 0.60), 0.006, 0.08, (1.0, 0.05, 0.03)),
)
"""Two street lamps, an oncoming car and a tail light."""

SKY_DIMMING = 12.0
"""Factor by which the upper third is darkened further: skies at night are black."""


def night_clip(
    day: Sequence[np.ndarray], *, crf: float, seed: int = 1, capture: Capture = NIGHT
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Return a night drive of a day drive: what a camera stored, and before it was encoded.

    Args:
        day: Frames, each (H, W, 3) uint8 sRGB, even sides.
        crf: Constant rate factor of libx264; 23 is its default, 35 is low quality.
        seed: Of the noise.
        capture: Exposure, noise and tone curve of the camera.

    Returns:
        (decoded frames, frames without noise and compression), each (H, W, 3) uint8.
    """
    rng = np.random.default_rng(seed)
    size = day[0].shape[:2]
    illumination, glow = _illumination(size), render_lamps(size, list(LAMPS))
    clean = Capture(black_level=capture.black_level, contrast=capture.contrast)
    stored, noiseless = [], []
    for frame in day:
        light = color.to_linear(dtypes.img_as_float32(frame))
        light = light * np.float32(2.0**capture.exposure_ev) * illumination + glow
        stored.append(process(light, capture, rng))
        noiseless.append(process(light, clean, rng))
    return h264(stored, crf=crf), noiseless


def _illumination(size: tuple[int, int]) -> np.ndarray:
    """Return the factor of light at each pixel, (H, W, 1) float32."""
    distance = ellipse_distance(size, BEAM_CENTER, BEAM_RADII)
    beam = np.exp2(np.float32(BEAM_EV) * np.exp(-distance))
    rows = np.arange(size[0], dtype=np.float32)[:, None] / size[0]
    sky = 1 / (1 + (np.float32(SKY_DIMMING) - 1) * np.clip((0.45 - rows) / 0.2, 0, 1))
    return (beam * sky)[..., None].astype(np.float32)
