"""Which devices share the batches of a run: one, all of this machine, or several machines."""

import contextlib
import dataclasses
import functools
import hashlib
import json
import os
import tempfile
from collections.abc import Sequence
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
    """Return the strategy called `name`, to be entered before TensorFlow does anything else.

    Raises:
        UsageError: If there is none, or it needs TensorFlow and Keras runs on something else.
    """
    checks.check_choice("strategy", name, STRATEGIES)
    if name == "single":
        return SingleDevice()
    if keras.backend.backend() != "tensorflow":
        raise UsageError(
            f"`strategy` {name} needs the TensorFlow backend. "
            f"Received: KERAS_BACKEND={keras.backend.backend()}."
        )
    return Mirrored() if name == "mirrored" else MultiWorker(*_cluster())


class SingleDevice(contextlib.ExitStack):
    """One process on one device. Closed when the run ends.

    Attributes:
        index: The own number among the workers; 0 is the chief, who keeps the run.
        count: How many workers there are.
    """

    index, count = 0, 1

    @property
    def chief(self) -> bool:
        """Whether this process writes the run folder."""
        return self.index == 0

    def run_dir(self, run: Path) -> Path:
        """Return the folder to write to: the run's, or one that is thrown away."""
        return run

    def check(self, recipe: Recipe) -> None:
        """Refuse a recipe that cannot be shared."""

    def scope(self) -> contextlib.AbstractContextManager:
        """Return the scope that net and optimizer are made in."""
        return contextlib.nullcontext()

    def learner(self, *args: Any, **options: Any) -> Learner:
        """Build a `Learner` that learns from the batches of all."""
        return Learner(*args, **options)

    def broadcast_state(
        self, learner: Learner, progress: TrainingState, recipe: Recipe, pairs: Sequence[Pair]
    ) -> None:
        """Begin where the chief does: with its weights, its optimizer and its step."""

    def callbacks(self, progress: TrainingState, every: int, last: int) -> list[StepCallback]:
        """Return what keeps the learning rate equal where a validation may have changed it."""
        return []


class Mirrored(SingleDevice):
    """All accelerators of this machine, as `tf.distribute.MirroredStrategy` shares batches.

    As with `Workers`, a step is the one that a single device would make with the whole batch.
    """

    @functools.cached_property
    def _strategy(self) -> Any:
        import tensorflow as tf

        return tf.distribute.MirroredStrategy()

    def check(self, recipe: Recipe) -> None:
        """See `Alone.check`."""
        _check_batches(recipe, self._strategy.num_replicas_in_sync, "devices")

    def scope(self) -> contextlib.AbstractContextManager:
        """See `Alone.scope`."""
        return self._strategy.scope()

    def learner(self, *args: Any, **options: Any) -> Learner:
        """See `Alone.learner`."""
        return DistributedLearner(*args, mean=replicas_mean, **options)


