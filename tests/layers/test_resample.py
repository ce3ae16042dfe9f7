"""Space-to-depth and depth-to-space at any size."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from lowlight_tf.layers.resample import DepthToSpace, SpaceToDepth


@pytest.mark.parametrize(("height", "width"), [(8, 12), (7, 9), (1, 2), (6, 11)])
@pytest.mark.parametrize("block", [2, 3, 4, 7])
def test_depth_to_space_is_the_inverse_of_space_to_depth_at_any_size(block, height, width, rng):
    x = rng.random((2, height, width, 3), dtype=np.float32)
    folded = SpaceToDepth(block)(x)
    assert folded.shape == (2, -(-height // block), -(-width // block), 3 * block**2)
    np.testing.assert_array_equal(DepthToSpace(block)([folded, x]), x)


@pytest.mark.parametrize("dynamic", [False, True])
@pytest.mark.parametrize(("height", "width", "block"), [(3, 3, 2), (1, 2, 4), (9, 2, 7)])
def test_the_bottom_and_right_border_are_reflected(height, width, block, dynamic, rng):
    x = rng.random((1, height, width, 3), dtype=np.float32)
    missing = ((0, 0), (0, -height % block), (0, -width % block), (0, 0))
    padded = np.pad(x, missing, "symmetric")
    signature = [tf.TensorSpec([None] * 3 + [3])] if dynamic else None
    fold = tf.function(SpaceToDepth(block), input_signature=signature)
    np.testing.assert_array_equal(fold(x), tf.nn.space_to_depth(padded, block))


def test_depth_to_space_crops_to_the_reference(rng):
    x, like = rng.random((1, 3, 4, 8), dtype=np.float32), np.zeros((1, 5, 7, 1), np.float32)
    uncropped = tf.nn.depth_to_space(x, 2)
    np.testing.assert_array_equal(DepthToSpace(2)([x, like]), uncropped[:, :5, :7])


def test_a_graph_of_dynamic_size_can_be_traced(rng):
    fold, unfold = SpaceToDepth(4), DepthToSpace(4)
    dynamic = tf.function(
        lambda x: unfold([fold(x), x]), input_signature=[tf.TensorSpec([None] * 4)]
    )
    for height, width in ((8, 8), (5, 10), (1, 2)):
        x = rng.random((1, height, width, 3), dtype=np.float32)
        np.testing.assert_array_equal(dynamic(x), x)


def operations(height, width):
    fold, unfold = SpaceToDepth(2), DepthToSpace(2)
    fixed = tf.function(lambda x: unfold([fold(x), x]))
    graph = fixed.get_concrete_function(tf.TensorSpec((1, height, width, 3))).graph
    return {operation.type for operation in graph.get_operations()}


def test_a_graph_of_a_divisible_size_neither_pads_nor_crops():
    assert not operations(4, 6) & {"ReverseV2", "ConcatV2", "StridedSlice"}
    assert operations(5, 6) >= {"ReverseV2", "ConcatV2", "StridedSlice"}


def test_a_transposed_convolution_is_a_convolution_and_unfolding(rng):
    x = rng.normal(size=(1, 3, 4, 5)).astype(np.float32)
    kernel = rng.normal(size=(2, 2, 7, 5)).astype(np.float32)  # row, column, out, in
    transposed = keras.layers.Conv2DTranspose(7, 2, strides=2, use_bias=False)
    pointwise = keras.layers.Conv2D(28, 1, use_bias=False)
    for layer in (transposed, pointwise):
        layer.build(x.shape)
    transposed.set_weights([kernel])
    pointwise.set_weights([kernel.transpose(3, 0, 1, 2).reshape(1, 1, 5, 28)])
    like = np.zeros((1, 6, 8, 1), np.float32)
    np.testing.assert_allclose(
        DepthToSpace(2)([pointwise(x), like]), transposed(x), rtol=1e-5, atol=1e-5
    )


@pytest.mark.parametrize("layer", [SpaceToDepth, DepthToSpace])
def test_is_reconstructed_from_its_config(layer):
    assert layer.from_config(layer(4).get_config()).block == 4
