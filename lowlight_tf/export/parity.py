"""Is the exported file still the same net?"""

from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np

from lowlight_tf.contract import Contract
from lowlight_tf.export.keras_engine import KerasEngine
from lowlight_tf.runtime.engine import Engine, Images
from lowlight_tf.runtime.golden import psnr_db
from lowlight_tf.runtime.litert_engine import LiteRTEngine

MIN_PARITY_DB = {
    "float32": 80.0,
    "float16": 50.0,
    "dynamic_range": 30.0,
    "int8": 28.0,
    "int16x8": 30.0,
}
"""The least parity of a file that can be used in place of its net, by quantization."""


def parity_db(reference: Engine, engine: Engine, batches: Sequence[Images]) -> float:
    """Return how like the outputs of two engines are: PSNR (dB) over all pictures, at most 120.

    Args:
        reference: Whose output is taken as right, mostly a Keras net.
        engine: Whose output is compared with it.
        batches: Batches that both take.
    """
    errors = [
        np.square(expected - actual[name], dtype=np.float64).mean()
        for picture in batches
        for actual in [engine(picture)]
        for name, expected in reference(picture).items()
    ]
    return psnr_db(float(np.mean(errors)))


def max_difference(model: keras.Model, contract: Contract, path: Path) -> float:
    """Return how far a file is from its net at most, in [0, 1] units, on one seeded noise."""
    engine = LiteRTEngine(path)
    card = engine.card
    rng = np.random.default_rng(0)
    noise = {
        port.name: rng.random((1, *port.shape((card.height, card.width))), dtype=np.float32)
        for port in contract.inputs
    }
    expected = KerasEngine.of(model, contract, name=model.name)(noise)
    actual = engine(noise)
    return max(float(np.abs(expected[name] - actual[name]).max()) for name in expected)
