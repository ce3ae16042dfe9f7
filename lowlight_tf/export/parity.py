"""Parity of an exported file with its Keras model."""

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
"""Quantization -> parity from which a file can replace its model (PSNR in dB)."""


def parity_db(reference: Engine, engine: Engine, batches: Sequence[Images]) -> float:
    """Return the PSNR (dB) of an engine's outputs against a reference's, at most 120.

    Args:
        reference: The engine to compare with, usually a Keras model.
        engine: The engine to check.
        batches: Inputs of both engines: port name -> (B, H, W, C).
    """
    errors = [
        np.square(expected - actual[name], dtype=np.float64).mean()
        for batch in batches
        for actual in [engine(batch)]
        for name, expected in reference(batch).items()
    ]
    return psnr_db(float(np.mean(errors)))


def max_difference(model: keras.Model, contract: Contract, path: Path) -> float:
    """Return the largest difference of a file from its model, in [0, 1], on one noise image."""
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
