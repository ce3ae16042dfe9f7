"""Averages over time and the day/night switch, against values worked out by hand."""

import math

import numpy as np
import pytest

from lowlight_tf.checks import UsageError
from lowlight_tf.contract import ENHANCE_WITH_THUMBNAIL
from lowlight_tf.video.temporal_smoothing import (
    LUMA_OFFSET,
    AdaptiveEMA,
    DayNightSwitch,
    LumaStabilizer,
    ThumbnailSmoother,
    mean_luma,
)


def test_the_weight_of_a_frame_of_equal_luma_depends_on_the_elapsed_time():
    average = AdaptiveEMA(2.0)
    average(10.0, 0.3, 7.0)
    assert average(20.0, 0.3, 7.5) == pytest.approx(20 - 10 * math.exp(-0.5 / 2))
    assert average(20.0, 0.3, 8.0) == pytest.approx(20 - 10 * math.exp(-1.0 / 2))


def test_the_average_does_not_depend_on_the_frame_rate():
    fast, slow = AdaptiveEMA(1.0), AdaptiveEMA(1.0)
    for average, frames in ((fast, 60), (slow, 3)):
        average(0.0, 0.3, 0.0)
        for frame in range(1, frames + 1):
            value = average(1.0, 0.3, frame / frames)
        assert value == pytest.approx(1 - math.exp(-1))


def test_a_change_of_half_a_stop_is_followed_four_times_as_fast():
    average = AdaptiveEMA(1.0)
    average(0.0, 0.2, 0.0)
    brighter = (0.2 + LUMA_OFFSET) * 2**0.5 - LUMA_OFFSET
    assert average(1.0, brighter, 0.1) == pytest.approx(1 - math.exp(-0.1 / 0.25))


@pytest.mark.parametrize("luma", [0.5, 0.04])
def test_twice_or_half_the_luma_is_followed_at_once(luma):
    average = AdaptiveEMA(1.0)
    average(0.0, 0.2, 0.0)
    assert average(1.0, luma, 0.04) == 1


def test_the_average_follows_the_end_of_a_tunnel_within_a_second():
    average = AdaptiveEMA(1.0)
    for frame in range(76):  # at 30 frames/s; the tunnel ends between 1.0 and 1.5 s
        luma = float(np.interp(frame / 30, (1.0, 1.5), (0.08, 0.5)))
        value = average(luma, luma, frame / 30)
    assert value > 0.46


def test_a_time_constant_of_0_disables_averaging():
    average = AdaptiveEMA(0)
    assert [average(value, 0.2, time) for time, value in enumerate((1, 5, 2))] == [1, 5, 2]


def test_the_average_restarts_where_time_jumps_back():
    average = AdaptiveEMA(1.0)
    average(0.0, 0.2, 100.0)
    assert average(1.0, 0.2, 3.0) == 1


def test_averaged_thumbnails_are_not_rounded(rng):
    smooth = ThumbnailSmoother(ENHANCE_WITH_THUMBNAIL.thumbnail_inputs, 1.0)
    first, second = (np.full((1, 4, 6, 3), level, np.uint8) for level in (50, 51))
    smooth({"thumbnail": first}, 0.0)
    smoothed = smooth({"thumbnail": second}, 0.04)["thumbnail"]
    assert smoothed.dtype == np.float32
    assert smoothed.shape == (1, 4, 6, 3)
    assert 50 < smoothed[0, 0, 0, 0] * 255 < 50.1


def test_results_are_scaled_to_the_average_of_their_luma():
    stabilize = LumaStabilizer(1.0)
    assert stabilize(100 / 255, 0.0) == 1
    factor = stabilize(110 / 255, 0.04)
    stops = math.log2((110 / 255 + LUMA_OFFSET) / (100 / 255 + LUMA_OFFSET))
    assert 110 * factor == pytest.approx(110 - 10 * math.exp(-0.04 / (1 - stops) ** 2))


def test_a_factor_that_changes_no_byte_is_one():
    stabilize = LumaStabilizer(1e9)
    stabilize(100 / 255, 0.0)
    assert stabilize(100.1 / 255, 0.04) == 1
    assert stabilize(100.3 / 255, 0.08) != 1


def test_a_black_result_is_not_scaled():
    assert LumaStabilizer(1.0)(0.0, 0.0) == 1


def test_mean_luma_is_a_fraction_of_white():
    assert mean_luma(np.full((2, 2, 3), 51, np.uint8)) == pytest.approx(0.2)
    assert mean_luma(np.full((2, 2, 3), (0, 255, 0), np.uint8)) == pytest.approx(0.587)


def test_the_switch_has_hysteresis():
    switch = DayNightSwitch(night_threshold=0.2, day_threshold=0.3, smoothing_s=0, fade_s=1e-6)
    lumas = (0.25, 0.19, 0.25, 0.3, 0.31, 0.25)
    weights = [switch(luma, time) for time, luma in enumerate(lumas)]
    assert weights == [0, 1, 1, 1, 0, 0]


def test_the_switch_fades_in_half_a_second_but_not_at_the_start():
    switch = DayNightSwitch(smoothing_s=0, fade_s=0.5)
    assert switch(0.1, 0.0) == 1
    weights = [switch(0.9, time) for time in (0.1, 0.2, 0.5, 0.6)]
    assert weights == pytest.approx([0.8, 0.6, 0, 0])


def test_the_switch_ignores_a_lamp_that_is_passed():
    switch = DayNightSwitch(night_threshold=0.2, day_threshold=0.3, smoothing_s=1.0)
    times = np.arange(0, 2, 0.04)
    lumas = np.where((times > 1) & (times < 1.1), 0.31, 0.19)
    assert [switch(luma, time) for luma, time in zip(lumas, times, strict=True)] == [1] * 50


@pytest.mark.parametrize("thresholds", [(0.3, 0.2), (0.2, 0.2), (-0.1, 0.2), (0.2, 1.1)])
def test_thresholds_out_of_order_or_range_are_refused(thresholds):
    with pytest.raises(UsageError, match="night threshold must be below"):
        DayNightSwitch(night_threshold=thresholds[0], day_threshold=thresholds[1])
