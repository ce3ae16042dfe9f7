"""FuseFeatures by each strategy, and reflection padding."""

import keras
import numpy as np
import pytest

from lowlight_tf.layers.fusion import STRATEGIES, FuseFeatures, ReflectionPadding2D


def test_the_border_is_padded_by_reflection():
    row = np.float32([1, 2, 3]).reshape(1, 1, 3, 1).repeat(2, axis=1)
    padded = np.array(ReflectionPadding2D()(row))[0, :, :, 0]
    np.testing.assert_array_equal(padded, [[2, 1, 2, 3, 2]] * 4)


def test_sum_and_average_are_as_computed_by_hand():
    both = [np.full((1, 1, 1, 1), value, np.float32) for value in (3, -1)]
    assert float(FuseFeatures("sum")(both)[0, 0, 0, 0]) == 2
    assert float(FuseFeatures("average")(both)[0, 0, 0, 0]) == 1


def test_the_l1_norm_weight_is_the_fraction_of_the_total_activity():
    # Over all channels: |2| + |-1| = 3 against |1| + |0| = 1, the same at every pixel.
    visible = np.float32([2, -1]).reshape(1, 1, 1, 2).repeat(3, axis=1).repeat(3, axis=2)
    infrared = np.float32([1, 0]).reshape(1, 1, 1, 2).repeat(3, axis=1).repeat(3, axis=2)
    fused = np.array(FuseFeatures("l1_norm")([visible, infrared]))
    expected = [0.75 * 2 + 0.25 * 1, 0.75 * -1]
    np.testing.assert_allclose(fused, np.broadcast_to(expected, fused.shape), rtol=1e-5)


def test_the_activity_level_includes_the_neighboring_pixels():
    visible, infrared = np.zeros((2, 1, 3, 3, 1), np.float32)
    visible[0, 0, 0], visible[0, 1, 1], infrared[0, 2, 2] = 1, 4, 3
    fused = np.array(FuseFeatures("l1_norm")([visible, infrared]))[0, :, :, 0]
    assert fused[1, 1] == pytest.approx(4 * (1 + 4) / (1 + 4 + 3), abs=1e-4)
    assert fused[0, 0] == pytest.approx(1, abs=1e-4)  # the 3 is outside the window
    assert fused[2, 2] == pytest.approx(3 * 3 / (4 + 3), abs=1e-4)


def test_without_activity_the_l1_norm_result_is_0():
    dark = np.zeros((1, 4, 4, 2), np.float32)
    np.testing.assert_array_equal(FuseFeatures("l1_norm")([dark, dark]), dark)


def test_attention_is_the_softmax_of_both_logits():
    features = [np.full((1, 2, 2, 3), value, np.float32) for value in (1, 5)]
    logits = [np.full((1, 2, 2, 1), value, np.float32) for value in (2, 1)]
    fused = np.array(FuseFeatures("attention")([*features, *logits]))
    weight = np.exp(2) / (np.exp(2) + np.exp(1))
    np.testing.assert_allclose(fused, np.full(fused.shape, weight + (1 - weight) * 5), rtol=1e-6)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_is_rebuilt_from_its_configuration(strategy, rng):
    both = list(rng.random((4, 1, 4, 5, 2), dtype=np.float32))
    inputs = both if strategy == "attention" else both[:2]
    layer = FuseFeatures(strategy)
    rebuilt = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    np.testing.assert_array_equal(layer(inputs), rebuilt(inputs))
    assert layer.compute_output_shape([both[0].shape]) == both[0].shape
