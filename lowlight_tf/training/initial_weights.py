"""Beginning a training with the weights of another run."""

from pathlib import Path

import keras

from lowlight_tf.catalog import MODELS
from lowlight_tf.checks import UsageError
from lowlight_tf.config import Recipe
from lowlight_tf.contract import DEPLOYED
from lowlight_tf.export.keras_engine import KerasEngine


def check_initial_weights(recipe: Recipe) -> None:
    """Refuse a recipe that trains a part of a model and does not say where the rest comes from.

    Raises:
        UsageError: If the model needs `training.initial_weights` and there are none.
    """
    if MODELS.find(recipe.model).needs_initial_weights and not recipe.training.initial_weights:
        raise UsageError(
            "`training.initial_weights` must name a finished run: only a part of "
            f"{recipe.model} is trained. Received: none. Train the rest first, see its recipe."
        )


def load_initial_weights(model: keras.Model, run: Path) -> int:
    """Give layers the weights that layers of the same name have in a run; others stay as they are.

    Args:
        model: Its layers get the weights; of one that is deployed with other ports, those inside.
        run: A folder that `lowlight-tf train` finished.

    Returns:
        Number of weights that were taken over.

    Raises:
        UsageError: If the run has a layer with weights that the model lacks, or of another shape.
    """
    layers = {layer.name: layer for layer in _find_deployed(model).layers}
    count = 0
    for source in _find_deployed(KerasEngine(run).model).layers:
        if not source.weights:
            continue
        target = layers.get(source.name)
        shapes = [weight.shape for weight in source.weights]
        if target is None or [weight.shape for weight in target.weights] != shapes:
            raise UsageError(
                "`training.initial_weights` must be a run whose layers are in the model. Received: "
                f"{run}, of which {source.name} has weights of the shapes {shapes}. Train with its "
                "`options`."
            )
        target.set_weights(source.get_weights())
        count += source.count_params()
    return count


def _find_deployed(model: keras.Model) -> keras.Model:
    names = [layer.name for layer in model.layers]
    return model.get_layer(DEPLOYED) if DEPLOYED in names else model
