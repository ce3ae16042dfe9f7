"""The multigrid solver against a direct solution of its linear system."""

import numpy as np
import pytest

from lowlight_tf.classical import illumination


def solve_directly(image, down, across):
    """Return the solution of (I + sum of D' W D) t = image, with a dense matrix."""
    numbers = np.arange(image.size).reshape(image.shape)
    matrix = np.eye(image.size)
    for weights, first, second in (
        (down, numbers[:-1], numbers[1:]),
        (across, numbers[:, :-1], numbers[:, 1:]),
    ):
        for weight, a, b in zip(weights.ravel(), first.ravel(), second.ravel(), strict=True):
            matrix[[a, b], [a, b]] += weight
            matrix[[a, b], [b, a]] -= weight
    return np.linalg.solve(matrix, image.ravel()).reshape(image.shape)


@pytest.mark.parametrize("shape", [(37, 22), (17, 40), (1, 50), (50, 1), (7, 5)])
@pytest.mark.parametrize("weight", [0.1, 30.0, 3e4])
def test_the_result_solves_the_linear_system(shape, weight, rng):
    image = rng.random(shape, dtype=np.float32)
    height, width = shape
    # Weights over two orders of magnitude, as between texture and edges.
    down = weight * 10 ** rng.uniform(-1, 1, (height - 1, width))
    across = weight * 10 ** rng.uniform(-1, 1, (height, width - 1))
    found = illumination.smooth_illumination(image, down, across)
    assert found.dtype == np.float32
    error = np.sqrt(np.mean(np.square(found - solve_directly(image, down, across))))
    assert error < 0.01 * np.sqrt(np.mean(np.square(image)))


def test_edges_of_zero_weight_are_kept():
    image = np.zeros((40, 60), np.float32)
    image[:, 30:] = 1
    across = np.full((40, 59), 1e4, np.float32)
    across[:, 29] = 0
    found = illumination.smooth_illumination(image, np.full((39, 60), 1e4, np.float32), across)
    np.testing.assert_allclose(found, image, atol=0.01)


def test_max_rgb_is_the_maximum_of_three_channels():
    image = np.float32([[[0.1, 0.2, 0.3], [0.6, 0.5, 0.4], [0.7, 0.8, 0.2]]])
    np.testing.assert_array_equal(illumination.max_rgb(image), np.float32([[0.3, 0.6, 0.8]]))
