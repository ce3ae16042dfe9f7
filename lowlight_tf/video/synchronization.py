"""Pairing the frames of two cameras by their time stamps."""

import time
from collections.abc import Iterator
from typing import Protocol

from lowlight_tf.video.frame_queue import POLL_INTERVAL_S, FrameTask

SYNC_TOLERANCE_S = 0.1
"""How far apart in time frames may be that are fused (seconds)."""


class FrameSource(Protocol):
    """Frames of one camera, in order."""

    @property
    def ended(self) -> bool:
        """Whether no more will come."""
        ...

    def peek(self) -> FrameTask | None:
        """Return the next frame and leave it; None if there is none, or none for now."""
        ...

    def pop(self) -> FrameTask:
        """Return the next frame, which `peek` has shown, and go on."""
        ...


def approximate_time_sync(
    visible: FrameSource, infrared: FrameSource, *, tolerance: float, gap: float
) -> Iterator[tuple[FrameTask | None, FrameTask | None]]:
    """Join the frames of two cameras by their times.

    Each visible frame comes with the infrared one that is nearest in time, or alone if none is
    within the tolerance. An infrared frame comes alone if there is no visible one around it.

    Args:
        visible: What sets the pace.
        infrared: May be slower or faster.
        tolerance: How far apart two frames may be (seconds).
        gap: How long before and after an infrared frame there is no visible one if it is to stand
            alone (seconds); longer than from one visible frame to the next.
    """
    last = before = None
    while True:
        first, second = visible.peek(), infrared.peek()
        if first is None and second is None:
            if visible.ended and infrared.ended:
                return
            time.sleep(POLL_INTERVAL_S)  # both are silent
        elif first is not None and (second is None or first.frame.time <= second.frame.time):
            last = visible.pop().frame.time
            apart = {abs(one.frame.time - last): one for one in (second, before) if one}
            nearest = min(apart, default=None)
            yield first, apart[nearest] if apart and nearest <= tolerance else None
        else:
            before = infrared.pop()
            now = before.frame.time
            if (last is None or now - last > gap) and (
                first is None or first.frame.time - now > gap
            ):
                yield None, before
