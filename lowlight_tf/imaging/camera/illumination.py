"""Light of simulated night scenes: smooth unevenness and lamps with halos."""

import dataclasses

import cv2
import numpy as np

from lowlight_tf import checks

FIELD_CELLS = (2, 5)
"""Fewest and most cells of the random grid across the shorter side of a smooth field."""

HALO_FALLOFF = 2.2
"""Exponent with which a halo fades with distance; scattering in lenses measures 2 to 3."""


@dataclasses.dataclass(frozen=True)
class Lamp:
    """A light source in the image.

    Attributes:
        center: Row and column, as fractions of height and width.
        radius: Of the saturated disc, as a fraction of the shorter side.
        halo: Linear light of the halo at the edge of the disc, in [0, 1].
        color: Linear red, green and blue, the largest 1.
    """

    center: tuple[float, float]
    radius: float
    halo: float
    color: tuple[float, float, float]


def smooth_field(size: tuple[int, int], depth_ev: float, rng: np.random.Generator) -> np.ndarray:
    """Return how many stops of light are missing at each pixel.

    A coarse grid of uniform random values, enlarged by cubic interpolation; half of the fields
    also have one bright ellipse, such as a street lamp or headlights throw on a road.

    Args:
        size: Height and width (pixels).
        depth_ev: Largest value of the field (stops), at least 0; the smallest is 0.
        rng: Source of the random values.

    Returns:
        (H, W) float32 in [0, depth_ev], stops.
    """
    checks.check_min("depth_ev", depth_ev, 0)
    height, width = size
    cells = int(rng.integers(FIELD_CELLS[0], FIELD_CELLS[1] + 1))
    grid = (
        max(2, round(cells * height / min(size))),
        max(2, round(cells * width / min(size))),
    )
    coarse = rng.uniform(0, 1, grid).astype(np.float32)
    field = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    if rng.uniform() < 0.5:
        center = rng.uniform(0.3, 1.0), rng.uniform(0.1, 0.9)
        radii = rng.uniform(0.1, 0.5), rng.uniform(0.15, 0.6)
        distance = ellipse_distance(size, center, radii)
        # Fades over one radius: the edge of a beam is soft.
        field = np.maximum(field, 0.5) * (1 - np.exp(-distance))
    field -= field.min()
    return np.float32(depth_ev) * field / max(float(field.max()), 1e-6)


def ellipse_distance(
    size: tuple[int, int], center: tuple[float, float], radii: tuple[float, float]
) -> np.ndarray:
    """Return the squared distance of each pixel from an ellipse's center, 1 on its edge.

    Args:
        size: Height and width (pixels).
        center: Row and column, as fractions of height and width.
        radii: Along rows and columns, as the same fractions.

    Returns:
        (H, W) float32.
    """
    rows = np.arange(size[0], dtype=np.float32)[:, None] / size[0]
    columns = np.arange(size[1], dtype=np.float32)[None] / size[1]
    return ((rows - center[0]) / radii[0]) ** 2 + ((columns - center[1]) / radii[1]) ** 2


def random_lamps(count: int, rng: np.random.Generator) -> list[Lamp]:
    """Return lamps of random place, size and color: white, amber and, one in five, red.

    Args:
        count: How many.
        rng: Source of the random values.
    """
    lamps = []
    for _ in range(count):
        if rng.uniform() < 0.2:
            color = (1.0, rng.uniform(0.0, 0.15), rng.uniform(0.0, 0.1))
        else:
            green = rng.uniform(0.55, 1.0)
            color = (1.0, green, green * rng.uniform(0.4, 1.0))
            if rng.uniform() < 0.2:  # bluish headlights
                color = color[::-1]
        lamps.append(
            Lamp(
                center=(rng.uniform(0.05, 0.95), rng.uniform(0.02, 0.98)),
                radius=float(np.exp(rng.uniform(np.log(0.004), np.log(0.04)))),
                halo=float(np.exp(rng.uniform(np.log(0.02), np.log(0.5)))),
                color=color,
            )
        )
    return lamps


def render_lamps(size: tuple[int, int], lamps: list[Lamp]) -> np.ndarray:
    """Return the linear light of lamps: 4 inside each disc, a power law outside.

    Four times white stays white under the exposure and the tone curves of a camera.

    Args:
        size: Height and width (pixels).
        lamps: What shines.

    Returns:
        (H, W, 3) float32, at least 0.
    """
    height, width = size
    light = np.zeros((height, width, 3), np.float32)
    rows = np.arange(height, dtype=np.float32)[:, None]
    columns = np.arange(width, dtype=np.float32)[None]
    for lamp in lamps:
        radius = max(lamp.radius * min(size), 0.7)
        distance = np.hypot(rows - lamp.center[0] * height, columns - lamp.center[1] * width)
        halo = lamp.halo * (np.maximum(distance / radius, 1)) ** -HALO_FALLOFF
        color = np.float32(lamp.color)
        # The disc itself is saturated in all channels, as a sensor shows it; its color is the
        # halo's. A red lamp stays red: its weak channels do not reach white.
        core = np.clip(radius + 0.5 - distance, 0, 1)[..., None]
        light += halo[..., None] * color + core * 4 * np.maximum(color, color**0.5 * 0.8)
    return light
