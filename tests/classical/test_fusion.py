"""Fusion baselines against values computed by hand."""

import cv2
import numpy as np
import pytest

from lowlight_tf.classical import fusion

ALL = ("average", "laplacian_pyramid", "guided_filter")


def flat(level, shape=(20, 30)):
    return np.full((*shape, 1), level, np.float32)


def squares(rng, shape=(64, 64)):
    """Return an image of small squares of random levels from 0.3 to 0.7."""
    coarse = 0.3 + 0.4 * rng.random((shape[0] // 4, shape[1] // 4))
    return np.float32(coarse.repeat(4, axis=0).repeat(4, axis=1))[..., None]


@pytest.mark.parametrize("name", ALL)
def test_two_constant_images_are_averaged(name):
    fused = getattr(fusion, name)(flat(0.2), flat(0.6))
    assert fused.dtype == np.float32
    np.testing.assert_allclose(fused, flat(0.4), atol=1e-6)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("shape", [(64, 64), (5, 7), (1, 1), (33, 2)])
def test_equal_images_are_returned_unchanged(name, shape, rng):
    image = rng.random((*shape, 1), dtype=np.float32)
    np.testing.assert_allclose(getattr(fusion, name)(image, image), image, atol=1e-5)


def test_either_source_is_a_baseline(rng):
    first, second = rng.random((2, 4, 5, 1), dtype=np.float32)
    np.testing.assert_array_equal(fusion.visible(first, second), first)
    np.testing.assert_array_equal(fusion.infrared(first, second), second)


def test_the_pyramid_keeps_all_detail_of_the_only_structured_image(rng):
    # A constant image has no detail: only the base is averaged.
    image = squares(rng, (32, 32))
    halved = fusion.laplacian_pyramid(image, flat(0.5, (32, 32)), levels=1)
    base = cv2.pyrUp(cv2.pyrDown(image))[..., None]
    np.testing.assert_allclose(halved, (image - base) + (base + 0.5) / 2, atol=1e-6)


def test_the_pyramid_chooses_by_magnitude_not_by_sign():
    # A bright spot in one image and a dark one in the other: both are kept.
    first, second = flat(0.5, (16, 32)), flat(0.5, (16, 32))
    first[8, 8], second[8, 24] = 0.9, 0.1
    fused = fusion.laplacian_pyramid(first, second)
    assert fused[8, 8] > 0.8
    assert fused[8, 24] < 0.2
    np.testing.assert_allclose(fused[:, :16] - 0.5, 0.5 - fused[:, 16:], atol=0.02)


def test_a_constant_guide_makes_the_filter_a_mean_of_means():
    step = np.float64([[0, 0, 0, 1, 1, 1]])
    ninths = np.float64([[0, 1, 3, 6, 8, 9]]) / 9
    # at the border the windows are two pixels wide: means 0 0 1/3 2/3 1 1, and of these again
    np.testing.assert_allclose(
        fusion.apply_guided_filter(step, np.full((1, 6), 0.3), 1, 1e-6), ninths
    )


def test_a_guide_with_the_same_edge_keeps_it_up_to_regularization():
    step = np.float64([[0, 0, 0, 1, 1, 1]])
    np.testing.assert_allclose(fusion.apply_guided_filter(step, step, 1, 1e-9), step, atol=1e-6)
    # Windows across the edge have the variance 2/9: with as much regularization, slopes of a half.
    # Slopes 0 0 1/2 1/2 0 0, lines 0 0 1/6 1/3 1 1; means of both at the fourth pixel 1/3, 1/2.
    soft = fusion.apply_guided_filter(step, step, 1, 2 / 9)
    np.testing.assert_allclose(soft[0, 3], 1 / 3 + (1 / 6 + 1 / 3 + 1) / 3)


def test_the_guided_filter_keeps_the_texture_of_either_camera(rng):
    visible, infrared = flat(0.5, (64, 128)), flat(0.5, (64, 128))
    visible[:, :64], infrared[:, 64:] = squares(rng), squares(rng)
    fused = fusion.guided_filter(visible, infrared)
    for columns, source in ((np.s_[16:48], visible), (np.s_[80:112], infrared)):
        texture = source[16:48, columns] - source[16:48, columns].mean()
        kept = fused[16:48, columns] - fused[16:48, columns].mean()
        assert (kept * texture).sum() > 0.8 * np.square(texture).sum()
