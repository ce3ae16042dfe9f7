"""What a model does to one image: highlights, white, colors, black areas and dim areas.

All functions take 8-bit sRGB images, (H, W, 3) uint8, and speak of luma (BT.601) in code values
(0 to 255). Where an image has nothing of what is measured the result is NaN.
"""

import cv2
import numpy as np

from lowlight_tf.checks import UsageError
from lowlight_tf.imaging import dtypes
from lowlight_tf.imaging.color import luma

BURNED_LUMA = 250
"""Luma from which a pixel counts as burned (code values)."""

WHITE_CODE = 250
"""Code value that all channels of a white pixel reach."""

BLOCK_SIZE = 16
"""Side of the blocks, those of H.264 and most other codecs (pixels)."""

BLACK_MEAN = 4
"""Mean luma below which a block of the input is black (code values)."""

DIM_RANGE = (6, 60)
"""Luma of input pixels that are dim but visible (code values)."""


def clipping_percent(low: np.ndarray, enhanced: np.ndarray) -> float:
    """Return how many pixels are burned that were not, in percent of all pixels; 0 is best.

    Args:
        low: (H, W, 3) uint8.
        enhanced: The same shape: what a model makes of it.
    """
    _check(low, enhanced)
    burned = (luma(enhanced) >= BURNED_LUMA) & (luma(low) < BURNED_LUMA)
    return float(100 * burned.mean())


def white_level(low: np.ndarray, enhanced: np.ndarray) -> float:
    """Return the mean code value of what was white; 255 is best.

    Args:
        low: (H, W, 3) uint8; white are pixels whose channels all reach `WHITE_CODE`.
        enhanced: The same shape.
    """
    _check(low, enhanced)
    white = (low >= WHITE_CODE).all(axis=-1)
    return float(enhanced[white].mean()) if white.any() else float("nan")


def chroma_ratio(low: np.ndarray, enhanced: np.ndarray) -> float:
    """Return the mean CIE Lab chroma of the result divided by that of the input; 1 is best.

    Args:
        low: (H, W, 3) uint8, a well-lit image.
        enhanced: The same shape.
    """
    _check(low, enhanced)
    before, after = (_chroma(image) for image in (low, enhanced))
    return after / before if before else float("nan")


def lift(low: np.ndarray, enhanced: np.ndarray) -> float:
    """Return how many times brighter the dim pixels come out: mean luma after / before.

    Args:
        low: (H, W, 3) uint8; dim are pixels whose luma is in `DIM_RANGE`.
        enhanced: The same shape.
    """
    _check(low, enhanced)
    before = luma(low)
    dim = (before >= DIM_RANGE[0]) & (before <= DIM_RANGE[1])
    return float(luma(enhanced)[dim].mean() / before[dim].mean()) if dim.any() else float("nan")


def black_blocks(low: np.ndarray, enhanced: np.ndarray) -> dict[str, float]:
    """Measure what becomes of black blocks.

    Blocks of 16 x 16 pixels whose mean luma in the input is below `BLACK_MEAN`; what is left at
    the right and lower border does not count.

    Args:
        low: (H, W, 3) uint8.
        enhanced: The same shape.

    Returns:
        "level": mean luma of those blocks afterwards; "grain": mean over the blocks of the standard
        deviation of the luma inside; "step": mean absolute difference of the mean luma of two black
        blocks that touch, side by side or one above the other. Code values, less is better;
        "blocks": how many percent of all blocks they are.
    """
    _check(low, enhanced)
    before, after = (_blocks(luma(image)) for image in (low, enhanced))
    black = before.mean(axis=(2, 3)) < BLACK_MEAN - 1e-6  # sums of luma weights are not exact
    means, deviations = after.mean(axis=(2, 3)), after.std(axis=(2, 3))
    steps = []
    for axis in (0, 1):
        first = black.take(range(black.shape[axis] - 1), axis)
        second = black.take(range(1, black.shape[axis]), axis)
        steps.append(np.abs(np.diff(means, axis=axis))[first & second])
    return {
        "level": _mean(means[black]),
        "grain": _mean(deviations[black]),
        "step": _mean(np.concatenate(steps)),
        "blocks": float(100 * black.mean()) if black.size else float("nan"),
    }


def _chroma(image: np.ndarray) -> float:
    lab = cv2.cvtColor(dtypes.img_as_float32(image), cv2.COLOR_RGB2LAB)
    return float(np.hypot(lab[..., 1], lab[..., 2]).mean())


def _blocks(gray: np.ndarray) -> np.ndarray:
    """Return (rows, columns, 16, 16): the complete blocks of a gray image."""
    rows, columns = (side // BLOCK_SIZE for side in gray.shape)
    cut = gray[: rows * BLOCK_SIZE, : columns * BLOCK_SIZE]
    return cut.reshape(rows, BLOCK_SIZE, columns, BLOCK_SIZE).transpose(0, 2, 1, 3)


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if values.size else float("nan")


def _check(low: np.ndarray, enhanced: np.ndarray) -> None:
    for name, image in (("low", low), ("enhanced", enhanced)):
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
            raise UsageError(
                f"`{name}` must be (H, W, 3) uint8. Received: {image.dtype} {image.shape}."
            )
    if low.shape != enhanced.shape:
        raise UsageError(
            f"Input and result must have one size. Received: {low.shape} and {enhanced.shape}."
        )
