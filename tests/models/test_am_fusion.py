"""AMFusion is guided by light and by a frozen detector, and looks the same from every tile."""

import keras
import numpy as np
import pytest

from lowlight_tf.checks import UsageError
from lowlight_tf.contract import DETECTOR_INPUT_SIZE
from lowlight_tf.models.am_fusion import am_fusion


@pytest.fixture(scope="module")
def eye(tmp_path_factory):
    """A detector of one's own: 4 features of 10 x 13 places."""
    picture = keras.Input((*DETECTOR_INPUT_SIZE, 3))
    features = keras.layers.Conv2D(4, 32, 32, kernel_initializer="random_normal")(picture)
    path = tmp_path_factory.mktemp("eye") / "eye.keras"
    keras.Model(picture, features).save(path)
    return str(path)


@pytest.fixture
def batch(rng):
    sizes = {"": (32, 48), "_glance": DETECTOR_INPUT_SIZE}
    return {
        f"{camera}{port}": rng.random((1, *size, 1), dtype=np.float32)
        for camera in ("visible", "infrared")
        for port, size in sizes.items()
    }


def test_the_detector_does_not_learn(eye):
    net = am_fusion(filters=4, detector=eye)
    names = {weight.path for weight in net.trainable_weights}
    frozen = [weight for weight in net.non_trainable_weights if weight.shape[:2] == (32, 32)]
    assert len(frozen) == 1
    assert frozen[0].path not in names


@pytest.mark.slow
def test_nanodet_guides_it_by_130_places(batch):
    net = am_fusion(filters=4)
    looked = net.get_layer("keys").output
    assert looked.shape[1:3] == (10, 13)
    assert np.isfinite(net(batch)["fused"]).all()


def test_before_anything_is_learned_the_detector_says_nothing(eye, batch):
    net = am_fusion(filters=4, detector=eye)
    before = net(batch)
    assert not np.any(before["attention_map"])
    other = net({**batch, "visible_glance": 1 - batch["visible_glance"]})
    np.testing.assert_array_equal(before["fused"], other["fused"])
    net.get_layer("found").kernel.assign(np.full((1, 1, 8, 8), 0.1, np.float32))
    after = [
        net({**batch, "visible_glance": glance})
        for glance in (batch["visible_glance"], 1 - batch["visible_glance"])
    ]
    assert np.all(after[0]["attention_map"] > 0)
    assert np.abs(after[0]["fused"] - after[1]["fused"]).max() > 1e-4


def test_shows_where_it_is_dark_normal_and_glaring(eye, batch):
    batch["visible"] = np.full_like(batch["visible"], 0.02)
    batch["visible"][:, :, 24:] = 0.98
    seen = np.array(am_fusion(filters=4, detector=eye)(batch)["illumination_map"])
    np.testing.assert_allclose(seen.sum(axis=-1), 1, rtol=1e-5)
    assert seen[0, 16, 4].argmax() == 0
    assert seen[0, 16, 44].argmax() == 2


def test_a_fused_pixel_is_a_mix_of_both_within_black_and_white(eye, batch):
    fused = np.array(am_fusion(filters=4, detector=eye, patch=2)(batch)["fused"])
    assert fused.min() >= 0
    assert fused.max() <= 1


def test_refuses_a_detector_that_gives_too_much_or_is_not_there(tmp_path):
    picture = keras.Input((*DETECTOR_INPUT_SIZE, 3))
    keras.Model(picture, keras.layers.Conv2D(4, 16, 16)(picture)).save(tmp_path / "fine.keras")
    with pytest.raises(UsageError, match="at most 256 places"):
        am_fusion(filters=4, detector=str(tmp_path / "fine.keras"))
    with pytest.raises(UsageError, match="no such file"):
        am_fusion(filters=4, detector="yolo")
