"""NIQE prefers undistorted photographs; LOE and brightness are computed by hand."""

import math
from pathlib import Path

import cv2
import numpy as np
import pytest

from lowlight_tf.checks import UsageError
from lowlight_tf.imaging import image_io
from lowlight_tf.metrics import naturalness
from lowlight_tf.metrics.naturalness import NIQE_MODEL_PATH, block_features, brightness, loe, niqe


@pytest.fixture(scope="module")
def photograph():
    """A photograph that the model was not fitted to."""
    skimage = pytest.importorskip("skimage")
    folder = Path(skimage.__file__).parent / "data"
    return image_io.load_image(folder / "motorcycle_left.png").pixels[:400, :500]


def test_a_photograph_has_a_lower_niqe_than_its_distortions(photograph, rng):
    undistorted = niqe(photograph)
    noisy = (photograph + rng.normal(0, 10, photograph.shape)).clip(0, 255).astype(np.uint8)
    distorted = [
        noisy,
        cv2.GaussianBlur(photograph, (0, 0), 2),
        cv2.imdecode(cv2.imencode(".jpg", photograph, [cv2.IMWRITE_JPEG_QUALITY, 10])[1], 1),
    ]
    assert 0 < undistorted < 8
    assert min(map(niqe, distorted)) > 1.3 * undistorted


def test_seeded_images_have_their_golden_niqe():
    pixels = np.random.default_rng(3).integers(0, 256, (200, 300, 3), dtype=np.uint8)
    assert niqe(pixels) == pytest.approx(68.361, rel=1e-3)
    assert niqe(np.float32(pixels) / 255) == pytest.approx(68.361, rel=1e-3)


@pytest.mark.parametrize("shape", [0.5, 1.0, 2.0, 4.0])
def test_the_parameters_of_a_known_distribution_are_estimated(shape, rng):
    # |x / scale| ** shape of a generalized Gaussian is gamma-distributed.
    sizes = rng.gamma(1 / shape, size=(1, 400, 400)) ** (1 / shape)
    values = sizes * rng.choice([-1.0, 1.0], sizes.shape)
    values[values > 0] *= 3
    values[values < 0] *= 3
    estimates = [float(x[0]) for x in naturalness._fit_asymmetric_gaussian(values)]
    assert estimates == pytest.approx([shape, 3, 3], rel=0.03)


def test_each_block_has_its_own_sharpness(rng):
    gray = np.full((96, 200), 100.0)
    gray[:, 96:192] += rng.normal(0, 20, (96, 96))
    features, sharpness = block_features(gray)
    assert features.shape == (2, 36)
    assert sharpness[0] < 2 < 10 < sharpness[1]
    assert np.isfinite(features[1]).all()


def test_niqe_of_an_image_without_texture_is_nan():
    assert math.isnan(niqe(np.zeros((96, 192, 3), np.uint8)))


def test_an_image_smaller_than_two_blocks_is_rejected():
    with pytest.raises(UsageError, match=r"96x192 pixels\. Received: 100x190x3"):
        niqe(np.zeros((100, 190, 3), np.uint8))


def test_the_model_is_a_mean_and_a_covariance():
    with np.load(NIQE_MODEL_PATH) as model:
        assert model["mean"].shape == (36,)
        assert (np.linalg.eigvalsh(model["covariance"]) > 0).all()


def gray(*rows):
    return np.uint8(rows)[..., None].repeat(3, -1)


def test_loe_counts_changes_of_the_order():
    low = gray([10, 20, 30, 40])
    assert loe(low, gray([1, 2, 3, 4])) == 0
    # 20 and 30 are swapped: each of the two has one pixel with another order.
    assert loe(low, gray([50, 90, 70, 99])) == 2 / 4
    # All are equal: one of the two directions of each of the 6 pairs has changed.
    assert loe(low, gray([50, 50, 50, 50])) == 6 / 4


def test_loe_uses_the_maximum_channel():
    low = np.uint8([[[0, 0, 10], [20, 0, 0]]])
    assert loe(low, np.uint8([[[5, 5, 5], [0, 9, 0]]])) == 0
    assert loe(low, np.uint8([[[5, 9, 5], [0, 5, 0]]])) == 1


def test_loe_is_measured_at_a_shorter_side_of_50_pixels():
    ramp = np.arange(100, dtype=np.uint8).repeat(2)[:, None, None] + np.zeros(
        (200, 100, 3), "uint8"
    )
    # Inverted, every pixel of the 100 rows of 50 changes its order with all other rows.
    assert loe(ramp, 99 - ramp) == 99 * 50


def test_loe_of_images_of_different_sizes_is_rejected():
    with pytest.raises(UsageError, match=r"1x4x3\. Received: 1x3x3"):
        loe(gray([1, 2, 3, 4]), gray([1, 2, 3]))


def test_brightness_is_the_mean_luma():
    assert brightness(np.uint8([[[255, 0, 0], [0, 255, 0]]])) == pytest.approx(0.443)
    assert brightness(np.full((2, 2, 3), 0.2)) == pytest.approx(0.2)
