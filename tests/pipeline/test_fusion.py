"""Batches of two cameras: cut and turned alike, and only what the visible one saw is dimmed."""

import dataclasses

import numpy as np
import pytest

from lowlight_tf.config import Recipe
from lowlight_tf.contract import DETECTOR_INPUT_SIZE, FUSE, FUSE_WITH_THUMBNAILS
from lowlight_tf.datasets import synthetic
from lowlight_tf.datasets.pairing import fusion_folder
from lowlight_tf.imaging.registration.pair_preprocessing import PairPreprocessing
from lowlight_tf.pipeline.fusion import MultiCameraCache, fusion_dataset


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    pytest.importorskip("skimage")
    folder = synthetic.sample_camera_pairs(tmp_path_factory.mktemp("cameras") / "embedded")
    return fusion_folder(folder / "val")


@pytest.fixture
def recipe():
    return Recipe(model="did_fuse").replace(["pipeline.crop=32", "pipeline.batch=4"])


def batch(pairs, recipe, contract=FUSE, **options):
    inputs, targets = next(iter(fusion_dataset(pairs, recipe, contract, **options)))
    assert targets == {}
    return {name: np.array(image) for name, image in inputs.items()}


def test_both_cameras_are_cut_and_turned_alike(pairs, recipe):
    alike = [
        dataclasses.replace(p, inputs=dict.fromkeys(p.inputs, p.inputs["infrared"])) for p in pairs
    ]
    both = batch(alike, recipe)
    assert both["visible"].shape == (4, 32, 32, 1)
    np.testing.assert_allclose(both["visible"], both["infrared"], atol=1 / 255)


def test_only_what_the_visible_camera_saw_is_dimmed_and_noisy(pairs, recipe):
    plain = batch(pairs, recipe)
    changed = batch(pairs, recipe.replace(["pipeline.exposure_ev=2.0", "pipeline.noise=0.05"]))
    np.testing.assert_array_equal(changed["infrared"], plain["infrared"])
    assert (np.abs(changed["visible"] - plain["visible"]).max(axis=(1, 2, 3)) > 0.01).all()


def test_thumbnails_show_each_camera_whole_and_dimmed_as_it_is(pairs, recipe):
    dim = recipe.replace(["pipeline.exposure_ev=2.0", "pipeline.turned=false"])
    plain, dimmed = (batch(pairs, one, FUSE_WITH_THUMBNAILS) for one in (recipe, dim))
    assert plain["visible_glance"].shape == (4, *DETECTOR_INPUT_SIZE, 1)
    np.testing.assert_array_equal(plain["infrared_glance"], dimmed["infrared_glance"])
    gains = dimmed["visible_glance"].mean((1, 2, 3)) / plain["visible_glance"].mean((1, 2, 3))
    assert np.ptp(gains) > 0.2


def test_the_stream_from_a_sample_on_is_the_rest_of_the_whole(pairs, recipe):
    stream = iter(fusion_dataset(pairs, recipe, FUSE))
    next(stream)
    second, _ = next(stream)
    later = batch(pairs, recipe, first=4)
    np.testing.assert_array_equal(second["visible"], later["visible"])
    halves = [batch(pairs, recipe, first=4, part=(k, 2)) for k in (0, 1)]
    whole = np.concatenate([half["visible"] for half in halves])
    np.testing.assert_array_equal(whole, later["visible"])


def test_pictures_are_prepared_once_and_kept(pairs):
    bright = PairPreprocessing(clahe_visible=4.0)
    plain, prepared = (
        MultiCameraCache(pairs, FUSE, preprocessing=how, cache_mb=100)
        for how in (PairPreprocessing(), bright)
    )
    visible, infrared = prepared.read(0)
    assert visible.std() > plain.read(0)[0].std()
    np.testing.assert_array_equal(infrared, plain.read(0)[1])
    assert prepared.read(0)[0] is visible
