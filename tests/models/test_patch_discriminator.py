"""The critic sees patches of 70 pixels, and what the net saw."""

import keras
import numpy as np
import pytest
from keras import ops

from lowlight_tf.checks import UsageError
from lowlight_tf.contract import (
    ENHANCE,
    ENHANCE_WITH_THUMBNAIL,
    FUSE,
    FUSE_WITH_THUMBNAILS,
    Contract,
    Port,
)
from lowlight_tf.models.patch_discriminator import NORMALIZATIONS, patch_discriminator

BAYER = Contract((Port("raw", 4, "bayer"),), (Port("enhanced", 3),), scale=2)


def patch_of(critic, side=96):
    """Height and width of what a logit in the middle depends on, by its differences."""
    for layer in critic.layers:  # so that nothing cancels out
        if layer.weights:
            layer.set_weights([np.full_like(w, 1 / w.size) for w in layer.get_weights()])
    middle = -(-side // 8) // 2
    flat = {port: np.full((1, side, side, 3), 0.5, np.float32) for port in ("low", "enhanced")}
    lines = np.concatenate([flat["enhanced"]] * side)
    lines[np.arange(side), np.arange(side)] = 1  # picture k has a bright row k
    seen = []
    for turned in (lines, lines.transpose(0, 2, 1, 3)):
        batch = {"low": np.repeat(flat["low"], side, 0), "enhanced": turned}
        logits = ops.convert_to_numpy(critic.predict(batch, batch_size=40, verbose=0))
        change = logits - ops.convert_to_numpy(critic(flat))
        where = np.flatnonzero(np.abs(change[:, middle, middle, 0]) > 1e-9)
        assert np.ptp(where) + 1 == len(where)
        seen.append(len(where))
    return tuple(seen)


def test_a_patch_is_70_pixels_high_and_wide():
    assert patch_of(patch_discriminator(ENHANCE, filters=1, normalization="none")) == (70, 70)


def test_has_the_published_number_of_weights():
    # The authors' program prints 2.769 M for two color pictures.
    critic = patch_discriminator(ENHANCE, normalization="batch")
    assert sum(w.size for w in map(np.asarray, critic.trainable_weights)) == 2_768_705
    assert patch_discriminator(ENHANCE).count_params() == 2_768_705


@pytest.mark.parametrize("normalization", NORMALIZATIONS)
def test_pictures_of_any_size_can_be_judged(normalization, rng):
    critic = patch_discriminator(ENHANCE, filters=2, normalization=normalization)
    for height, width in ((8, 8), (33, 50)):
        batch = {
            port: rng.random((2, height, width, 3), np.float32) for port in ("low", "enhanced")
        }
        assert critic(batch).shape == (2, -(-height // 8), -(-width // 8), 1)


def test_a_picture_is_judged_beside_what_the_net_saw(rng):
    critic = patch_discriminator(ENHANCE, filters=2)
    enhanced, low, other = rng.random((3, 1, 32, 32, 3), np.float32)
    one, two = (critic({"low": seen, "enhanced": enhanced}) for seen in (low, other))
    assert np.abs(np.asarray(one - two)).max() > 1e-3


def test_unconditional_it_sees_the_output_alone():
    assert set(patch_discriminator(BAYER, filters=2, conditional=False).input) == {"enhanced"}


def test_instance_normalization_judges_a_picture_alike_in_every_batch(rng):
    batch = {port: rng.random((3, 32, 32, 3), np.float32) for port in ("low", "enhanced")}
    alone = {port: images[:1] for port, images in batch.items()}
    for normalization, alike in (("instance", True), ("batch", False)):
        keras.utils.set_random_seed(0)
        critic = patch_discriminator(ENHANCE, filters=2, normalization=normalization)
        one, all_ = critic(alone, training=True), critic(batch, training=True)[:1]
        assert np.allclose(one, all_, atol=1e-4) is alike


def test_of_a_net_that_fuses_the_fused_picture_alone_is_seen():
    assert set(patch_discriminator(FUSE, filters=2).input) == {"fused"}
    assert set(patch_discriminator(FUSE_WITH_THUMBNAILS, filters=2).input) == {"fused"}


def test_thumbnails_are_not_looked_at():
    assert set(patch_discriminator(ENHANCE_WITH_THUMBNAIL, filters=2).input) == {"low", "enhanced"}


def test_packed_bayer_is_laid_out_as_the_mosaic_again(rng):
    critic = patch_discriminator(BAYER, filters=2)
    raw = rng.random((1, 4, 5, 4), np.float32)
    beside = keras.Model(critic.input, critic.get_layer("beside").output)
    seen = np.asarray(beside({"raw": raw, "enhanced": np.zeros((1, 8, 10, 3), np.float32)}))
    mosaic = raw.reshape(4, 5, 2, 2).transpose(0, 2, 1, 3).reshape(8, 10)
    np.testing.assert_array_equal(seen[0, ..., 0], mosaic)
    assert critic({"raw": raw, "enhanced": seen[..., 1:]}).shape == (1, 1, 2, 1)


@pytest.mark.parametrize(
    ("contract", "options", "message"),
    [
        (ENHANCE, {"filters": 0}, "`filters` must be at least 1"),
        (ENHANCE, {"depth": 0}, "`depth` must be at least 1"),
        (ENHANCE, {"normalization": "group"}, "`normalization` must be one of: batch, instance"),
        (
            Contract((Port("low", 3),), (Port("enhanced", 3),), scale=2),
            {},
            "folding 4 channels into one. Received: low of 3 channels",
        ),
    ],
)
def test_what_cannot_be_built_is_refused(contract, options, message):
    with pytest.raises(UsageError, match=message):
        patch_discriminator(contract, **options)


def test_comes_back_from_disk_unchanged(rng, tmp_path):
    critic = patch_discriminator(BAYER, filters=2)
    critic.save(tmp_path / "critic.keras")
    again = keras.saving.load_model(tmp_path / "critic.keras")
    batch = {"raw": rng.random((1, 8, 8, 4), np.float32)}
    batch["enhanced"] = rng.random((1, 16, 16, 3), np.float32)
    np.testing.assert_array_equal(critic(batch), again(batch))
