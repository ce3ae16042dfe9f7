"""JPEG and H.264 as cameras store images."""

import numpy as np
import pytest

from lowlight_tf.checks import UsageError
from lowlight_tf.imaging.camera.compression import h264, jpeg


@pytest.fixture
def frames():
    """Five frames of a moving pattern in color, 48 x 64 pixels."""
    rows, columns = np.mgrid[0:48, 0:64]

    def frame(shift):
        waves = [np.sin((columns + shift) / period) + np.cos(rows / 9) for period in (6, 8, 11)]
        return np.uint8(128 + 55 * np.stack(waves, axis=-1))

    return [frame(2 * index) for index in range(5)]


def test_h264_at_high_quality_keeps_frames_and_their_order(frames):
    decoded = h264(frames, crf=4)
    assert len(decoded) == len(frames)
    for before, after in zip(frames, decoded, strict=True):
        luma = np.abs(before.mean(axis=-1) - after.mean(axis=-1))
        assert luma.mean() < 2


def test_h264_keeps_gray_levels_within_one():
    for code in (0, 5, 60, 128, 255):
        frame = np.full((32, 32, 3), code, np.uint8)
        assert np.abs(h264([frame], crf=10)[0].astype(int) - code).max() <= 1


def test_h264_loses_more_at_a_higher_rate_factor(frames):
    losses = [
        np.square(np.subtract(h264(frames, crf=crf), frames, dtype=float)).mean()
        for crf in (10, 30, 45)
    ]
    assert losses[0] < losses[1] < losses[2]


def test_h264_takes_a_bit_rate(frames):
    assert len(h264(frames, bit_rate=100_000)) == len(frames)


def test_h264_is_the_same_every_time(frames):
    np.testing.assert_array_equal(h264(frames, crf=30), h264(frames, crf=30))


def test_h264_of_nothing_is_nothing():
    assert h264([], crf=20) == []


def test_h264_refuses_odd_sides_and_two_rate_controls(frames):
    with pytest.raises(UsageError, match="even"):
        h264([frames[0][:47]], crf=20)
    with pytest.raises(UsageError, match="either"):
        h264(frames, crf=20, bit_rate=1000)
    with pytest.raises(UsageError, match="uint8"):
        h264([np.zeros((32, 32, 3), np.float32)], crf=20)


def test_jpeg_averages_color_over_two_by_two_pixels():
    image = np.full((32, 32, 3), 128, np.uint8)
    image[::2, ::2, 0], image[1::2, 1::2, 0] = 255, 255
    detail = image[8:24, 8:24].astype(float) @ [1, -0.5, -0.5]
    kept = jpeg(image, 98)[8:24, 8:24].astype(float) @ [1, -0.5, -0.5]
    assert kept.std() < 0.2 * detail.std()


def test_jpeg_of_gray_is_gray():
    for code in (0, 77, 255):
        frame = np.full((16, 16, 3), code, np.uint8)
        np.testing.assert_array_equal(jpeg(frame, 90), frame)
