"""Pruning sets the smallest weights to zero and does not modify the original model."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from lowlight_tf.checks import UsageError

pytestmark = pytest.mark.usefixtures("qat")


def loss_fn(images):
    return tf.reduce_mean(tf.abs(images["target"] - images["enhanced"]))


@pytest.mark.slow
def test_the_smallest_weights_of_each_convolution_become_zero(thumbnail_model, dark_samples):
    from lowlight_tf.export.tfmot.prune import prune_model

    batches = [(sample, {"target": tf.sqrt(sample["low"])}) for sample in dark_samples]
    before = [weight.copy() for weight in thumbnail_model.get_weights()]
    pruned = prune_model(
        thumbnail_model, batches, loss_fn, sparsity=0.75, steps=4, learning_rate=1e-6
    )
    assert pruned.count_params() == thumbnail_model.count_params()
    convolutions = [x for x in thumbnail_model.layers if isinstance(x, keras.layers.Conv2D)]
    for layer in convolutions:
        kernel = pruned.get_layer(layer.name).kernel.numpy()
        assert np.mean(kernel == 0) == pytest.approx(0.75, abs=0.51 / kernel.size)
        old = np.abs(layer.kernel.numpy())
        assert old[kernel == 0].max() <= old[kernel != 0].min() + 1e-4
    for old, new in zip(before, thumbnail_model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


@pytest.mark.parametrize("sparsity", [0, 1, -0.5])
def test_an_invalid_sparsity_is_refused(thumbnail_model, sparsity):
    from lowlight_tf.export.tfmot.prune import prune_model

    with pytest.raises(UsageError, match="`sparsity` must be a fraction between 0 and 1"):
        prune_model(thumbnail_model, [], loss_fn, sparsity=sparsity, steps=1, learning_rate=1e-3)
