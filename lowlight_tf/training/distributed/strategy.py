"""Which devices a batch is distributed over: one, all of this machine, or several machines."""

import contextlib
import dataclasses
import functools
import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from lowlight_tf import checks
from lowlight_tf.checks import UsageError
from lowlight_tf.config import Recipe
from lowlight_tf.datasets.pairing import Pair
from lowlight_tf.training.callbacks import StepCallback, TrainingState
from lowlight_tf.training.distributed.rendezvous import wait_for_workers
from lowlight_tf.training.learner import Learner, replicas_mean

STRATEGIES = ("single", "mirrored", "multiworker")


def create_strategy(name: str) -> "SingleDevice":
    """Return the strategy called `name`, to be entered before TensorFlow is used in any way.

    Raises:
        UsageError: If there is none, or it needs TensorFlow and Keras runs on another backend.
    """
    checks.check_choice("strategy", name, STRATEGIES)
    if name == "single":
        return SingleDevice()
    if keras.backend.backend() != "tensorflow":
        raise UsageError(
            f"`strategy` {name} needs the TensorFlow backend. "
            f"Received: KERAS_BACKEND={keras.backend.backend()}."
        )
    return Mirrored() if name == "mirrored" else MultiWorker(*_read_tf_config())


class SingleDevice(contextlib.ExitStack):
    """One process on one device. A context manager: closed when the run ends.

    Attributes:
        worker_index: This process's index among the workers; 0 is the chief.
        num_workers: Number of workers.
    """

    worker_index, num_workers = 0, 1

    @property
    def is_chief(self) -> bool:
        """Whether this process writes the run folder."""
        return self.worker_index == 0

    def run_dir(self, run: Path) -> Path:
        """Return the folder to write to: the run's, or a temporary one."""
        return run

    def check(self, recipe: Recipe) -> None:
        """Refuse a recipe that cannot be distributed."""

    def scope(self) -> contextlib.AbstractContextManager:
        """Return the scope to create model and optimizer in."""
        return contextlib.nullcontext()

    def create_learner(self, *args: Any, **options: Any) -> Learner:
        """Build a `Learner` that averages gradients and logs over all devices."""
        return Learner(*args, **options)

    def broadcast_state(
        self, learner: Learner, state: TrainingState, recipe: Recipe, pairs: Sequence[Pair]
    ) -> None:
        """Give all workers the chief's weights, optimizer variables and step."""

    def callbacks(self, state: TrainingState, every: int, last_step: int) -> list[StepCallback]:
        """Return the callbacks that give all workers the chief's learning rate."""
        return []


class Mirrored(SingleDevice):
    """All accelerators of this machine, by `tf.distribute.MirroredStrategy`.

    As with `MultiWorker`, a step is the one that a single device would make with the whole batch.
    """

    @functools.cached_property
    def _strategy(self) -> Any:
        import tensorflow as tf

        return tf.distribute.MirroredStrategy()

    def check(self, recipe: Recipe) -> None:
        """See `SingleDevice.check`."""
        _check_batch_sizes(recipe, self._strategy.num_replicas_in_sync, "devices")

    def scope(self) -> contextlib.AbstractContextManager:
        """See `SingleDevice.scope`."""
        return self._strategy.scope()

    def create_learner(self, *args: Any, **options: Any) -> Learner:
        """See `SingleDevice.create_learner`."""
        return DistributedLearner(*args, all_reduce_mean=replicas_mean, **options)


