"""A video or a live stream through a net: reading, enhancing and writing at the same time."""

import collections
import dataclasses
import functools
import math
import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import av
import cv2
import numpy as np

from lowlight_tf.checks import UsageError
from lowlight_tf.imaging.recording import Recorder
from lowlight_tf.imaging.video import Reader, Sound, planes
from lowlight_tf.imaging.yuv import Converter
from lowlight_tf.runtime import fit, steady
from lowlight_tf.runtime.engine import Engine, Images
from lowlight_tf.runtime.enhance import enhance
from lowlight_tf.runtime.litert import LiteRTEngine

STEADY = 1.0
"""Time constant by which exposure is held (seconds)."""

ROOM = 4  # frames between two threads
GLANCE = 0.1  # seconds after which one who waits looks whether all was stopped
GLIMPSE = (64, 96)  # pixels at least that brightness is judged by


@dataclasses.dataclass(eq=False)
class Shot:
    """A frame on its way.

    Attributes:
        frame: As it was read.
        image: The same as RGB, in a buffer that is used again, enhanced in its place; None for a
            frame that goes through as it is.
        thumbnails: What the net is shown beside it.
        share: How much of the result is the enhanced frame, in (0, 1].
        low: What `image` was, where the rest of the result is that.
    """

    frame: av.VideoFrame
    image: np.ndarray | None = None
    thumbnails: Images | None = None
    share: float = 1.0
    low: np.ndarray | None = None


class Belt:
    """What one thread hands to another, in order.

    Args:
        room: Shots that it holds; sound takes no room.
        stop: Once set, who waits for more is told that there is none.
        dropping: When it is full, drop the oldest shot (never sound) instead of waiting.
        on_drop: Called with each shot that is dropped.

    Attributes:
        dropped: Shots dropped so far.
    """

    def __init__(
        self,
        room: int = ROOM,
        *,
        stop: threading.Event | None = None,
        dropping: bool = False,
        on_drop: Callable[[Shot], None] = lambda shot: None,
    ) -> None:
        self._room, self._dropping, self._on_drop = room, dropping, on_drop
        self._stop = stop or threading.Event()
        self._items: collections.deque[Shot | Sound] = collections.deque()
        self._changed = threading.Condition()
        self._closed = False
        self.dropped = 0

    def put(self, item: Shot | Sound) -> bool:
        """Lay something on the belt once there is room; tell whether it was still open."""
        with self._changed:
            while not self._closed and isinstance(item, Shot) and self._full():
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

    def take(self, wait: float = math.inf) -> Shot | Sound | None:
        """Return what comes next; None if there is no more, or nothing came for `wait` seconds."""
        end = time.monotonic() + wait
        with self._changed:
            while not self._items:
                left = end - time.monotonic()
                if self._closed or self._stop.is_set() or left <= 0:
                    return None
                self._changed.wait(min(GLANCE, left))
            item = self._items.popleft()
            self._changed.notify_all()
            return item

    def __iter__(self) -> Iterator[Shot | Sound]:
        while (item := self.take()) is not None:
            yield item

    def _full(self) -> bool:
        return sum(isinstance(item, Shot) for item in self._items) >= self._room

    def _drop(self) -> None:
        oldest = next(item for item in self._items if isinstance(item, Shot))
        self._items.remove(oldest)
        self.dropped += 1
        self._on_drop(oldest)


