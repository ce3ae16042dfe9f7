"""All that a run needs to go on as if it had never stopped, in one file a checkpoint."""

import json
from pathlib import Path
from typing import Any

import keras
import numpy as np

from lowlight_tf.checks import UsageError
from lowlight_tf.fileio import atomic_write
from lowlight_tf.training.learner import Learner

MAX_TO_KEEP = 3  # checkpoints; older ones are removed


def save_checkpoint(folder: Path, step: int, learner: Learner, progress: dict[str, Any]) -> Path:
    """Write the weights, the optimizer's state and `progress`, beside, then rename.

    Args:
        folder: Where checkpoints lie.
        step: How many steps have been made.
        learner: A compiled `Learner`; what it calls `kept` is saved.
        progress: Plain data to come back with: history, best result.

    Raises:
        UsageError: If a weight is not finite; nothing is written then.
    """
    arrays = {
        f"{kind}/{place}": keras.ops.convert_to_numpy(variable)
        for kind, variables in learner.checkpoint_variables.items()
        for place, variable in enumerate(variables)
    }
    if not all(np.isfinite(array).all() for array in arrays.values()):
        raise divergence_error("Weights", step, folder)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"step_{step:08d}.npz"
    with atomic_write(path) as part, part.open("wb") as file:
        np.savez(file, progress=np.array(json.dumps(progress)), **arrays)
    for old in sorted(folder.glob("step_*.npz"))[:-MAX_TO_KEEP]:
        old.unlink()
    return path


def divergence_error(what: str, step: int, folder: Path) -> UsageError:
    """Return the error that stops a run whose numbers are no numbers any more."""
    good = latest_checkpoint(folder)
    kept = f"The last good checkpoint is {good}." if good else "There is no checkpoint yet."
    return UsageError(
        f"{what} became nan or infinite at step {step}. {kept} "
        "Lower learning_rate or set training.clip_norm, and resume."
    )


def latest_checkpoint(folder: Path) -> Path | None:
    """Return the newest checkpoint, if there is any."""
    return max(folder.glob("step_*.npz"), default=None)


def restore_checkpoint(path: Path, learner: Learner) -> tuple[int, dict[str, Any]]:
    """Put a checkpoint's values into a compiled learner whose optimizer is built.

    Returns:
        The number of steps made, and the progress that was saved with them.

    Raises:
        UsageError: If the checkpoint is damaged, or is one of another model.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            saved = {name: file[name] for name in file.files}
        progress = json.loads(str(saved.pop("progress")))
    except (OSError, ValueError, KeyError, EOFError) as error:
        raise UsageError(
            f"{path} cannot be read ({error}). Remove it to go on from the one before."
        ) from None
    variables = {
        f"{kind}/{place}": variable
        for kind, group in learner.checkpoint_variables.items()
        for place, variable in enumerate(group)
    }
    shapes = {name: tuple(array.shape) for name, array in saved.items()}
    wanted = {name: tuple(variable.shape) for name, variable in variables.items()}
    if shapes != wanted:
        differing = [name for name in wanted if shapes.get(name) != wanted[name]]
        raise UsageError(
            f"{path} is a checkpoint of another model or optimizer: {len(shapes)} arrays, "
            f"{len(differing)} of the {len(wanted)} wanted ones missing or of another shape. "
            "Resume with the recipe that it was made with, or train into another folder."
        )
    for name, variable in variables.items():
        variable.assign(saved[name])
    return int(path.stem.split("_")[1]), progress


def ema_weights(learner: Learner) -> list[np.ndarray]:
    """Return the net's weights in order, the running average where there is one."""
    net, optimizer = learner.net, learner.optimizer
    optimizer = getattr(optimizer, "inner_optimizer", optimizer)  # where it scales the loss
    values = {id(variable): variable for variable in net.weights}
    if optimizer.use_ema:
        ids = map(id, net.trainable_variables)
        # Keras has no public name for the averages that it keeps.
        values |= dict(zip(ids, optimizer._model_variables_moving_average, strict=True))
    return [keras.ops.convert_to_numpy(values[id(variable)]) for variable in net.weights]
