"""Conversion from YUV to RGB and back."""

import numpy as np
import pytest

from lowlight_tf.imaging.yuv import YuvConverter, YuvFormat

BT709, BT601 = 1, 6


@pytest.mark.parametrize(
    ("matrix", "full_range", "red"),
    [  # R = 255 alone: Y = Kr, Cr = 1/2, Cb = -Kr / (2 (1 - Kb)), on 219 and 224 steps or on 255
        (BT709, False, (63, 102, 240)),
        (BT709, True, (54, 99, 255)),
        (BT601, False, (81, 90, 240)),
        (BT601, True, (76, 85, 255)),
    ],
)
def test_red_is_coded_as_in_the_standard(matrix, full_range, red):
    planes = [np.empty((2, 2), np.uint8), np.empty((1, 1), np.uint8), np.empty((1, 1), np.uint8)]
    image = np.full((2, 2, 3), (255, 0, 0), np.uint8)
    YuvConverter(YuvFormat(matrix, full_range)).to_yuv(image, planes)
    assert tuple(int(plane[0, 0]) for plane in planes) == red


@pytest.mark.parametrize("full_range", [False, True])
def test_black_and_white_are_the_ends_of_the_range(full_range):
    converter = YuvConverter(YuvFormat(BT709, full_range))
    black, white = (0, 255) if full_range else (16, 235)
    luma = np.array([[black, white]], np.uint8)
    out = np.empty((1, 2, 3), np.uint8)
    converter.to_rgb([luma, *[np.full((1, 2), 128, np.uint8)] * 2], out)
    assert out.tolist() == [[[0] * 3, [255] * 3]]


@pytest.mark.parametrize("matrix", [BT709, BT601])
@pytest.mark.parametrize("full_range", [False, True])
def test_a_dark_image_is_restored_without_bias(rng, matrix, full_range):
    image = rng.integers(0, 60, (6, 8, 3), dtype=np.uint8).repeat(8, 0).repeat(8, 1)
    planes = [np.empty((48, 64), np.uint8) for _ in range(3)]
    converter, restored = YuvConverter(YuvFormat(matrix, full_range)), np.empty_like(image)
    converter.to_yuv(image, planes)
    converter.to_rgb(planes, restored)
    error = restored.astype(float) - image
    assert np.abs(error).max() <= 2
    assert np.abs(error.mean((0, 1))).max() < 0.3


def test_chroma_of_half_size_is_averaged_and_interpolated():
    converter = YuvConverter(YuvFormat(BT709, True))
    grey = np.full((4, 4), 100, np.uint8)
    red = np.array([[128, 160], [128, 160]], np.uint8)
    out = np.empty((4, 4, 3), np.uint8)
    converter.to_rgb([grey, np.full((2, 2), 128, np.uint8), red], out)
    # R = Y + 1.5748 (Cr - 128), where Cr lies at 128, 136, 152, 160: a quarter of the way each.
    assert out[0, :, 0].tolist() == [100, 113, 138, 150]
    planes = [np.empty((4, 4), np.uint8), *(np.empty((2, 2), np.uint8) for _ in range(2))]
    converter.to_yuv(out, planes)
    np.testing.assert_allclose(planes[2], [[132, 156]] * 2, atol=1)


def test_planes_with_padded_rows_are_written(rng):
    memory = np.zeros((6, 16), np.uint8)
    planes = [memory[:4, :8], memory[4:, :4], memory[4:, 8:12]]
    image = rng.integers(0, 255, (4, 8, 3), dtype=np.uint8)
    contiguous = [np.empty(plane.shape, np.uint8) for plane in planes]
    for target in (planes, contiguous):
        YuvConverter(YuvFormat(BT601, False)).to_yuv(image, target)
    for actual, expected in zip(planes, contiguous, strict=True):
        np.testing.assert_array_equal(actual, expected)
    assert not memory[:4, 8:].any()


def test_a_downscaled_image_is_averaged_over_areas(rng):
    converter = YuvConverter(YuvFormat(BT709, False))
    luma = rng.integers(40, 200, (16, 24), dtype=np.uint8)
    chroma = np.full((8, 12), 128, np.uint8)
    small = converter.to_rgb_downscaled([luma, chroma, chroma], 8)
    means = luma.reshape(2, 8, 3, 8).mean((1, 3))
    np.testing.assert_allclose(small, ((means - 16) * 255 / 219)[..., None].repeat(3, 2), atol=1.2)


@pytest.mark.parametrize(
    ("matrix", "height", "expected"),
    [(2, 720, BT709), (2, 719, BT601), (0, 1080, BT709), (5, 1080, 5), (1, 480, BT709)],
)
def test_an_unknown_matrix_is_guessed_from_the_height(matrix, height, expected):
    assert YuvFormat.from_tags(matrix, full_range=False, height=height).matrix == expected