@functools.lru_cache(maxsize=1)  # the next video of a folder has the same
def shared(engine: Engine, threads: int) -> list[Engine]:
    """Return engines that share a number of processor threads, two where they can; see `Stream`."""
    if threads < 2 or not isinstance(engine, LiteRTEngine):
        return [engine]
    return [LiteRTEngine(engine.path, threads=-(-threads // 2)) for _ in range(2)]


class Stream:
    """One video through a net: a thread reads, one for each engine enhances, one writes.

    The exposure is held steady: a net with thumbnail ports is shown their running average, so that
    its tone and color do not change with each frame, and the results are brought to the running
    average of their mean luma (`runtime.steady`). It takes both: a net that is shown an average no
    longer evens out what trembles in the video itself.
    Frames of a file are all enhanced; of a live stream the oldest are dropped that the net has no
    time for. Their buffers are used again.

    Several engines of the same net enhance as many frames at once, and frames leave in order. Two
    of one thread give more frames than one of two, where the cores decode and encode besides: a net
    that is shared by threads waits for the one whose core is taken.

    Args:
        engine: What brightens, from one color image to one; or several of the same net.
        reader: Where frames and sound come from.
        recorder: Where they go.
        seconds: Time constant of the averages; 0 enhances frame by frame.
        night: Decides which frames are enhanced; the others go through as they are, not even
            converted to RGB. None: all are.
        stop: Once set, no more is read; what was read is finished.

    Raises:
        UsageError: If the engine's ports do not fit, or `seconds` is negative.
    """

    def __init__(
        self,
        engine: Engine | Sequence[Engine],
        reader: Reader,
        recorder: Recorder,
        *,
        seconds: float = STEADY,
        night: steady.NightSwitch | None = None,
        stop: threading.Event | None = None,
    ) -> None:
        engines = list(engine) if isinstance(engine, Sequence) else [engine]
        self._contract = engines[0].contract
        fit.check_ports(self._contract)
        self._reader, self._recorder = reader, recorder
        self._workers, self._free = len(engines), queue.SimpleQueue()
        for one in engines:
            self._free.put(one)
        self._night, self._stop = night, stop or threading.Event()
        self._thumbnails = steady.Thumbnails(seconds)
        self._gain = steady.Gain(seconds) if seconds else None
        glimpses = [port.size for port in self._contract.thumbnails] or [GLIMPSE]
        self._shrunk = max(  # by a whole number, and still twice as large as what is made of it
            min(reader.size[side] // (2 * size[side]) for size in glimpses for side in (0, 1)), 1
        )
        self._converter = Converter(reader.colors)
        self._spare: list[np.ndarray] = []
        self._read = Belt(
            stop=self._stop,
            dropping=reader.live,
            on_drop=self._reuse,
        )
        self._done = Belt()

    @property
    def dropped(self) -> int:
        """Frames that were dropped so far: always 0 for a file."""
        return self._read.dropped

    def run(self, progress: Callable[[int], None] = lambda frames: None) -> None:
        """Enhance until the video ends or is stopped, and finish the file, whatever happens.

        Args:
            progress: Called with the number of frames so far.

        Raises:
            UsageError: If reading or writing fails, once what was written is finished.
        """
        reading, writing = Worker(self._reading), Writer(self._done, self._recorder, self._reuse)
        reading.start()
        writing.start()
        frames = 0
        ahead: collections.deque[Future[Shot] | Sound] = collections.deque()

        def hand_on(left: int) -> bool:
            """Pass on the oldest until no more than some are left; tell if they are wanted."""
            nonlocal frames
            while len(ahead) > left:
                item = ahead.popleft()
                if isinstance(item, Future):
                    item = item.result()
                    self._even(item)
                    frames += 1
                    progress(frames)
                if not self._done.put(item):
                    return False
            return True

        pool = ThreadPoolExecutor(self._workers)
        try:
            for item in self._read:
                ahead.append(pool.submit(self._enhance, item) if isinstance(item, Shot) else item)
                # Who waits for a live frame does not hold back the last one.
                waits = self._reader.live and self._read.empty
                if not hand_on(0 if waits else self._workers):
                    break
            hand_on(0)
        finally:
            pool.shutdown(cancel_futures=True)
            self._read.close()
            self._done.close()
            writing.join()
            reading.join(GLANCE)  # it may hang in a silent connection; then it dies with us
            writing.finish()
        for thread in (writing, reading):
            if thread.error:
                raise thread.error

    def _reading(self) -> None:
        try:
            for item in self._reader:
                shot = item if isinstance(item, Sound) else self._shot(item)
                if self._stop.is_set() or not self._read.put(shot):
                    return
        finally:
            self._read.close()

    def _shot(self, frame: av.VideoFrame) -> Shot:
        """Return a frame with all that is asked before it is enhanced."""
        yuv, share = planes(frame), 1.0
        if self._night or self._contract.thumbnails:
            small = self._converter.small(yuv, self._shrunk)
        if self._night:
            share = self._night(steady.luma(small), frame.time)
        if not share:
            return Shot(frame)
        thumbnails = None
        if self._contract.thumbnails:
            thumbnails = fit.thumbnails(self._contract, small)
            thumbnails = self._thumbnails(thumbnails, frame.time)
        image = self._spare.pop() if self._spare else np.empty((*self._reader.size, 3), np.uint8)
        self._converter.to_rgb(yuv, image)
        return Shot(frame, image, thumbnails, share)

    def _enhance(self, shot: Shot) -> Shot:
        image = shot.image
        if image is not None:
            shot.low = image.copy() if shot.share < 1 else None
            engine = self._free.get()
            try:
                enhance(engine, image, out=image, thumbnails=shot.thumbnails)
            finally:
                self._free.put(engine)
        return shot

    def _even(self, shot: Shot) -> None:
        """Do what goes by the frames before."""
        image = shot.image
        if image is None:
            return
        if self._gain:
            self._gain(image, shot.frame.time)
        if shot.low is not None:
            cv2.addWeighted(image, shot.share, shot.low, 1 - shot.share, 0, image)

    def _reuse(self, shot: Shot) -> None:
        if shot.image is not None:
            self._spare.append(shot.image)


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
        self, belt: Belt, recorder: Recorder, on_written: Callable[[Shot], None] = lambda shot: None
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
                if isinstance(item, Sound):
                    self._recorder.copy(item)
                else:
                    self._recorder.write(item.frame, item.image)
                    self._on_written(item)
        finally:
            self._belt.close()
