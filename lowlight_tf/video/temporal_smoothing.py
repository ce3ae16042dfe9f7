"""What holds a video's exposure steady over time, and what tells night from day."""

import math

import cv2
import numpy as np

from lowlight_tf import checks
from lowlight_tf.checks import UsageError
from lowlight_tf.imaging.color import LUMA_WEIGHTS
from lowlight_tf.runtime.engine import Images

LUMA_OFFSET = 0.02
"""Added to luma before two are compared: near black, a change of a level is no change of scene."""


class AdaptiveEMA:
    """A running average over time that gives way to a large change.

    The value of each frame enters with the weight 1 - exp(-dt / c), where dt is the time since the
    frame before, whatever the frame rate. The constant c is `seconds` as long as the frame is as
    bright as the average, and falls with the difference d between the two, in stops of luma, as
    c = seconds * (1 - d)^2: at a change of half a stop the average follows four times as fast, and
    at one of a stop or more (twice or half the luma: a cut, a lamp switched on, the end of a
    tunnel) it is at once what the frame is.

    Args:
        seconds: The time constant; 0 averages nothing.
    """

    def __init__(self, seconds: float) -> None:
        checks.check_min("seconds", seconds, 0)
        self._seconds = seconds
        self._value = self._luma = 0.0
        self._time: float | None = None

    def __call__(self, value: np.ndarray | float, luma: float, time: float) -> np.ndarray | float:
        """Return the average once `value` is in it.

        Args:
            value: Of any shape, the same each time.
            luma: How bright the frame is, in [0, 1].
            time: Time stamp of the frame (seconds).
        """
        weight = self._weight(luma, time)
        self._value = value if weight == 1 else self._value + weight * (value - self._value)
        self._luma += weight * (luma - self._luma)
        self._time = time
        return self._value

    def _weight(self, luma: float, time: float) -> float:
        if self._time is None or time < self._time:
            return 1.0
        stops = abs(math.log2((luma + LUMA_OFFSET) / (self._luma + LUMA_OFFSET)))
        constant = self._seconds * (1 - min(stops, 1)) ** 2
        return 1 - math.exp(-(time - self._time) / constant) if constant else 1.0


class ThumbnailSmoother:
    """Shows a net with thumbnail ports their running average: tone and color stay the same."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._averages: dict[str, AdaptiveEMA] = {}

    def __call__(self, thumbnails: Images, time: float) -> Images:
        """Return the averages, float32 in [0, 1], of a frame's thumbnails, uint8."""
        steady = {}
        for name, image in thumbnails.items():
            average = self._averages.setdefault(name, AdaptiveEMA(self._seconds))
            value = np.divide(image, 255, dtype=np.float32)
            steady[name] = average(value, luma(image[0]), time)
        return steady


class LumaStabilizer:
    """Holds the mean luma of results steady, by a factor for each."""

    def __init__(self, seconds: float) -> None:
        self._average = AdaptiveEMA(seconds)

    def __call__(self, image: np.ndarray, time: float) -> None:
        """Multiply a result, (H, W, 3) uint8, in its place, so that its luma is the average's."""
        found = luma(image)
        wanted = self._average(found, found, time)
        if found:
            cv2.convertScaleAbs(image, image, wanted / found)


class DayNightSwitch:
    """Turns enhancing on when it gets dark and off when it is bright again, with a short fade.

    What is compared is the mean luma, averaged over time (see `Average`); between the two
    thresholds all stays as it is. A video that begins between them begins bright.

    Args:
        below: Mean luma in [0, 1] below which it is dark.
        above: Mean luma above which it is bright; larger than `below`.
        seconds: Time constant of the average.
        fade: How long turning on or off takes (seconds).

    Raises:
        UsageError: If `above` is not larger than `below`.
    """

    def __init__(
        self,
        *,
        below: float = 0.2,
        above: float = 0.28,
        seconds: float = 1.0,
        fade: float = 0.5,
    ) -> None:
        if not 0 <= below < above <= 1:
            raise UsageError(
                "It must get dark below and bright above, both in [0, 1]. "
                f"Received: dark below {below:g}, bright above {above:g}."
            )
        checks.check_positive("fade", fade)
        self._below, self._above, self._fade = below, above, fade
        self._average = AdaptiveEMA(seconds)
        self._dark = False
        self._share = self._time = None

    def __call__(self, luma: float, time: float) -> float:
        """Return how much of the enhanced frame is to be shown, in [0, 1]."""
        mean = self._average(luma, luma, time)
        self._dark = mean < self._below or (self._dark and mean <= self._above)
        if self._share is None:
            self._share = float(self._dark)
        else:
            step = (time - self._time) / self._fade
            self._share = min(max(self._share + (step if self._dark else -step), 0.0), 1.0)
        self._time = time
        return self._share


def luma(image: np.ndarray) -> float:
    """Return the mean luma, in [0, 1], of an RGB image, uint8."""
    return float(np.dot(cv2.mean(image)[:3], LUMA_WEIGHTS)) / 255
