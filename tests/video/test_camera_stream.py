"""Time stamps of live cameras are converted to one clock."""

import numpy as np
import pytest

from lowlight_tf.video.camera_stream import ArrivalClock

FRAME_S = 1 / 30


def convert(clock, stamps, arrivals):
    return np.array([clock(*times) for times in zip(stamps, arrivals, strict=True)])


def test_frames_that_were_buffered_do_not_delay_those_after_them():
    taken = np.arange(60) * FRAME_S
    arrivals = np.maximum(taken + 0.02, 0.8)  # the stream took 0.8 s to open
    times = convert(ArrivalClock(0.0), taken + 5000, arrivals)
    np.testing.assert_allclose(times[30:], taken[30:] + 0.02, atol=1e-3)
    assert (np.diff(times) >= 0).all()


def test_jitter_of_the_network_is_left_out(rng):
    taken = np.arange(300) * FRAME_S
    times = convert(ArrivalClock(0.0), taken, taken + 0.01 + rng.exponential(0.02, 300))
    assert np.abs(times[60:] - taken[60:] - 0.01).max() < 0.01
    assert np.diff(times)[60:] == pytest.approx(FRAME_S, abs=5e-3)


@pytest.mark.parametrize("drift", [-2e-4, 2e-4])
def test_a_clock_that_is_slow_or_fast_is_followed(drift):
    taken = np.arange(30 * 600) * FRAME_S
    times = convert(ArrivalClock(0.0), taken * (1 + drift), taken + 0.01)
    assert np.abs(times - taken - 0.01).max() < 2e-3


def test_time_stamps_that_start_anew_are_shifted_anew():
    clock = ArrivalClock(100.0)
    assert clock(0.0, 100.0) == pytest.approx(0)
    assert clock(1.0, 101.0) == pytest.approx(1)
    clock.restart()
    assert clock(0.0, 116.0) == pytest.approx(16)
