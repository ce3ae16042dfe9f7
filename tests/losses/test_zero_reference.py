"""Each loss is 0 where the paper says so, and has a value worked out by hand elsewhere."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from lowlight_tf.checks import UsageError
from lowlight_tf.losses import zero_reference as losses


def test_more_light_everywhere_keeps_spatial_consistency(rng):
    low = rng.random((2, 8, 12, 3), dtype=np.float32) / 2
    np.testing.assert_allclose(losses.spatial_consistency(low, low + 0.4), [0, 0], atol=1e-7)


@pytest.mark.parametrize("axis", [1, 2])
def test_a_step_that_is_flattened_costs_its_square_in_both_directions(axis):
    # 2 x 2 regions: each has one neighbour across the step, which changed by 0.5.
    low = np.zeros((1, 8, 8, 3), np.float32)
    low[(slice(None),) * axis + (slice(4, None),)] = 0.5
    flat = np.full_like(low, 0.25)
    np.testing.assert_allclose(losses.spatial_consistency(low, flat), [0.5**2], rtol=1e-5)


def test_a_region_counts_with_all_four_neighbours():
    # Only the middle of 3 x 3 regions changed: four pairs, each of which is counted from both ends.
    low = np.full((1, 12, 12, 3), 0.3, np.float32)
    enhanced = low.copy()
    enhanced[:, 4:8, 4:8] += 0.3
    np.testing.assert_allclose(
        losses.spatial_consistency(low, enhanced), [8 * 0.3**2 / 9], rtol=1e-5
    )


def test_contrast_that_is_turned_round_is_a_change():
    low = np.zeros((1, 4, 8, 3), np.float32)
    low[:, :, 4:] = 0.2
    low = np.concatenate([low, low], axis=1)
    # The step of 0.2 became one of -0.2, as tall: 0.4 squared.
    np.testing.assert_allclose(losses.spatial_consistency(low, 0.2 - low), [0.16], rtol=1e-5)


def test_detail_within_regions_and_between_colors_is_none_of_its_business(rng):
    low = np.full((1, 8, 8, 3), 0.5, np.float32)
    detail = rng.uniform(-0.2, 0.2, (1, 2, 4, 2, 4, 3)).astype(np.float32)
    detail -= detail.mean(axis=(2, 4, 5), keepdims=True)
    enhanced = low + detail.reshape(low.shape)
    np.testing.assert_allclose(losses.spatial_consistency(low, enhanced), [0], atol=1e-7)


def test_exposure_is_the_squared_distance_of_regions_from_their_level():
    gray = np.full((1, 32, 32, 3), 0.2, np.float32)
    np.testing.assert_allclose(losses.exposure(gray), [0.4**2], rtol=1e-5)
    gray[:, :16] = 1.0
    np.testing.assert_allclose(losses.exposure(gray), [0.4**2], rtol=1e-5)
    gray[:, 8:24, 8:24] = 0.6  # a quarter of each region
    expected = ((0.75 * 1.0 + 0.15 - 0.6) ** 2 + (0.75 * 0.2 + 0.15 - 0.6) ** 2) / 2
    np.testing.assert_allclose(losses.exposure(gray), [expected], rtol=1e-5)


def test_exposure_sees_the_mean_of_a_region_and_of_its_colors():
    image = np.zeros((1, 16, 16, 3), np.float32)
    image[..., 0], image[:, ::2, :, 1] = 0.8, 2.0  # 0.8, 1 and 0: 0.6 in the mean
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


def test_curves_cost_their_squared_steps_in_every_map():
    # 0.1 a pixel to the right and 0.2 down, in both of two maps: 2 * 2 * (0.01 + 0.04).
    down, across = np.mgrid[:5, :6]
    ramp = np.float32(0.2 * down + 0.1 * across)[None, ..., None].repeat(2, axis=-1)
    np.testing.assert_allclose(losses.curve_smoothness(ramp), [0.2], rtol=1e-4)
    np.testing.assert_array_equal(losses.curve_smoothness(ramp * 0 + 0.7), [0])


def test_every_picture_of_a_batch_is_judged_by_itself(rng):
    low, enhanced = rng.random((2, 3, 16, 20, 3), dtype=np.float32)
    for loss, images in (
        (losses.spatial_consistency, (low, enhanced)),
        (losses.exposure, (enhanced,)),
        (losses.color_constancy, (enhanced,)),
        (losses.curve_smoothness, (enhanced,)),
    ):
        together = keras.ops.convert_to_numpy(loss(*images))
        alone = [float(loss(*(image[k : k + 1] for image in images))[0]) for k in range(3)]
        np.testing.assert_allclose(together, alone, rtol=1e-5)


@pytest.mark.parametrize(("side", "loss"), [(7, "spatial_consistency"), (15, "exposure")])
def test_crops_without_a_region_are_refused(side, loss):
    image = np.zeros((1, side, 40, 3), np.float32)
    images = (image, image) if loss == "spatial_consistency" else (image,)
    with pytest.raises(UsageError, match=rf"{loss} needs .* {side + 1} pixels a side"):
        getattr(losses, loss)(*images)
