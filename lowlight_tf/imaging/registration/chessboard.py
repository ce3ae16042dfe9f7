"""Registration of two cameras by a chessboard that both of them see."""

from collections.abc import Sequence

import cv2
import numpy as np

from lowlight_tf.checks import UsageError
from lowlight_tf.imaging import color, dtypes
from lowlight_tf.imaging.registration.alignment import Alignment, check_common_size
from lowlight_tf.imaging.registration.homography import transform_points


def calibrate_chessboard(
    pairs: Sequence[tuple[np.ndarray, np.ndarray]], *, corners: tuple[int, int]
) -> tuple[Alignment, list[int]]:
    """Register infrared images, (h, w, C), to visible ones by a chessboard in both.

    The result is exact at the distance of the board only: place it as far away as its corners can
    still be detected.

    Args:
        pairs: Pairs (visible, infrared), (H, W, C) in [0, 1], with the board in both. A board
            printed on foil or heated by a lamp is visible in infrared; black may be the warmer.
        corners: Number of inner corners per row and per column.

    Returns:
        The alignment, whose residual is the median distance of the corners and whose score is the
        fraction of pairs used, and the indices of these pairs.

    Raises:
        UsageError: If the board is detected in both images of no pair, or the sizes differ.
    """
    check_common_size(pairs)
    sources, targets, used = [], [], []
    for index, pair in enumerate(pairs):
        target, source = (_find_corners(image, corners) for image in pair)
        if target is None or source is None:
            continue
        if (target[-1] - target[0]) @ (source[-1] - source[0]) < 0:
            source = source[::-1]  # detected in reverse order: neither camera is upside down
        sources.append(source)
        targets.append(target)
        used.append(index)
    if used:
        sources, targets = np.concatenate(sources), np.concatenate(targets)
    matrix = cv2.findHomography(sources, targets)[0] if used else None
    if matrix is None:
        raise UsageError(
            f"No pair shows a chessboard with {corners[0]}x{corners[1]} inner corners in both "
            f"images. Received: {len(pairs)} pairs. Check the number of inner corners, or "
            "calibrate without --chessboard."
        )
    distances = np.linalg.norm(transform_points(sources, matrix) - targets, axis=1)
    return Alignment(matrix, float(np.median(distances)), len(used) / len(pairs)), used


def _find_corners(image: np.ndarray, count: tuple[int, int]) -> np.ndarray | None:
    """Return the (N, 2) inner corners of a chessboard or of its negative, or None."""
    gray = dtypes.img_as_uint8(color.luma(image) if image.shape[2] == 3 else image[..., 0])
    for board in (gray, 255 - gray):
        found, corners = cv2.findChessboardCornersSB(board, count)
        if found:
            return corners.reshape(-1, 2).astype(np.float64)
    return None
