"""A chessboard that both cameras see says exactly where they look."""

from collections.abc import Sequence

import cv2
import numpy as np

from lowlight_tf.checks import UsageError
from lowlight_tf.imaging import color
from lowlight_tf.imaging.registration.alignment import (
    Alignment,
    check_common_size,
    transform_points,
)


def calibrate_chessboard(
    pairs: Sequence[tuple[np.ndarray, np.ndarray]], *, corners: tuple[int, int]
) -> tuple[Alignment, list[int]]:
    """Find how infrared pictures of a chessboard lie over visible ones, all at once.

    It holds exactly at the board's distance only: hold it as far away as its corners are found.

    Args:
        pairs: Pairs (visible, infrared), (H, W, C) in [0, 1], with the board in both. A board
            printed on foil or warmed by a lamp is seen in infrared; black may be the warmer.
        corners: How many inner corners it has in a row and in a column.

    Returns:
        The alignment, whose residual is the median distance of the corners, and which pairs it
        was made of. Its score is the share of them.

    Raises:
        UsageError: If no pair shows the board twice, or the sizes are not all the same.
    """
    check_common_size(pairs)
    here, there, used = [], [], []
    for index, pair in enumerate(pairs):
        goals, points = (_corners(image, corners) for image in pair)
        if goals is None or points is None:
            continue
        if (goals[-1] - goals[0]) @ (points[-1] - points[0]) < 0:
            points = points[::-1]  # it was found upside down: neither camera of a rig is
        here.append(points), there.append(goals), used.append(index)
    matrix = cv2.findHomography(np.concatenate(here), np.concatenate(there))[0] if here else None
    if matrix is None:
        raise UsageError(
            f"No pair shows a chessboard with {corners[0]}x{corners[1]} inner corners in both "
            f"pictures. Received: {len(pairs)} pairs. Count its inner corners again, or "
            "calibrate without --chessboard."
        )
    apart = np.linalg.norm(
        transform_points(np.concatenate(here), matrix) - np.concatenate(there), axis=1
    )
    return Alignment(matrix, float(np.median(apart)), len(used) / len(pairs)), used


def _corners(image: np.ndarray, count: tuple[int, int]) -> np.ndarray | None:
    gray = color.luma(image) if image.shape[2] == 3 else image[..., 0]
    eight = np.uint8(np.rint(255 * gray))
    for board in (eight, 255 - eight):
        found, corners = cv2.findChessboardCornersSB(board, count)
        if found:
            return corners.reshape(-1, 2).astype(np.float64)
    return None
