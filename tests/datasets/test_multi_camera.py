"""What two cameras saw is read at one size where they show one field."""

import dataclasses

import cv2
import numpy as np
import pytest

from lowlight_tf.datasets import dataset_card, multi_camera
from lowlight_tf.datasets.pairing import Pair, check_sizes


@pytest.fixture
def pair(tmp_path, rng):
    pictures = {
        "visible": rng.integers(0, 256, (20, 36, 3), dtype=np.uint8),
        "infrared": rng.integers(0, 256, (10, 12), dtype=np.uint8),
    }
    for name, picture in pictures.items():
        cv2.imwrite(str(tmp_path / f"{name}.png"), picture)
    return Pair("a", {name: tmp_path / f"{name}.png" for name in pictures}, None)


def test_a_pair_of_one_size_is_read_as_it_is(pair):
    both = multi_camera.read_cameras(pair, ["visible", "infrared"])
    assert both["visible"].shape == (20, 36, 3)
    assert both["visible"].dtype == np.uint8
    assert both["infrared"].shape == (10, 12, 1)
    assert both["infrared"].dtype == np.float32


def test_the_larger_picture_becomes_the_means_of_what_the_smaller_sees(pair):
    one_field = dataclasses.replace(pair, size="infrared")
    both = multi_camera.read_cameras(one_field, ["visible", "infrared"])
    assert both["visible"].shape == (10, 12, 3)
    whole = multi_camera.read_cameras(pair, ["visible"])["visible"]
    blocks = whole.reshape(10, 2, 12, 3, 3).mean(axis=(1, 3))
    np.testing.assert_allclose(both["visible"], blocks, atol=0.51)


def test_sizes_may_differ_only_where_one_field_is_shown(pair):
    with pytest.raises(ValueError, match="must have one size"):
        check_sizes([pair])
    one_field = dataclasses.replace(pair, size="infrared")
    check_sizes([one_field], crop_size=10)
    with pytest.raises(ValueError, match="crop=11"):
        check_sizes([one_field], crop_size=11)


def test_roadscene_shows_one_field(tmp_path):
    known = dataset_card.get_dataset("roadscene")
    for side in known.inputs:
        (tmp_path / side).mkdir()
        cv2.imwrite(str(tmp_path / side / "FLIR_00001.png"), np.zeros((8, 8), np.uint8))
    assert [pair.resize_to for pair in known.pairs(tmp_path, "all")] == ["infrared"]
