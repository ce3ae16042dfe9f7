"""Pairs are preprocessed as configured, and chroma is kept."""

import cv2
import numpy as np
import pytest

from lowlight_tf.checks import UsageError
from lowlight_tf.imaging import color
from lowlight_tf.imaging.registration.camera_rig import CameraRig
from lowlight_tf.imaging.registration.pair_preprocessing import (
    PairPreprocessing,
    preprocess_pair,
    stretch_contrast,
)


@pytest.fixture
def pair(rng):
    """A dark color image of low contrast, and an infrared one."""
    visible = 0.15 + 0.1 * cv2.GaussianBlur(rng.random((64, 96, 3)), (0, 0), 3)
    infrared = 0.3 + 0.2 * cv2.GaussianBlur(rng.random((64, 96, 1)), (0, 0), 3)
    return np.float32(visible), np.float32(infrared).reshape(64, 96, 1)


def chroma(image):
    return image - color.luma(image)[..., None]


def test_the_defaults_return_both_images_themselves(pair):
    for original, result in zip(pair, preprocess_pair(*pair, PairPreprocessing()), strict=True):
        assert result is original


def test_clahe_equals_opencv_on_luma_and_keeps_chroma(pair):
    visible, infrared = pair
    bright, same = preprocess_pair(visible, infrared, PairPreprocessing(clahe_visible=2.0))
    assert same is infrared
    assert bright.dtype == np.float32
    np.testing.assert_allclose(chroma(bright), chroma(visible), atol=1e-6)
    luma = np.uint8(np.rint(255 * color.luma(visible)))
    by_opencv = cv2.createCLAHE(2.0, (8, 8)).apply(luma) / 255
    np.testing.assert_allclose(color.luma(bright), by_opencv, atol=0.5 / 255 + 1e-6)
    assert color.luma(bright).std() > 1.5 * color.luma(visible).std()


def test_clahe_of_the_infrared_image_is_a_separate_option(pair):
    visible, infrared = pair
    same, clear = preprocess_pair(visible, infrared, PairPreprocessing(clahe_infrared=2.0, tiles=4))
    assert same is visible
    assert clear.shape == infrared.shape
    assert clear.std() > 1.5 * infrared.std()


def test_normalize_stretches_the_infrared_image(pair):
    _, infrared = preprocess_pair(*pair, PairPreprocessing(normalize=True))
    assert (infrared.min(), infrared.max()) == (0, 1)


@pytest.mark.parametrize("channels", [1, 3])
def test_denoising_removes_noise_and_keeps_edges(rng, channels):
    clean = np.full((40, 40, channels), 0.2, np.float32)
    clean[:, 20:] = 0.6
    noisy = np.float32(clean + rng.normal(0, 0.02, clean.shape))
    smooth, _ = preprocess_pair(noisy, clean[..., :1], PairPreprocessing(denoise=0.02))
    assert smooth.shape == clean.shape
    error = np.abs(smooth - clean)
    assert error.std() < 0.5 * np.abs(noisy - clean).std()
    assert error[:, 18:22].mean() < 0.02


def test_different_sizes_are_refused_unless_one_is_chosen(pair):
    visible, infrared = pair
    large = cv2.resize(visible, (192, 128))
    with pytest.raises(UsageError, match=r"must have one size. Received: 128x192 and 64x96"):
        preprocess_pair(large, infrared, PairPreprocessing())
    small = preprocess_pair(large, infrared, PairPreprocessing(size="infrared"))
    assert [image.shape for image in small] == [(64, 96, 3), (64, 96, 1)]
    np.testing.assert_allclose(small[0], visible, atol=0.02)
    grown = preprocess_pair(large, infrared, PairPreprocessing(size="visible"))
    assert [image.shape for image in grown] == [(128, 192, 3), (128, 192, 1)]


def test_a_rig_warps_the_infrared_image_by_its_homography(pair, tmp_path):
    visible, infrared = pair
    matrix = np.array([[1, 0, 5], [0, 1, -2], [0, 0, 1.0]])
    path = tmp_path / "rig.json"
    CameraRig(matrix, (64, 96), (64, 96), 0.3, 0.4, "ecc", 2).save(path)
    same, over = preprocess_pair(visible, infrared, PairPreprocessing(align=str(path)))
    assert same is visible
    np.testing.assert_allclose(over[:-2, 5:], infrared[2:, :-5], atol=1e-6)
    assert not over[:, :5].any()


def test_a_pair_is_registered_without_a_rig(cameras):
    visible, infrared = cameras((128, 160))
    shifted = np.roll(infrared, (3, -5), (0, 1))
    _, over = preprocess_pair(visible, shifted, PairPreprocessing(align="phase"))
    assert np.abs(over - infrared)[8:-8, 8:-8].mean() < 0.03


@pytest.mark.parametrize(
    "options",
    [
        {"size": "large"},
        {"align": "orb"},
        {"denoise": -1.0},
        {"clahe_visible": -2.0},
        {"clahe_infrared": -2.0},
        {"tiles": 0},
    ],
)
def test_invalid_options_are_refused(options):
    with pytest.raises(UsageError, match=next(iter(options))):
        PairPreprocessing(**options)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_the_output_stretch_maps_percentiles_to_black_and_white(dtype):
    white = 1.0 if dtype == np.float32 else np.iinfo(dtype).max
    ramp = np.linspace(0.3, 0.7, 201).repeat(3).reshape(3, 201, 1, order="F")
    luma = (np.rint(ramp * white) if white > 1 else ramp).astype(dtype)
    assert stretch_contrast(luma, 0.0) is luma
    full, half = (stretch_contrast(luma, strength) / white for strength in (1.0, 0.5))
    # Percentiles 0.5 and 99.5 of the ramp are 0.302 and 0.698: times 1 / 0.396. Half a grey level
    # is rounded off before, and half a level after.
    np.testing.assert_allclose(full, ((ramp - 0.302) / 0.396).clip(0, 1), atol=0.0075)
    np.testing.assert_allclose(half, (ramp + (ramp - 0.302) / 0.396) / 2, atol=0.0075)


def test_the_output_stretch_does_not_amplify_noise():
    luma = np.float32([0.5, 0.501]).repeat(50).reshape(10, 10, 1)
    assert np.ptp(stretch_contrast(luma, 1.0)) == pytest.approx(0.004, rel=1e-3)
    flat = np.full((4, 4, 1), 9, np.uint8)
    np.testing.assert_array_equal(stretch_contrast(flat, 1.0), flat)


def test_the_output_stretch_is_a_fraction():
    with pytest.raises(UsageError, match="output_stretch"):
        PairPreprocessing(output_stretch=2.0)
