"""Illumination maps: edge-aware smoothing by a multigrid solver."""

import dataclasses
import functools

import numpy as np

MAX_ITERATIONS = 40
"""Maximum number of iterations of conjugate gradients."""

TOLERANCE = 0.01
"""Relative error at which they stop; images divided by the result then agree to 55 dB or more."""

COARSEST_GRID = 16
"""Longer side of the grid that is solved directly (pixels)."""

JACOBI_DAMPING = np.float32(0.9)
"""Damping factor of the Jacobi smoother."""


def max_rgb(image: np.ndarray) -> np.ndarray:
    """Return the maximum of red, green and blue at each pixel, (H, W, 3) -> (H, W)."""
    red, green, blue = np.moveaxis(image, -1, 0)
    return np.maximum(np.maximum(red, green), blue)


def smooth_illumination(
    image: np.ndarray, vertical_weights: np.ndarray, horizontal_weights: np.ndarray
) -> np.ndarray:
    """Smooth an image, (H, W), by weighted least squares.

    The result is the t that minimizes |t - image|^2 + sum of weight * difference^2 over all pairs
    of neighbouring pixels, vertical and horizontal. It stays within the range of the image.

    The linear system is solved by conjugate gradients, preconditioned by a multigrid V-cycle
    (blocks of 2 x 2 pixels become one of the next grid), so that each iteration propagates over
    the full image.

    Args:
        image: (H, W) float32.
        vertical_weights: (H - 1, W) weights of the differences to the pixel below, at least 0.
        horizontal_weights: (H, W - 1) weights of the differences to the pixel at the right.

    Returns:
        (H, W) float32. Needs about 50 bytes per pixel.

    Reference:
        Tatebe, "The multigrid preconditioned conjugate gradient method", Copper Mountain Conference
        on Multigrid Methods, 1993. Differences: weights of a coarse grid are half of the sum of the
        fine ones, as the distance is twice as long.
    """
    levels = _build_levels(np.float32(vertical_weights), np.float32(horizontal_weights))
    solution, residual = np.zeros_like(image), image.copy()
    threshold = TOLERANCE**2 * np.vdot(image, image)
    direction, previous = np.float32(0), np.float32(1)
    for _ in range(MAX_ITERATIONS):
        preconditioned = _v_cycle(levels, residual)
        current = np.vdot(residual, preconditioned)
        if current <= threshold:
            break
        direction = preconditioned + (current / previous) * direction
        product = levels[0].multiply(direction)
        step = current / np.vdot(direction, product)
        solution += step * direction
        residual -= step * product
        previous = current
    return solution.clip(image.min(), image.max())


@dataclasses.dataclass(frozen=True)
class _MultigridLevel:
    """Linear system at one resolution, (h, w).

    Attributes:
        mass: (h, w) number of pixels that each cell stands for.
        vertical_weights: (h - 1, w).
        horizontal_weights: (h, w - 1).
        jacobi: (h, w) factor of the residual in a Jacobi step.
    """

    mass: np.ndarray
    vertical_weights: np.ndarray
    horizontal_weights: np.ndarray
    jacobi: np.ndarray

    def multiply(self, x: np.ndarray) -> np.ndarray:
        """Return the product of the matrix of the system and x, (h, w)."""
        result = self.mass * x
        flow = x[:-1] - x[1:]
        flow *= self.vertical_weights
        result[:-1] += flow
        result[1:] -= flow
        flow = x[:, :-1] - x[:, 1:]
        flow *= self.horizontal_weights
        result[:, :-1] += flow
        result[:, 1:] -= flow
        return result

    @functools.cached_property
    def inverse(self) -> np.ndarray:
        """Inverse of the matrix, (h w, h w)."""
        basis = np.eye(self.mass.size).reshape(-1, *self.mass.shape)
        return np.linalg.inv([self.multiply(x).ravel() for x in basis]).astype(np.float32)


def _build_levels(
    vertical_weights: np.ndarray, horizontal_weights: np.ndarray
) -> list[_MultigridLevel]:
    """Return the system at full resolution, then at ever coarser ones."""
    vertical, horizontal = vertical_weights, horizontal_weights
    mass = np.ones((horizontal.shape[0], vertical.shape[1]), np.float32)
    levels = []
    while True:
        diagonal = mass.copy()
        diagonal[:-1] += vertical
        diagonal[1:] += vertical
        diagonal[:, :-1] += horizontal
        diagonal[:, 1:] += horizontal
        levels.append(_MultigridLevel(mass, vertical, horizontal, JACOBI_DAMPING / diagonal))
        if max(mass.shape) <= COARSEST_GRID:
            return levels
        mass = _sum_blocks(mass)
        vertical = _sum_row_pairs(vertical[1::2].T).T / 2
        horizontal = _sum_row_pairs(horizontal[:, 1::2]) / 2


def _sum_blocks(values: np.ndarray) -> np.ndarray:
    """Sum blocks of 2 x 2, (h, w) -> (ceil(h / 2), ceil(w / 2))."""
    return _sum_row_pairs(_sum_row_pairs(values).T).T


def _sum_row_pairs(values: np.ndarray) -> np.ndarray:
    """Sum every two rows, (h, w) -> (ceil(h / 2), w); an odd last row is kept."""
    sums = values[::2].copy()
    sums[: len(values) // 2] += values[1::2]
    return sums


def _v_cycle(levels: list[_MultigridLevel], right: np.ndarray) -> np.ndarray:
    """Solve the system approximately for a right-hand side, (h, w)."""
    level, *coarser = levels
    if not coarser:
        return (level.inverse @ right.ravel()).reshape(right.shape)
    x = right * level.jacobi
    correction = _v_cycle(coarser, _sum_blocks(right - level.multiply(x)))
    for row in (0, 1):
        for column in (0, 1):
            part = x[row::2, column::2]
            part += correction[: part.shape[0], : part.shape[1]]
    residual = right - level.multiply(x)
    residual *= level.jacobi
    x += residual
    return x
