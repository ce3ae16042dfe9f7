"""A Keras net as an engine: what a run folder holds, before it is exported."""

import importlib
import pkgutil
from pathlib import Path

import keras
import numpy as np

from lowlight_tf import layers
from lowlight_tf.checks import UsageError
from lowlight_tf.config import Recipe
from lowlight_tf.contract import EXPLANATION_SUFFIX, Contract
from lowlight_tf.imaging.registration.pair_preprocessing import PairPreprocessing
from lowlight_tf.layers.reparameterization import reparameterize_model
from lowlight_tf.runtime.engine import Engine, Images


class NonFiniteOutputError(UsageError):
    """A net answers with numbers that are none: its weights have diverged."""


class KerasEngine(Engine):
    """An `Engine` over the best net of a run folder. Takes pictures of any size.

    Args:
        run: A folder that `lowlight-tf train` wrote.

    Attributes:
        model: The Keras model.
        preparation: What the run's recipe does to what two cameras saw.

    Raises:
        UsageError: If the folder holds no net, or one whose ports are not its contract's.
        NotFinite: When called, if the net's weights have diverged.
    """

    def __init__(self, run: Path) -> None:
        self.contract = Contract.load(run / "contract.json")
        self.name = run.resolve().name
        self.model = _load_keras_model(run / "model.keras")
        recipe = run / "recipe.toml"
        self.preprocessing = (
            Recipe.load(recipe).preprocessing if recipe.is_file() else PairPreprocessing()
        )
        _check_ports(self.model, self.contract, run)

    @property
    def weights(self) -> int:
        """Number of trained weights, parallel branches folded as in an exported file."""
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
        """Return an engine over a net that is in memory already."""
        engine = cls.__new__(cls)
        engine.preparation = preparation or PairPreprocessing()
        engine.model, engine.contract, engine.name = model, contract, name
        return engine

    def explanation_maps(self, images: Images) -> Images:
        """Return what the net went by, (B, h, w, C) float32 each; none if it does not tell."""
        results = self._predict(images)
        return {
            name: np.asarray(x, np.float32)
            for name, x in results.items()
            if name.endswith(EXPLANATION_SUFFIX)
        }

    def _predict(self, images: Images) -> Images:
        named = {port.name: images[port.name] for port in self.contract.inputs}
        batch = {
            name: np.divide(image, 255, dtype=np.float32) if image.dtype == np.uint8 else image
            for name, image in named.items()
        }
        return self.model.predict_on_batch(batch)

    def __call__(self, images: Images) -> Images:
        """Run one batch. See `Engine`."""
        whole = any(images[port.name].dtype == np.uint8 for port in self.contract.inputs)
        results = self._predict(images)
        answers = {}
        for port in self.contract.outputs:
            image = np.clip(np.asarray(results[port.name], np.float32), 0, 1)
            if np.isnan(image).any():
                raise NonFiniteOutputError(
                    f"{self.name} gives images that are not finite. Train it again, from an "
                    "earlier checkpoint or with a lower learning_rate."
                )
            answers[port.name] = np.rint(image * 255).astype(np.uint8) if whole else image
        return answers


def _load_keras_model(path: Path) -> keras.Model:
    if not path.is_file():
        raise UsageError(f"No net at {path}. Pass a run folder that `lowlight-tf train` finished.")
    for module in pkgutil.iter_modules(layers.__path__):  # a saved net knows its layers by name
        importlib.import_module(f"{layers.__name__}.{module.name}")
    try:
        return keras.saving.load_model(path, compile=False)
    except Exception as error:  # Keras raises a dozen types; all mean that the file is no net.
        reason = str(error).strip().splitlines()[0][:200]
        raise UsageError(
            f"{path} cannot be loaded as a Keras net: {reason}. Train again."
        ) from None


def _check_ports(model: keras.Model, contract: Contract, run: Path) -> None:
    """Refuse a net that takes or gives other images than the contract says."""
    for side, ports in ((model.input, contract.inputs), (model.output, contract.outputs)):
        found = {name: image.shape[-1] for name, image in side.items()}
        expected = {port.name: port.channels for port in ports}
        if not expected.items() <= found.items():
            raise UsageError(
                f"{run}/model.keras is not the net of {run}/contract.json: expected the images "
                f"{expected}, found {found}. Pass an unmixed run folder."
            )
