"""RGB to the planes of 4:2:0 video and back, as the conversion of videos does it."""

import numpy as np
import pytest

from lowlight_tf.imaging.yuv import YuvConverter, YuvFormat
from lowlight_tf.layers.yuv import PlanesToRgb, RgbToPlanes

BT709 = YuvFormat(matrix=1, full_range=False)


@pytest.fixture
def image(rng):
    return rng.integers(0, 256, (36, 52, 3), dtype=np.uint8)


def to_bytes(values):
    return np.rint(np.asarray(values) * 219 + 16).astype(int)


def test_planes_are_those_of_a_video(image):
    planes = [np.empty(shape, np.uint8) for shape in ((36, 52), (18, 26), (18, 26))]
    YuvConverter(BT709).to_yuv(image, planes)
    luma, chroma = map(to_bytes, RgbToPlanes()(np.float32(image[None]) / 255))
    for expected, plane in zip(
        planes, (luma[0, ..., 0], *chroma[0].transpose(2, 0, 1)), strict=True
    ):
        assert np.abs(plane - expected).max() <= 1  # those are rounded before they are halved


def test_rgb_is_that_of_a_video(rng):
    planes = [
        rng.integers(60, 180, shape, dtype=np.uint8) for shape in ((36, 52), (18, 26), (18, 26))
    ]
    expected = np.empty((36, 52, 3), np.uint8)
    YuvConverter(BT709).to_rgb(planes, expected)
    values = [(np.float32(plane) - 16) / 219 for plane in planes]
    result = PlanesToRgb()([values[0][None, ..., None], np.stack(values[1:], -1)[None]])
    result = np.clip(np.asarray(result)[0], 0, 1) * 255
    assert np.abs(result - expected).max() <= 2


@pytest.mark.parametrize("size", [(1, 1), (5, 8), (6, 7)])
def test_gray_of_any_size_comes_back(rng, size):
    gray = np.repeat(rng.random((1, *size, 1), dtype=np.float32), 3, -1)
    result = np.asarray(PlanesToRgb()(RgbToPlanes()(gray)))
    np.testing.assert_allclose(result, gray, atol=0.5 / 219 + 1e-3)


def test_chroma_of_a_thumbnail_is_not_halved(image):
    luma, chroma = RgbToPlanes(halved=False)(np.float32(image[None]) / 255)
    assert luma.shape[:3] == chroma.shape[:3]
