"""What happens between the steps: progress, history, TensorBoard, checkpoints, validation."""

import dataclasses
import math
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np

from lowlight_tf.export.keras_engine import NonFiniteOutputError
from lowlight_tf.fileio import atomic_write
from lowlight_tf.imaging import image_io
from lowlight_tf.training import checkpoint
from lowlight_tf.training.history import History, score


@dataclasses.dataclass
class TrainingState:
    """Where a run stands; saved with every checkpoint.

    Attributes:
        step: Steps made.
        best: Best mean so far of the metric that validation goes by, or None before the first.
        best_step: Where it was reached.
        wait: Validations since the best one, or since the learning rate was cut for them.
        seconds: Time spent training, over all sessions.
        history: What was measured.
    """

    step: int = 0
    best: float | None = None
    best_step: int = 0
    wait: int = 0
    seconds: float = 0.0
    history: History = dataclasses.field(default_factory=History)

    def fields(self) -> dict[str, Any]:
        """Return plain data for a checkpoint."""
        return {
            "best": self.best,
            "best_step": self.best_step,
            "in_vain": self.wait,
            "seconds": self.seconds,
            "rows": self.history.rows,
        }


class StepCallback(keras.callbacks.Callback):
    """Something that is done every so many steps, and after the last one.

    Args:
        progress: Shared by all; the first callback of the list counts the steps.
        every: Steps between two calls.
        last: The last step of the run, after which it is done too.
    """

    def __init__(self, progress: TrainingState, every: int, last: int) -> None:
        super().__init__()
        self.progress, self.every, self.last = progress, every, last

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """Do it if it is time."""
        if self.progress.step % self.every == 0 or self.progress.step == self.last:
            self.on_step(logs or {})

    def on_step(self, logs: dict) -> None:
        """Do it."""
        raise NotImplementedError


class StepCounter(StepCallback):
    """Count the steps and stop on a loss that is no number. Comes first in the list."""

    def __init__(self, progress: TrainingState, checkpoints: Path) -> None:
        super().__init__(progress, 1, 0)
        self.checkpoints = checkpoints
        self._since = time.monotonic()

    def on_step(self, logs: dict) -> None:
        """Count one."""
        now = time.monotonic()
        self.progress.seconds += now - self._since
        self._since = now
        self.progress.step += 1
        if not math.isfinite(logs["loss"]):
            raise checkpoint.divergence_error("The loss", self.progress.step, self.checkpoints)


class ProgressLogger(StepCallback):
    """Print a line of progress, and add one to the history: means since the last one."""

    def __init__(
        self, progress: TrainingState, every: int, last: int, path: Path, epoch: int
    ) -> None:
        super().__init__(progress, every, last)
        self.path, self.epoch = path, epoch
        self._begun = time.monotonic(), progress.step

    def on_step(self, logs: dict) -> None:
        """Print, keep, and begin the next means."""
        progress, (begun, first) = self.progress, self._begun
        rate = (progress.step - first) / max(time.monotonic() - begun, 1e-9)
        left = (self.last - progress.step) / rate
        numbers = {name: round(float(value), 6) for name, value in logs.items()}
        progress.history.add(progress.step, epoch=round(progress.step / self.epoch, 3), **numbers)
        quality = f"psnr {logs['psnr_batch']:5.2f} dB (crops)  " if "psnr_batch" in logs else ""
        quality += f"critic {logs['critic']:.3f}  " if "critic" in logs else ""
        print(
            f"step {progress.step:>6}/{self.last}  loss {logs['loss']:.4f}  "
            f"{quality}{rate:.1f} steps/s  "
            f"{int(left) // 60}:{int(left) % 60:02} left",
            end="\r" if sys.stdout.isatty() and progress.step != self.last else "\n",
            flush=True,
        )
        progress.history.save(self.path)
        self.model.reset_metrics()


class TensorBoardLogger(StepCallback):
    """Write TensorBoard scalars of what the history's last row holds."""

    def __init__(self, progress: TrainingState, every: int, last: int, folder: Path) -> None:
        super().__init__(progress, every, last)
        import tensorflow as tf

        self.tf, self.writer = tf, tf.summary.create_file_writer(str(folder))

    def on_step(self, logs: dict) -> None:
        """Write them."""
        with self.writer.as_default(self.progress.step):
            for name, value in self.progress.history.rows[-1].items():
                self.tf.summary.scalar(name, value)
        self.writer.flush()

    def image(self, name: str, picture: np.ndarray) -> None:
        """Write one picture, (H, W, 3) float32 in [0, 1]."""
        with self.writer.as_default(self.progress.step):
            self.tf.summary.image(name, picture[None])
        self.writer.flush()


class Checkpointer(StepCallback):
    """Save all that is needed to go on."""

    def __init__(self, progress: TrainingState, every: int, last: int, folder: Path) -> None:
        super().__init__(progress, every, last)
        self.folder = folder

    def on_step(self, logs: dict) -> None:
        """Save it."""
        checkpoint.save_checkpoint(
            self.folder, self.progress.step, self.model, self.progress.fields()
        )


class Validator(StepCallback):
    """Measure the averaged net on whole pictures, and keep it if none was better.

    Args:
        progress: See `StepCallback`.
        every: See `StepCallback`.
        last: See `StepCallback`.
        net: A net in float32, which is given the averaged weights.
        monitor: The metric that says which net is best, by its `merit`.
        evaluate_fn: net -> ({metric: mean}, before/after picture (H, W, 3) in [0, 1]).
        run: Where `model.keras`, `history.csv` and `samples/` are written.
        summary: Where the pictures go as well, or None.
    """

    def __init__(
        self,
        progress: TrainingState,
        every: int,
        last: int,
        *,
        net: keras.Model,
        monitor: str,
        evaluate_fn: Callable[[keras.Model], tuple[dict[str, float], np.ndarray]],
        run: Path,
        summary: TensorBoardLogger | None,
    ) -> None:
        super().__init__(progress, every, last)
        self.net, self.judge, self.measure = net, monitor, evaluate_fn
        self.run, self.summary = run, summary

    def on_step(self, logs: dict) -> None:
        """Measure, keep, and show."""
        progress = self.progress
        self.net.set_weights(checkpoint.ema_weights(self.model))
        try:
            means, sample = self.measure(self.net)
        except NonFiniteOutputError:
            place = self.run / "checkpoints"
            raise checkpoint.divergence_error("What the net gives", progress.step, place) from None
        progress.history.add(progress.step, **{f"val_{name}": m for name, m in means.items()})
        progress.history.save(self.run / "history.csv")
        quality = score(self.judge, means[self.judge])
        best = progress.best is None or quality > progress.best
        if best:
            progress.best, progress.best_step = quality, progress.step
            with atomic_write(self.run / "model.keras", keep_suffix=True) as part:
                self.net.save(part)
        numbers = "  ".join(f"{name} {value:.4g}" for name, value in means.items())
        print(f"step {progress.step:>6}  validation  {numbers}{'  (best)' if best else ''}")
        image_io.write_float_rgb(self.run / "samples" / f"step_{progress.step:08d}.png", sample)
        if self.summary:
            self.summary.image("before_after_target", sample)
