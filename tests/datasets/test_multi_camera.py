"""Images of two cameras are read at one size where they show one field of view."""

import dataclasses

import cv2
import numpy as np
import pytest

from lowlight_tf.datasets import dataset_card, multi_camera
from lowlight_tf.datasets.pairing import Pair, check_sizes


@pytest.fixture
def pair(tmp_path, rng):
    images = {
        "visible": rng.integers(0, 256, (20, 36, 3), dtype=np.uint8),
        "infrared": rng.integers(0, 256, (10, 12), dtype=np.uint8),
    }
    for name, image in images.items():
        cv2.imwrite(str(tmp_path / f"{name}.png"), image)
    return Pair("a", {name: tmp_path / f"{name}.png" for name in images}, None)


def test_without_resize_to_images_keep_their_size(pair):
    images = multi_camera.read_cameras(pair, ["visible", "infrared"])
    assert images["visible"].shape == (20, 36, 3)
    assert images["visible"].dtype == np.uint8
    assert images["infrared"].shape == (10, 12, 1)
    assert images["infrared"].dtype == np.float32


def test_the_larger_image_is_resized_by_area_means(pair):
    resized = dataclasses.replace(pair, resize_to="infrared")
    images = multi_camera.read_cameras(resized, ["visible", "infrared"])
    assert images["visible"].shape == (10, 12, 3)
    full = multi_camera.read_cameras(pair, ["visible"])["visible"]
    blocks = full.reshape(10, 2, 12, 3, 3).mean(axis=(1, 3))
    np.testing.assert_allclose(images["visible"], blocks, atol=0.51)


def test_sizes_may_differ_only_with_resize_to(pair):
    with pytest.raises(ValueError, match="must have one size"):
        check_sizes([pair])
    resized = dataclasses.replace(pair, resize_to="infrared")
    check_sizes([resized], crop_size=10)
    with pytest.raises(ValueError, match="crop_size=11"):
        check_sizes([resized], crop_size=11)


def test_roadscene_is_resized_to_infrared(tmp_path):
    card = dataset_card.get_dataset("roadscene")
    for side in card.inputs:
        (tmp_path / side).mkdir()
        cv2.imwrite(str(tmp_path / side / "FLIR_00001.png"), np.zeros((8, 8), np.uint8))
    assert [pair.resize_to for pair in card.pairs(tmp_path, "all")] == ["infrared"]
