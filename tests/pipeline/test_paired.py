"""Batches follow from the seed alone, and what is random can be turned on and off."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from lowlight_tf.checks import UsageError
from lowlight_tf.contract import ENHANCE, Contract, Port
from lowlight_tf.datasets.pairing import Pair
from lowlight_tf.imaging import image_io
from lowlight_tf.pipeline.numpy_pipeline import NumpyPairDataset
from lowlight_tf.pipeline.paired import paired_dataset
from lowlight_tf.pipeline.synthetic_validation import materialize_synthetic_inputs


def batches(pairs, recipe, count, **options):
    feed = paired_dataset(pairs, recipe, ENHANCE, **options).take(count)
    return [(low["low"], target["target"]) for low, target in feed.as_numpy_iterator()]


def assert_same(first, second):
    np.testing.assert_array_equal(np.stack(first), np.stack(second))


def test_batches_are_float_images_of_the_crop(pairs, recipe):
    ((low, target),) = batches(pairs, recipe, 1)
    assert low.shape == target.shape == (3, 16, 16, 3)
    assert low.dtype == np.float32
    assert 0 <= low.min() <= low.max() <= 1


def test_the_same_seed_gives_the_same_batches_and_another_does_not(pairs, recipe):
    first = batches(pairs, recipe, 4)
    assert_same(first, batches(pairs, recipe, 4))
    other = batches(pairs, dataclasses.replace(recipe, seed=2), 4)
    assert not np.array_equal(np.stack(first), np.stack(other))


def test_a_stream_from_a_sample_on_is_the_rest_of_the_whole(pairs, recipe):
    assert_same(batches(pairs, recipe, 6)[4:], batches(pairs, recipe, 2, first=12))


def test_every_epoch_sees_every_pair_once_in_an_order_of_its_own(pairs, recipe):
    plain = recipe.replace(
        ["pipeline.batch=5", "pipeline.exposure_ev=0", "pipeline.blur=0", "pipeline.noise=0"]
    )
    offsets = [
        # high = 2 low + number / 20, so the mean of the difference tells the pairs apart.
        np.round((target - 2 * low).mean((1, 2, 3)) * 20).astype(int).tolist()
        for low, target in batches(pairs, plain, 4)
    ]
    assert all(sorted(epoch) == [0, 1, 2, 3, 4] for epoch in offsets)
    assert len({tuple(epoch) for epoch in offsets}) > 1


def test_low_and_target_are_cut_and_turned_alike(pairs, recipe):
    plain = recipe.replace(["pipeline.exposure_ev=0", "pipeline.blur=0", "pipeline.noise=0"])
    for low, target in batches(pairs, plain, 5):
        difference = (target - 2 * low).reshape(3, -1)
        assert (np.ptp(difference, axis=1) < 0.02).all()  # 8-bit rounding


def test_a_day_picture_gets_a_dark_twin(pairs, recipe):
    days = [Pair(pair.name, {}, pair.target) for pair in pairs]
    for low, target in batches(days, recipe, 3):
        assert low.mean() < 0.5 * target.mean()


def test_night_can_be_asked_for_where_there_are_pairs(pairs, recipe):
    nights = recipe.replace(["pipeline.night=true"])
    assert not np.array_equal(
        np.stack(batches(pairs, recipe, 1)), np.stack(batches(pairs, nights, 1))
    )


def test_dark_twins_to_judge_by_are_written_once(pairs, recipe, tmp_path):
    days = [*pairs[:1], Pair("day", {}, pairs[1].target)]
    first = materialize_synthetic_inputs(days, tmp_path / "dusk", recipe)
    assert first[0] == pairs[0]
    low = image_io.read_float_rgb(first[1].inputs["low"])
    assert low.mean() < image_io.read_float_rgb(first[1].target).mean()
    written = first[1].inputs["low"].stat().st_mtime_ns
    assert materialize_synthetic_inputs(days, tmp_path / "dusk", recipe) == first
    assert first[1].inputs["low"].stat().st_mtime_ns == written


def test_imgaug_changes_the_input_alike_for_a_seed(pairs, recipe):
    pytest.importorskip("imgaug", reason="the [augment] extra is not installed")
    mine = recipe.replace(["pipeline.augmenter='imgaug:tests.pipeline.inverted:INVERT'"])
    with_imgaug, without = batches(pairs, mine, 2), batches(pairs, recipe, 2)
    for (low, target), (plain, same) in zip(with_imgaug, without, strict=True):
        np.testing.assert_allclose(low, 1 - plain, atol=1 / 255)
        np.testing.assert_array_equal(target, same)
    seed = recipe.replace(["pipeline.augmenter=imgaug"])
    assert_same(batches(pairs, seed, 2), batches(pairs, seed, 2))


@pytest.mark.parametrize("place", ["nowhere:X", "numpy:nothing", "numpy:pi", "numpy"])
def test_what_is_no_augmenter_is_refused(pairs, recipe, place):
    pytest.importorskip("imgaug", reason="the [augment] extra is not installed")
    with pytest.raises(UsageError, match=r"augmenter|imgaug"):
        paired_dataset(pairs, recipe.replace([f"pipeline.augmenter='imgaug:{place}'"]), ENHANCE)


def test_the_feed_without_tensorflow_is_seeded_and_can_begin_anywhere(pairs, recipe):
    plain = recipe.replace(["pipeline.blur=0"])
    whole, rest = (NumpyPairDataset(pairs, plain, ENHANCE, first_sample=first) for first in (0, 6))
    for step in range(2):
        (low, target), (again, _) = whole[step + 2], rest[step]
        np.testing.assert_array_equal(low["low"], again["low"])
        assert low["low"].shape == target["target"].shape == (3, 16, 16, 3)
        assert low["low"].dtype == np.float32
    with pytest.raises(UsageError, match="Without TensorFlow only"):
        NumpyPairDataset(pairs, recipe, ENHANCE)


def test_a_thumbnail_is_of_the_whole_input_and_exposed_alike(pairs, recipe):
    contract = Contract((Port("low", 3), Port("thumbnail", 3, size=(4, 6))), (Port("enhanced", 3),))
    exposed = recipe.replace(
        ["pipeline.exposure_ev=1.0", "pipeline.turned=false", "pipeline.glance=0.9"]
    )
    whole = exposed.replace(["pipeline.crop=0", "pipeline.batch=1"])
    for inputs, _ in paired_dataset(pairs, whole, contract).take(3):
        assert inputs["thumbnail"].shape == (1, 4, 6, 3)
        np.testing.assert_allclose(
            inputs["thumbnail"].numpy().mean(), inputs["low"].numpy().mean(), atol=0.01
        )


def test_mixed_batches_are_between_their_pictures(pairs, recipe):
    plain, mixed = (
        next(iter(paired_dataset(pairs, recipe.replace([f"pipeline.mixed={share}"]), ENHANCE)))
        for share in (0.0, 1.0)
    )
    own, other = plain[1]["target"], np.roll(plain[1]["target"], 1, 0)
    low = plain[0]["low"]
    share = (mixed[1]["target"] - other) / np.where(own == other, np.inf, own - other)
    share = float(np.median(share[own != other]))
    assert 0 < share < 1
    np.testing.assert_allclose(
        mixed[0]["low"], share * low + (1 - share) * np.roll(low, 1, 0), atol=1e-4
    )


def test_lit_inputs_and_their_thumbnails_are_between_input_and_target(pairs, recipe):
    contract = Contract((Port("low", 3), Port("thumbnail", 3, size=(4, 6))), (Port("enhanced", 3),))
    plain = recipe.replace(
        ["pipeline.crop=0", "pipeline.batch=1", "pipeline.exposure_ev=0.0", "pipeline.blur=0.0",
         "pipeline.noise=0.0"]
    )  # fmt: skip
    lit = plain.replace(["pipeline.lit=1.0"])
    opaque = []
    for (dark, target), (given, _) in zip(
        paired_dataset(pairs, plain, contract).take(4),
        paired_dataset(pairs, lit, contract).take(4),
        strict=True,
    ):
        low, high = dark["low"], target["target"]
        share = float(tf.reduce_mean(given["low"] - low) / tf.reduce_mean(high - low))
        np.testing.assert_allclose(given["low"], low + share * (high - low), atol=1e-4)
        np.testing.assert_allclose(
            tf.reduce_mean(given["thumbnail"]), tf.reduce_mean(given["low"]), atol=0.01
        )
        opaque.append(share)
    assert 0 < min(opaque) < max(opaque) < 1


def test_leveled_targets_come_to_one_brightness(pairs, recipe):
    level = recipe.replace(
        ["pipeline.crop=0", "pipeline.batch=1", "pipeline.turned=false", "pipeline.leveled=1.0"]
    )
    means = [float(target["target"].numpy().mean()) for _, target in
             paired_dataset(pairs, level, ENHANCE).take(5)]  # fmt: skip
    original = [image_io.read_float_rgb(pair.target).mean() for pair in pairs]
    assert np.ptp(original) > 0.15
    assert np.ptp(means) < 0.02
    assert min(original) < means[0] < max(original)


@pytest.mark.parametrize("mixed", [0, 1])
def test_parts_beside_each_other_are_the_whole_batch(mixed, pairs, recipe):
    recipe = recipe.replace([f"pipeline.mixed={mixed}", "pipeline.batch=6"])
    whole = batches(pairs, recipe, 3, first=12)
    parts = [batches(pairs, recipe, 3, first=12, part=(place, 3)) for place in range(3)]
    for step, batch in enumerate(whole):
        for side in range(2):
            beside = np.concatenate([part[step][side] for part in parts])
            assert_same([batch[side]], [beside])
