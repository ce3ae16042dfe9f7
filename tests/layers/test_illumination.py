"""Soft light regions, learned blending and cross-attention."""

import keras
import numpy as np
import pytest

from lowlight_tf.layers.illumination import (
    CrossAttention,
    LearnedBlend,
    SoftLightRegions,
    day_weight,
)


def column(*values):
    return np.float32(values).reshape(1, -1, 1, 1)


def test_soft_light_regions_are_as_computed_by_hand():
    dark, glare = (np.ravel(r) for r in SoftLightRegions()(column(0, 0.25, 0.5, 0.75, 1)))
    far, half, near = 1 / (1 + np.exp(5)), 0.5, 1 / (1 + np.exp(-5))
    away = [1 / (1 + np.exp(20 * d)) for d in (0.5, 0.75)]
    np.testing.assert_allclose(dark, [near, half, far, *away], rtol=1e-4)
    np.testing.assert_allclose(glare, dark[::-1], rtol=1e-4)
    assert (dark + glare <= 1).all()


def test_it_is_day_where_the_mean_of_a_frame_is_high():
    frames = np.float32([0.1, 0.44, 0.54, 0.64, 0.9]).reshape(-1, 1, 1, 1).repeat(6, axis=1)
    expected = 1 / (1 + np.exp(-20 * (np.float32([0.1, 0.44, 0.54, 0.64, 0.9]) - 0.54)))
    weights = np.array(day_weight(frames))
    assert weights.shape == (5, 1, 1, 1)
    np.testing.assert_allclose(weights.ravel(), expected, rtol=1e-4)


def test_a_bright_sky_is_no_glare_by_day():
    sky = column(0.8, 0.95, 1)
    for day, expected in ((0.0, [1, 4, 5]), (0.5, [-3, 0, 1]), (1.0, [-7, -4, -3])):
        _, glare = SoftLightRegions()([sky, np.full((1, 1, 1, 1), day, np.float32)])
        logits = np.log(glare / (1 - np.array(glare)))
        np.testing.assert_allclose(np.ravel(logits), expected, atol=1e-3)


def test_a_blend_begins_at_one_half_and_has_a_weight_for_each_channel():
    blend = LearnedBlend()
    visible, infrared = np.ones((1, 2, 2, 2), np.float32), np.zeros((1, 2, 2, 2), np.float32)
    np.testing.assert_allclose(blend([visible, infrared]), 0.5 * visible)
    blend.logits.assign([np.log(3), -np.log(3)])
    np.testing.assert_allclose(blend([visible, infrared])[0, 0, 0], [0.75, 0.25], rtol=1e-6)


def test_the_smoothing_of_am_fusion_ignores_the_padding():
    image = np.zeros((1, 3, 3, 1), np.float32)
    image[0, 0, 0] = 1
    smooth = np.array(keras.layers.AveragePooling2D(3, 1, "same")(image))[0, :, :, 0]
    assert smooth[0, 0] == pytest.approx(1 / 4)
    assert smooth[0, 1] == pytest.approx(1 / 6)
    assert smooth[1, 1] == pytest.approx(1 / 9)
    assert smooth[2, 2] == 0


def test_cross_attention_is_as_computed_by_hand():
    # Two tokens with values 10 and 20; the query's product with the first key is 4, with the
    # second 0: with depth 4 the scores are 2 and 0.
    queries = np.float32([2, 0, 0, 0]).reshape(1, 1, 1, 4)
    keys = np.float32([[2, 0, 0, 0], [0, 1, 0, 0]]).reshape(1, 1, 2, 4)
    values = column(10, 20).reshape(1, 1, 2, 1)
    weight = np.exp(2) / (np.exp(2) + 1)
    attended = CrossAttention()([queries, keys, values])
    assert float(attended[0, 0, 0, 0]) == pytest.approx(weight * 10 + (1 - weight) * 20, rel=1e-5)


def test_every_query_pixel_attends_independently(rng):
    queries = rng.normal(size=(2, 3, 5, 4)).astype("float32")
    keys, values = (rng.normal(size=(2, 2, 3, c)).astype("float32") for c in (4, 6))
    layer = CrossAttention()
    full = np.array(layer([queries, keys, values]))
    assert full.shape == layer.compute_output_shape([queries.shape, keys.shape, values.shape])
    part = layer([queries[:, 1:2, 3:4], keys, values])
    np.testing.assert_allclose(full[:, 1:2, 3:4], part, rtol=1e-5)


@pytest.mark.parametrize("layer", [SoftLightRegions(), CrossAttention()])
def test_is_rebuilt_from_its_configuration(layer, rng):
    x = rng.random((1, 4, 4, 2), dtype=np.float32)
    inputs = [x, x, x] if isinstance(layer, CrossAttention) else x
    rebuilt = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    for one, other in zip(*(np.array(each(inputs)) for each in (layer, rebuilt)), strict=True):
        np.testing.assert_array_equal(one, other)
