"""Watching whether the two cameras of a running pair still look at the same."""

import collections
import statistics
import threading
from collections.abc import Callable

import numpy as np

from lowlight_tf.checks import UsageError
from lowlight_tf.imaging.dtypes import img_as_float32
from lowlight_tf.imaging.registration.alignment import WORKING_SIZE_PX, measure_shift
from lowlight_tf.imaging.registration.pair_preprocessing import PairPreprocessing, preprocess_pair

CHECK_INTERVAL_S = 10.0
"""Time between two checks (seconds); one takes 0.1 s of a processor."""

CHECKS = 5
"""Number of the last checks whose median is taken: parallax and moving objects disturb one."""

MAX_POINTS = 6
"""Maximum number of checks that `describe` names."""

MAX_SHIFT_FRACTION = 4 / WORKING_SIZE_PX
"""Shift, as a fraction of the longer side, above which the cameras count as moved."""

MIN_CORRELATION = 0.07
"""Correlation of the edges below which the images do not show the same: they reach 0.04, pairs
of real cameras 0.1 to 0.3."""

CALIBRATE_HINT = "`lowlight-tf calibrate` takes both videos, and writes what --align takes."


class RegistrationMonitor:
    """Measures at intervals, on a thread of its own, how far two aligned cameras are apart.

    Args:
        preprocessing: How the infrared frames are aligned; None if they are.
        report: Called with a line of text when the cameras no longer fit, and when they do again.
        interval_s: Time between two checks (seconds of the video).

    Attributes:
        shifts: (time in seconds, distance in pixels of the visible frame) of each check.
    """

    def __init__(
        self,
        preprocessing: PairPreprocessing | None,
        report: Callable[[str], None],
        *,
        interval_s: float = CHECK_INTERVAL_S,
    ) -> None:
        own = preprocessing or PairPreprocessing()
        self._alignment = PairPreprocessing(size="visible", align=own.align)
        self._report, self._interval_s = report, interval_s
        self._next_time_s, self._state = 0.0, ""  # how the cameras do not fit
        # Of each check, shift and correlation.
        self._last: collections.deque[tuple[np.ndarray, float]] = collections.deque(maxlen=CHECKS)
        self._thread: threading.Thread | None = None
        self.shifts: list[tuple[float, float]] = []

    def __call__(self, visible: np.ndarray, infrared: np.ndarray, time_s: float) -> None:
        """Check a pair if it is time to and the last check has ended.

        Args:
            visible: (H, W, 1) luma, uint8.
            infrared: (h, w, 1) uint8.
            time_s: Time stamp of both (seconds).
        """
        is_busy = self._thread is not None and self._thread.is_alive()
        if time_s < self._next_time_s or is_busy:
            return
        self._next_time_s = time_s + self._interval_s
        arguments = visible.copy(), infrared.copy(), time_s
        self._thread = threading.Thread(target=self._check, args=arguments, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Wait for the check that is running."""
        if self._thread:
            self._thread.join()

    def describe(self) -> str:
        """Return the distance over time as one line, "" before the second check."""
        if len(self.shifts) < 2:
            return ""
        last = len(self.shifts) - 1
        indices = sorted({last * part // (MAX_POINTS - 1) for part in range(MAX_POINTS)})
        points = (self.shifts[index] for index in indices)
        text = ", ".join(f"{pixels:.1f} at {time_s:.0f} s" for time_s, pixels in points)
        return f"the infrared image was off by (pixels): {text}"

    def _check(self, visible: np.ndarray, infrared: np.ndarray, time_s: float) -> None:
        images = img_as_float32(visible), img_as_float32(infrared)
        try:
            shift, correlation = measure_shift(*preprocess_pair(*images, self._alignment))
        except UsageError:
            return  # too little structure, as in the dark: nothing can be said
        self._last.append((shift, correlation))
        self.shifts.append((time_s, float(np.linalg.norm(shift))))
        if len(self._last) == CHECKS:
            self._update_state(max(visible.shape), time_s)

    def _update_state(self, side: int, time_s: float) -> None:
        """Report a change of whether the cameras fit."""
        distance = float(np.linalg.norm(np.median([shift for shift, _ in self._last], axis=0)))
        state, line = "", "the cameras show the same again"
        if statistics.median(correlation for _, correlation in self._last) < MIN_CORRELATION:
            state = "different"
            line = (
                "the two cameras do not show the same: is one mirrored, upside down, or of another "
                f"field of view? {CALIBRATE_HINT}"
            )
        elif distance > MAX_SHIFT_FRACTION * side:
            state = "shifted"
            line = (
                f"the infrared image is {distance:.1f} pixels off: has a camera moved? "
                f"{CALIBRATE_HINT}"
            )
        if state != self._state:
            self._report(f"at {time_s:.0f} s {line}")
        self._state = state
