"""Clips of photographs in motion, and what a camera makes of such clips by night."""

import dataclasses
from collections.abc import Sequence

import cv2
import numpy as np

from lowlight_tf import checks
from lowlight_tf.checks import UsageError
from lowlight_tf.imaging import color, dtypes
from lowlight_tf.imaging.camera.compression import h264, jpeg
from lowlight_tf.imaging.camera.illumination import Lamp, render_lamps, smooth_field
from lowlight_tf.imaging.camera.simulation import (
    Capture,
    develop,
    even_light,
    expose,
    make_target,
    process,
)

CAMERA_MOTIONS = ("still", "shake", "pan", "drive")
"""How a camera moves: not at all, by fractions of a pixel, steadily sideways, or forward."""

MOTION_ODDS = (0.3, 0.1, 0.3, 0.3)
"""How often `sample_motion` draws each."""

LEAD_FRAMES = 3
"""Frames that are encoded before the first one that is kept: the first of a stream is sharper."""


@dataclasses.dataclass(frozen=True)
class Mover:
    """Something that moves in front of a scene.

    Attributes:
        radii: Half height and half width (pixels).
        start: Row and column of its center in the first frame (pixels).
        velocity: Rows and columns that it moves from frame to frame (pixels).
        first_frame: Frame in which it begins to move.
        source: Which photograph it is cut from.
    """

    radii: tuple[float, float]
    start: tuple[float, float]
    velocity: tuple[float, float]
    first_frame: int = 0
    source: int = 0

    def place(self, frame: int) -> np.ndarray:
        """Return row and column of its center in a frame."""
        steps = max(0, frame - self.first_frame)
        return np.array(self.start) + steps * np.array(self.velocity)


@dataclasses.dataclass(frozen=True)
class Motion:
    """How a clip moves.

    Attributes:
        camera: One of `CAMERA_MOTIONS`.
        velocity: Rows and columns that the scene moves from frame to frame (pixels); of a camera
            that shakes, the standard deviation of its place.
        zoom: Factor by which the scene grows from frame to frame.
        turn: Angle that it turns from frame to frame (degrees).
        near: Factor of `velocity` at the lower border: what is near moves faster.
        movers: What moves in front of it.
        lamp_velocity: Rows and columns that lamps move from frame to frame, of the image's size.
    """

    camera: str = "still"
    velocity: tuple[float, float] = (0.0, 0.0)
    zoom: float = 1.0
    turn: float = 0.0
    near: float = 1.0
    movers: tuple[Mover, ...] = ()
    lamp_velocity: tuple[float, float] = (0.0, 0.0)

    def __post_init__(self) -> None:
        """Refuse a motion that there is not."""
        checks.check_choice("camera", self.camera, CAMERA_MOTIONS)


def sample_motion(size: tuple[int, int], frames: int, rng: np.random.Generator) -> Motion:
    """Draw how a clip moves.

    Args:
        size: Height and width of its frames (pixels).
        frames: Number of its frames.
        rng: Source of the random values.
    """
    camera = str(rng.choice(CAMERA_MOTIONS, p=MOTION_ODDS))
    velocity, zoom, turn = np.zeros(2), 1.0, 0.0
    if camera == "shake":
        velocity = rng.uniform(0.1, 0.8, 2)
    elif camera == "pan":
        velocity = 10 ** rng.uniform(-0.5, 1) * _direction(rng)
        turn = rng.normal(0, 0.2)
    elif camera == "drive":
        zoom = 1 + 10 ** rng.uniform(-2.7, -1.3)
        velocity = rng.normal(0, 0.5, 2)
    movers = []
    for _ in range(rng.integers(0, 4)):
        movers.append(
            Mover(
                radii=tuple(rng.uniform(0.04, 0.22, 2) * size),
                start=tuple(rng.uniform(0, 1, 2) * size),
                velocity=tuple(10 ** rng.uniform(-0.3, 1) * _direction(rng)),
                first_frame=int(rng.integers(0, frames)) if rng.uniform() < 0.4 else 0,
                source=int(rng.integers(0, 2**16)),
            )
        )
    lamps = rng.normal(0, 0.01, 2) if rng.uniform() < 0.5 else np.zeros(2)
    return Motion(
        camera=camera,
        velocity=tuple(map(float, velocity)),
        zoom=float(zoom),
        turn=float(turn),
        near=float(rng.uniform(1, 2.5)),
        movers=tuple(movers),
        lamp_velocity=tuple(map(float, lamps)),
    )


