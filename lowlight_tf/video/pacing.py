"""Sending the frames of a file at the speed at which they are shown."""

import time


class RealTimePacer:
    """Waits until frames are due; the first one is due at once."""

    def __init__(self) -> None:
        self._start_s: float | None = None  # of the video, by `time.monotonic`

    def wait_for(self, time_s: float) -> None:
        """Wait until a frame is due.

        Args:
            time_s: Its time stamp (seconds).
        """
        now = time.monotonic()
        if self._start_s is None:
            self._start_s = now - time_s
        time.sleep(max(self._start_s + time_s - now, 0))
