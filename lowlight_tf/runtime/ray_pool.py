"""Mapping a function over items on all processors of a machine or cluster, by Ray."""

import contextlib
import dataclasses
import itertools
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from lowlight_tf.checks import UsageError

SHUTDOWN_GRACE_S = 10.0
"""Time for items that are being processed to finish after an interruption."""

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclasses.dataclass(frozen=True)
class TaskFailure:
    """In place of a result: why there is none.

    Attributes:
        reason: What happened to the item.
    """

    reason: str


def map_unordered(
    items: Sequence[Item], open_worker: Callable[[], Callable[[Item], Result]], *, cpus: int = 1
) -> Iterator[tuple[Item, Result | TaskFailure]]:
    """Process items in parallel, and yield each with its result as soon as it is done.

    If the environment names a cluster (RAY_ADDRESS), it is used: paths in items must be valid on
    all its machines, and this package installed on them. Otherwise Ray is started on this machine,
    and stopped when the iterator is closed. An item that raises, or crashes its worker, does not
    affect the others.

    Args:
        items: Sent to the workers, as are the results.
        open_worker: Called once in every worker; the function it returns gets one item at a time.
        cpus: Processors of a worker; as many workers are started as fit.

    Raises:
        UsageError: If the cluster cannot be reached.
        ModuleNotFoundError: If Ray is not installed ([ray] extra).
    """
    import ray

    if not items:
        return
    with contextlib.ExitStack() as stack:
        if not ray.is_initialized():
            _start(ray)
            stack.callback(ray.shutdown)
        processors = ray.cluster_resources().get("CPU", 1)
        cpus = min(cpus, processors)
        # With a concurrency of two Ray runs calls outside the main thread. There a worker that is
        # killed ends at once, and no signal handler can make it finish a partial file first.
        actor = ray.remote(num_cpus=cpus, max_restarts=-1, max_concurrency=2)(_Worker)
        count = min(len(items), max(int(processors // cpus), 1))
        workers = [actor.remote(open_worker) for _ in range(count)]
        for worker in workers:
            stack.callback(ray.kill, worker)
        idle, todo, running = list(workers), iter(items), {}
        stack.callback(_finish, ray, running)
        while True:
            for item in itertools.islice(todo, len(idle)):
                worker = idle.pop()
                running[worker.work.remote(item)] = worker, item
            if not running:
                return
            (done,), _ = ray.wait(list(running))
            worker, item = running.pop(done)
            idle.append(worker)
            yield item, _get_result(ray, done)


class _Worker:
    """The actor in a worker process."""

    def __init__(self, open_worker: Callable[[], Callable]) -> None:
        self._open, self._work = open_worker, None

    def work(self, item: Any) -> Any:
        self._work = self._work or self._open()
        return self._work(item)


def _start(ray: Any) -> None:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # no telemetry
    try:
        ray.init(include_dashboard=False, log_to_driver=False, logging_level=logging.CRITICAL)
    except (ConnectionError, ValueError, RuntimeError) as error:
        place = os.environ.get("RAY_ADDRESS")
        where = f"at RAY_ADDRESS={place}" if place else "on this machine"
        reason = str(error).strip().partition("\n")[0]
        raise UsageError(f"Ray cannot be reached or started {where}: {reason}") from None


def _get_result(ray: Any, done: Any) -> Any:
    try:
        return ray.get(done)
    except ray.exceptions.RayTaskError as error:
        return TaskFailure(f"{type(error.cause).__name__}: {error.cause}")
    except ray.exceptions.RayError:
        return TaskFailure("its worker crashed, perhaps for lack of memory")


def _finish(ray: Any, running: dict) -> None:
    """Wait a short time for the items that are being processed."""
    if running:
        ray.wait(list(running), num_returns=len(running), timeout=SHUTDOWN_GRACE_S)
