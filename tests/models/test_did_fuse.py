"""DIDFuse has the published convolutions, and one set of weights for every strategy."""

import keras
import numpy as np
import pytest

from lowlight_tf.checks import UsageError
from lowlight_tf.layers.fusion import STRATEGIES
from lowlight_tf.models.did_fuse import did_fuse


@pytest.fixture
def pictures(rng):
    return {name: rng.random((1, 20, 28, 1), dtype=np.float32) for name in ("visible", "infrared")}


def test_has_the_published_convolutions():
    convolutions = [
        layer
        for layer in did_fuse(attention=False).layers
        if isinstance(layer, keras.layers.Conv2D)
    ]
    assert sum(layer.count_params() for layer in convolutions) == 260_161
    assert len(convolutions) == 7


@pytest.mark.parametrize("attention", [True, False])
def test_both_cameras_go_through_one_encoder_and_one_decoder(attention, pictures):
    net = did_fuse(filters=4, attention=attention)
    given = net({"visible": pictures["visible"], "infrared": pictures["visible"]})
    for part in ("base", "detail", "rebuilt"):
        np.testing.assert_array_equal(given[f"visible_{part}"], given[f"infrared_{part}"])


@pytest.mark.parametrize("strategy", ["average", "l1_norm", "attention"])
def test_two_equal_pictures_fuse_to_what_is_reconstructed_of_one(strategy, pictures):
    net = did_fuse(filters=4, strategy=strategy)
    given = net({"visible": pictures["visible"], "infrared": pictures["visible"]})
    np.testing.assert_allclose(given["fused"], given["visible_reconstructed"], atol=1e-5)


def test_every_strategy_runs_on_the_same_weights(pictures):
    nets = [did_fuse(filters=4, strategy=strategy) for strategy in STRATEGIES]
    for net in nets[1:]:
        net.set_weights(nets[0].get_weights())
    fused = [np.array(net(pictures)["fused"]) for net in nets]
    for index, one in enumerate(fused):
        assert all(not np.allclose(one, other) for other in fused[:index])


def test_bases_and_details_are_weighed_by_at_most_four(pictures):
    given = did_fuse(filters=4)(pictures)
    assert np.abs(given["visible_detail"]).max() <= 4  # 2 sigmoid x 2 sigmoid x tanh


def test_what_is_fused_leaves_the_running_statistics_alone(pictures):
    nets = [did_fuse(filters=4, strategy=strategy) for strategy in ("sum", "average")]
    nets[1].set_weights(nets[0].get_weights())
    for net in nets:
        net(pictures, training=True)
    for one, other in zip(*(net.non_trainable_weights for net in nets), strict=True):
        np.testing.assert_array_equal(one, other)


def test_portable_and_in_blocks_it_keeps_any_size(rng):
    net = did_fuse(filters=4, patch=4, int8_friendly=True)
    pictures = {n: rng.random((1, 13, 22, 1), dtype=np.float32) for n in ("visible", "infrared")}
    assert net(pictures)["fused"].shape == (1, 13, 22, 1)
    kinds = {type(layer).__name__ for layer in net.layers}
    assert not kinds & {"PReLU", "MirrorPadding"}


def test_refuses_a_strategy_that_lacks_its_attention():
    with pytest.raises(UsageError, match="attention"):
        did_fuse(strategy="attention", attention=False)
    with pytest.raises(UsageError, match="strategy"):
        did_fuse(strategy="max")
