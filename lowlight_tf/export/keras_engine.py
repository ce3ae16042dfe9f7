"""Engine for the Keras model of a run folder, before export."""

import importlib
import pkgutil
from pathlib import Path

import keras
import numpy as np

from lowlight_tf import layers
from lowlight_tf.catalog import MODELS
from lowlight_tf.checks import UsageError
from lowlight_tf.config import Recipe
from lowlight_tf.contract import DEPLOYED, EXPLANATION_SUFFIX, Contract
from lowlight_tf.imaging.registration.pair_preprocessing import PairPreprocessing
from lowlight_tf.layers.reparameterization import reparameterize_model
from lowlight_tf.runtime.engine import Engine, Images, bytes_as_float32, float32_as_bytes


class NonFiniteOutputError(UsageError):
    """A model returns values that are not finite: its weights have diverged."""


class KerasEngine(Engine):
    """An `Engine` for the best checkpoint of a run folder, for images of any size.

    Args:
        run: A folder that `lowlight-tf train` wrote.

    Attributes:
        model: The Keras model.
        preprocessing: Preprocessing of the images of two cameras, from the run's recipe.

    Raises:
        UsageError: If the folder has no model, or its ports are not those of its contract.
        NonFiniteOutputError: When called, if the weights of the model have diverged.
    """

    def __init__(self, run: Path) -> None:
        self.contract = Contract.load(run / "contract.json")
        self.name = run.resolve().name
        self.model = _load_keras_model(run / "model.keras")
        recipe = run / "recipe.toml"
        self.preprocessing = PairPreprocessing()
        if recipe.is_file():
            loaded = Recipe.load(recipe)
            self.preprocessing = loaded.preprocessing
            if "clip_frames" in loaded.options:
                self.model = _rebuild_for_frames(self.model, loaded)
        _check_ports(self.model, self.contract, run)

    @property
    def weights(self) -> int:
        """Number of trained weights, with parallel branches merged as in an exported file."""
        return reparameterize_model(self.model).count_params()

    @classmethod
    def of(
        cls,
        model: keras.Model,
        contract: Contract,
        *,
        name: str,
        preprocessing: PairPreprocessing | None = None,
    ) -> "KerasEngine":
        """Return an engine for a model in memory."""
        engine = cls.__new__(cls)
        engine.preprocessing = preprocessing or PairPreprocessing()
        engine.model, engine.contract, engine.name = model, contract, name
        return engine

    def explanation_maps(self, images: Images) -> Images:
        """Return the explanation outputs, (B, h, w, C) float32 each; empty if there are none."""
        results = self._predict(images)
        return {
            name: np.asarray(x, np.float32)
            for name, x in results.items()
            if name.endswith(EXPLANATION_SUFFIX)
        }

    def _predict(self, images: Images) -> Images:
        batch = {
            port.name: bytes_as_float32(images[port.name], port) for port in self.contract.inputs
        }
        return self.model.predict_on_batch(batch)

    def __call__(self, images: Images) -> Images:
        """Run one batch. See `Engine`."""
        is_uint8 = any(images[port.name].dtype == np.uint8 for port in self.contract.inputs)
        predictions = self._predict(images)
        outputs = {}
        for port in self.contract.outputs:
            image = np.clip(np.asarray(predictions[port.name], np.float32), *port.value_range)
            if np.isnan(image).any():
                raise NonFiniteOutputError(
                    f"{self.name} returns images that are not finite. Train it again, from an "
                    "earlier checkpoint or with a lower learning_rate."
                )
            outputs[port.name] = float32_as_bytes(image, port) if is_uint8 else image
        return outputs


def _load_keras_model(path: Path) -> keras.Model:
    if not path.is_file():
        raise UsageError(
            f"No model at {path}. Pass a run folder that `lowlight-tf train` finished."
        )
    # Keras finds the layers of a saved model by name once their modules are imported.
    for module in pkgutil.iter_modules(layers.__path__):
        importlib.import_module(f"{layers.__name__}.{module.name}")
    try:
        return keras.saving.load_model(path, compile=False)
    except Exception as error:  # Keras raises a dozen types; all mean an invalid file.
        reason = str(error).strip().splitlines()[0][:200]
        raise UsageError(
            f"{path} cannot be loaded as a Keras model: {reason}. Train again."
        ) from None


def _rebuild_for_frames(model: keras.Model, recipe: Recipe) -> keras.Model:
    """Return a model that was trained on clips as one of single frames."""
    built = MODELS.find(recipe.model).load()(**{**recipe.options, "clip_frames": 1})
    trained = model.get_layer(DEPLOYED)
    for layer in built.get_layer(DEPLOYED).layers:
        layer.set_weights(trained.get_layer(layer.name).get_weights())
    return built


def _check_ports(model: keras.Model, contract: Contract, run: Path) -> None:
    """Raise UsageError if the model's inputs or outputs are not those of the contract."""
    for side, ports in ((model.input, contract.inputs), (model.output, contract.outputs)):
        found = {name: image.shape[-1] for name, image in side.items()}
        expected = {port.name: port.channels for port in ports}
        if not expected.items() <= found.items():
            raise UsageError(
                f"{run}/model.keras does not fit {run}/contract.json: expected the images "
                f"{expected}, found {found}. Pass a run folder whose files are of one training."
            )
