"""Test images with a known order of tones: ramps from black to white."""

from collections.abc import Iterator

import numpy as np

from lowlight_tf.checks import UsageError

COLORS = ((1.0, 1.0, 1.0), (1.0, 0.75, 0.5), (0.5, 0.75, 1.0), (0.75, 1.0, 0.6))
"""Gray, and three tints; red, green and blue of the bright end of a ramp."""

TOPS = (32, 96, 255)
"""Code values at the bright ends of the ramps."""


def ramp(
    color: tuple[float, float, float], top: int, *, size: tuple[int, int] = (128, 512)
) -> np.ndarray:
    """Return an image that rises evenly from black at the left to a color at the right.

    Args:
        color: Red, green and blue in [0, 1].
        top: Code value of 1 at the right end, 1 to 255.
        size: Height and width (pixels).

    Returns:
        (H, W, 3) uint8.
    """
    if not 1 <= top <= 255:
        raise UsageError(f"`top` must be a code value from 1 to 255. Received: {top}.")
    row = np.linspace(0, top, size[1])[:, None] * np.array(color)
    return np.broadcast_to(np.uint8(np.rint(row)), (*size, 3)).copy()


def ramps() -> Iterator[tuple[str, np.ndarray]]:
    """Yield the name and the image of every ramp."""
    for top in TOPS:
        for number, color in enumerate(COLORS):
            yield f"ramp{top}_color{number}", ramp(color, top)


def order_violation(low: np.ndarray, enhanced: np.ndarray) -> float:
    """Return by how much a brighter pixel of a ramp comes out darker than one to its left.

    Rows are averaged, and each channel is compared with the highest value to its left; only places
    count where the input has risen since.

    Args:
        low: (H, W, 3) uint8: a ramp, not falling from left to right.
        enhanced: The same shape.

    Returns:
        The largest drop of any channel (code values); 0 is best.
    """
    if low.shape != enhanced.shape:
        raise UsageError(
            f"Input and result must have one size. Received: {low.shape} and {enhanced.shape}."
        )
    before, after = low[0].astype(np.float64), enhanced.mean(axis=0, dtype=np.float64)
    worst = 0.0
    for channel in range(low.shape[2]):
        codes, first = np.unique(before[:, channel], return_index=True)
        last = np.append(first[1:], len(before)) - 1
        if len(codes) < 2:
            continue
        tones = np.array(
            [after[a : b + 1, channel].mean() for a, b in zip(first, last, strict=True)]
        )
        worst = max(worst, float((np.maximum.accumulate(tones) - tones).max()))
    return worst
