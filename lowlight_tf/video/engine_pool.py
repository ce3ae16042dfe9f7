"""Running a model on several frames at the same time, in order."""

import collections
import queue
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

from lowlight_tf.runtime.engine import Engine

Item = TypeVar("Item")


class EnginePool(Generic[Item]):
    """Runs one frame on each of several engines of the same model, and keeps the frames' order.

    Two engines of one thread each are faster than one of two threads while decoding and encoding
    use the same cores: threads that share one inference wait for the one whose core is busy.

    Args:
        engines: The engines.
        pass_on: Called with each item, in order, by the thread that puts them; it returns whether
            more are wanted.
    """

    def __init__(self, engines: Sequence[Engine], pass_on: Callable[[Item], bool]) -> None:
        self._count, self._pass_on = len(engines), pass_on
        self._idle_engines: queue.SimpleQueue[Engine] = queue.SimpleQueue()
        for engine in engines:
            self._idle_engines.put(engine)
        self._executor = ThreadPoolExecutor(self._count)
        self._pending: collections.deque[tuple[Item, Future | None]] = collections.deque()

    def put(
        self, item: Item, work: Callable[[Engine], None] | None = None, *, wait: bool = False
    ) -> bool:
        """Begin the work on an item, and pass on items that are as many ahead as there are engines.

        Args:
            item: What is passed on when the work is done.
            work: Called on another thread with an engine that is idle; None for an item without.
            wait: Pass on this item, too, before it returns.

        Returns:
            Whether more items are wanted.

        Raises:
            Exception: What the work on an item raised.
        """
        future = self._executor.submit(self._run, work) if work else None
        self._pending.append((item, future))
        return self.flush(0 if wait else self._count)

    def flush(self, max_pending: int = 0) -> bool:
        """Pass on the oldest items until `max_pending` remain; see `put`."""
        while len(self._pending) > max_pending:
            item, future = self._pending.popleft()
            if future:
                future.result()
            if not self._pass_on(item):
                return False
        return True

    def close(self) -> None:
        """Wait for the work that was begun."""
        self._executor.shutdown(cancel_futures=True)

    def _run(self, work: Callable[[Engine], None]) -> None:
        engine = self._idle_engines.get()
        try:
            work(engine)
        finally:
            self._idle_engines.put(engine)