def animate(
    photograph: np.ndarray,
    motion: Motion,
    *,
    size: tuple[int, int],
    frames: int,
    rng: np.random.Generator,
    others: Sequence[np.ndarray] = (),
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Return the frames of a photograph in motion, and what covers it.

    Args:
        photograph: (H, W, 3) uint8 sRGB; the frames show its center, and its mirror image beyond
            its borders.
        motion: How it moves.
        size: Height and width of the frames (pixels).
        frames: Number of frames.
        rng: Source of the shaking.
        others: Photographs that movers are cut from; by default this one.

    Returns:
        (frames, covers): each frame (*size, 3) uint8, and for each the opacity of the movers in
        front of it, (*size) float32 in [0, 1].
    """
    sources = list(others) or [photograph]
    rows, columns = np.mgrid[: size[0], : size[1]].astype(np.float32)
    center = (np.array(size, np.float32) - 1) / 2
    depth = 1 + (motion.near - 1) * rows / size[0]
    result, covers = [], []
    for frame in range(frames):
        way = np.array(motion.velocity) * frame
        if motion.camera == "shake":
            way = rng.normal(0, 1, 2) * motion.velocity
        angle, scale = np.deg2rad(motion.turn * frame), motion.zoom**frame
        y, x = (rows - center[0]) / scale, (columns - center[1]) / scale
        source_y = np.cos(angle) * y - np.sin(angle) * x - way[0] * depth
        source_x = np.sin(angle) * y + np.cos(angle) * x - way[1] * depth
        height, width = photograph.shape[:2]
        image = cv2.remap(
            photograph,
            np.float32(source_x + (width - 1) / 2),
            np.float32(source_y + (height - 1) / 2),
            cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REFLECT_101,
        )
        image, cover = np.float32(image), np.zeros(size, np.float32)
        for mover in motion.movers:
            place = mover.place(frame)
            distance = np.hypot(
                (rows - place[0]) / mover.radii[0], (columns - place[1]) / mover.radii[1]
            )
            # Its border is two pixels wide.
            opacity = np.clip((1 - distance) * min(mover.radii) / 2 + 0.5, 0, 1)
            other = sources[mover.source % len(sources)]
            texture = cv2.remap(
                other,
                np.float32(columns - place[1] + other.shape[1] / 2),
                np.float32(rows - place[0] + other.shape[0] / 2),
                cv2.INTER_LINEAR,
                borderMode=cv2.BORDER_REFLECT_101,
            )
            image += opacity[..., None] * (texture - image)
            cover = np.maximum(cover, opacity)
        result.append(np.uint8(np.rint(image)))
        covers.append(cover)
    return result, covers


def simulate_clip(
    frames: Sequence[np.ndarray],
    capture: Capture,
    rng: np.random.Generator,
    *,
    lamp_velocity: tuple[float, float] = (0.0, 0.0),
) -> tuple[list[np.ndarray], list[np.ndarray], list[np.ndarray]]:
    """Film a clip again, at night.

    Args:
        frames: Each (H, W, 3) uint8 sRGB, well exposed, of one size with even sides. The first
            `LEAD_FRAMES` are encoded, and not returned.
        capture: What the scene and the camera are like; its `motion` and `frames` are not read.
        rng: Source of noise and of the unevenness.
        lamp_velocity: Rows and columns that lamps move from frame to frame, of the image's size.

    Returns:
        (camera images, images without noise and compression, targets): of as many frames each,
        less `LEAD_FRAMES`, (H, W, 3) uint8 sRGB. See `simulate_capture`.

    Raises:
        UsageError: If there are too few frames.
    """
    if len(frames) <= LEAD_FRAMES:
        raise UsageError(f"A clip needs more than {LEAD_FRAMES} frames. Received: {len(frames)}.")
    size = frames[0].shape[:2]
    missing_ev = np.zeros((*size, 1), np.float32)
    if capture.uneven_ev:
        missing_ev = smooth_field(size, capture.uneven_ev, rng)[..., None]
    noiseless = dataclasses.replace(capture, shot=0.0, read=0.0, denoise=0.0)
    exposures, targets, stored, clean = [], [], [], []
    for number, frame in enumerate(frames):
        light = color.to_linear(dtypes.img_as_float32(frame))
        glow = render_lamps(size, [_move(lamp, number, lamp_velocity) for lamp in capture.lamps])
        exposed = expose(light, missing_ev, capture) + glow
        targets.append(even_light(light, missing_ev, capture) + glow)
        exposures.append(exposed)
        stored.append(process(exposed, capture, rng))
        clean.append(process(exposed, noiseless, rng))
    if capture.codec == "h264":
        stored = h264(stored, crf=capture.quality)
    elif capture.codec == "jpeg":
        stored = [jpeg(image, capture.quality) for image in stored]
    black = develop(np.zeros_like(exposures[0][:1, :1]), capture)
    kept = list(zip(targets, stored, exposures, strict=True))[LEAD_FRAMES:]
    faded = [make_target(*frame, capture, veil=black) for frame in kept]
    return stored[LEAD_FRAMES:], clean[LEAD_FRAMES:], faded


def _direction(rng: np.random.Generator) -> np.ndarray:
    """Return a random direction, rows and columns; level ones are more frequent."""
    angle = rng.uniform(0, 2 * np.pi)
    direction = np.array([0.4 * np.sin(angle), np.cos(angle)])
    return direction / np.linalg.norm(direction)


def _move(lamp: Lamp, frame: int, velocity: tuple[float, float]) -> Lamp:
    center = tuple(place + frame * step for place, step in zip(lamp.center, velocity, strict=True))
    return dataclasses.replace(lamp, center=center)
