"""Pairing the frames of two cameras by their time stamps."""

import time
from collections.abc import Iterator
from typing import Protocol

from lowlight_tf.video.frame_queue import POLL_INTERVAL_S, FrameItem

SYNC_TOLERANCE_S = 0.1
"""Largest time difference of two frames that are fused (seconds)."""


class FrameSource(Protocol):
    """The frames of one camera, in order."""

    @property
    def is_finished(self) -> bool:
        """Whether there are no further frames."""
        ...

    def peek(self) -> FrameItem | None:
        """Return the next frame without removing it; None if there is none now or at all."""
        ...

    def pop(self) -> FrameItem:
        """Remove and return the frame that `peek` returned."""
        ...


def approximate_time_sync(
    visible: FrameSource, infrared: FrameSource, *, tolerance_s: float, max_gap_s: float
) -> Iterator[tuple[FrameItem | None, FrameItem | None]]:
    """Pair the frames of two cameras by time, like the ApproximateTimeSynchronizer of ROS.

    Each visible frame is paired with the infrared frame that is nearest in time, or with None if
    none is within the tolerance. An infrared frame is returned alone, as (None, frame), if there is
    no visible frame around it.

    Args:
        visible: The camera whose frame rate the result has.
        infrared: The other camera, of any frame rate.
        tolerance_s: Largest time difference of a pair (seconds).
        max_gap_s: An infrared frame is returned alone if there is no visible frame for this time
            before and after it (seconds); longer than the interval of the visible frames.
    """
    last_visible_time = previous_infrared = None
    while True:
        visible_item, infrared_item = visible.peek(), infrared.peek()
        if visible_item is None and infrared_item is None:
            if visible.is_finished and infrared.is_finished:
                return
            time.sleep(POLL_INTERVAL_S)  # neither live stream has a frame now
        elif visible_item is not None and (
            infrared_item is None or visible_item.frame.time <= infrared_item.frame.time
        ):
            last_visible_time = visible.pop().frame.time
            differences = {
                abs(item.frame.time - last_visible_time): item
                for item in (infrared_item, previous_infrared)
                if item
            }
            nearest = min(differences, default=None)
            in_time = differences and nearest <= tolerance_s
            yield visible_item, differences[nearest] if in_time else None
        else:
            previous_infrared = infrared.pop()
            now = previous_infrared.frame.time
            if (last_visible_time is None or now - last_visible_time > max_gap_s) and (
                visible_item is None or visible_item.frame.time - now > max_gap_s
            ):
                yield None, previous_infrared
