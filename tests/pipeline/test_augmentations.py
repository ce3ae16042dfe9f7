"""Every augmentation has its documented effect, and depends on its seed alone."""

import numpy as np
import pytest
import tensorflow as tf

from lowlight_tf.pipeline import augmentations

SEEDS = [tf.constant([1, number], tf.int32) for number in range(12)]


@pytest.fixture
def image(rng):
    return rng.random((24, 24, 3), dtype=np.float32)


def test_a_crop_cuts_the_same_square_from_all_images(image):
    for seed in SEEDS:
        (first, second), _ = augmentations.random_crop(
            [tf.constant(image), tf.constant(image + 1)], 8, seed
        )
        assert first.shape == (8, 8, 3)
        np.testing.assert_allclose(second - first, 1, rtol=1e-5)


def test_crops_reach_every_edge_of_the_image():
    rows = np.repeat(np.arange(4.0, dtype=np.float32)[:, None, None], 4, axis=1)
    tops = {
        float(augmentations.random_crop([tf.constant(rows)], 2, s)[0][0][0, 0, 0]) for s in SEEDS
    }
    assert tops == {0, 1, 2}


def test_d4_has_the_eight_symmetries_of_a_square(image):
    results = {
        augmentations.random_d4([tf.constant(image)], seed)[0].numpy().tobytes()
        for seed in SEEDS * 4
    }
    more_seeds = [tf.constant([2, number], tf.int32) for number in range(60)]
    results |= {
        augmentations.random_d4([tf.constant(image)], seed)[0].numpy().tobytes()
        for seed in more_seeds
    }
    expected = {
        np.ascontiguousarray(np.rot90(flipped, turns)).tobytes()
        for flipped in (image, image[::-1])
        for turns in range(4)
    }
    assert results == expected


def test_exposure_gains_are_within_the_limit(image):
    gains = [
        float(augmentations.random_exposure(tf.constant(image / 4), 1.0, s)[0, 0, 0]) for s in SEEDS
    ]
    gains = np.array(gains) / (image[0, 0, 0] / 4)
    assert (gains >= 0.5).all()
    assert (gains <= 2).all()
    assert gains.std() > 0.1


def test_blur_keeps_a_flat_image_and_smooths_an_edge():
    flat = tf.fill([24, 24, 3], 0.3)
    edge = tf.concat([tf.zeros([24, 12, 3]), tf.ones([24, 12, 3])], axis=1)
    for seed in SEEDS[:3]:
        np.testing.assert_allclose(
            augmentations.random_gaussian_blur(flat, 1.0, (1.0, 2.0), seed), 0.3, rtol=1e-5
        )
        step = np.diff(
            augmentations.random_gaussian_blur(edge, 1.0, (1.0, 2.0), seed)[12, :, 0]
        ).max()
        # The steepest step of an edge under a Gaussian of sigma s is 1 / (s sqrt(2 pi)).
        assert 0.19 < step < 0.41
    np.testing.assert_array_equal(
        augmentations.random_gaussian_blur(edge, 0.0, (1.0, 2.0), SEEDS[0]), edge
    )


def test_noise_has_at_most_the_maximum_sigma():
    gray = tf.fill([64, 64, 3], 0.5)
    sigmas = [
        float(tf.math.reduce_std(augmentations.add_gaussian_noise(gray, 0.1, s))) for s in SEEDS
    ]
    assert max(sigmas) < 0.105
    assert max(sigmas) > 0.05


def test_black_is_raised_in_half_of_the_images_and_white_is_kept():
    ramp = np.linspace(0, 1, 5, dtype=np.float32).reshape(1, 5, 1)
    raised = [augmentations.random_black_level(ramp, 0.1, seed).numpy().ravel() for seed in SEEDS]
    levels = np.array([values[0] for values in raised])
    assert (levels == 0).sum() in range(3, 10)
    assert 0.03 < levels.max() <= 0.1
    for values, level in zip(raised, levels, strict=True):
        np.testing.assert_allclose(values, np.linspace(level, 1, 5), rtol=1e-5)


def test_a_thumbnail_crop_is_a_part_flipped_or_not():
    rows = np.linspace(0, 1, 64, dtype=np.float32)[:, None, None].repeat(96, 1).repeat(3, 2)
    crops = [
        augmentations.random_thumbnail_crop(tf.constant(rows), (32, 48), 0.5, seed).numpy()
        for seed in SEEDS
    ]
    spans = [abs(float(image[-1, 0, 0] - image[0, 0, 0])) for image in crops]
    assert 0.46 < min(spans) < 0.8 < max(spans) <= 1.001
    assert {bool(image[-1, 0, 0] > image[0, 0, 0]) for image in crops} == {True, False}
    assert all(image.shape == (32, 48, 3) for image in crops)


def test_glare_brightens_up_to_saturation_with_its_probability(image):
    dark = image / 4
    brighter = [augmentations.random_glare(dark, 0.5, seed).numpy() - dark for seed in SEEDS]
    assert min(change.min() for change in brighter) >= 0
    is_changed = [change.max() > 0.1 for change in brighter]
    assert 2 <= sum(is_changed) <= 10
    glaring = [augmentations.random_glare(dark, 1.0, seed).numpy() for seed in SEEDS]
    assert all(0.95 < result.max() <= 1 for result in glaring)
