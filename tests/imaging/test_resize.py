"""Area resizing averages the pixels that a new pixel covers."""

import cv2
import numpy as np
import pytest

from lowlight_tf.imaging.resize import resize_area, resize_area_fast, resize_image


@pytest.mark.parametrize("resize", [resize_area, resize_area_fast, resize_image])
@pytest.mark.parametrize("channels", [1, 3])
def test_each_pixel_is_the_mean_of_its_block(rng, resize, channels):
    image = rng.random((24, 36, channels), dtype=np.float32)
    expected = image.reshape(4, 6, 6, 6, channels).mean(axis=(1, 3))
    resized = resize(image, (4, 6))
    assert (resized.shape, resized.dtype) == ((4, 6, channels), np.float32)
    np.testing.assert_allclose(resized, expected, atol=1e-6)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_integers_keep_their_type(rng, dtype):
    image = rng.integers(0, np.iinfo(dtype).max, (24, 36, 3), dtype=dtype)
    for resize in (resize_area, resize_area_fast, resize_image):
        assert resize(image, (5, 7)).dtype == dtype


def test_the_fast_resizer_differs_by_at_most_two_levels(rng):
    """On an odd size, with smooth structure."""
    image = cv2.resize(rng.integers(0, 255, (4, 5, 3), dtype=np.uint8), (311, 231))
    difference = resize_area_fast(image, (23, 31)) - np.float32(resize_area(image, (23, 31)))
    assert np.abs(difference).max() <= 2


def test_growing_images_are_interpolated_bilinearly(rng):
    image = rng.random((8, 9, 3), dtype=np.float32)
    expected = cv2.resize(image, (27, 24), interpolation=cv2.INTER_LINEAR)
    np.testing.assert_array_equal(resize_image(image, (24, 27)), expected)


def test_an_image_of_that_size_is_returned_itself_or_copied(rng):
    image = rng.random((8, 9, 1), dtype=np.float32)
    assert resize_image(image, (8, 9)) is image
    copy = resize_area(image, (8, 9))
    np.testing.assert_array_equal(copy, image)
    assert not np.shares_memory(copy, image)
