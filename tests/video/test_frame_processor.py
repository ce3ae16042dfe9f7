"""Frames that a callback gives one by one are enhanced as those of a video file."""

import numpy as np
import pytest

from lowlight_tf.checks import UsageError
from lowlight_tf.imaging.yuv import YuvFormat
from lowlight_tf.video.frame_processor import LiveEnhancer
from lowlight_tf.video.temporal_smoothing import DayNightSwitch
from tests.clips import LookupTableEngine

GRAY = YuvFormat(6, full_range=True)


def make_planes(level, size=(48, 64)):
    half = (size[0] // 2, size[1] // 2)
    return [
        np.full(shape, value, np.uint8)
        for shape, value in ((size, level), (half, 128), (half, 128))
    ]


def test_each_frame_is_enhanced_and_the_input_is_not_changed():
    enhancer = LiveEnhancer((48, 64), LookupTableEngine(), yuv_format=GRAY, smoothing_s=0)
    for index, level in enumerate((40, 90)):
        planes = make_planes(level)
        luma, *chroma = enhancer(planes, index / 30)
        assert luma.mean() == pytest.approx(LookupTableEngine().table[level], abs=1)
        assert all(np.abs(plane.astype(int) - 128).max() <= 1 for plane in chroma)
        assert (planes[0] == level).all()


def test_the_exposure_is_stable_over_time():
    steps = []
    for smoothing_s in (0, 1):
        enhancer = LiveEnhancer(
            (48, 64), LookupTableEngine(), yuv_format=GRAY, smoothing_s=smoothing_s
        )
        means = [enhancer(make_planes(40 + 6 * (k % 2)), k / 30)[0].mean() for k in range(10)]
        steps.append(np.abs(np.diff(means)).mean())
    assert steps[1] < steps[0] / 3


def test_bright_frames_are_returned_as_they_are_with_a_day_night_switch():
    engine = LookupTableEngine()
    enhancer = LiveEnhancer(
        (48, 64), engine, yuv_format=GRAY, day_night_switch=DayNightSwitch(), smoothing_s=0
    )
    assert (enhancer(make_planes(150), 0.0)[0] == 150).all()
    assert engine.runs == 0
    for k in range(1, 40):
        luma = enhancer(make_planes(20), k / 10)[0]
    assert luma.mean() > 60


def test_a_model_of_planes_is_the_default_and_takes_limited_range():
    enhancer = LiveEnhancer((96, 128), threads=1)
    rng = np.random.default_rng(0)
    planes = [np.uint8(rng.integers(18, 40, plane.shape)) for plane in make_planes(0, (96, 128))]
    planes[1:] = [np.full_like(plane, 128) for plane in planes[1:]]
    luma, *chroma = enhancer(planes, 0.0)
    assert luma.mean() > planes[0].mean() + 15
    assert [plane.shape for plane in chroma] == [(48, 64)] * 2


def test_planes_of_other_sizes_are_refused():
    enhancer = LiveEnhancer((48, 64), LookupTableEngine())
    with pytest.raises(UsageError, match=r"must be \[\(48, 64\), \(24, 32\), \(24, 32\)\]"):
        enhancer(make_planes(50, (46, 64)), 0.0)
