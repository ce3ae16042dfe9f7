"""Targets of the brightness control."""

import numpy as np
import pytest
import tensorflow as tf

from lowlight_tf.pipeline.brightness_target import (
    adjust_brightness,
    brightness_port,
    random_brightness,
)


def test_0_ev_changes_nothing_and_black_and_white_stay():
    image = tf.constant([0.0, 0.2, 0.9, 1.0])
    np.testing.assert_allclose(adjust_brightness(image, tf.constant(0.0)), image, atol=1e-6)
    for ev in (-2.0, 2.0):
        ends = adjust_brightness(image, tf.constant(ev)).numpy()[[0, -1]]
        np.testing.assert_allclose(ends, [0, 1], atol=1e-6)


def test_one_and_a_half_ev_squares_what_is_missing_to_white():
    assert float(adjust_brightness(tf.constant(0.4), tf.constant(1.5))) == pytest.approx(1 - 0.6**2)


def test_the_result_rises_with_ev_and_keeps_the_order_of_tones():
    image = tf.linspace(0.0, 1.0, 50)
    results = [adjust_brightness(image, tf.constant(ev)).numpy() for ev in (-2.0, 0.0, 2.0)]
    assert (np.diff(results, axis=0) >= 0).all()
    assert (np.diff(results, axis=1) >= 0).all()


def test_the_port_holds_one_of_two_halves():
    np.testing.assert_allclose(brightness_port(tf.constant(1.0)).numpy().ravel(), [0.5, 0])
    np.testing.assert_allclose(brightness_port(tf.constant(-2.0)).numpy().ravel(), [0, 1])
    assert not brightness_port(tf.constant(0.0)).numpy().any()


def test_a_fraction_of_the_samples_is_changed():
    drawn = np.array([float(random_brightness(0.4, tf.constant([1, n]))) for n in range(300)])
    assert 0.3 < (drawn != 0).mean() < 0.5
    assert np.abs(drawn).max() <= 2
