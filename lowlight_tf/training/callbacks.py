"""What happens between the steps: progress, history, TensorBoard, checkpoints, validation."""

import dataclasses
import math
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np

from lowlight_tf.export.keras_engine import NonFiniteOutputError
from lowlight_tf.fileio import atomic_write
from lowlight_tf.imaging import image_io
from lowlight_tf.legacy_names import TRAINING_STATE_KEYS, rename_keys
from lowlight_tf.training import checkpoint
from lowlight_tf.training.history import History, score


@dataclasses.dataclass
class TrainingState:
    """How far a run has come; saved with every checkpoint.

    Attributes:
        step: Number of steps done.
        best: Best score of the monitored metric so far (higher is better), or None before the
            first validation.
        best_step: Step of that validation.
        wait: Validations since the best one, or since the last reduction of the learning rate.
        seconds: Training time over all sessions (s).
        history: The logged numbers.
    """

    step: int = 0
    best: float | None = None
    best_step: int = 0
    wait: int = 0
    seconds: float = 0.0
    history: History = dataclasses.field(default_factory=History)

    def fields(self) -> dict[str, Any]:
        """Return plain data for a checkpoint; its step is in the checkpoint's name."""
        return {
            "best": self.best,
            "best_step": self.best_step,
            "wait": self.wait,
            "seconds": self.seconds,
            "rows": self.history.rows,
        }

    @classmethod
    def from_fields(cls, step: int, fields: Mapping[str, Any]) -> "TrainingState":
        """Return the state that `fields` described after `step`, also by version 0.1.0."""
        fields = rename_keys(fields, TRAINING_STATE_KEYS)
        history = History.from_rows(fields.pop("rows"))
        return cls(step=step, history=history, **fields)


class StepCallback(keras.callbacks.Callback):
    """A callback every `every` steps, and after the last one.

    Args:
        state: Shared by all callbacks; the first of the list counts the steps in it.
        every: Steps between two calls of `on_step`.
        last_step: The last step of the run, after which `on_step` is called too.
    """

    def __init__(self, state: TrainingState, every: int, last_step: int) -> None:
        super().__init__()
        self.state, self.every, self.last_step = state, every, last_step

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """Call `on_step` if it is time."""
        if self.state.step % self.every == 0 or self.state.step == self.last_step:
            self.on_step(logs or {})

    def on_step(self, logs: dict) -> None:
        """Do the callback's work."""
        raise NotImplementedError


class StepCounter(StepCallback):
    """Count the steps, and stop the run on a loss that is not finite. Comes first in the list."""

    def __init__(self, state: TrainingState, checkpoint_dir: Path) -> None:
        super().__init__(state, 1, 0)
        self.checkpoint_dir = checkpoint_dir
        self._last_time = time.monotonic()

    def on_step(self, logs: dict) -> None:
        """Count one step and its time."""
        now = time.monotonic()
        self.state.seconds += now - self._last_time
        self._last_time = now
        self.state.step += 1
        if not math.isfinite(logs["loss"]):
            raise checkpoint.divergence_error("The loss", self.state.step, self.checkpoint_dir)


class ProgressLogger(StepCallback):
    """Print a line of progress and add a row to the history: means since the last one.

    Args:
        state: See `StepCallback`.
        every: See `StepCallback`.
        last_step: See `StepCallback`.
        path: The `history.csv` to write.
        epoch_steps: Steps in an epoch.
    """

    def __init__(
        self, state: TrainingState, every: int, last_step: int, path: Path, epoch_steps: int
    ) -> None:
        super().__init__(state, every, last_step)
        self.path, self.epoch_steps = path, epoch_steps
        self._start_time, self._start_step = time.monotonic(), state.step

    def on_step(self, logs: dict) -> None:
        """Print and record the means, and restart them."""
        state = self.state
        seconds = max(time.monotonic() - self._start_time, 1e-9)
        steps_per_second = (state.step - self._start_step) / seconds
        seconds_left = int((self.last_step - state.step) / steps_per_second)
        numbers = {name: round(float(value), 6) for name, value in logs.items()}
        state.history.add(state.step, epoch=round(state.step / self.epoch_steps, 3), **numbers)
        extra = f"psnr {logs['psnr_batch']:5.2f} dB (crops)  " if "psnr_batch" in logs else ""
        if "discriminator" in logs:
            extra += f"discriminator {logs['discriminator']:.3f}  "
        print(
            f"step {state.step:>6}/{self.last_step}  loss {logs['loss']:.4f}  "
            f"{extra}{steps_per_second:.1f} steps/s  "
            f"{seconds_left // 60}:{seconds_left % 60:02} left",
            end="\r" if sys.stdout.isatty() and state.step != self.last_step else "\n",
            flush=True,
        )
        state.history.save(self.path)
        self.model.reset_metrics()


