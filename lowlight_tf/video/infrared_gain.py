"""Holding the levels of an infrared camera steady while its automatic gain jumps."""

import math

import cv2
import numpy as np

THUMBNAIL_SIZE = 64, 48  # width and height at which frames are compared (pixels)
SAME_SCENE_CORRELATION = 0.9  # of successive thumbnails; below, the scene has changed
MIN_SPAN = 2.0  # levels between the quantiles of a frame, below which it counts as flat
MAX_GAIN = 4.0  # of the correction
OUTLIER_FRACTION, FIT_ROUNDS = 0.2, 3  # of the pixels: something may have entered the scene
MIN_CHANGE = 0.5  # levels by which black or white must change, or the frame is left as it is


class InfraredGainStabilizer:
    """Corrects the levels of infrared frames so that a change of the camera's gain is gradual.

    Thermal cameras map the temperatures of a scene to 8 bits by an automatic gain: when something
    hot enters, all else becomes darker from one frame to the next. A frame that shows the same as
    the one before, with other levels, is mapped to its levels by a gain and an offset; these then
    return to 1 and 0 with the time constant. A frame that shows something else is left as it is.

    Args:
        time_constant_s: Time constant of the return (seconds).
    """

    def __init__(self, time_constant_s: float) -> None:
        self._time_constant_s = time_constant_s
        self._previous: np.ndarray | None = None  # thumbnail of the last corrected frame
        self._time_s = 0.0

    def __call__(self, infrared: np.ndarray, time_s: float) -> np.ndarray:
        """Return a frame, (H, W, 1) uint8, with corrected levels.

        Args:
            infrared: The frame; it is not changed.
            time_s: Its time stamp (seconds).
        """
        thumbnail = cv2.resize(infrared, THUMBNAIL_SIZE, interpolation=cv2.INTER_AREA)
        thumbnail = thumbnail.astype(np.float32)
        gain, offset = self._fit(thumbnail, time_s)
        kept = math.exp(-max(time_s - self._time_s, 0) / self._time_constant_s)
        gain, offset = 1 + kept * (gain - 1), kept * offset
        self._previous, self._time_s = gain * thumbnail + offset, time_s
        if max(abs(offset), abs(255 * (gain - 1) + offset)) < MIN_CHANGE:
            return infrared
        levels = gain * np.arange(256) + offset
        return cv2.LUT(infrared, np.uint8(np.rint(levels.clip(0, 255)))).reshape(infrared.shape)

    def _fit(self, thumbnail: np.ndarray, time_s: float) -> tuple[float, float]:
        """Return the gain and the offset from a thumbnail to the previous one; else 1 and 0."""
        if self._previous is None or time_s < self._time_s:
            return 1.0, 0.0
        now, before = thumbnail.ravel(), self._previous.ravel()
        ranges = [np.quantile(levels, (0.2, 0.5, 0.8)) for levels in (now, before)]
        spans = [high - low for low, _, high in ranges]
        if min(spans) < MIN_SPAN:
            return 1.0, 0.0
        gain = spans[1] / spans[0]
        offset = ranges[1][1] - gain * ranges[0][1]
        for _ in range(FIT_ROUNDS):  # least trimmed squares
            errors = np.abs(gain * now + offset - before)
            inside = errors <= np.quantile(errors, 1 - OUTLIER_FRACTION)
            deviation = now[inside] - now[inside].mean()
            gain = (deviation * before[inside]).sum() / max(np.square(deviation).sum(), 1e-6)
            offset = before[inside].mean() - gain * now[inside].mean()
        now, before = now[inside], before[inside]
        is_same = np.corrcoef(now, before)[0, 1] > SAME_SCENE_CORRELATION
        if not (is_same and 1 / MAX_GAIN < gain < MAX_GAIN):
            return 1.0, 0.0
        return float(gain), float(offset)
