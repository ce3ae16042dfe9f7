"""Batches depend on the seed alone, and each augmentation can be turned on and off."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from lowlight_tf.checks import UsageError
from lowlight_tf.contract import ENHANCE, Contract, Port
from lowlight_tf.datasets.pairing import Pair
from lowlight_tf.imaging import image_io
from lowlight_tf.pipeline.numpy_pipeline import NumpyPairDataset
from lowlight_tf.pipeline.paired import pair_dataset
from lowlight_tf.pipeline.synthetic_validation import materialize_synthetic_inputs

WITH_THUMBNAIL = Contract(
    (Port("low", 3), Port("thumbnail", 3, size=(4, 6))), (Port("enhanced", 3),)
)


def take_batches(pairs, recipe, count, **options):
    dataset = pair_dataset(pairs, recipe, ENHANCE, **options).take(count)
    return [(low["low"], target["target"]) for low, target in dataset.as_numpy_iterator()]


def zip_with_option(pairs, recipe, option, *, count):
    """Return pairs of batches: full images as they are, and the same with one option."""
    plain = recipe.replace(
        [
            "pipeline.crop_size=0",
            "pipeline.batch_size=1",
            "pipeline.random_exposure_ev=0.0",
            "pipeline.blur_prob=0.0",
            "pipeline.noise_sigma_max=0.0",
        ]
    )
    recipes = plain, plain.replace([f"pipeline.{option}"])
    return zip(
        *(pair_dataset(pairs, each, WITH_THUMBNAIL).take(count) for each in recipes), strict=True
    )


def assert_same(first, second):
    np.testing.assert_array_equal(np.stack(first), np.stack(second))


def test_batches_are_float_images_of_the_crop_size(pairs, recipe):
    ((low, target),) = take_batches(pairs, recipe, 1)
    assert low.shape == target.shape == (3, 16, 16, 3)
    assert low.dtype == np.float32
    assert 0 <= low.min() <= low.max() <= 1


def test_the_same_seed_gives_the_same_batches_and_another_does_not(pairs, recipe):
    first = take_batches(pairs, recipe, 4)
    assert_same(first, take_batches(pairs, recipe, 4))
    other = take_batches(pairs, dataclasses.replace(recipe, seed=2), 4)
    assert not np.array_equal(np.stack(first), np.stack(other))


def test_a_dataset_from_a_sample_on_is_the_rest_of_the_full_one(pairs, recipe):
    assert_same(take_batches(pairs, recipe, 6)[4:], take_batches(pairs, recipe, 2, first_sample=12))


def test_every_epoch_has_every_pair_once_in_its_own_order(pairs, recipe):
    plain = recipe.replace(
        [
            "pipeline.batch_size=5",
            "pipeline.random_exposure_ev=0",
            "pipeline.blur_prob=0",
            "pipeline.noise_sigma_max=0",
        ]
    )
    offsets = [
        # high = 2 low + number / 20, so the mean of the difference identifies the pair.
        np.round((target - 2 * low).mean((1, 2, 3)) * 20).astype(int).tolist()
        for low, target in take_batches(pairs, plain, 4)
    ]
    assert all(sorted(epoch) == [0, 1, 2, 3, 4] for epoch in offsets)
    assert len({tuple(epoch) for epoch in offsets}) > 1


def test_input_and_target_are_cropped_and_flipped_alike(pairs, recipe):
    plain = recipe.replace(
        ["pipeline.random_exposure_ev=0", "pipeline.blur_prob=0", "pipeline.noise_sigma_max=0"]
    )
    for low, target in take_batches(pairs, plain, 5):
        difference = (target - 2 * low).reshape(3, -1)
        assert (np.ptp(difference, axis=1) < 0.02).all()  # 8-bit rounding


def test_a_pair_without_inputs_gets_a_synthetic_one(pairs, recipe):
    targets = [Pair(pair.name, {}, pair.target) for pair in pairs]
    for low, target in take_batches(targets, recipe, 3):
        assert low.mean() < 0.5 * target.mean()


def test_night_can_be_synthesized_for_complete_pairs(pairs, recipe):
    nights = recipe.replace(["pipeline.synthesize_night=true"])
    assert not np.array_equal(
        np.stack(take_batches(pairs, recipe, 1)), np.stack(take_batches(pairs, nights, 1))
    )


def test_synthetic_validation_inputs_are_written_once(pairs, recipe, tmp_path):
    incomplete = [*pairs[:1], Pair("day", {}, pairs[1].target)]
    first = materialize_synthetic_inputs(incomplete, tmp_path / "synthetic", recipe)
    assert first[0] == pairs[0]
    low = image_io.read_float_rgb(first[1].inputs["low"])
    assert low.mean() < image_io.read_float_rgb(first[1].target).mean()
    written = first[1].inputs["low"].stat().st_mtime_ns
    assert materialize_synthetic_inputs(incomplete, tmp_path / "synthetic", recipe) == first
    assert first[1].inputs["low"].stat().st_mtime_ns == written


def test_imgaug_changes_the_input_only_and_depends_on_the_seed(pairs, recipe):
    pytest.importorskip("imgaug", reason="the [augment] extra is not installed")
    custom = recipe.replace(["pipeline.augmentation='imgaug:tests.pipeline.inverted:INVERT'"])
    with_imgaug, without = take_batches(pairs, custom, 2), take_batches(pairs, recipe, 2)
    for (low, target), (plain, same) in zip(with_imgaug, without, strict=True):
        np.testing.assert_allclose(low, 1 - plain, atol=1 / 255)
        np.testing.assert_array_equal(target, same)
    default = recipe.replace(["pipeline.augmentation=imgaug"])
    assert_same(take_batches(pairs, default, 2), take_batches(pairs, default, 2))


@pytest.mark.parametrize("location", ["nowhere:X", "numpy:nothing", "numpy:pi", "numpy"])
def test_an_object_that_is_no_augmenter_is_rejected(pairs, recipe, location):
    pytest.importorskip("imgaug", reason="the [augment] extra is not installed")
    with pytest.raises(UsageError, match=r"augmentation|imgaug"):
        pair_dataset(pairs, recipe.replace([f"pipeline.augmentation='imgaug:{location}'"]), ENHANCE)


def test_numpy_batches_depend_on_the_seed_and_can_begin_anywhere(pairs, recipe):
    plain = recipe.replace(["pipeline.blur_prob=0"])
    full, rest = (NumpyPairDataset(pairs, plain, ENHANCE, first_sample=first) for first in (0, 6))
    for step in range(2):
        (low, target), (again, _) = full[step + 2], rest[step]
        np.testing.assert_array_equal(low["low"], again["low"])
        assert low["low"].shape == target["target"].shape == (3, 16, 16, 3)
        assert low["low"].dtype == np.float32
    with pytest.raises(UsageError, match="Without TensorFlow only"):
        NumpyPairDataset(pairs, recipe, ENHANCE)


def test_concatenated_shards_of_numpy_are_the_full_batch(pairs, recipe):
    plain = recipe.replace(["pipeline.blur_prob=0"])
    full, *shards = (
        NumpyPairDataset(pairs, plain, ENHANCE, first_sample=3, shard=shard)[1]
        for shard in ((0, 1), (0, 3), (1, 3), (2, 3))
    )
    joined = np.concatenate([target["target"] for _, target in shards])
    np.testing.assert_array_equal(full[1]["target"], joined)


def test_a_thumbnail_is_of_the_full_input_with_its_exposure(pairs, recipe):
    exposed = recipe.replace(
        [
            "pipeline.random_exposure_ev=1.0",
            "pipeline.random_d4=false",
            "pipeline.thumbnail_crop_min=0.9",
        ]
    )
    full = exposed.replace(["pipeline.crop_size=0", "pipeline.batch_size=1"])
    for inputs, _ in pair_dataset(pairs, full, WITH_THUMBNAIL).take(3):
        assert inputs["thumbnail"].shape == (1, 4, 6, 3)
        np.testing.assert_allclose(
            inputs["thumbnail"].numpy().mean(), inputs["low"].numpy().mean(), atol=0.01
        )


def test_mixup_batches_are_between_their_images(pairs, recipe):
    plain, mixed = (
        next(iter(pair_dataset(pairs, recipe.replace([f"pipeline.mixup_prob={prob}"]), ENHANCE)))
        for prob in (0.0, 1.0)
    )
    own, other = plain[1]["target"], np.roll(plain[1]["target"], 1, 0)
    low = plain[0]["low"]
    weight = (mixed[1]["target"] - other) / np.where(own == other, np.inf, own - other)
    weight = float(np.median(weight[own != other]))
    assert 0 < weight < 1
    np.testing.assert_allclose(
        mixed[0]["low"], weight * low + (1 - weight) * np.roll(low, 1, 0), atol=1e-4
    )


def test_blended_inputs_and_thumbnails_are_between_input_and_target(pairs, recipe):
    weights = []
    for (inputs, target), (mixed, _) in zip_with_option(
        pairs, recipe, "target_blend_prob=1.0", count=4
    ):
        low, high = inputs["low"], target["target"]
        weight = float(tf.reduce_mean(mixed["low"] - low) / tf.reduce_mean(high - low))
        np.testing.assert_allclose(mixed["low"], low + weight * (high - low), atol=1e-4)
        np.testing.assert_allclose(
            tf.reduce_mean(mixed["thumbnail"]), tf.reduce_mean(mixed["low"]), atol=0.01
        )
        weights.append(weight)
    assert 0 < min(weights) < max(weights) < 1


def test_an_input_and_its_thumbnail_have_one_black_level(pairs, recipe):
    levels = []
    for (inputs, target), (changed, same) in zip_with_option(
        pairs, recipe, "black_level_max=0.5", count=8
    ):
        np.testing.assert_array_equal(target["target"], same["target"])
        before, after = (float(each["low"][0, 0, 0, 0]) for each in (inputs, changed))
        level = (after - before) / (1 - before)
        for port in ("low", "thumbnail"):
            expected = inputs[port] + level * (1 - inputs[port])
            np.testing.assert_allclose(changed[port], expected, atol=1e-5)
        levels.append(level)
    assert min(levels) == 0
    assert max(levels) > 0.05


def test_normalized_targets_have_one_brightness(pairs, recipe):
    normalized = recipe.replace(
        [
            "pipeline.crop_size=0",
            "pipeline.batch_size=1",
            "pipeline.random_d4=false",
            "pipeline.normalize_target_exposure=1.0",
        ]
    )
    means = [float(target["target"].numpy().mean()) for _, target in
             pair_dataset(pairs, normalized, ENHANCE).take(5)]  # fmt: skip
    original = [image_io.read_float_rgb(pair.target).mean() for pair in pairs]
    assert np.ptp(original) > 0.15
    assert np.ptp(means) < 0.02
    assert min(original) < means[0] < max(original)


@pytest.mark.parametrize("mixup_prob", [0, 1])
def test_concatenated_shards_are_the_full_batch(mixup_prob, pairs, recipe):
    recipe = recipe.replace([f"pipeline.mixup_prob={mixup_prob}", "pipeline.batch_size=6"])
    full = take_batches(pairs, recipe, 3, first_sample=12)
    shards = [
        take_batches(pairs, recipe, 3, first_sample=12, shard=(index, 3)) for index in range(3)
    ]
    for step, batch in enumerate(full):
        for item in range(2):
            joined = np.concatenate([shard[step][item] for shard in shards])
            assert_same([batch[item]], [joined])
