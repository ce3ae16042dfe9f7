"""Temporal smoothing of a video's exposure, and switching between day and night."""

import math
from collections.abc import Sequence

import cv2
import numpy as np

from lowlight_tf import checks
from lowlight_tf.checks import UsageError
from lowlight_tf.contract import YUV, Port
from lowlight_tf.imaging.color import LUMA_WEIGHTS
from lowlight_tf.runtime.engine import Images, bytes_as_float32

LUMA_OFFSET = 0.02
"""Added to luma values before their ratio is taken, so that noise near black is no scene change."""

MIN_FACTOR_CHANGE = 0.5 / 255
"""Difference of a factor from 1, below which a product with it is rounded to the same byte."""

MEASURED_ROWS = slice(None, None, 4)
"""Rows that the mean luma is taken of: one in four differs by less than the noise of a frame."""


class AdaptiveEMA:
    """An exponential moving average over time that follows large changes at once.

    The value of each frame has the weight 1 - exp(-dt / c), where dt is the time since the previous
    frame, so that the result does not depend on the frame rate. The time constant c falls with the
    difference d between the luma of the frame and its average, in stops:
    c = smoothing_s * (1 - d)^2. At half a stop the average follows four times as fast. At one
    stop or more (twice or half the luma: a cut, a lamp, the end of a tunnel) it is the value of the
    frame.

    Args:
        smoothing_s: Time constant (seconds); 0 disables averaging.

    Raises:
        UsageError: If `smoothing_s` is negative.
    """

    def __init__(self, smoothing_s: float) -> None:
        checks.check_min("smoothing_s", smoothing_s, 0)
        self._smoothing_s = smoothing_s
        self._value = self._luma = 0.0
        self._time_s: float | None = None

    def __call__(self, value: np.ndarray | float, luma: float, time_s: float) -> np.ndarray | float:
        """Update the average with the value of a frame and return it.

        Args:
            value: A number or an array, of the same shape at each call.
            luma: Mean luma of the frame, in [0, 1].
            time_s: Time stamp of the frame (seconds).
        """
        weight = self._weight(luma, time_s)
        self._value = value if weight == 1 else self._value + weight * (value - self._value)
        self._luma += weight * (luma - self._luma)
        self._time_s = time_s
        return self._value

    def _weight(self, luma: float, time_s: float) -> float:
        if self._time_s is None or time_s < self._time_s:
            return 1.0
        stops = abs(math.log2((luma + LUMA_OFFSET) / (self._luma + LUMA_OFFSET)))
        constant = self._smoothing_s * (1 - min(stops, 1)) ** 2
        return 1 - math.exp(-(time_s - self._time_s) / constant) if constant else 1.0


class ThumbnailSmoother:
    """Averages the thumbnail inputs of a model over time, which keeps its tone and color stable.

    Args:
        ports: The thumbnail inputs.
        smoothing_s: Time constant of the averages (seconds); 0 disables averaging.
    """

    def __init__(self, ports: Sequence[Port], smoothing_s: float) -> None:
        self._ports, self._smoothing_s = ports, smoothing_s
        self._averages: dict[str, AdaptiveEMA] = {}

    def __call__(self, thumbnails: Images, time_s: float) -> Images:
        """Return the averages, float32, updated with a frame's thumbnails, uint8."""
        smoothed = {}
        for port in self._ports:
            average = self._averages.setdefault(port.name, AdaptiveEMA(self._smoothing_s))
            values = bytes_as_float32(thumbnails[port.name], port)
            luma = values[..., 0] if port.color_space == YUV else values @ np.float32(LUMA_WEIGHTS)
            smoothed[port.name] = average(values, float(luma.mean()), time_s)
        return smoothed


class LumaStabilizer:
    """Returns the factor by which each result is scaled so that its luma is the moving average.

    Args:
        smoothing_s: Time constant of the average (seconds).
    """

    def __init__(self, smoothing_s: float) -> None:
        self._average = AdaptiveEMA(smoothing_s)

    def __call__(self, luma: float, time_s: float) -> float:
        """Return the factor of a result of mean luma `luma`, in [0, 1]; 1 if no byte changes."""
        target = self._average(luma, luma, time_s)
        factor = target / luma if luma > 0 else 1.0
        return factor if abs(factor - 1) >= MIN_FACTOR_CHANGE else 1.0

    def scale_image(self, image: np.ndarray, time_s: float) -> None:
        """Scale a result, (H, W, 3) uint8 RGB, in place by its factor."""
        factor = self(mean_luma(image), time_s)
        if factor != 1:
            cv2.convertScaleAbs(image, image, factor)


class DayNightSwitch:
    """Enables enhancement at night and disables it by day, with hysteresis and a short fade.

    The mean luma of the frames, averaged over time (see `AdaptiveEMA`), is compared. Between the
    thresholds the state is kept; a video that starts there starts as day.

    Args:
        night_threshold: Mean luma in [0, 1] below which it is night.
        day_threshold: Mean luma above which it is day; larger than `night_threshold`.
        smoothing_s: Time constant of the average (seconds).
        fade_s: Duration of the fade (seconds).

    Raises:
        UsageError: If `day_threshold` is not larger than `night_threshold`.
    """

    def __init__(
        self,
        *,
        night_threshold: float = 0.2,
        day_threshold: float = 0.28,
        smoothing_s: float = 1.0,
        fade_s: float = 0.5,
    ) -> None:
        if not 0 <= night_threshold < day_threshold <= 1:
            raise UsageError(
                "The night threshold must be below the day threshold, both in [0, 1]. "
                f"Received: night below {night_threshold:g}, day above {day_threshold:g}."
            )
        checks.check_positive("fade_s", fade_s)
        self._night_threshold, self._day_threshold = night_threshold, day_threshold
        self._fade_s = fade_s
        self._average = AdaptiveEMA(smoothing_s)
        self._is_night = False
        self._blend_weight = self._time_s = None

    def __call__(self, luma: float, time_s: float) -> float:
        """Return the weight of the enhanced frame in the result, in [0, 1]."""
        mean = self._average(luma, luma, time_s)
        self._is_night = mean < self._night_threshold or (
            self._is_night and mean <= self._day_threshold
        )
        if self._blend_weight is None:
            self._blend_weight = float(self._is_night)
        else:
            step = (time_s - self._time_s) / self._fade_s
            weight = self._blend_weight + (step if self._is_night else -step)
            self._blend_weight = min(max(weight, 0.0), 1.0)
        self._time_s = time_s
        return self._blend_weight


def mean_luma(image: np.ndarray) -> float:
    """Return the mean luma, in [0, 1], of the `MEASURED_ROWS` of an RGB image, (H, W, 3) uint8."""
    return float(np.dot(cv2.mean(image[MEASURED_ROWS])[:3], LUMA_WEIGHTS)) / 255