class TensorBoardLogger(StepCallback):
    """Write the last row of the history as TensorBoard scalars."""

    def __init__(self, state: TrainingState, every: int, last_step: int, folder: Path) -> None:
        super().__init__(state, every, last_step)
        import tensorflow as tf

        self.tf, self.writer = tf, tf.summary.create_file_writer(str(folder))

    def on_step(self, logs: dict) -> None:
        """Write the scalars."""
        with self.writer.as_default(self.state.step):
            for name, value in self.state.history.rows[-1].items():
                self.tf.summary.scalar(name, value)
        self.writer.flush()

    def write_image(self, name: str, image: np.ndarray) -> None:
        """Write one image, (H, W, 3) float32 in [0, 1]."""
        with self.writer.as_default(self.state.step):
            self.tf.summary.image(name, image[None])
        self.writer.flush()


class Checkpointer(StepCallback):
    """Save everything that is needed to resume."""

    def __init__(self, state: TrainingState, every: int, last_step: int, folder: Path) -> None:
        super().__init__(state, every, last_step)
        self.folder = folder

    def on_step(self, logs: dict) -> None:
        """Save a checkpoint."""
        checkpoint.save_checkpoint(self.folder, self.state.step, self.model, self.state.fields())


class Validator(StepCallback):
    """Evaluate the averaged model on full images, and save it if it is the best so far.

    Args:
        state: See `StepCallback`.
        every: See `StepCallback`.
        last_step: See `StepCallback`.
        validation_model: A float32 copy of the model, which gets the averaged weights.
        monitor: The metric that selects the best model, see `history.score`.
        evaluate_fn: model -> ({metric: mean}, before/after image (H, W, 3) in [0, 1]).
        run_dir: Where `model.keras`, `history.csv` and `samples/` are written.
        tensorboard: Where the before/after images are written too, or None.
    """

    def __init__(
        self,
        state: TrainingState,
        every: int,
        last_step: int,
        *,
        validation_model: keras.Model,
        monitor: str,
        evaluate_fn: Callable[[keras.Model], tuple[dict[str, float], np.ndarray]],
        run_dir: Path,
        tensorboard: TensorBoardLogger | None,
    ) -> None:
        super().__init__(state, every, last_step)
        self.validation_model = validation_model
        self.monitor, self.evaluate_fn = monitor, evaluate_fn
        self.run_dir, self.tensorboard = run_dir, tensorboard

    def on_step(self, logs: dict) -> None:
        """Evaluate, record, and save."""
        state = self.state
        self.validation_model.set_weights(checkpoint.ema_weights(self.model))
        try:
            means, before_after = self.evaluate_fn(self.validation_model)
        except NonFiniteOutputError:
            folder = self.run_dir / "checkpoints"
            raise checkpoint.divergence_error("The model's output", state.step, folder) from None
        state.history.add(state.step, **{f"val_{name}": mean for name, mean in means.items()})
        state.history.save(self.run_dir / "history.csv")
        quality = score(self.monitor, means[self.monitor])
        is_best = state.best is None or quality > state.best
        if is_best:
            state.best, state.best_step = quality, state.step
            with atomic_write(self.run_dir / "model.keras", keep_suffix=True) as part:
                self.validation_model.save(part)
        numbers = "  ".join(f"{name} {value:.4g}" for name, value in means.items())
        print(f"step {state.step:>6}  validation  {numbers}{'  (best)' if is_best else ''}")
        path = self.run_dir / "samples" / f"step_{state.step:08d}.png"
        image_io.write_float_rgb(path, before_after)
        if self.tensorboard:
            self.tensorboard.write_image("before_after_target", before_after)
