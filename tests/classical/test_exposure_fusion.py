"""The camera response model, the exposure ratio and the fusion against values by hand."""

import numpy as np
import pytest

from lowlight_tf.classical.exposure_fusion import apply_camera_response, bimef, entropy


def test_the_camera_response_has_the_published_parameters():
    # 4^-0.3293 = 0.63349; exp(1.1258 * (1 - 0.63349)) = 1.51077; 0.2^0.63349 = 0.36075.
    np.testing.assert_allclose(
        apply_camera_response(np.float32(0.2), 4.0), 1.51077 * 0.36075, rtol=1e-4
    )


def test_exposure_ratios_multiply(rng):
    image = rng.random((4, 5, 3), dtype=np.float32)
    np.testing.assert_allclose(
        apply_camera_response(apply_camera_response(image, 2), 3),
        apply_camera_response(image, 6),
        rtol=1e-5,
    )
    np.testing.assert_allclose(apply_camera_response(image, 1), image, rtol=1e-6)


@pytest.mark.parametrize(
    ("levels", "bits"),
    [([0.5], 0), ([0, 1], 1), ([0, 0.2, 0.4, 0.6], 2), ([0, 1, 1.5, 2], 0.81128)],
)
def test_entropy_is_in_bits(levels, bits):
    assert entropy(np.float32(levels)) == pytest.approx(bits, abs=1e-5)


def test_well_exposed_images_are_returned_unchanged(rng):
    image = rng.uniform(0.7, 1, (30, 40, 3)).astype(np.float32)
    np.testing.assert_allclose(bimef(image), image, atol=1e-5)


def test_dark_pixels_come_from_the_exposure_of_highest_entropy(rng):
    # Levels from 0.02 to 0.12: the more light, the more levels they cover.
    low = rng.uniform(0.02, 0.12, (100, 100, 1)).astype(np.float32).repeat(3, axis=-1)
    light = 0.07  # constant illumination
    expected = light**0.5 * low + (1 - light**0.5) * apply_camera_response(low, 7.0)
    np.testing.assert_allclose(bimef(low), expected, atol=0.02)


def test_lamps_are_kept_while_dark_regions_are_brightened(rng):
    low = rng.uniform(0.02, 0.12, (80, 120, 3)).astype(np.float32)
    low[30:50, 50:70] = 0.98
    found = bimef(low)
    np.testing.assert_allclose(found[35:45, 55:65], 0.98, atol=0.02)
    assert found[:, :40].mean() > 2 * low[:, :40].mean()
