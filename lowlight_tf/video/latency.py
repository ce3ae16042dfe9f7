"""Time from a frame's arrival to its output."""

import collections
import time

BIN_S, MAX_BINS = 1e-3, 60_000
"""Width of the histogram's bins, and their number (seconds; longer times count as the last)."""

PERCENTILES = 50, 95, 99


class LatencyMeter:
    """Counts latencies in a histogram, whose memory does not grow with the number of frames.

    Attributes:
        count: Number of latencies.
    """

    def __init__(self) -> None:
        self._bins: collections.Counter[int] = collections.Counter()
        self._waiting: collections.deque[float] = collections.deque()
        self.count = 0

    def written(self, arrival_s: float, delayed_frames: int) -> None:
        """Note that a frame was given to the output.

        Args:
            arrival_s: When it arrived (seconds, of `time.monotonic`).
            delayed_frames: How many frames the encoder keeps back, this one included.
        """
        self._waiting.append(arrival_s)
        while len(self._waiting) > delayed_frames:
            seconds = time.monotonic() - self._waiting.popleft()
            self._bins[min(int(seconds / BIN_S), MAX_BINS - 1)] += 1
            self.count += 1

    def percentile(self, percent: float) -> float:
        """Return the latency that so many percent of the frames do not exceed (seconds)."""
        bins, rank = sorted(self._bins.items()), self.count * percent / 100
        for index, count in bins:
            rank -= count
            if rank <= 0:
                return (index + 1) * BIN_S
        return 0.0

    def describe(self) -> str:
        """Return the percentiles as text, "" without frames."""
        if not self.count:
            return ""
        times = (f"p{each} {1000 * self.percentile(each):.0f} ms" for each in PERCENTILES)
        return f"latency {', '.join(times)}"
