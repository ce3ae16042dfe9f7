"""Latencies are counted without growing memory, and frames of a file are paced."""

import time

import pytest

from lowlight_tf.video.latency import LatencyMeter
from lowlight_tf.video.pacing import RealTimePacer


@pytest.fixture
def clock(monkeypatch):
    """Return a list whose last element is the time."""
    times = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: times[-1])
    return times


def test_percentiles_are_those_of_the_latencies_to_a_millisecond(clock):
    meter = LatencyMeter()
    assert meter.describe() == ""
    for index in range(1, 101):
        clock.append(clock[-1] + 1)
        meter.written(clock[-1] - index / 1000 + 1e-6, 0)
    assert meter.count == 100
    assert meter.percentile(50) == pytest.approx(0.050, abs=1.1e-3)
    assert meter.percentile(95) == pytest.approx(0.095, abs=1.1e-3)
    assert meter.describe() == "latency p50 50 ms, p95 95 ms, p99 99 ms"


def test_a_frame_that_the_encoder_keeps_back_is_counted_when_it_is_out(clock):
    meter = LatencyMeter()
    meter.written(clock[-1], 1)
    assert meter.count == 0
    clock.append(clock[-1] + 0.4)
    meter.written(clock[-1], 1)
    assert meter.count == 1
    assert meter.percentile(99) == pytest.approx(0.4, abs=2e-3)


def test_frames_wait_until_they_are_due():
    pacer, start = RealTimePacer(), time.monotonic()
    for time_s in (5.0, 5.02, 5.01, 5.06):
        pacer.wait_for(time_s)
    assert 0.06 <= time.monotonic() - start < 0.5
