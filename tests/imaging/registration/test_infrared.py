"""Infrared images of every format become one channel in [0, 1], or are refused."""

import re

import cv2
import numpy as np
import pytest

from lowlight_tf.checks import UsageError
from lowlight_tf.imaging.registration.infrared import (
    describe_defect,
    fill_masked,
    is_blank,
    percentile_stretch,
    read_mask,
    read_thermal,
    to_single_channel,
)
from tests.tiffs import encode_tiff


def test_three_equal_channels_become_one(rng):
    gray = rng.integers(0, 256, (6, 8, 1), np.uint8)
    image = to_single_channel(np.repeat(gray, 3, axis=2))
    assert image.dtype == np.float32
    np.testing.assert_allclose(image, gray / 255, atol=1e-6)
    np.testing.assert_array_equal(to_single_channel(gray), np.float32(gray) / np.float32(255))


def test_slight_chroma_of_a_jpeg_is_accepted_as_gray():
    pixels = np.full((4, 4, 3), 100, np.uint8)
    pixels[..., 0] += 6
    np.testing.assert_allclose(to_single_channel(pixels), 102 / 255, atol=1e-6)


def test_false_colors_are_refused(tmp_path, rng):
    palette = cv2.applyColorMap(rng.integers(0, 256, (6, 8), np.uint8), cv2.COLORMAP_INFERNO)
    with pytest.raises(UsageError, match=r"three that differ by up to .*%, as in a palette"):
        to_single_channel(palette)
    cv2.imwrite(str(tmp_path / "hot.png"), palette)
    with pytest.raises(UsageError, match=r"hot\.png: An infrared image must have one channel"):
        read_thermal(tmp_path / "hot.png")


def test_counts_of_a_radiometric_camera_are_stretched_by_their_percentiles(tmp_path):
    counts = np.linspace(20_000, 21_000, 1001).astype(np.uint16).reshape(7, 143)  # of 65535
    cv2.imwrite(str(tmp_path / "counts.png"), counts)
    image = read_thermal(tmp_path / "counts.png")
    assert image.shape == (7, 143, 1)
    # Percentiles 0.5 and 99.5 are the counts 20005 and 20995.
    np.testing.assert_allclose(image[..., 0], (counts - 20005.0).clip(0, 990) / 990, atol=1e-3)


@pytest.mark.parametrize(
    ("dtype", "scale", "shift"),
    [(np.float32, 0.02, -40), (np.float16, 0.1, 0), (np.int16, 10, -3000)],
)
def test_temperatures_are_stretched_by_their_percentiles(tmp_path, dtype, scale, shift):
    values = (np.arange(1001) * scale + shift).astype(dtype).reshape(7, 143, 1)
    (tmp_path / "celsius.tif").write_bytes(encode_tiff(values))
    image = read_thermal(tmp_path / "celsius.tif")
    expected = (np.arange(1001).reshape(7, 143) - 5.0).clip(0, 990) / 990
    np.testing.assert_allclose(image[..., 0], expected, atol=2e-2 if dtype == np.float16 else 1e-3)


def test_what_was_not_measured_is_black_and_does_not_count(tmp_path):
    values = np.linspace(20, 30, 1001, dtype=np.float32).reshape(7, 143, 1)
    broken = values.copy()
    broken[3, :9] = np.nan
    broken[3, 9:12] = np.inf
    for name, each in (("full", values), ("broken", broken)):
        (tmp_path / f"{name}.tif").write_bytes(encode_tiff(each))
    full, image = (read_thermal(tmp_path / f"{name}.tif") for name in ("full", "broken"))
    assert not image[3, :12].any()
    np.testing.assert_allclose(np.delete(image, 3, 0), np.delete(full, 3, 0), atol=1e-3)
    (tmp_path / "none.tif").write_bytes(encode_tiff(np.full_like(values, np.nan)))
    with pytest.raises(UsageError, match="holds no measured value"):
        read_thermal(tmp_path / "none.tif")


def test_floats_keep_their_values(rng):
    image = 0.2 * rng.random((3, 4, 1), dtype=np.float32)
    np.testing.assert_array_equal(to_single_channel(image), image)


def test_a_constant_image_becomes_black():
    assert not to_single_channel(np.full((4, 4, 1), 7000, np.uint16)).any()


def test_a_small_warm_region_is_kept_when_all_else_is_constant():
    image = np.zeros((100, 100, 1), np.float32)
    image[0, :3] = 0.5  # fewer pixels than the half percent above the upper percentile
    assert percentile_stretch(image).max() == 1
    assert percentile_stretch(image).min() == 0


@pytest.mark.parametrize("shape", [(4, 4), (4, 4, 2), (4, 4, 4)])
def test_other_shapes_are_refused(shape):
    with pytest.raises(UsageError, match=r"must have one channel, or three"):
        to_single_channel(np.zeros(shape, np.uint8))


@pytest.mark.parametrize(
    ("levels", "defect"),
    [
        ((0, 0), "is of one value, 0% of white"),
        ((255, 254), "is of one value, 100% of white"),
        ((255, 255, 255, 90), "is saturated in 75% of its pixels"),
        ((255, 80, 70, 60), ""),
        ((7, 10), ""),
    ],
)
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_blank_and_saturated_images_are_described(levels, defect, dtype):
    image = np.resize(np.repeat(levels, 8), (64, 64, 1))
    image = np.uint8(image) if dtype is np.uint8 else np.float32(image / 255)
    assert describe_defect(image).startswith(defect)
    assert bool(describe_defect(image)) == bool(defect)
    assert is_blank(image) == ("one value" in defect)


def test_an_overlay_is_filled_from_around(rng):
    scene = cv2.GaussianBlur(rng.random((96, 128), dtype=np.float32), (0, 0), 12)[..., None]
    mask = np.zeros((96, 128), bool)
    mask[10:86, 110:124] = mask[4:12, 4:60] = True
    drawn = np.where(mask[..., None], np.float32(1), scene)
    filled = fill_masked(drawn, mask)
    np.testing.assert_array_equal(filled[~mask], scene[~mask])
    assert np.abs(filled - scene)[mask].max() < 0.1
    assert np.abs(np.diff(filled[..., 0], axis=1)).max() < 0.05


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (np.zeros((8, 10), np.uint8), "black everywhere"),
        (np.full((8, 10), 255, np.uint8), "white everywhere"),
        (np.eye(8, dtype=np.uint8), "8x8 (height x width)"),
    ],
)
def test_masks_that_do_not_fit_are_refused(tmp_path, mask, message):
    cv2.imwrite(str(tmp_path / "mask.png"), mask)
    with pytest.raises(UsageError, match=re.escape(message)):
        read_mask(tmp_path / "mask.png", (8, 10))
