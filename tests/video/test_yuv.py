"""YUV and RGB, there and back."""

import numpy as np
import pytest

from lowlight_tf.video.yuv import YuvConverter, YuvFormat

BT709, BT601 = 1, 6


@pytest.mark.parametrize(
    ("matrix", "full", "red"),
    [  # R = 255 alone: Y = Kr, Cr = 1/2, Cb = -Kr / (2 (1 - Kb)), on 219 and 224 steps or on 255
        (BT709, False, (63, 102, 240)),
        (BT709, True, (54, 99, 255)),
        (BT601, False, (81, 90, 240)),
        (BT601, True, (76, 85, 255)),
    ],
)
def test_red_is_coded_as_the_standard_says(matrix, full, red):
    planes = [np.empty((2, 2), np.uint8), np.empty((1, 1), np.uint8), np.empty((1, 1), np.uint8)]
    image = np.full((2, 2, 3), (255, 0, 0), np.uint8)
    YuvConverter(YuvFormat(matrix, full)).to_yuv(image, planes)
    assert tuple(int(plane[0, 0]) for plane in planes) == red


@pytest.mark.parametrize("full", [False, True])
def test_black_and_white_are_the_ends_of_the_range(full):
    convert = YuvConverter(YuvFormat(BT709, full))
    black, white = (0, 255) if full else (16, 235)
    luma = np.array([[black, white]], np.uint8)
    out = np.empty((1, 2, 3), np.uint8)
    convert.to_rgb([luma, *[np.full((1, 2), 128, np.uint8)] * 2], out)
    assert out.tolist() == [[[0] * 3, [255] * 3]]


@pytest.mark.parametrize("matrix", [BT709, BT601])
@pytest.mark.parametrize("full", [False, True])
def test_a_dark_picture_comes_back_without_drift(rng, matrix, full):
    image = rng.integers(0, 60, (6, 8, 3), dtype=np.uint8).repeat(8, 0).repeat(8, 1)
    planes = [np.empty((48, 64), np.uint8) for _ in range(3)]
    convert, back = YuvConverter(YuvFormat(matrix, full)), np.empty_like(image)
    convert.to_yuv(image, planes)
    convert.to_rgb(planes, back)
    error = back.astype(float) - image
    assert np.abs(error).max() <= 2
    assert np.abs(error.mean((0, 1))).max() < 0.3


def test_color_differences_of_half_the_size_are_means_and_are_interpolated():
    convert = YuvConverter(YuvFormat(BT709, True))
    grey = np.full((4, 4), 100, np.uint8)
    red = np.array([[128, 160], [128, 160]], np.uint8)
    out = np.empty((4, 4, 3), np.uint8)
    convert.to_rgb([grey, np.full((2, 2), 128, np.uint8), red], out)
    # R = Y + 1.5748 (Cr - 128), where Cr lies at 128, 136, 152, 160: a quarter of the way each.
    assert out[0, :, 0].tolist() == [100, 113, 138, 150]
    planes = [np.empty((4, 4), np.uint8), *(np.empty((2, 2), np.uint8) for _ in range(2))]
    convert.to_yuv(out, planes)
    np.testing.assert_allclose(planes[2], [[132, 156]] * 2, atol=1)


def test_a_view_with_gaps_between_its_lines_is_written(rng):
    room = np.zeros((6, 16), np.uint8)
    planes = [room[:4, :8], room[4:, :4], room[4:, 8:12]]
    image = rng.integers(0, 255, (4, 8, 3), dtype=np.uint8)
    tight = [np.empty(plane.shape, np.uint8) for plane in planes]
    for target in (planes, tight):
        YuvConverter(YuvFormat(BT601, False)).to_yuv(image, target)
    for one, other in zip(planes, tight, strict=True):
        np.testing.assert_array_equal(one, other)
    assert not room[:4, 8:].any()


def test_a_small_one_is_made_of_means(rng):
    convert = YuvConverter(YuvFormat(BT709, False))
    luma = rng.integers(40, 200, (16, 24), dtype=np.uint8)
    flat = np.full((8, 12), 128, np.uint8)
    small = convert.to_rgb_downscaled([luma, flat, flat], 8)
    means = luma.reshape(2, 8, 3, 8).mean((1, 3))
    np.testing.assert_allclose(small, ((means - 16) * 255 / 219)[..., None].repeat(3, 2), atol=1.2)


@pytest.mark.parametrize(
    ("matrix", "lines", "expected"),
    [(2, 720, BT709), (2, 719, BT601), (0, 1080, BT709), (5, 1080, 5), (1, 480, BT709)],
)
def test_what_is_not_said_is_told_by_the_lines(matrix, lines, expected):
    assert YuvFormat.of(matrix, full=False, lines=lines).matrix == expected
