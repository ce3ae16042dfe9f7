"""The discriminator has a receptive field of 70 pixels and the generator's inputs."""

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


def receptive_field(discriminator, side=96):
    """Return height and width of the region that a logit in the center depends on."""
    for layer in discriminator.layers:  # so that nothing cancels out
        if layer.weights:
            layer.set_weights([np.full_like(w, 1 / w.size) for w in layer.get_weights()])
    middle = -(-side // 8) // 2
    flat = {port: np.full((1, side, side, 3), 0.5, np.float32) for port in ("low", "enhanced")}
    lines = np.concatenate([flat["enhanced"]] * side)
    lines[np.arange(side), np.arange(side)] = 1  # image k has a bright row k
    extents = []
    for images in (lines, lines.transpose(0, 2, 1, 3)):
        batch = {"low": np.repeat(flat["low"], side, 0), "enhanced": images}
        logits = ops.convert_to_numpy(discriminator.predict(batch, batch_size=40, verbose=0))
        change = logits - ops.convert_to_numpy(discriminator(flat))
        where = np.flatnonzero(np.abs(change[:, middle, middle, 0]) > 1e-9)
        assert np.ptp(where) + 1 == len(where)
        extents.append(len(where))
    return tuple(extents)


def test_the_receptive_field_is_70_pixels():
    assert receptive_field(patch_discriminator(ENHANCE, filters=1, normalization="none")) == (
        70,
        70,
    )


def test_has_the_published_number_of_weights():
    # The authors' program prints 2.769 M for two color images.
    discriminator = patch_discriminator(ENHANCE, normalization="batch")
    assert sum(w.size for w in map(np.asarray, discriminator.trainable_weights)) == 2_768_705
    assert patch_discriminator(ENHANCE).count_params() == 2_768_705


@pytest.mark.parametrize("normalization", NORMALIZATIONS)
def test_images_of_any_size_are_accepted(normalization, rng):
    discriminator = patch_discriminator(ENHANCE, filters=2, normalization=normalization)
    for height, width in ((8, 8), (33, 50)):
        batch = {
            port: rng.random((2, height, width, 3), np.float32) for port in ("low", "enhanced")
        }
        assert discriminator(batch).shape == (2, -(-height // 8), -(-width // 8), 1)


def test_the_logits_depend_on_the_inputs_of_the_generator(rng):
    discriminator = patch_discriminator(ENHANCE, filters=2)
    enhanced, low, other = rng.random((3, 1, 32, 32, 3), np.float32)
    one, two = (
        discriminator({"low": condition, "enhanced": enhanced}) for condition in (low, other)
    )
    assert np.abs(np.asarray(one - two)).max() > 1e-3


def test_an_unconditional_discriminator_has_the_output_only():
    assert set(patch_discriminator(BAYER, filters=2, conditional=False).input) == {"enhanced"}


def test_instance_normalization_is_independent_of_the_rest_of_the_batch(rng):
    batch = {port: rng.random((3, 32, 32, 3), np.float32) for port in ("low", "enhanced")}
    alone = {port: images[:1] for port, images in batch.items()}
    for normalization, independent in (("instance", True), ("batch", False)):
        keras.utils.set_random_seed(0)
        discriminator = patch_discriminator(ENHANCE, filters=2, normalization=normalization)
        one, all_ = discriminator(alone, training=True), discriminator(batch, training=True)[:1]
        assert np.allclose(one, all_, atol=1e-4) is independent


def test_for_a_fusion_model_the_fused_image_is_the_only_input():
    assert set(patch_discriminator(FUSE, filters=2).input) == {"fused"}
    assert set(patch_discriminator(FUSE_WITH_THUMBNAILS, filters=2).input) == {"fused"}


def test_thumbnails_are_not_inputs():
    assert set(patch_discriminator(ENHANCE_WITH_THUMBNAIL, filters=2).input) == {"low", "enhanced"}


def test_packed_bayer_is_unfolded_to_the_mosaic(rng):
    discriminator = patch_discriminator(BAYER, filters=2)
    raw = rng.random((1, 4, 5, 4), np.float32)
    concatenated = keras.Model(discriminator.input, discriminator.get_layer("beside").output)
    channels = np.asarray(
        concatenated({"raw": raw, "enhanced": np.zeros((1, 8, 10, 3), np.float32)})
    )
    mosaic = raw.reshape(4, 5, 2, 2).transpose(0, 2, 1, 3).reshape(8, 10)
    np.testing.assert_array_equal(channels[0, ..., 0], mosaic)
    assert discriminator({"raw": raw, "enhanced": channels[..., 1:]}).shape == (1, 1, 2, 1)


@pytest.mark.parametrize(
    ("contract", "options", "message"),
    [
        (ENHANCE, {"filters": 0}, "`filters` must be at least 1"),
        (ENHANCE, {"depth": 0}, "`depth` must be at least 1"),
        (ENHANCE, {"normalization": "group"}, "`normalization` must be one of: batch, instance"),
        (
            Contract((Port("low", 3),), (Port("enhanced", 3),), scale=2),
            {},
            "multiple of 4 channels, to be unfolded. Received: low of 3 channels",
        ),
    ],
)
def test_invalid_options_are_rejected(contract, options, message):
    with pytest.raises(UsageError, match=message):
        patch_discriminator(contract, **options)


def test_a_saved_discriminator_gives_the_same_output(rng, tmp_path):
    discriminator = patch_discriminator(BAYER, filters=2)
    discriminator.save(tmp_path / "discriminator.keras")
    loaded = keras.saving.load_model(tmp_path / "discriminator.keras")
    batch = {"raw": rng.random((1, 8, 8, 4), np.float32)}
    batch["enhanced"] = rng.random((1, 16, 16, 3), np.float32)
    np.testing.assert_array_equal(discriminator(batch), loaded(batch))
