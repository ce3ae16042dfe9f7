"""Bounded queues and worker threads between the stages of a video pipeline."""

import collections
import dataclasses
import functools
import math
import threading
import time
from collections.abc import Callable, Iterator

import av
import numpy as np

from lowlight_tf.checks import UsageError
from lowlight_tf.runtime.engine import Engine, Images
from lowlight_tf.runtime.litert_engine import LiteRTEngine
from lowlight_tf.video.reader import AudioPacket
from lowlight_tf.video.writer import VideoWriter

POLL_INTERVAL_S = 0.1  # seconds after which one who waits looks whether all was stopped


QUEUE_SIZE = 4  # frames between two threads


@dataclasses.dataclass(eq=False)
class FrameTask:
    """A frame on its way.

    Attributes:
        frame: As it was read.
        image: The same as RGB, in a buffer that is used again, enhanced in its place; None for a
            frame that goes through as it is.
        thumbnails: What the net is shown beside it.
        blend_weight: How much of the result is the enhanced frame, in (0, 1].
        low: What `image` was, where the rest of the result is that.
    """

    frame: av.VideoFrame
    image: np.ndarray | None = None
    thumbnails: Images | None = None
    blend_weight: float = 1.0
    low: np.ndarray | None = None


class FrameQueue:
    """What one thread hands to another, in order.

    Args:
        size: Shots that it holds; sound takes no room.
        stop: Once set, who waits for more is told that there is none.
        drop_oldest: When it is full, drop the oldest shot (never sound) instead of waiting.
        on_drop: Called with each shot that is dropped.

    Attributes:
        dropped: Shots dropped so far.
    """

    def __init__(
        self,
        size: int = QUEUE_SIZE,
        *,
        stop: threading.Event | None = None,
        drop_oldest: bool = False,
        on_drop: Callable[[FrameTask], None] = lambda shot: None,
    ) -> None:
        self._room, self._dropping, self._on_drop = size, drop_oldest, on_drop
        self._stop = stop or threading.Event()
        self._items: collections.deque[FrameTask | AudioPacket] = collections.deque()
        self._changed = threading.Condition()
        self._closed = False
        self.dropped = 0

    def put(self, item: FrameTask | AudioPacket) -> bool:
        """Lay something on the belt once there is room; tell whether it was still open."""
        with self._changed:
            while not self._closed and isinstance(item, FrameTask) and self._full():
                if self._dropping:
                    self._drop()
                else:
                    self._changed.wait()
            if not self._closed:
                self._items.append(item)
                self._changed.notify_all()
            return not self._closed

    def close(self) -> None:
        """Say that nothing more comes, or that nobody takes it any more."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    @property
    def ended(self) -> bool:
        """Whether nothing more can be taken."""
        with self._changed:
            return not self._items and (self._closed or self._stop.is_set())

    @property
    def empty(self) -> bool:
        """Whether nothing lies on it now."""
        with self._changed:
            return not self._items

    def take(self, wait: float = math.inf) -> FrameTask | AudioPacket | None:
        """Return what comes next; None if there is no more, or nothing came for `wait` seconds."""
        end = time.monotonic() + wait
        with self._changed:
            while not self._items:
                left = end - time.monotonic()
                if self._closed or self._stop.is_set() or left <= 0:
                    return None
                self._changed.wait(min(POLL_INTERVAL_S, left))
            item = self._items.popleft()
            self._changed.notify_all()
            return item

    def __iter__(self) -> Iterator[FrameTask | AudioPacket]:
        while (item := self.take()) is not None:
            yield item

    def _full(self) -> bool:
        return sum(isinstance(item, FrameTask) for item in self._items) >= self._room

    def _drop(self) -> None:
        oldest = next(item for item in self._items if isinstance(item, FrameTask))
        self._items.remove(oldest)
        self.dropped += 1
        self._on_drop(oldest)


@functools.lru_cache(maxsize=1)  # the next video of a folder has the same
def split_threads(engine: Engine, threads: int) -> list[Engine]:
    """Return engines that share a number of processor threads, two where they can; see `Stream`."""
    if threads < 2 or not isinstance(engine, LiteRTEngine):
        return [engine]
    return [LiteRTEngine(engine.path, threads=-(-threads // 2)) for _ in range(2)]


class Worker(threading.Thread):
    """A thread that keeps what went wrong in it.

    Attributes:
        error: What that was, once it has ended.
    """

    def __init__(self, work: Callable[[], None]) -> None:
        super().__init__(daemon=True)
        self._work = work
        self.error: BaseException | None = None

    def run(self) -> None:
        """Work; see `threading.Thread`."""
        try:
            self._work()
        except BaseException as error:  # raised again by the thread that waits
            self.error = error


class Writer(Worker):
    """A thread that records what comes along a belt.

    Args:
        belt: Closed when nothing more can be written.
        recorder: Where all goes.
        on_written: Called with each shot that is written.
    """

    def __init__(
        self,
        belt: FrameQueue,
        recorder: VideoWriter,
        on_written: Callable[[FrameTask], None] = lambda shot: None,
    ) -> None:
        super().__init__(self._writing)
        self._belt, self._recorder, self._on_written = belt, recorder, on_written

    def finish(self) -> None:
        """Finish the file, once the thread has ended.

        Raises:
            UsageError: If that fails, and writing had not failed before, which says it better.
        """
        try:
            self._recorder.close()
        except UsageError:
            if self.error is None:
                raise

    def _writing(self) -> None:
        try:
            for item in self._belt:
                if isinstance(item, AudioPacket):
                    self._recorder.copy(item)
                else:
                    self._recorder.write(item.frame, item.image)
                    self._on_written(item)
        finally:
            self._belt.close()
