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
from lowlight_tf.runtime.packed_engine import PackedEngine
from lowlight_tf.runtime.rgb_engine import RgbEngine
from lowlight_tf.video.latency import LatencyMeter
from lowlight_tf.video.reader import CopiedPacket
from lowlight_tf.video.writer import VideoOutput

POLL_INTERVAL_S = 0.1
"""Time after which a waiting thread checks whether the pipeline was stopped (seconds)."""

QUEUE_SIZE = 4
"""Frames that a queue between two threads holds."""


@dataclasses.dataclass(eq=False)
class FrameItem:
    """A frame on its way through the pipeline.

    Attributes:
        frame: The frame as it was read.
        image: The frame as RGB, (H, W, 3) uint8, in a reused buffer that is enhanced in place; None
            for one that is not enhanced, or whose planes are. Of one of two cameras: its luma in
            full range, (H, W, 1) uint8.
        result: The enhanced frame, where its planes are enhanced.
        thumbnails: Thumbnail port name -> the model's thumbnail input.
        is_first: Whether nothing is to be remembered of the frame before, as after a cut.
        blend_weight: Weight of the enhanced image in the result, in [0, 1].
        original: Copy of `image` before it was enhanced, if `blend_weight` is below 1.
        arrival_s: When it was decoded (seconds, of `time.monotonic`).
    """

    frame: av.VideoFrame
    image: np.ndarray | None = None
    result: av.VideoFrame | None = None
    thumbnails: Images | None = None
    is_first: bool = True
    blend_weight: float = 1.0
    original: np.ndarray | None = None
    arrival_s: float = dataclasses.field(default_factory=time.monotonic)

    @property
    def is_enhanced(self) -> bool:
        """Whether the frame is enhanced, not written as it is."""
        return self.blend_weight > 0


class FrameQueue:
    """A first-in, first-out queue of frames and audio packets between two threads.

    Args:
        size: Maximum number of frames; audio packets do not count.
        stop_event: Once set, `get` no longer waits for items.
        drop_oldest: If the queue is full, drop the oldest frame (never audio) instead of waiting.
        on_drop: Called with each dropped frame.

    Attributes:
        dropped_frames: Number of frames dropped so far.
    """

    def __init__(
        self,
        size: int = QUEUE_SIZE,
        *,
        stop_event: threading.Event | None = None,
        drop_oldest: bool = False,
        on_drop: Callable[[FrameItem], None] = lambda item: None,
    ) -> None:
        self._size, self._drop_oldest, self._on_drop = size, drop_oldest, on_drop
        self._stop_event = stop_event or threading.Event()
        self._items: collections.deque[FrameItem | CopiedPacket] = collections.deque()
        self._changed = threading.Condition()
        self._closed = False
        self.dropped_frames = 0

    def put(self, item: FrameItem | CopiedPacket) -> bool:
        """Add an item as soon as there is space; return False if the queue is closed."""
        with self._changed:
            while not self._closed and isinstance(item, FrameItem) and self._is_full():
                if self._drop_oldest:
                    self._drop()
                else:
                    self._changed.wait()
            if not self._closed:
                self._items.append(item)
                self._changed.notify_all()
            return not self._closed

    def close(self) -> None:
        """Accept no further items. Items that are in the queue can still be taken."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    @property
    def is_finished(self) -> bool:
        """Whether the queue is empty and closed or stopped."""
        with self._changed:
            return not self._items and (self._closed or self._stop_event.is_set())

    @property
    def is_empty(self) -> bool:
        """Whether the queue holds no items now."""
        with self._changed:
            return not self._items

    def get(self, timeout_s: float = math.inf) -> FrameItem | CopiedPacket | None:
        """Remove and return the next item; None if finished, or none arrived in `timeout_s`."""
        deadline = time.monotonic() + timeout_s
        with self._changed:
            while not self._items:
                remaining = deadline - time.monotonic()
                if self._closed or self._stop_event.is_set() or remaining <= 0:
                    return None
                self._changed.wait(min(POLL_INTERVAL_S, remaining))
            item = self._items.popleft()
            self._changed.notify_all()
            return item

    def __iter__(self) -> Iterator[FrameItem | CopiedPacket]:
        while (item := self.get()) is not None:
            yield item

    def _is_full(self) -> bool:
        return sum(isinstance(item, FrameItem) for item in self._items) >= self._size

    def _drop(self) -> None:
        oldest = next(item for item in self._items if isinstance(item, FrameItem))
        self._items.remove(oldest)
        self.dropped_frames += 1
        self._on_drop(oldest)


@functools.lru_cache(maxsize=1)  # reused for the next video of a folder
def split_threads(engine: Engine, threads: int) -> list[Engine]:
    """Return engines that together use `threads` threads: two of a .tflite file, else the one.

    See `VideoPipeline` on why two engines are faster. A model with states needs the frames one by
    one: it stays one engine.
    """
    if isinstance(engine, RgbEngine):
        return [RgbEngine(one) for one in split_threads(engine.engine, threads)]
    if isinstance(engine, PackedEngine):
        return [PackedEngine(one) for one in split_threads(engine.engine, threads)]
    if threads < 2 or engine.contract.states or not isinstance(engine, LiteRTEngine):
        return [engine]
    return [LiteRTEngine(engine.path, threads=-(-threads // 2)) for _ in range(2)]


class WorkerThread(threading.Thread):
    """A daemon thread that stores the exception that ended it.

    Args:
        work: What the thread runs.

    Attributes:
        error: The exception, once the thread has ended; None if there was none.
    """

    def __init__(self, work: Callable[[], None]) -> None:
        super().__init__(daemon=True)
        self._work = work
        self.error: BaseException | None = None

    def run(self) -> None:
        """Run `work`; see `threading.Thread`."""
        try:
            self._work()
        except BaseException as error:  # raised again by the thread that waits
            self.error = error


class WriterThread(WorkerThread):
    """A thread that writes the items of a queue to a video file.

    Args:
        queue: The items; closed by the thread when nothing more can be written.
        writer: The output.
        on_written: Called with each frame after it was written.

    Attributes:
        latency: From the arrival of each frame to its output.
    """

    def __init__(
        self,
        queue: FrameQueue,
        writer: VideoOutput,
        on_written: Callable[[FrameItem], None] = lambda item: None,
    ) -> None:
        super().__init__(self._write_all)
        self._queue, self._writer, self._on_written = queue, writer, on_written
        self.latency = LatencyMeter()

    def finish(self) -> None:
        """Close the file, after the thread has ended.

        Raises:
            UsageError: If closing fails, unless writing had failed before: that error is the cause.
        """
        try:
            self._writer.close()
        except UsageError:
            if self.error is None:
                raise

    def _write_all(self) -> None:
        try:
            for item in self._queue:
                if isinstance(item, CopiedPacket):
                    self._writer.write_packet(item)
                else:
                    self._writer.write(item.result or item.frame, item.image)
                    self.latency.written(item.arrival_s, self._writer.delayed_frames)
                    self._on_written(item)
        finally:
            self._queue.close()
