"""Images of two cameras are cropped and flipped alike; only the visible one is exposed."""

import dataclasses

import numpy as np
import pytest

from lowlight_tf.config import Recipe
from lowlight_tf.constants import NIGHT_BELOW
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
    return Recipe(model="did_fuse").replace(["pipeline.crop_size=32", "pipeline.batch_size=4"])


def first_batch(pairs, recipe, contract=FUSE, **options):
    inputs, targets = next(iter(fusion_dataset(pairs, recipe, contract, **options)))
    assert set(targets) == {"visible_mean"}
    return {name: np.array(image) for name, image in (inputs | targets).items()}


def test_both_cameras_are_cropped_and_flipped_alike(pairs, recipe):
    same = [
        dataclasses.replace(p, inputs=dict.fromkeys(p.inputs, p.inputs["infrared"])) for p in pairs
    ]
    both = first_batch(same, recipe)
    assert both["visible"].shape == (4, 32, 32, 1)
    np.testing.assert_allclose(both["visible"], both["infrared"], atol=1 / 255)


def test_only_the_visible_image_is_exposed_and_noisy(pairs, recipe):
    plain = first_batch(pairs, recipe)
    changed = first_batch(
        pairs, recipe.replace(["pipeline.random_exposure_ev=2.0", "pipeline.noise_sigma_max=0.05"])
    )
    np.testing.assert_array_equal(changed["infrared"], plain["infrared"])
    assert (np.abs(changed["visible"] - plain["visible"]).max(axis=(1, 2, 3)) > 0.01).all()


def test_thumbnails_are_of_the_full_images_with_their_exposure(pairs, recipe):
    exposed_recipe = recipe.replace(["pipeline.random_exposure_ev=2.0", "pipeline.random_d4=false"])
    plain, exposed = (
        first_batch(pairs, one, FUSE_WITH_THUMBNAILS) for one in (recipe, exposed_recipe)
    )
    assert plain["visible_glance"].shape == (4, *DETECTOR_INPUT_SIZE, 1)
    np.testing.assert_array_equal(plain["infrared_glance"], exposed["infrared_glance"])
    gains = exposed["visible_glance"].mean((1, 2, 3)) / plain["visible_glance"].mean((1, 2, 3))
    assert np.ptp(gains) > 0.2


def test_a_dataset_from_a_sample_on_is_the_rest_of_the_full_one(pairs, recipe):
    batches = iter(fusion_dataset(pairs, recipe, FUSE))
    next(batches)
    second, _ = next(batches)
    later = first_batch(pairs, recipe, first_sample=4)
    np.testing.assert_array_equal(second["visible"], later["visible"])
    halves = [first_batch(pairs, recipe, first_sample=4, shard=(k, 2)) for k in (0, 1)]
    full = np.concatenate([half["visible"] for half in halves])
    np.testing.assert_array_equal(full, later["visible"])


def test_images_are_preprocessed_once_and_cached(pairs):
    clahe = PairPreprocessing(clahe_visible=4.0)
    plain, preprocessed = (
        MultiCameraCache(pairs, FUSE, preprocessing=preprocessing, cache_mb=100)
        for preprocessing in (PairPreprocessing(), clahe)
    )
    visible, infrared = preprocessed.read(0)
    assert visible.std() > plain.read(0)[0].std()
    np.testing.assert_array_equal(infrared, plain.read(0)[1])
    assert preprocessed.read(0)[0] is visible


def test_each_camera_loses_contrast_and_sharpness_by_itself(pairs, recipe):
    settings = ["pipeline.contrast_min=0.2", "pipeline.blur_prob=0.5", "pipeline.blur_sigma=[1, 2]"]
    plain, changed = first_batch(pairs, recipe), first_batch(pairs, recipe.replace(settings))
    ratios = {
        name: changed[name].std((1, 2, 3)) / np.maximum(plain[name].std((1, 2, 3)), 1e-3)
        for name in ("visible", "infrared")
    }
    for name, ratio in ratios.items():
        assert ratio.min() > 0.1
        assert ratio.max() < 1.01
        assert np.ptp(ratio) > 0.2
        np.testing.assert_allclose(
            changed[name].mean((1, 2, 3)), plain[name].mean((1, 2, 3)), atol=0.02
        )
    assert np.abs(ratios["visible"] - ratios["infrared"]).max() > 0.1


def test_cameras_are_exchanged_at_random(pairs, recipe):
    settings = ["pipeline.batch_size=16", "pipeline.swap_cameras_prob=0.5"]
    plain = first_batch(pairs, recipe.replace(settings[:1]))
    swapped = first_batch(pairs, recipe.replace(settings))
    is_swapped = (swapped["visible"] == plain["infrared"]).all((1, 2, 3))
    is_same = (swapped["visible"] == plain["visible"]).all((1, 2, 3))
    assert (is_swapped | is_same).all()
    assert 3 <= is_swapped.sum() <= 13


def test_the_mean_is_of_the_full_visible_image_and_exchanged_with_it(pairs, recipe):
    settings = ["pipeline.batch_size=16", "pipeline.swap_cameras_prob=0.5"]
    plain, swapped = (
        first_batch(pairs, recipe.replace(settings[:count]))["visible_mean"] for count in (1, 2)
    )
    assert plain.shape == (16, 1, 1, 1)
    cache = MultiCameraCache(pairs, FUSE, preprocessing=PairPreprocessing(), cache_mb=100)
    means = np.float32([[image.mean() / 255 for image in cache.read(k)] for k in range(len(pairs))])
    assert np.abs(plain.reshape(-1, 1) - means[:, 0]).min(axis=1).max() < 0.01
    assert np.abs(swapped.reshape(-1, 1) - means.reshape(-1)).min(axis=1).max() < 0.01
    assert (np.abs(swapped - plain) > 0.01).any()


def test_lights_glare_in_the_visible_image_of_a_night_only(pairs, recipe):
    def change(ev: float) -> np.ndarray:
        settings = ["pipeline.batch_size=16", f"pipeline.random_exposure_ev={ev}"]
        plain, glaring = (
            first_batch(pairs, recipe.replace([*settings, f"pipeline.glare_prob={prob}"]))
            for prob in (0.0, 1.0)
        )
        np.testing.assert_array_equal(glaring["infrared"], plain["infrared"])
        brighter = glaring["visible"] - plain["visible"]
        assert brighter.min() >= 0
        by_night = plain["visible_mean"].reshape(-1) < NIGHT_BELOW
        assert (brighter.max(axis=(1, 2, 3)) > 0.1).tolist() == by_night.tolist()
        return by_night

    assert change(0.0).any()
    assert not change(4.0).all()
