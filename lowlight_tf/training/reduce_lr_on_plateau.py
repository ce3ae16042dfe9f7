"""Lower the learning rate where validation no longer gets better."""

from pathlib import Path

from lowlight_tf.training.callbacks import StepCallback, TrainingState
from lowlight_tf.training.history import score
from lowlight_tf.training_config import TrainingConfig


class ReduceLROnPlateau(StepCallback):
    """Cut the learning rate when validation has not got better for some validations in a row.

    Comes after `Validate`, whose results it reads in the history, and before `Checkpoint`: the rate
    is saved with the optimizer, the count of validations in vain with the progress, so that a run
    that goes on cuts where it would have cut. After a cut the count begins anew.

    Args:
        progress: See `StepCallback`.
        every: Steps between two validations.
        last: The last step of the run.
        training: Its `plateau_patience`, `plateau_factor` and `plateau_floor` are read; its
            `schedule` must be "plateau".
        path: The `history.csv` that gets the column `learning_rate`: that of the steps from there.

    Differences from `keras.callbacks.ReduceLROnPlateau`:
        Anything better counts, however little, and it survives being killed.
    """

    def __init__(
        self,
        progress: TrainingState,
        every: int,
        last: int,
        *,
        training: TrainingConfig,
        path: Path,
    ) -> None:
        super().__init__(progress, every, last)
        self.training, self.path = training, path

    def on_step(self, logs: dict) -> None:
        """Count, cut if it is time, and write down the rate."""
        progress, plan = self.progress, self.training
        _, measured = progress.history.column(f"val_{plan.monitor}")
        merits = [score(plan.monitor, mean) for mean in measured]
        rose = len(merits) == 1 or merits[-1] > max(merits[:-1])
        progress.wait = 0 if rose else progress.wait + 1
        optimizer = self.model.optimizer
        rate = _short(optimizer.learning_rate)
        lower = _short(max(rate * plan.plateau_factor, plan.plateau_min_lr))
        if progress.wait >= plan.plateau_patience and lower < rate:
            print(
                f"step {progress.step:>6}  learning rate {rate:g} -> {lower:g}: validation "
                f"{plan.monitor.upper()} has not got better {progress.wait} times in a row"
            )
            optimizer.learning_rate = rate = lower
            progress.wait = 0
        progress.history.add(progress.step, learning_rate=rate)
        progress.history.save(self.path)


def _short(rate) -> float:
    """Return a rate as it was written: the optimizer's float32 is 1e-4 only nearly."""
    return float(f"{float(rate):.6g}")
