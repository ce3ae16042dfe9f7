"""Reduce the learning rate when the validation metric stops improving."""

from pathlib import Path

from lowlight_tf.training.callbacks import StepCallback, TrainingState
from lowlight_tf.training.history import score
from lowlight_tf.training_config import TrainingConfig


class ReduceLROnPlateau(StepCallback):
    """Reduce the learning rate after some validations in a row without improvement.

    Comes after `Validator`, whose results it reads from the history, and before `Checkpointer`: the
    rate is saved with the optimizer, the number of validations without improvement with the
    training state, so that a resumed run reduces it where the uninterrupted one would have. The
    count restarts after a reduction.

    Args:
        state: See `StepCallback`.
        every: Steps between two validations.
        last_step: The last step of the run.
        training: Its `plateau_patience`, `plateau_factor`, `plateau_min_lr` and `monitor` are read;
            its `schedule` must be "plateau".
        path: The `history.csv` that gets the column `learning_rate`: the rate of the steps after
            the row's.

    Differences from `keras.callbacks.ReduceLROnPlateau`:
        Any improvement counts, however small, and the state survives a restart.
    """

    def __init__(
        self,
        state: TrainingState,
        every: int,
        last_step: int,
        *,
        training: TrainingConfig,
        path: Path,
    ) -> None:
        super().__init__(state, every, last_step)
        self.training, self.path = training, path

    def on_step(self, logs: dict) -> None:
        """Count this validation, reduce the rate if it is time, and record it."""
        state, training = self.state, self.training
        _, means = state.history.column(f"val_{training.monitor}")
        scores = [score(training.monitor, mean) for mean in means]
        improved = len(scores) == 1 or scores[-1] > max(scores[:-1])
        state.wait = 0 if improved else state.wait + 1
        optimizer = self.model.optimizer
        rate = _round_rate(optimizer.learning_rate)
        reduced = _round_rate(max(rate * training.plateau_factor, training.plateau_min_lr))
        if state.wait >= training.plateau_patience and reduced < rate:
            print(
                f"step {state.step:>6}  learning rate {rate:g} -> {reduced:g}: validation "
                f"{training.monitor.upper()} has not improved {state.wait} times in a row"
            )
            optimizer.learning_rate = rate = reduced
            state.wait = 0
        state.history.add(state.step, learning_rate=rate)
        state.history.save(self.path)


def _round_rate(rate) -> float:
    """Return a rate as it was written in the recipe: 1e-4 is not exact in float32."""
    return float(f"{float(rate):.6g}")
