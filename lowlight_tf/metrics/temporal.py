"""Metrics of video flicker: of the mean luma, and of pixels after motion compensation.

Both are 0 for a video without flicker; lower is better.
"""

from collections.abc import Sequence

import cv2
import numpy as np

from lowlight_tf.checks import UsageError
from lowlight_tf.imaging.color import luma

MIN_FLOW_SIDE = 32
"""Shortest side that the optical flow accepts (pixels)."""

OCCLUSION_FACTOR, OCCLUSION_OFFSET = 0.01, 0.5
"""Tolerance of the forward-backward check: factor of the squared flow, and squared pixels."""


def luma_flicker(clip: Sequence[np.ndarray]) -> float:
    """Return the flicker of the mean luma, in 8-bit levels: 0 if it changes linearly or not at all.

    It is the standard deviation, over time, of the second difference m[t-1] - 2 m[t] + m[t+1] of
    the frames' mean luma m. White noise with a standard deviation of s gives 2.45 s (sqrt(6) s);
    an alternation by one level above and below the mean gives 4; slow changes hardly count.

    Args:
        clip: At least four frames, each (H, W, 3) uint8.

    Raises:
        UsageError: If there are fewer frames.

    Reference:
        Our own.
    """
    _check_length(clip, 4)
    means = [luma(np.array(cv2.mean(frame)[:3])) for frame in clip]
    return float(np.std(np.diff(means, n=2)))


def warping_error(clip: Sequence[np.ndarray], reference: Sequence[np.ndarray]) -> float:
    """Return the difference of each frame to the previous one, warped by the optical flow.

    The flow is that of the reference, a clip of the same scene without flicker, so that it is the
    same for all models. Occluded pixels, which fail the forward-backward check, and pixels from
    outside the previous frame are not used.

    Args:
        clip: At least two frames, each (H, W, 3) uint8, both sides at least 32 pixels.
        reference: As many frames of the same size.

    Returns:
        Root of the mean squared difference over all channels of all used pixels, in 8-bit levels;
        the mean over all pairs of frames.

    Raises:
        UsageError: If frames are too few or too small, or the clips differ in size or number.

    Reference:
        Lai et al., "Learning Blind Video Temporal Consistency", ECCV 2018, section 4.2; the
        forward-backward check is Sundaram et al., "Dense Point Trajectories by GPU-accelerated
        Large Displacement Optical Flow", ECCV 2010, equation 5.
        Differences: flow by dense inverse search (OpenCV), of the reference instead of the input;
        no check for motion boundaries; the root of the squared error, in levels.
    """
    _check_length(clip, 2)
    if len(clip) != len(reference) or clip[0].shape != reference[0].shape:
        raise UsageError(
            "The clip and its reference must have the same number and size of frames. Received: "
            f"{len(clip)} of {clip[0].shape}, {len(reference)} of {reference[0].shape}."
        )
    if min(clip[0].shape[:2]) < MIN_FLOW_SIDE:
        raise UsageError(
            f"Optical flow needs frames of at least {MIN_FLOW_SIDE}x{MIN_FLOW_SIDE} pixels. "
            f"Received: {clip[0].shape}."
        )
    flow = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    gray = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in reference]
    errors = []
    for index in range(1, len(clip)):
        backward = flow.calc(gray[index], gray[index - 1], None)
        forward = flow.calc(gray[index - 1], gray[index], None)
        grid = _sampling_grid(backward)
        warped_forward = cv2.remap(forward, grid, None, cv2.INTER_LINEAR)
        visible = _visibility_mask(backward, warped_forward, grid)
        if visible.any():
            previous = clip[index - 1].astype(np.float32)
            warped = cv2.remap(previous, grid, None, cv2.INTER_LINEAR)
            errors.append(np.sqrt(np.square(clip[index] - warped)[visible].mean(dtype=np.float64)))
    return float(np.mean(errors)) if errors else 0.0


def _sampling_grid(flow: np.ndarray) -> np.ndarray:
    """Return the source coordinates of each pixel, its own plus the flow: (H, W, 2), x and y."""
    height, width = flow.shape[:2]
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    return flow + np.dstack([x, y]).astype(np.float32)


def _visibility_mask(backward: np.ndarray, forward: np.ndarray, grid: np.ndarray) -> np.ndarray:
    """Return which pixels are visible in the previous frame too: (H, W) bool."""
    height, width = backward.shape[:2]
    inside = (grid >= 0).all(-1) & (grid <= (width - 1, height - 1)).all(-1)
    squared_flow = np.square(backward).sum(-1) + np.square(forward).sum(-1)
    error = np.square(backward + forward).sum(-1)
    return inside & (error < OCCLUSION_FACTOR * squared_flow + OCCLUSION_OFFSET)


def _check_length(clip: Sequence[np.ndarray], min_frames: int) -> None:
    if len(clip) < min_frames:
        raise UsageError(f"Flicker needs at least {min_frames} frames. Received: {len(clip)}.")