class MultiWorker(SingleDevice):
    """One of several processes, each with one device, often on machines of their own.

    Every worker makes its own part of each batch, and the gradients are averaged before they are
    clipped or applied. As losses are means over a batch, that is the step that one process would
    make with the whole batch; what is logged is the mean over the whole batch too. Weights start
    as the chief's and stay equal. Only the chief validates, and keeps a run folder.

    Keras 3 cannot `fit` under `tf.distribute.MultiWorkerMirroredStrategy` (as of 3.15 it fails
    before the first step). Here the strategy only carries the gradients, by NCCL or gRPC; the
    variables are plain ones, and `fit` is Keras's own.

    Args:
        addresses: HOST:PORT of all workers; the first is the chief's.
        index: The own place among them.

    Raises:
        UsageError: When entered, if the workers do not come together; later, as soon as one is
            lost.
    """

    def __init__(self, addresses: Sequence[str], index: int) -> None:
        super().__init__()
        self.addresses, self.index, self.count = addresses, index, len(addresses)

    def __enter__(self) -> "MultiWorker":
        import tensorflow as tf

        self._tf = tf
        wait_for_workers(self.addresses, self.index)
        gpus = tf.config.list_physical_devices("GPU")
        tf.config.set_visible_devices(gpus[:1], "GPU")
        self._strategy = tf.distribute.MultiWorkerMirroredStrategy()
        self._sum = tf.function(  # one by one: only tensors of one type can go together
            lambda *own: [self._all_reduce(tf.distribute.ReduceOp.SUM, [one])[0] for one in own]
        )
        return super().__enter__()

    def __exit__(self, kind, error, trace) -> bool | None:
        errors = self._tf.errors
        lost = (
            *(errors.UnavailableError, errors.AbortedError, errors.CancelledError),
            *(errors.DeadlineExceededError, errors.FailedPreconditionError),
        )
        try:
            if error is None:
                self._spread([np.float32(0)])  # who went first would be missed by the others
        except lost as other:
            error = other
        super().__exit__(kind, error, trace)
        if isinstance(error, lost):
            raise UsageError(
                f"Another worker was lost: worker {self.index} of {self.count} cannot go on alone. "
                "See what the others say, then start all of them again with --resume."
            ) from None
        return None

    def run_dir(self, run: Path) -> Path:
        """See `Alone.place`."""
        if self.chief:
            return run
        return Path(self.enter_context(tempfile.TemporaryDirectory(prefix="lowlight_tf_")))

    def check(self, recipe: Recipe) -> None:
        """See `Alone.check`."""
        _check_batches(recipe, self.count, "workers")
        if recipe.training.jit_compile:
            raise UsageError(
                "XLA does not compile what workers tell each other. Set training.compiled=false."
            )
        if recipe.discriminator.model:
            raise UsageError(
                "Workers do not share a critic. Leave out --strategy multiworker, or the critic: "
                "critic.model=''."
            )

    def learner(self, *args: Any, **options: Any) -> Learner:
        """See `Alone.learner`."""
        return DistributedLearner(*args, mean=self.all_reduce_mean, **options)

    def broadcast_state(
        self, learner: Learner, progress: TrainingState, recipe: Recipe, pairs: Sequence[Pair]
    ) -> None:
        """See `Alone.agree`.

        Raises:
            UsageError: If this worker was started with another recipe or with other pairs.
        """
        own = fingerprint(recipe, pairs)
        (chiefs,) = self._spread([np.int64(own)])
        if chiefs != own:
            raise UsageError(
                f"Worker {self.index} has another recipe or other pairs than the chief. Start all "
                "workers with the same options, where the same data lie."
            )
        variables = [*learner.net.weights, *learner.optimizer.variables]
        values = [keras.ops.convert_to_numpy(variable) for variable in variables]
        step, *values = self._spread([np.int64(progress.step), *values])
        progress.step = int(step)
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)

    def callbacks(self, progress: TrainingState, every: int, last: int) -> list[StepCallback]:
        """See `Alone.hooks`."""
        return [_Rate(progress, every, last, spread=self._spread)]

    def all_reduce_mean(self, tensors: Sequence) -> list:
        """Return the means over all workers, of tensors that each of them has."""
        return self._all_reduce(self._tf.distribute.ReduceOp.MEAN, tensors)

    def _spread(self, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Return what the chief has."""
        own = [array if self.chief else np.zeros_like(array) for array in arrays]
        return [total.numpy() for total in self._sum(*map(self._tf.constant, own))]

    def _all_reduce(self, operation: Any, tensors: Sequence) -> list:
        tf = self._tf

        def together(*tensors):
            tensors = [tf.identity(tensor) for tensor in tensors]  # laid on the strategy's device
            return tf.distribute.get_replica_context().all_reduce(operation, tensors)

        return self._strategy.run(together, args=tuple(tensors))


class DistributedLearner(Learner):
    """A learner whose gradients and logs are those of the whole batch."""

    def __init__(self, *args: Any, mean: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._mean = mean

    def train_step(self, data: tuple[dict, dict]) -> dict:
        """Make one step. As Keras's own, but for the two means."""
        import tensorflow as tf

        x, y = data
        with tf.GradientTape() as tape:
            loss = self.compute_loss(x, y, self(x, training=True))
            scaled = self.optimizer.scale_loss(loss)
        weights = self.trainable_weights
        gradients = tape.gradient(scaled, weights)
        self.optimizer.apply_gradients(zip(self._mean(gradients), weights, strict=True))
        for metric in self.metrics:
            if metric.name == "loss":
                metric.update_state(loss)
        logs = self.get_metrics_result()
        return dict(zip(logs, self._mean(list(logs.values())), strict=True))


class ResetMetrics(StepCallback):
    """Begin the next means, where the chief's `Log` does."""

    def on_step(self, logs: dict) -> None:
        """Forget what was measured since the last time."""
        self.model.reset_metrics()


class _Rate(StepCallback):
    """Take over the learning rate that the chief has set after a validation."""

    def __init__(self, progress: TrainingState, every: int, last: int, *, spread: Any) -> None:
        super().__init__(progress, every, last)
        self._spread = spread

    def on_step(self, logs: dict) -> None:
        """Ask for it."""
        optimizer = self.model.optimizer
        (rate,) = self._spread([keras.ops.convert_to_numpy(optimizer.learning_rate)])
        optimizer.learning_rate = rate


def _check_batches(recipe: Recipe, count: int, sharers: str) -> None:
    plan = recipe.pipeline
    for name in ("batch", "late_batch") if plan.progressive_start < 1 else ("batch",):
        if getattr(plan, name) % count:
            raise UsageError(
                f"`pipeline.{name}` must be a multiple of the number of {sharers}. "
                f"Received: {getattr(plan, name)} for {count} {sharers}."
            )


def fingerprint(recipe: Recipe, pairs: Sequence[Pair]) -> int:
    """Return a number of what is learned, and from which pairs, wherever they lie."""
    task = dataclasses.replace(recipe, data=(), data_root="").dump()
    task += "\n".join(pair.name for pair in pairs)
    return int.from_bytes(hashlib.sha256(task.encode()).digest()[:7])


def _cluster() -> tuple[list[str], int]:
    """Return the addresses of all workers, and the own place among them, from TF_CONFIG."""
    text = os.environ.get("TF_CONFIG", "")
    try:
        config = json.loads(text)
        tasks = {
            (job, number): str(address)
            for job in ("chief", "worker")
            for number, address in enumerate(config["cluster"].get(job, []))
        }
        own = config["task"]["type"], int(config["task"]["index"])
        index = list(tasks).index(own)
        if len(tasks) < 2 or not all(a.rpartition(":")[2].isdigit() for a in tasks.values()):
            raise ValueError
    except (ValueError, KeyError, TypeError, AttributeError):
        example = {
            "cluster": {"worker": ["one:2222", "two:2222"]},
            "task": {"type": "worker", "index": 0},
        }
        raise UsageError(
            "`strategy` multiworker reads from TF_CONFIG who the workers are, two or more, and "
            f"which of them this one is, as {json.dumps(example)}. Received: TF_CONFIG={text!r}."
        ) from None
    return list(tasks.values()), index
