"""AMFusion is guided by illumination and by the features of a frozen detector."""

import keras
import numpy as np
import pytest

from lowlight_tf.checks import UsageError
from lowlight_tf.contract import DETECTOR_INPUT_SIZE
from lowlight_tf.models.am_fusion import am_fusion


@pytest.fixture(scope="module")
def detector(tmp_path_factory):
    """A file of a custom detector: 4 channels of 10x13 pixels."""
    image = keras.Input((*DETECTOR_INPUT_SIZE, 3))
    features = keras.layers.Conv2D(4, 32, 32, kernel_initializer="random_normal")(image)
    path = tmp_path_factory.mktemp("detector") / "detector.keras"
    keras.Model(image, features).save(path)
    return str(path)


@pytest.fixture
def batch(rng):
    sizes = {"": (32, 48), "_glance": DETECTOR_INPUT_SIZE}
    return {
        f"{camera}{port}": rng.random((1, *size, 1), dtype=np.float32)
        for camera in ("visible", "infrared")
        for port, size in sizes.items()
    }


def test_the_detector_is_not_trained(detector):
    model = am_fusion(filters=4, detector=detector)
    names = {weight.path for weight in model.trainable_weights}
    frozen = [weight for weight in model.non_trainable_weights if weight.shape[:2] == (32, 32)]
    assert len(frozen) == 1
    assert frozen[0].path not in names


@pytest.mark.slow
def test_the_features_of_nanodet_are_130_tokens(batch):
    model = am_fusion(filters=4)
    keys = model.get_layer("keys").output
    assert keys.shape[1:3] == (10, 13)
    assert np.isfinite(model(batch)["fused"]).all()


def test_the_detector_has_no_effect_at_initialization(detector, batch):
    model = am_fusion(filters=4, detector=detector)
    before = model(batch)
    assert not np.any(before["attention_map"])
    # Of the same mean, which says whether it is day.
    other = model({**batch, "visible_glance": batch["visible_glance"][:, ::-1].copy()})
    np.testing.assert_array_equal(before["fused"], other["fused"])
    model.get_layer("found").kernel.assign(np.full((1, 1, 8, 8), 0.1, np.float32))
    after = [
        model({**batch, "visible_glance": thumbnail})
        for thumbnail in (batch["visible_glance"], 1 - batch["visible_glance"])
    ]
    assert np.all(after[0]["attention_map"] > 0)
    assert np.abs(after[0]["fused"] - after[1]["fused"]).max() > 1e-4


def test_light_regions_are_normal_by_day(detector, batch):
    model = am_fusion(filters=4, detector=detector)
    batch["visible"] = np.full_like(batch["visible"], 0.95)
    for level, region in ((0.2, 2), (0.9, 1)):
        batch["visible_glance"] = np.full_like(batch["visible_glance"], level)
        assert (np.array(model(batch)["illumination_map"]).argmax(axis=-1) == region).all()


def test_the_illumination_map_contains_dark_normal_and_glare_regions(detector, batch):
    batch["visible"] = np.full_like(batch["visible"], 0.02)
    batch["visible"][:, :, 24:] = 0.98
    masks = np.array(am_fusion(filters=4, detector=detector)(batch)["illumination_map"])
    np.testing.assert_allclose(masks.sum(axis=-1), 1, rtol=1e-5)
    assert masks[0, 16, 4].argmax() == 0
    assert masks[0, 16, 44].argmax() == 2


def test_the_fused_image_is_within_0_and_1(detector, batch):
    fused = np.array(am_fusion(filters=4, detector=detector, patch=2)(batch)["fused"])
    assert fused.min() >= 0
    assert fused.max() <= 1


def test_a_detector_with_too_many_tokens_or_without_a_file_is_rejected(tmp_path):
    image = keras.Input((*DETECTOR_INPUT_SIZE, 3))
    keras.Model(image, keras.layers.Conv2D(4, 16, 16)(image)).save(tmp_path / "fine.keras")
    with pytest.raises(UsageError, match="at most 256 pixels"):
        am_fusion(filters=4, detector=str(tmp_path / "fine.keras"))
    with pytest.raises(UsageError, match="no such file"):
        am_fusion(filters=4, detector="yolo")
