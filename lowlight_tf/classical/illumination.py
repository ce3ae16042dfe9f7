"""How bright the light on each part of a scene is: smooth within things, sharp between them."""

import dataclasses
import functools

import numpy as np

MAX_ITERATIONS = 40
"""Steps of conjugate gradients at most."""

TOLERANCE = 0.01
"""Error, over the image, at which they end; of pictures divided by the result, above 55 dB."""

COARSEST_GRID = 16
"""Longer side of the grid that is solved at once (pixels)."""

JACOBI_DAMPING = np.float32(0.9)
"""Of the Jacobi steps on every other grid."""


def max_rgb(image: np.ndarray) -> np.ndarray:
    """Return the largest of red, green and blue at each pixel: (H, W, 3) -> (H, W)."""
    red, green, blue = np.moveaxis(image, -1, 0)
    return np.maximum(np.maximum(red, green), blue)


def smooth_illumination(image: np.ndarray, vertical_weights: np.ndarray, horizontal_weights: np.ndarray) -> np.ndarray:
    """Return what is near an image and has small steps where steps count much.

    It is the t that makes |t - image|^2 + sum of weight * step^2 over all steps of t from a pixel
    to the one below and to the one at its right least. No value of it leaves the image's range.

    The linear system is solved by conjugate gradients. Each residual is taken through a cycle of
    ever coarser grids (blocks of 2 x 2 pixels that move as one), so that light spreads over the
    whole picture in every step.

    Args:
        image: (H, W) float32.
        vertical_weights: (H - 1, W) weights of the steps to the pixel below, at least 0.
        horizontal_weights: (H, W - 1) weights of the steps to the right.

    Returns:
        (H, W) float32. Takes about 50 bytes a pixel.

    Reference:
        Tatebe, "The multigrid preconditioned conjugate gradient method", Copper Mountain Conference
        on Multigrid Methods, 1993. Differences: coarse steps weigh half of the fine steps that they
        stand for, as those are twice as long.
    """
    grids = _build_levels(np.float32(vertical_weights), np.float32(horizontal_weights))
    solution, residual = np.zeros_like(image), image.copy()
    enough = TOLERANCE**2 * np.vdot(image, image)
    direction, before = np.float32(0), np.float32(1)
    for _ in range(MAX_ITERATIONS):
        change = _v_cycle(grids, residual)
        after = np.vdot(residual, change)
        if after <= enough:
            break
        direction = change + (after / before) * direction
        moved = grids[0].product(direction)
        length = after / np.vdot(direction, moved)
        solution += length * direction
        residual -= length * moved
        before = after
    return solution.clip(image.min(), image.max())


@dataclasses.dataclass(frozen=True)
class _MultigridLevel:
    """One size of the system: how many pixels each cell stands for, and its steps' weights.

    `jacobi` is what a Jacobi step multiplies a residual with.
    """

    mass: np.ndarray
    down: np.ndarray
    across: np.ndarray
    jacobi: np.ndarray

    def product(self, x: np.ndarray) -> np.ndarray:
        """Return the system's matrix times x."""
        result = self.mass * x
        flow = x[:-1] - x[1:]
        flow *= self.down
        result[:-1] += flow
        result[1:] -= flow
        flow = x[:, :-1] - x[:, 1:]
        flow *= self.across
        result[:, :-1] += flow
        result[:, 1:] -= flow
        return result

    @functools.cached_property
    def inverse(self) -> np.ndarray:
        """The inverse of the system's matrix, for pixels row by row."""
        cells = np.eye(self.mass.size).reshape(-1, *self.mass.shape)
        return np.linalg.inv([self.product(cell).ravel() for cell in cells]).astype(np.float32)


def _build_levels(down: np.ndarray, across: np.ndarray) -> list[_MultigridLevel]:
    """Return the system in its own and in ever coarser sizes."""
    mass = np.ones((across.shape[0], down.shape[1]), np.float32)
    grids = []
    while True:
        diagonal = mass.copy()
        diagonal[:-1] += down
        diagonal[1:] += down
        diagonal[:, :-1] += across
        diagonal[:, 1:] += across
        grids.append(_MultigridLevel(mass, down, across, JACOBI_DAMPING / diagonal))
        if max(mass.shape) <= COARSEST_GRID:
            return grids
        mass = _paired(_paired(mass).T).T
        down, across = _paired(down[1::2].T).T / 2, _paired(across[:, 1::2]) / 2


def _paired(cells: np.ndarray) -> np.ndarray:
    """Return the sums of every two rows; the last of an odd number stays alone."""
    sums = cells[::2].copy()
    sums[: len(cells) // 2] += cells[1::2]
    return sums


def _v_cycle(grids: list[_MultigridLevel], right: np.ndarray) -> np.ndarray:
    """Return about what the system's matrix must be multiplied with to give the right side."""
    grid, *coarser = grids
    if not coarser:
        return (grid.inverse @ right.ravel()).reshape(right.shape)
    x = right * grid.jacobi
    coarse = _v_cycle(coarser, _paired(_paired(right - grid.product(x)).T).T)
    for row in (0, 1):
        for column in (0, 1):
            part = x[row::2, column::2]
            part += coarse[: part.shape[0], : part.shape[1]]
    rest = right - grid.product(x)
    rest *= grid.jacobi
    x += rest
    return x