class MultiWorker(SingleDevice):
    """One of several processes with one device each, usually on machines of their own.

    Every worker reads its own part of each batch, and the gradients are averaged before they are
    clipped or applied. As losses are means over a batch, that is the step that one process would
    make with the whole batch; the logs are means over the whole batch too. Weights start as the
    chief's and stay equal. Only the chief validates and keeps a run folder.

    Keras 3 cannot `fit` under `tf.distribute.MultiWorkerMirroredStrategy` (as of 3.15 it fails
    before the first step). Here the strategy only reduces the gradients, by NCCL or gRPC; the
    variables are plain ones, and `fit` is Keras's own.

    Args:
        addresses: HOST:PORT of all workers; the first is the chief's.
        worker_index: This process's index among them.

    Raises:
        UsageError: When entered, if a worker does not connect in time; later, as soon as one is
            lost.
    """

    def __init__(self, addresses: Sequence[str], worker_index: int) -> None:
        super().__init__()
        self.addresses = addresses
        self.worker_index, self.num_workers = worker_index, len(addresses)

    def __enter__(self) -> "MultiWorker":
        import tensorflow as tf

        self._tf = tf
        wait_for_workers(self.addresses, self.worker_index)
        gpus = tf.config.list_physical_devices("GPU")
        tf.config.set_visible_devices(gpus[:1], "GPU")
        self._strategy = tf.distribute.MultiWorkerMirroredStrategy()
        self._sum = tf.function(  # one by one: only tensors of one type can be reduced together
            lambda *own: [self._all_reduce(tf.distribute.ReduceOp.SUM, [one])[0] for one in own]
        )
        return super().__enter__()

    def __exit__(self, kind, error, trace) -> bool | None:
        errors = self._tf.errors
        connection_errors = (
            *(errors.UnavailableError, errors.AbortedError, errors.CancelledError),
            *(errors.DeadlineExceededError, errors.FailedPreconditionError),
        )
        try:
            if error is None:  # a barrier: to the others a worker that leaves early is a lost one
                self._broadcast([np.float32(0)])
        except connection_errors as connection_error:
            error = connection_error
        super().__exit__(kind, error, trace)
        if isinstance(error, connection_errors):
            raise UsageError(
                f"Another worker was lost: worker {self.worker_index} of {self.num_workers} cannot "
                "continue alone. See the messages of the others, then start all of them again with "
                "--resume."
            ) from None
        return None

    def run_dir(self, run: Path) -> Path:
        """See `SingleDevice.run_dir`."""
        if self.is_chief:
            return run
        return Path(self.enter_context(tempfile.TemporaryDirectory(prefix="lowlight_tf_")))

    def check(self, recipe: Recipe) -> None:
        """See `SingleDevice.check`."""
        _check_batch_sizes(recipe, self.num_workers, "workers")
        if recipe.training.jit_compile:
            raise UsageError(
                "XLA does not compile communication between workers. Set "
                "training.jit_compile=false."
            )
        if recipe.discriminator.model:
            raise UsageError(
                "A discriminator cannot be trained by several workers. Leave out --strategy "
                "multiworker, or the discriminator: discriminator.model=''."
            )

    def create_learner(self, *args: Any, **options: Any) -> Learner:
        """See `SingleDevice.create_learner`."""
        return DistributedLearner(*args, all_reduce_mean=self.all_reduce_mean, **options)

    def broadcast_state(
        self, learner: Learner, state: TrainingState, recipe: Recipe, pairs: Sequence[Pair]
    ) -> None:
        """See `SingleDevice.broadcast_state`.

        Raises:
            UsageError: If this worker was started with another recipe or with other pairs.
        """
        own_fingerprint = fingerprint(recipe, pairs)
        (chief_fingerprint,) = self._broadcast([np.int64(own_fingerprint)])
        if chief_fingerprint != own_fingerprint:
            raise UsageError(
                f"Worker {self.worker_index} has another recipe or other pairs than the chief. "
                "Start all workers with the same options and a copy of the same data."
            )
        variables = [*learner.model.weights, *learner.optimizer.variables]
        values = [keras.ops.convert_to_numpy(variable) for variable in variables]
        step, *values = self._broadcast([np.int64(state.step), *values])
        state.step = int(step)
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)

    def callbacks(self, state: TrainingState, every: int, last_step: int) -> list[StepCallback]:
        """See `SingleDevice.callbacks`."""
        return [_BroadcastLearningRate(state, every, last_step, broadcast=self._broadcast)]

    def all_reduce_mean(self, tensors: Sequence) -> list:
        """Return the means of tensors over all workers."""
        return self._all_reduce(self._tf.distribute.ReduceOp.MEAN, tensors)

    def _broadcast(self, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Return the chief's arrays."""
        own = [array if self.is_chief else np.zeros_like(array) for array in arrays]
        return [total.numpy() for total in self._sum(*map(self._tf.constant, own))]

    def _all_reduce(self, operation: Any, tensors: Sequence) -> list:
        tf = self._tf

        def reduce_on_device(*tensors):
            tensors = [tf.identity(tensor) for tensor in tensors]  # copied to the device
            return tf.distribute.get_replica_context().all_reduce(operation, tensors)

        return self._strategy.run(reduce_on_device, args=tuple(tensors))


class DistributedLearner(Learner):
    """A learner whose gradients and logs are those of the whole batch.

    Args:
        args: See `Learner`.
        all_reduce_mean: Returns the means of a list of tensors over all devices.
        options: See `Learner`.
    """

    def __init__(
        self, *args: Any, all_reduce_mean: Callable[[Sequence], list], **options: Any
    ) -> None:
        super().__init__(*args, **options)
        self._all_reduce_mean = all_reduce_mean

    def train_step(self, data: tuple[dict, dict]) -> dict:
        """Make one step: Keras's own, except that gradients and logs are averaged."""
        import tensorflow as tf

        x, y = data
        with tf.GradientTape() as tape:
            loss = self.compute_loss(x, y, self(x, training=True))
            scaled = self.optimizer.scale_loss(loss)
        weights = self.trainable_weights
        gradients = self._all_reduce_mean(tape.gradient(scaled, weights))
        self.optimizer.apply_gradients(zip(gradients, weights, strict=True))
        for metric in self.metrics:
            if metric.name == "loss":
                metric.update_state(loss)
        logs = self.get_metrics_result()
        return dict(zip(logs, self._all_reduce_mean(list(logs.values())), strict=True))


class ResetMetrics(StepCallback):
    """Restart the logged means where the chief's `ProgressLogger` does."""

    def on_step(self, logs: dict) -> None:
        """Restart the means."""
        self.model.reset_metrics()


class _BroadcastLearningRate(StepCallback):
    """Set the learning rate to the chief's, which may have reduced it after a validation."""

    def __init__(
        self,
        state: TrainingState,
        every: int,
        last_step: int,
        *,
        broadcast: Callable[[Sequence[np.ndarray]], list[np.ndarray]],
    ) -> None:
        super().__init__(state, every, last_step)
        self._broadcast = broadcast

    def on_step(self, logs: dict) -> None:
        """Receive the rate, or send it as the chief."""
        optimizer = self.model.optimizer
        (rate,) = self._broadcast([keras.ops.convert_to_numpy(optimizer.learning_rate)])
        optimizer.learning_rate = rate


def _check_batch_sizes(recipe: Recipe, count: int, kind: str) -> None:
    """Refuse batches that cannot be divided evenly among `count` devices or workers."""
    pipeline = recipe.pipeline
    keys = ["batch_size"]
    if pipeline.progressive_start < 1:
        keys.append("progressive_batch_size")
    for key in keys:
        if getattr(pipeline, key) % count:
            raise UsageError(
                f"`pipeline.{key}` must be a multiple of the number of {kind}. "
                f"Received: {getattr(pipeline, key)} for {count} {kind}."
            )


def fingerprint(recipe: Recipe, pairs: Sequence[Pair]) -> int:
    """Return a hash of the recipe and of the pairs' names, independent of where the data are."""
    text = dataclasses.replace(recipe, data=(), data_root="").dump()
    text += "\n".join(pair.name for pair in pairs)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:7])


def _read_tf_config() -> tuple[list[str], int]:
    """Return the addresses of all workers, and this one's index among them, from TF_CONFIG."""
    text = os.environ.get("TF_CONFIG", "")
    try:
        config = json.loads(text)
        tasks = {
            (job, number): str(address)
            for job in ("chief", "worker")
            for number, address in enumerate(config["cluster"].get(job, []))
        }
        own_task = config["task"]["type"], int(config["task"]["index"])
        worker_index = list(tasks).index(own_task)
        if len(tasks) < 2 or not all(a.rpartition(":")[2].isdigit() for a in tasks.values()):
            raise ValueError
    except (ValueError, KeyError, TypeError, AttributeError):
        example = {
            "cluster": {"worker": ["one:2222", "two:2222"]},
            "task": {"type": "worker", "index": 0},
        }
        raise UsageError(
            "`strategy` multiworker reads from TF_CONFIG the addresses of the workers, two or "
            "more, and which of them this process is, as "
            f"{json.dumps(example)}. Received: TF_CONFIG={text!r}."
        ) from None
    return list(tasks.values()), worker_index
