"""How much a video flickers: jitter of its mean luma, and what is left once motion is undone.

Both are 0 for a video that does not flicker; less is better.
"""

from collections.abc import Sequence

import cv2
import numpy as np

from lowlight_tf.checks import UsageError
from lowlight_tf.imaging.color import luma

MIN_FLOW_SIDE = 32  # pixels: what the optical flow needs
OCCLUSION_SLACK, OCCLUSION_TOLERANCE = (
    0.01,
    0.5,
)  # of the forward-backward check: share, and pixels squared


def luma_flicker(clip: Sequence[np.ndarray]) -> float:
    """Return the jitter of the mean luma, in 8-bit levels: 0 where it is constant or drifts evenly.

    It is the standard deviation, over time, of the second difference m[t-1] - 2 m[t] + m[t+1] of
    the frames' mean luma m. A mean that trembles by s levels, each frame by itself, gives 2.45 s
    (the root of 6); one that is a level above and below its middle in turn gives 4; a slow swing
    hardly counts.

    Args:
        clip: At least four frames, each (H, W, 3) uint8.

    Raises:
        UsageError: If there are fewer frames.

    Reference:
        None: a definition of our own.
    """
    _check(clip, 4)
    means = [luma(np.array(cv2.mean(frame)[:3])) for frame in clip]
    return float(np.std(np.diff(means, n=2)))


def warping_error(clip: Sequence[np.ndarray], reference: Sequence[np.ndarray]) -> float:
    """Return how much each frame differs from the one before, moved by the optical flow.

    The flow is that of the reference, a clip of the same scene that does not flicker, so that one
    judge sees all. Pixels are left out that the frame before does not show: those whose way back
    does not lead to where they came from, and those from outside.

    Args:
        clip: At least two frames, each (H, W, 3) uint8, both sides at least 32 pixels.
        reference: As many frames of the same size.

    Returns:
        Root of the mean squared difference over all channels of all pixels that count, in 8-bit
        levels; the mean of all pairs of frames.

    Raises:
        UsageError: If frames are too few or too small, or the clips differ in size or number.

    Reference:
        Lai et al., "Learning Blind Video Temporal Consistency", ECCV 2018, section 4.2; the check
        of the flow is Sundaram et al., "Dense Point Trajectories by GPU-accelerated Large
        Displacement Optical Flow", ECCV 2010, equation 5.
        Differences: dense inverse search (OpenCV) finds the flow, in the reference instead of the
        input; there is no check for motion boundaries; the root is taken, in levels.
    """
    _check(clip, 2)
    if len(clip) != len(reference) or clip[0].shape != reference[0].shape:
        raise UsageError(
            "The clip and its reference must be of one number of frames and one size. Received: "
            f"{len(clip)} of {clip[0].shape}, {len(reference)} of {reference[0].shape}."
        )
    if min(clip[0].shape[:2]) < MIN_FLOW_SIDE:
        raise UsageError(
            f"Optical flow needs frames of {MIN_FLOW_SIDE}x{MIN_FLOW_SIDE} pixels at least. "
            f"Received: {clip[0].shape}."
        )
    search = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    grey = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in reference]
    errors = []
    for now in range(1, len(clip)):
        back = search.calc(grey[now], grey[now - 1], None)
        forth = search.calc(grey[now - 1], grey[now], None)
        places = _flow_grid(back)
        seen = _visibility_mask(back, cv2.remap(forth, places, None, cv2.INTER_LINEAR), places)
        if seen.any():
            moved = cv2.remap(clip[now - 1].astype(np.float32), places, None, cv2.INTER_LINEAR)
            errors.append(np.sqrt(np.square(clip[now] - moved)[seen].mean(dtype=np.float64)))
    return float(np.mean(errors)) if errors else 0.0


def _flow_grid(flow: np.ndarray) -> np.ndarray:
    """Return where each pixel comes from: its place plus the flow."""
    height, width = flow.shape[:2]
    across, down = np.meshgrid(np.arange(width), np.arange(height))
    return flow + np.dstack([across, down]).astype(np.float32)


def _visibility_mask(back: np.ndarray, forth: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Return which pixels the frame before shows too."""
    height, width = back.shape[:2]
    inside = (places >= 0).all(-1) & (places <= (width - 1, height - 1)).all(-1)
    lengths = np.square(back).sum(-1) + np.square(forth).sum(-1)
    return inside & (
        np.square(back + forth).sum(-1) < OCCLUSION_SLACK * lengths + OCCLUSION_TOLERANCE
    )


def _check(clip: Sequence[np.ndarray], least: int) -> None:
    if len(clip) < least:
        raise UsageError(f"Flicker needs {least} frames at least. Received: {len(clip)}.")
