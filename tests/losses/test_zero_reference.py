"""Zero-reference losses are 0 where the paper defines it, and elsewhere as computed by hand."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from lowlight_tf.checks import UsageError
from lowlight_tf.losses import zero_reference as losses


def test_a_constant_brightening_has_no_spatial_consistency_loss(rng):
    low = rng.random((2, 8, 12, 3), dtype=np.float32) / 2
    np.testing.assert_allclose(losses.spatial_consistency(low, low + 0.4), [0, 0], atol=1e-7)


@pytest.mark.parametrize("axis", [1, 2])
def test_the_loss_of_a_removed_edge_is_its_squared_contrast_in_both_directions(axis):
    # 2 x 2 regions: each has one neighbor across the edge, which changed by 0.5.
    low = np.zeros((1, 8, 8, 3), np.float32)
    low[(slice(None),) * axis + (slice(4, None),)] = 0.5
    flat = np.full_like(low, 0.25)
    np.testing.assert_allclose(losses.spatial_consistency(low, flat), [0.5**2], rtol=1e-5)


def test_a_region_is_compared_with_all_four_neighbors():
    # Only the middle of 3 x 3 regions changed: four pairs, each of which is counted from both ends.
    low = np.full((1, 12, 12, 3), 0.3, np.float32)
    enhanced = low.copy()
    enhanced[:, 4:8, 4:8] += 0.3
    np.testing.assert_allclose(
        losses.spatial_consistency(low, enhanced), [8 * 0.3**2 / 9], rtol=1e-5
    )


def test_inverted_contrast_is_a_change():
    low = np.zeros((1, 4, 8, 3), np.float32)
    low[:, :, 4:] = 0.2
    low = np.concatenate([low, low], axis=1)
    # The difference of 0.2 became -0.2: 0.4 squared.
    np.testing.assert_allclose(losses.spatial_consistency(low, 0.2 - low), [0.16], rtol=1e-5)


def test_detail_within_regions_and_between_colors_does_not_count(rng):
    low = np.full((1, 8, 8, 3), 0.5, np.float32)
    detail = rng.uniform(-0.2, 0.2, (1, 2, 4, 2, 4, 3)).astype(np.float32)
    detail -= detail.mean(axis=(2, 4, 5), keepdims=True)
    enhanced = low + detail.reshape(low.shape)
    np.testing.assert_allclose(losses.spatial_consistency(low, enhanced), [0], atol=1e-7)


def test_exposure_is_the_squared_distance_of_regions_from_the_target_level():
    gray = np.full((1, 32, 32, 3), 0.2, np.float32)
    np.testing.assert_allclose(losses.exposure(gray), [0.4**2], rtol=1e-5)
    gray[:, :16] = 1.0
    np.testing.assert_allclose(losses.exposure(gray), [0.4**2], rtol=1e-5)
    gray[:, 8:24, 8:24] = 0.6  # a quarter of each region
    expected = ((0.75 * 1.0 + 0.15 - 0.6) ** 2 + (0.75 * 0.2 + 0.15 - 0.6) ** 2) / 2
    np.testing.assert_allclose(losses.exposure(gray), [expected], rtol=1e-5)


def test_exposure_uses_the_mean_over_a_region_and_its_colors():
    image = np.zeros((1, 16, 16, 3), np.float32)
    image[..., 0], image[:, ::2, :, 1] = 0.8, 2.0  # 0.8, 1 and 0: a mean of 0.6
    np.testing.assert_allclose(losses.exposure(image), [0], atol=1e-7)


def test_color_constancy_adds_the_squared_differences_of_three_pairs():
    image = np.empty((1, 4, 6, 3), np.float32)
    image[:, :2] = [0.9, 0.5, 0.2]
    image[:, 2:] = [0.1, 0.1, 0.2]  # means 0.5, 0.3 and 0.2
    expected = 0.2**2 + 0.1**2 + 0.3**2
    np.testing.assert_allclose(losses.color_constancy(image), [expected], rtol=1e-5)


def test_color_constancy_has_a_gradient_at_gray():
    image = tf.fill((1, 4, 4, 3), 0.5)
    with tf.GradientTape() as tape:
        tape.watch(image)
        loss = losses.color_constancy(image)
    np.testing.assert_array_equal(tape.gradient(loss, image), np.zeros(image.shape))


def test_curve_smoothness_is_the_squared_differences_of_every_channel():
    # 0.1 per pixel to the right and 0.2 down, in two channels: 2 * 2 * (0.01 + 0.04).
    down, across = np.mgrid[:5, :6]
    ramp = np.float32(0.2 * down + 0.1 * across)[None, ..., None].repeat(2, axis=-1)
    np.testing.assert_allclose(losses.curve_smoothness(ramp), [0.2], rtol=1e-4)
    np.testing.assert_array_equal(losses.curve_smoothness(ramp * 0 + 0.7), [0])


def test_every_image_of_a_batch_has_its_own_loss(rng):
    low, enhanced = rng.random((2, 3, 16, 20, 3), dtype=np.float32)
    for loss, images in (
        (losses.spatial_consistency, (low, enhanced)),
        (losses.exposure, (enhanced,)),
        (losses.color_constancy, (enhanced,)),
        (losses.curve_smoothness, (enhanced,)),
    ):
        batch = keras.ops.convert_to_numpy(loss(*images))
        single = [float(loss(*(image[k : k + 1] for image in images))[0]) for k in range(3)]
        np.testing.assert_allclose(batch, single, rtol=1e-5)


@pytest.mark.parametrize(("side", "loss"), [(7, "spatial_consistency"), (15, "exposure")])
def test_crops_smaller_than_a_region_are_rejected(side, loss):
    image = np.zeros((1, side, 40, 3), np.float32)
    images = (image, image) if loss == "spatial_consistency" else (image,)
    with pytest.raises(UsageError, match=rf"{loss} needs .* {side + 1} pixels a side"):
        getattr(losses, loss)(*images)
