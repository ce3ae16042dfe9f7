"""Many items on all processors of a machine, or of a cluster, by Ray."""

import contextlib
import dataclasses
import itertools
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from lowlight_tf.checks import UsageError

SHUTDOWN_GRACE_S = 10.0
"""Seconds in which items that are under way may still be finished after an interruption."""

Item = TypeVar("Item")
Answer = TypeVar("Answer")


@dataclasses.dataclass(frozen=True)
class TaskFailure:
    """What comes in place of an answer.

    Attributes:
        reason: What became of the item.
    """

    reason: str


def map_unordered(
    items: Sequence[Item], open_worker: Callable[[], Callable[[Item], Answer]], *, cpus: int = 1
) -> Iterator[tuple[Item, Answer | TaskFailure]]:
    """Work through items, and give each with its answer as soon as it is there.

    If the environment names a cluster (RAY_ADDRESS), the work is done there; paths in items must
    mean the same on all its machines, and this package be installed on them. Otherwise Ray is
    started on this machine, and stopped when the iterator is closed. An item that raises, or ends
    its worker, costs only itself.

    Args:
        items: What to work on; sent to the workers, as are the answers.
        open_worker: Called once in every worker; what it returns is called with one item at a time.
        cpus: Processors that a worker uses; as many are opened as there are processors for.

    Raises:
        UsageError: If the cluster cannot be reached.
        ModuleNotFoundError: If Ray is not installed ([ray] extra).
    """
    import ray

    if not items:
        return
    with contextlib.ExitStack() as opened:
        if not ray.is_initialized():
            _start(ray)
            opened.callback(ray.shutdown)
        processors = ray.cluster_resources().get("CPU", 1)
        cpus = min(cpus, processors)
        # With room for two calls Ray makes them outside the main thread, where a worker that is
        # told to end does so, and no handler of signals can make it finish half a file first.
        actor = ray.remote(num_cpus=cpus, max_restarts=-1, max_concurrency=2)(_Worker)
        count = min(len(items), max(int(processors // cpus), 1))
        workers = [actor.remote(open_worker) for _ in range(count)]
        for worker in workers:
            opened.callback(ray.kill, worker)
        idle, todo, under_way = list(workers), iter(items), {}
        opened.callback(_finish, ray, under_way)
        while True:
            for item in itertools.islice(todo, len(idle)):
                worker = idle.pop()
                under_way[worker.work.remote(item)] = worker, item
            if not under_way:
                return
            (done,), _ = ray.wait(list(under_way))
            worker, item = under_way.pop(done)
            idle.append(worker)
            yield item, _answer(ray, done)


class _Worker:
    """What lives in another process."""

    def __init__(self, open_worker: Callable[[], Callable]) -> None:
        self._open, self._work = open_worker, None

    def work(self, item: Any) -> Any:
        self._work = self._work or self._open()
        return self._work(item)


def _start(ray: Any) -> None:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is sent to anybody
    try:
        ray.init(include_dashboard=False, log_to_driver=False, logging_level=logging.CRITICAL)
    except (ConnectionError, ValueError, RuntimeError) as error:
        place = os.environ.get("RAY_ADDRESS")
        where = f"at RAY_ADDRESS={place}" if place else "on this machine"
        reason = str(error).strip().partition("\n")[0]
        raise UsageError(f"Ray cannot be reached or started {where}: {reason}") from None


def _answer(ray: Any, done: Any) -> Any:
    try:
        return ray.get(done)
    except ray.exceptions.RayTaskError as error:
        return TaskFailure(f"{type(error.cause).__name__}: {error.cause}")
    except ray.exceptions.RayError:
        return TaskFailure("its worker died, perhaps for want of memory")


def _finish(ray: Any, under_way: dict) -> None:
    """Let short items come to their end."""
    if under_way:
        ray.wait(list(under_way), num_returns=len(under_way), timeout=SHUTDOWN_GRACE_S)
