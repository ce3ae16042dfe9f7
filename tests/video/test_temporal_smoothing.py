"""Averages over time, and the switch between night and day, worked out by hand."""

import math

import numpy as np
import pytest

from lowlight_tf.checks import UsageError
from lowlight_tf.video import temporal_smoothing
from lowlight_tf.video.temporal_smoothing import (
    LUMA_OFFSET,
    AdaptiveEMA,
    DayNightSwitch,
    LumaStabilizer,
    ThumbnailSmoother,
)


def test_a_frame_as_bright_as_the_average_enters_by_its_time():
    average = AdaptiveEMA(2.0)
    average(10.0, 0.3, 7.0)
    assert average(20.0, 0.3, 7.5) == pytest.approx(20 - 10 * math.exp(-0.5 / 2))
    assert average(20.0, 0.3, 8.0) == pytest.approx(20 - 10 * math.exp(-1.0 / 2))


def test_the_average_depends_on_time_and_not_on_the_frame_rate():
    fast, slow = AdaptiveEMA(1.0), AdaptiveEMA(1.0)
    for average, frames in ((fast, 60), (slow, 3)):
        average(0.0, 0.3, 0.0)
        for frame in range(1, frames + 1):
            found = average(1.0, 0.3, frame / frames)
        assert found == pytest.approx(1 - math.exp(-1))


def test_half_a_stop_is_followed_four_times_as_fast():
    average = AdaptiveEMA(1.0)
    average(0.0, 0.2, 0.0)
    brighter = (0.2 + LUMA_OFFSET) * 2**0.5 - LUMA_OFFSET
    assert average(1.0, brighter, 0.1) == pytest.approx(1 - math.exp(-0.1 / 0.25))


@pytest.mark.parametrize("luma", [0.5, 0.04])
def test_twice_or_half_the_luma_is_taken_at_once(luma):
    average = AdaptiveEMA(1.0)
    average(0.0, 0.2, 0.0)
    assert average(1.0, luma, 0.04) == 1


def test_out_of_a_tunnel_the_average_arrives_within_a_second():
    average = AdaptiveEMA(1.0)
    for frame in range(76):  # at 30 frames/s; between 1.0 and 1.5 s the camera sees the day
        luma = float(np.interp(frame / 30, (1.0, 1.5), (0.08, 0.5)))
        found = average(luma, luma, frame / 30)
    assert found > 0.46


def test_without_a_time_constant_nothing_is_averaged():
    average = AdaptiveEMA(0)
    assert [average(value, 0.2, time) for time, value in enumerate((1, 5, 2))] == [1, 5, 2]


def test_time_that_jumps_back_begins_anew():
    average = AdaptiveEMA(1.0)
    average(0.0, 0.2, 100.0)
    assert average(1.0, 0.2, 3.0) == 1


def test_thumbnails_keep_their_fractions(rng):
    thumbnails = ThumbnailSmoother(1.0)
    first, second = (np.full((1, 4, 6, 3), level, np.uint8) for level in (50, 51))
    thumbnails({"thumbnail": first}, 0.0)
    found = thumbnails({"thumbnail": second}, 0.04)["thumbnail"]
    assert found.dtype == np.float32
    assert found.shape == (1, 4, 6, 3)
    assert 50 < found[0, 0, 0, 0] * 255 < 50.1


def test_results_are_brought_to_the_average_of_their_luma():
    gain = LumaStabilizer(1.0)
    gain(np.full((4, 4, 3), 100, np.uint8), 0.0)
    image = np.full((4, 4, 3), 110, np.uint8)
    gain(image, 0.04)
    stops = math.log2((110 / 255 + LUMA_OFFSET) / (100 / 255 + LUMA_OFFSET))
    assert image[0, 0, 0] == round(110 - 10 * math.exp(-0.04 / (1 - stops) ** 2))


def test_a_black_result_stays_black():
    image = np.zeros((4, 4, 3), np.uint8)
    LumaStabilizer(1.0)(image, 0.0)
    assert not image.any()


def test_luma_is_the_share_of_white():
    assert temporal_smoothing.luma(np.full((2, 2, 3), 51, np.uint8)) == pytest.approx(0.2)
    assert temporal_smoothing.luma(np.full((2, 2, 3), (0, 255, 0), np.uint8)) == pytest.approx(
        0.587
    )


def test_the_switch_has_hysteresis():
    switch = DayNightSwitch(below=0.2, above=0.3, seconds=0, fade=1e-6)
    shares = [switch(luma, time) for time, luma in enumerate((0.25, 0.19, 0.25, 0.3, 0.31, 0.25))]
    assert shares == [0, 1, 1, 1, 0, 0]


def test_the_switch_fades_in_half_a_second_and_begins_without():
    switch = DayNightSwitch(seconds=0, fade=0.5)
    assert switch(0.1, 0.0) == 1
    shares = [switch(0.9, time) for time in (0.1, 0.2, 0.5, 0.6)]
    assert shares == pytest.approx([0.8, 0.6, 0, 0])


def test_the_switch_does_not_heed_a_lamp_that_is_passed():
    switch = DayNightSwitch(below=0.2, above=0.3, seconds=1.0)
    times = np.arange(0, 2, 0.04)
    lumas = np.where((times > 1) & (times < 1.1), 0.31, 0.19)
    assert [switch(luma, time) for luma, time in zip(lumas, times, strict=True)] == [1] * 50


@pytest.mark.parametrize("limits", [(0.3, 0.2), (0.2, 0.2), (-0.1, 0.2), (0.2, 1.1)])
def test_thresholds_that_make_no_sense_are_refused(limits):
    with pytest.raises(UsageError, match="dark below"):
        DayNightSwitch(below=limits[0], above=limits[1])
