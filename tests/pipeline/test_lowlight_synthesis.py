"""Synthetic nights are dark, keep the order of values, and have bright headlights."""

import numpy as np
import pytest
import tensorflow as tf

from lowlight_tf.pipeline.lowlight_synthesis import match_histogram, synthesize_night
from lowlight_tf.training_config import PipelineConfig

SEED = tf.constant([3, 4], tf.int32)
RAMP = np.linspace(0, 1, 256, dtype=np.float32)


def make_config(**probabilities):
    off = dict.fromkeys(("night_histogram_prob", "night_pools_prob", "night_headlights_prob"), 0.0)
    return PipelineConfig(**{**off, **probabilities})


@pytest.fixture
def day(rng):
    return tf.constant(rng.uniform(0.2, 0.9, (48, 64, 3)).astype(np.float32))


def test_without_lights_a_night_is_a_gamma_and_a_gain(day):
    dark, target = synthesize_night(
        day, None, make_config(night_gamma=(2.0, 2.0), night_gain=(0.5, 0.5)), SEED
    )
    np.testing.assert_allclose(dark, 0.5 * day**2, rtol=1e-5)
    np.testing.assert_array_equal(target, day)


def test_a_matched_image_has_the_given_quantiles(rng):
    image = rng.random((64, 64, 3), dtype=np.float32)
    quantiles = np.repeat((0.2 * RAMP**2)[:, None], 3, axis=1)
    matched = match_histogram(*map(tf.constant, (image, quantiles, image))).numpy()
    fractions = np.linspace(0.05, 0.95, 10)
    np.testing.assert_allclose(
        np.quantile(matched[..., 0], fractions), np.quantile(quantiles[:, 0], fractions), atol=0.005
    )
    order = np.argsort(image[..., 1], axis=None)
    assert (np.diff(matched[..., 1].ravel()[order]) >= 0).all()


def test_pools_of_light_are_no_brighter_than_the_day(day):
    dark, target = synthesize_night(day, None, make_config(night_pools_prob=1.0), SEED)
    darker, _ = synthesize_night(day, None, make_config(), SEED)
    assert (dark >= darker - 1e-6).numpy().all()
    assert (dark <= day + 1e-6).numpy().all()
    assert float(tf.reduce_max(dark - darker)) > 0.05
    np.testing.assert_array_equal(target, day)


def test_headlights_are_bright_in_the_input_and_in_the_target():
    gray = tf.fill([96, 128, 3], 0.4)
    dark, target = synthesize_night(gray, None, make_config(night_headlights_prob=1.0), SEED)
    is_bright = target[..., 0] > 0.95
    assert 4 < int(tf.reduce_sum(tf.cast(is_bright, tf.int32))) < 2000
    assert float(tf.reduce_min(dark[..., 0][is_bright])) > 0.9
    assert float(tf.reduce_mean(dark)) < 0.3


def test_the_night_of_a_crop_is_the_crop_of_the_night(day):
    config = make_config(night_pools_prob=1.0, night_headlights_prob=1.0, night_histogram_prob=1.0)
    quantiles = np.linspace(0, 0.3, 256, dtype=np.float32)[:, None].repeat(3, 1)
    crop = tf.constant(day)[4:12, 6:20]
    window = tf.constant([4, 6, *day.shape[:2]])
    for full, cropped in zip(
        synthesize_night(day, quantiles, config, SEED),
        synthesize_night(crop, quantiles, config, SEED, window=window, full_image=tf.constant(day)),
        strict=True,
    ):
        np.testing.assert_allclose(cropped, full[4:12, 6:20], atol=1e-6)
