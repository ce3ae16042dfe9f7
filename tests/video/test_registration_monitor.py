"""The registration of a running pair is watched."""

import numpy as np
import pytest

from lowlight_tf.imaging import dtypes
from lowlight_tf.video.registration_monitor import CHECKS, RegistrationMonitor
from tests.cameras import render_scene


@pytest.fixture
def pair(rng):
    """Return a visible and an infrared frame of one scene, uint8."""
    return tuple(map(dtypes.img_as_uint8, render_scene((240, 320), rng)))


@pytest.fixture
def monitor():
    """Return a function that checks pairs in turn, and the lines that are reported."""
    lines = []
    watch = RegistrationMonitor(None, lines.append)

    def check(visible, infrared, times=CHECKS):
        for _ in range(times):
            watch(visible, infrared, 10.0 * len(watch.shifts))
            watch.close()
        return lines

    check.watch = watch
    return check


def test_aligned_cameras_are_not_reported(monitor, pair):
    assert monitor(*pair) == []
    assert [time for time, _ in monitor.watch.shifts] == [0, 10, 20, 30, 40]
    assert max(pixels for _, pixels in monitor.watch.shifts) < 0.5
    line = monitor.watch.describe()
    assert line.count(" at ") == CHECKS
    assert line.endswith("at 40 s")


def test_a_camera_that_moves_is_reported_once_and_when_it_is_back(monitor, pair):
    visible, infrared = pair
    moved = np.roll(infrared, 5, axis=1)
    assert monitor(visible, infrared) == []
    (line,) = monitor(visible, moved, 2 * CHECKS)
    assert "pixels off" in line
    assert "calibrate" in line
    assert monitor.watch.shifts[-1][1] == pytest.approx(5, abs=0.5)
    assert "again" in monitor(visible, infrared)[1]


@pytest.mark.parametrize("axes", [0, 1, (0, 1)])
def test_a_mirrored_or_turned_camera_is_reported(monitor, pair, axes):
    visible, infrared = pair
    (line,) = monitor(visible, np.flip(infrared, axes))
    assert "mirrored, upside down" in line


def test_a_moved_camera_that_is_then_mirrored_is_reported_twice(monitor, pair):
    visible, infrared = pair
    monitor(visible, np.roll(infrared, 5, axis=1))
    moved, mirrored = monitor(visible, infrared[:, ::-1])
    assert "pixels off" in moved
    assert "mirrored" in mirrored


def test_in_the_dark_nothing_is_reported(monitor, pair):
    visible, infrared = pair
    for step in range(CHECKS):
        monitor.watch(np.zeros_like(visible), infrared, 10.0 * step)
        monitor.watch.close()
    assert monitor(visible, infrared, 0) == monitor.watch.shifts == []


def test_between_two_checks_nothing_is_measured(monitor, pair):
    monitor(*pair, 1)
    monitor.watch(*pair, 9.9)
    monitor.watch.close()
    assert len(monitor.watch.shifts) == 1
