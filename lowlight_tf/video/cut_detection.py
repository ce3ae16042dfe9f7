"""Finding the frames of a video that do not continue the frame before."""

import cv2
import numpy as np

MAX_GAP_S = 0.25
"""Time between two frames from which the second counts as a new beginning (seconds)."""

CUT_DIFFERENCE = 15.0
"""Mean absolute difference of two thumbnails, in codes of luma, from which there is a cut."""


class CutDetector:
    """Tells which frames are the first of a scene: after a cut, a gap, or a jump back in time.

    Two dark scenes differ by less than `CUT_DIFFERENCE`: a model with memory has to tell by itself
    that its past shows something else.
    """

    def __init__(self) -> None:
        self._thumbnail: np.ndarray | None = None
        self._time_s = 0.0

    def __call__(self, thumbnail: np.ndarray, time_s: float) -> bool:
        """Return whether a frame is the first of a scene.

        Args:
            thumbnail: Luma of the frame, (h, w) uint8, of the same shape at each call.
            time_s: Time stamp of the frame (seconds).
        """
        last, last_s = self._thumbnail, self._time_s
        self._thumbnail, self._time_s = thumbnail, time_s
        if last is None or not 0 <= time_s - last_s <= MAX_GAP_S:
            return True
        return cv2.norm(thumbnail, last, cv2.NORM_L1) > CUT_DIFFERENCE * thumbnail.size
