"""Everything that a run needs to resume exactly, in one file per checkpoint."""

import json
from pathlib import Path
from typing import Any

import keras
import numpy as np

from lowlight_tf.checks import UsageError
from lowlight_tf.fileio import atomic_write
from lowlight_tf.legacy_names import CHECKPOINT_GROUPS
from lowlight_tf.training.learner import Learner

MAX_TO_KEEP = 3
"""Number of checkpoints; older ones are removed."""


def save_checkpoint(folder: Path, step: int, learner: Learner, state: dict[str, Any]) -> Path:
    """Write the weights, the optimizer's variables and the training state atomically.

    Args:
        folder: Folder of the checkpoints.
        step: Number of steps done.
        learner: A compiled `Learner`; its `checkpoint_variables` are saved.
        state: The training state as plain data: history, best result.

    Returns:
        The checkpoint's path.

    Raises:
        UsageError: If a weight is not finite; nothing is written then.
    """
    arrays = {
        f"{group}/{index}": keras.ops.convert_to_numpy(variable)
        for group, variables in learner.checkpoint_variables.items()
        for index, variable in enumerate(variables)
    }
    if not all(np.isfinite(array).all() for array in arrays.values()):
        raise divergence_error("Weights", step, folder)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"step_{step:08d}.npz"
    with atomic_write(path) as part, part.open("wb") as file:
        np.savez(file, progress=np.array(json.dumps(state)), **arrays)
    for old in sorted(folder.glob("step_*.npz"))[:-MAX_TO_KEEP]:
        old.unlink()
    return path


def divergence_error(what: str, step: int, folder: Path) -> UsageError:
    """Return the error that stops a run whose numbers are not finite any more."""
    latest = latest_checkpoint(folder)
    advice = f"The last good checkpoint is {latest}." if latest else "There is no checkpoint yet."
    return UsageError(
        f"{what} became nan or infinite at step {step}. {advice} "
        "Lower learning_rate or set training.clip_norm, and resume."
    )


def latest_checkpoint(folder: Path) -> Path | None:
    """Return the newest checkpoint, if there is any."""
    return max(folder.glob("step_*.npz"), default=None)


def restore_checkpoint(path: Path, learner: Learner) -> tuple[int, dict[str, Any]]:
    """Assign a checkpoint's values to a compiled learner whose optimizer is built.

    Args:
        path: A checkpoint, also of version 0.1.0.
        learner: Its `checkpoint_variables` are assigned.

    Returns:
        The number of steps done, and the training state that was saved with them.

    Raises:
        UsageError: If the checkpoint is damaged, or belongs to another model.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {_current_name(name): file[name] for name in file.files}
        state = json.loads(str(arrays.pop("progress")))
    except (OSError, ValueError, KeyError, EOFError) as error:
        raise UsageError(
            f"{path} cannot be read ({error}). Remove it to resume from the one before."
        ) from None
    variables = {
        f"{group}/{index}": variable
        for group, members in learner.checkpoint_variables.items()
        for index, variable in enumerate(members)
    }
    saved_shapes = {name: tuple(array.shape) for name, array in arrays.items()}
    shapes = {name: tuple(variable.shape) for name, variable in variables.items()}
    if saved_shapes != shapes:
        differing = [name for name in shapes if saved_shapes.get(name) != shapes[name]]
        raise UsageError(
            f"{path} is a checkpoint of another model or optimizer: {len(saved_shapes)} arrays, "
            f"{len(differing)} of the {len(shapes)} expected ones missing or of another shape. "
            "Resume with the recipe that it was made with, or train into another folder."
        )
    for name, variable in variables.items():
        variable.assign(arrays[name])
    return int(path.stem.split("_")[1]), state


def _current_name(name: str) -> str:
    """Return the name of an array, "group/index", with today's name of its group."""
    group, slash, index = name.partition("/")
    return CHECKPOINT_GROUPS.get(group, group) + slash + index


def ema_weights(learner: Learner) -> list[np.ndarray]:
    """Return the model's weights in order, as their running averages where there are some."""
    model, optimizer = learner.model, learner.optimizer
    optimizer = getattr(optimizer, "inner_optimizer", optimizer)  # inside a LossScaleOptimizer
    values = {id(variable): variable for variable in model.weights}
    if optimizer.use_ema:
        ids = map(id, model.trainable_variables)
        # Keras has no public name for the averages that it keeps.
        values |= dict(zip(ids, optimizer._model_variables_moving_average, strict=True))
        # Keras averages before it constrains: a weight held at 0 would average below it.
        for variable in model.trainable_variables:
            if variable.constraint:
                values[id(variable)] = variable.constraint(values[id(variable)])
    return [keras.ops.convert_to_numpy(values[id(variable)]) for variable in model.weights]
