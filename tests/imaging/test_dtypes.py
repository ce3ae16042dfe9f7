"""Conversions between uint8, uint16 and float32 scale by white and round to the nearest level."""

import numpy as np
import pytest

from lowlight_tf.imaging import dtypes


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_integers_are_divided_by_their_white(dtype):
    white = np.iinfo(dtype).max
    image = dtypes.img_as_float32(np.array([0, 1, white], dtype))
    assert image.dtype == np.float32
    np.testing.assert_array_equal(image, np.float32([0, 1, white]) / np.float32(white))


def test_floats_keep_their_values():
    image = np.float32([-0.5, 0.25, 2])
    assert dtypes.img_as_float32(image) is image
    double = dtypes.img_as_float32(np.array([-0.5, 0.25, 2]))
    assert double.dtype == np.float32
    np.testing.assert_array_equal(double, image)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_every_integer_survives_the_way_to_float32_and_back(dtype):
    image = np.arange(np.iinfo(dtype).max + 1).astype(dtype)
    back = dtypes.convert_dtype(dtypes.img_as_float32(image), np.dtype(dtype))
    np.testing.assert_array_equal(back, image)


def test_16_bit_values_are_clipped_to_black_and_white_and_rounded():
    values = np.float32([-1, 0, 0.5, 1, 2])
    assert dtypes.img_as_uint16(values).tolist() == [0, 0, 32768, 65535, 65535]


def test_8_bit_values_are_clipped_to_black_and_white_and_rounded():
    values = np.float32([-1, 0, 0.4 / 255, 0.6 / 255, 1, 2])
    assert dtypes.img_as_uint8(values).tolist() == [0, 0, 0, 1, 255, 255]


def test_the_depths_convert_to_each_other():
    assert dtypes.img_as_uint16(np.uint8([0, 1, 128, 255])).tolist() == [0, 257, 32896, 65535]
    assert dtypes.img_as_uint8(np.uint16([0, 128, 129, 65535])).tolist() == [0, 0, 1, 255]
    same = np.uint8([7])
    assert dtypes.img_as_uint8(same) is same
