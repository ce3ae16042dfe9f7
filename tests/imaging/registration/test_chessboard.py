"""Cameras are registered by a chessboard in both images."""

import cv2
import numpy as np
import pytest

from lowlight_tf.checks import UsageError
from lowlight_tf.imaging.registration.chessboard import calibrate_chessboard
from lowlight_tf.imaging.registration.homography import sampling_grid, transform_points

SIZE = 240, 320
TRUE_MATRIX = np.array([[0.95, 0.03, 12.0], [-0.02, 0.97, 5.0], [1e-5, 0, 1.0]])


def board(at):
    image = np.full(SIZE, 0.8, np.float32)
    for row in range(6):
        for column in range(8):
            y, x = at[0] + 20 * row, at[1] + 20 * column
            image[y : y + 20, x : x + 20] = 0.1 if (row + column) % 2 else 0.9
    return cv2.GaussianBlur(image, (0, 0), 0.7)[..., None]


def test_boards_are_aligned_even_if_black_is_warmer():
    pairs = []
    for at in ((30, 40), (80, 120)):
        visible = board(at)
        size = SIZE[::-1]
        warped = cv2.warpPerspective(visible, np.linalg.inv(TRUE_MATRIX), size, borderValue=0.8)
        pairs.append((visible, 1 - warped[..., None]))
    pairs.append((board((30, 40)), np.zeros((*SIZE, 1), np.float32)))
    found, used = calibrate_chessboard(pairs, corners=(7, 5))
    assert used == [0, 1]
    assert found.score == pytest.approx(2 / 3)
    assert found.residual_px < 0.2
    points = sampling_grid(SIZE)
    distances = np.linalg.norm(
        transform_points(points, found.matrix) - transform_points(points, TRUE_MATRIX), axis=1
    )
    assert distances.mean() < 0.5


def test_without_a_board_no_alignment_is_returned():
    blank = np.zeros((*SIZE, 1), np.float32)
    with pytest.raises(UsageError, match=r"No pair shows a chessboard with 7x5 inner corners"):
        calibrate_chessboard([(board((30, 40)), blank)], corners=(7, 5))
