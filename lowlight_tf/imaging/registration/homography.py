"""Homographies, (3, 3) matrices between the pixels of two images: resized, flipped, applied."""

import cv2
import numpy as np

FLIPS = {
    "upside down": (True, True),
    "mirrored": (True, False),
    "mirrored vertically": (False, True),
}
"""How a camera may be mounted -> whether x and y are reversed."""

AREA_RATIO_RANGE = 0.25, 4.0  # area of the warped image to that of the image


def scale_matrix(old: tuple[int, int], new: tuple[int, int]) -> np.ndarray:
    """Return the (3, 3) matrix that maps points of an image to those of the resized image.

    Args:
        old: Height and width (pixels).
        new: Height and width after resizing.
    """
    y, x = new[0] / old[0], new[1] / old[1]
    return np.array([[x, 0, (x - 1) / 2], [0, y, (y - 1) / 2], [0, 0, 1]])


def flip_matrix(size: tuple[int, int], *, x: bool, y: bool) -> np.ndarray:
    """Return the (3, 3) matrix that maps points of an image to those of the flipped image.

    Args:
        size: Height and width (pixels).
        x: Whether left and right are exchanged.
        y: Whether top and bottom are.
    """
    (height, width), (sx, sy) = size, (1 - 2 * x, 1 - 2 * y)
    return np.array([[sx, 0, (width - 1) * x], [0, sy, (height - 1) * y], [0, 0, 1.0]])


def describe_flip(matrix: np.ndarray) -> str:
    """Return the name among `FLIPS` of what a homography does, or ""."""
    reversed_axes = matrix[0, 0] < 0, matrix[1, 1] < 0
    return next((name for name, axes in FLIPS.items() if axes == reversed_axes), "")


def sampling_grid(size: tuple[int, int], *, points: int = 9) -> np.ndarray:
    """Return a regular grid of (points^2, 2) points over an image, x before y (pixels)."""
    y, x = np.meshgrid(*(np.linspace(0, side - 1, points) for side in size), indexing="ij")
    return np.stack([x.ravel(), y.ravel()], axis=1)


def transform_points(points: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Apply a (3, 3) homography to (N, 2) points."""
    return cv2.perspectiveTransform(points[:, None].astype(np.float64), matrix)[:, 0]


def is_plausible(matrix: np.ndarray, size: tuple[int, int]) -> bool:
    """Return whether a homography neither folds, mirrors nor scales an image by more than four."""
    height, width = size
    corners = np.array([(0, 0), (width - 1, 0), (width - 1, height - 1), (0, height - 1)], float)
    if not np.isfinite(matrix).all() or (np.c_[corners, np.ones(4)] @ matrix[2] <= 0).any():
        return False
    warped = transform_points(corners, matrix)
    sides = np.roll(warped, -1, axis=0) - warped
    next_sides = np.roll(sides, -1, axis=0)
    turns = np.cross(np.c_[sides, np.zeros(4)], np.c_[next_sides, np.zeros(4)])[:, 2]
    ratio = cv2.contourArea(warped.astype(np.float32)) / ((height - 1) * (width - 1))
    low, high = AREA_RATIO_RANGE
    return bool((turns > 0).all() and low < ratio < high)
