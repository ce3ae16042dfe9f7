"""Regions of light, and what is fused and looked at by them."""

import keras
import numpy as np
import pytest

from lowlight_tf.layers.illumination import CrossAttention, LearnedBlend, Smooth, SoftLightRegions


def column(*values):
    return np.float32(values).reshape(1, -1, 1, 1)


def test_regions_by_hand():
    dark, glare = (np.ravel(r) for r in SoftLightRegions()(column(0, 0.25, 0.5, 0.75, 1)))
    far, half, near = 1 / (1 + np.exp(5)), 0.5, 1 / (1 + np.exp(-5))
    away = [1 / (1 + np.exp(20 * d)) for d in (0.5, 0.75)]
    np.testing.assert_allclose(dark, [near, half, far, *away], rtol=1e-4)
    np.testing.assert_allclose(glare, dark[::-1], rtol=1e-4)
    assert (dark + glare <= 1).all()


def test_a_blend_begins_at_a_half_and_has_a_share_for_each_map():
    blend = LearnedBlend()
    visible, infrared = np.ones((1, 2, 2, 2), np.float32), np.zeros((1, 2, 2, 2), np.float32)
    np.testing.assert_allclose(blend([visible, infrared]), 0.5 * visible)
    blend.share.assign([np.log(3), -np.log(3)])
    np.testing.assert_allclose(blend([visible, infrared])[0, 0, 0], [0.75, 0.25], rtol=1e-6)


def test_smooth_counts_only_what_is_there():
    picture = np.zeros((1, 3, 3, 1), np.float32)
    picture[0, 0, 0] = 1
    smooth = np.array(Smooth()(picture))[0, :, :, 0]
    assert smooth[0, 0] == pytest.approx(1 / 4)
    assert smooth[0, 1] == pytest.approx(1 / 6)
    assert smooth[1, 1] == pytest.approx(1 / 9)
    assert smooth[2, 2] == 0


def test_cross_attention_by_hand():
    # Two places with values 10 and 20; the query fits the first key by 4, the second not: with
    # depth 4 that is a score of 2 against 0.
    queries = np.float32([2, 0, 0, 0]).reshape(1, 1, 1, 4)
    keys = np.float32([[2, 0, 0, 0], [0, 1, 0, 0]]).reshape(1, 1, 2, 4)
    values = column(10, 20).reshape(1, 1, 2, 1)
    share = np.exp(2) / (np.exp(2) + 1)
    found = CrossAttention()([queries, keys, values])
    assert float(found[0, 0, 0, 0]) == pytest.approx(share * 10 + (1 - share) * 20, rel=1e-5)


def test_every_place_looks_for_itself(rng):
    queries = rng.normal(size=(2, 3, 5, 4)).astype("float32")
    keys, values = (rng.normal(size=(2, 2, 3, c)).astype("float32") for c in (4, 6))
    layer = CrossAttention()
    whole = np.array(layer([queries, keys, values]))
    assert whole.shape == layer.compute_output_shape([queries.shape, keys.shape, values.shape])
    part = layer([queries[:, 1:2, 3:4], keys, values])
    np.testing.assert_allclose(whole[:, 1:2, 3:4], part, rtol=1e-5)


@pytest.mark.parametrize("layer", [SoftLightRegions(), Smooth(), CrossAttention()])
def test_comes_back_from_its_configuration(layer, rng):
    x = rng.random((1, 4, 4, 2), dtype=np.float32)
    given = [x, x, x] if isinstance(layer, CrossAttention) else x
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    for one, other in zip(*(np.array(way(given)) for way in (layer, again)), strict=True):
        np.testing.assert_array_equal(one, other)
