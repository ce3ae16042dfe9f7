"""Is the exported file still the same net, and is it what its card says?"""

from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np
from ai_edge_litert.interpreter import Interpreter

from lowlight_tf.contract import Card, Contract
from lowlight_tf.export.keras_engine import KerasEngine
from lowlight_tf.runtime.engine import Engine, Images
from lowlight_tf.runtime.litert import LiteRTEngine

EXACT_DB = 120.0
"""Where the scale ends: two outputs that differ by less are equal."""

FAITHFUL_DB = {"none": 80.0, "float16": 50.0, "dynamic": 30.0, "int8": 28.0, "int16x8": 30.0}
"""The least parity of a file that can be used in place of its net, by quantization."""

GOLDEN_DB = 40.0
"""The least agreement with a golden output: processors round differently."""


def parity_db(reference: Engine, engine: Engine, pictures: Sequence[Images]) -> float:
    """Return how like the outputs of two engines are: PSNR (dB) over all pictures, at most 120.

    Args:
        reference: Whose output is taken as right, mostly a Keras net.
        engine: Whose output is compared with it.
        pictures: Batches that both take.
    """
    errors = [
        np.square(expected - actual[name], dtype=np.float64).mean()
        for picture in pictures
        for actual in [engine(picture)]
        for name, expected in reference(picture).items()
    ]
    return agreement_db(float(np.mean(errors)))


def agreement_db(mean_square: float) -> float:
    """Return a mean squared difference in [0, 1] units as decibels, at most `EXACT_DB`."""
    return round(float(-10 * np.log10(max(mean_square, 10 ** (-EXACT_DB / 10)))), 2)


def largest_difference(net: keras.Model, contract: Contract, path: Path) -> float:
    """Return how far a file is from its net at most, in [0, 1] units, on one seeded noise."""
    engine = LiteRTEngine(path)
    rng = np.random.default_rng(0)
    noise = {
        port.name: rng.random((1, *port.shape(engine.size)), dtype=np.float32)
        for port in contract.inputs
    }
    expected = KerasEngine.of(net, contract, name=net.name)(noise)
    actual = engine(noise)
    return max(float(np.abs(expected[name] - actual[name]).max()) for name in expected)


def golden_db(engine: LiteRTEngine, path: Path) -> float:
    """Return how well a file reproduces the golden output that lies beside it (dB)."""
    with np.load(path) as arrays:
        golden = {name: arrays[name][None] for name in arrays.files}
    actual = engine({port.name: golden[port.name] for port in engine.contract.inputs})
    differences = [
        np.square((np.float64(actual[port.name]) - golden[port.name]) / 255).mean()
        for port in engine.contract.outputs
    ]
    return agreement_db(float(np.mean(differences)))


def mismatches(path: Path, card: Card) -> list[str]:
    """Return in what the signature of a file is not what its card says, a line for each."""
    interpreter = Interpreter(model_path=str(path))
    runner = interpreter.get_signature_runner(next(iter(interpreter.get_signature_list())))
    found = []
    sizes = {
        side: (card.height * scale, card.width * scale)
        for side, scale in (("inputs", 1), ("outputs", card.contract.scale))
    }
    for side, size in sizes.items():
        details = getattr(runner, f"get_{side[:-1]}_details")()
        for port in getattr(card.contract, side):
            if port.name not in details:
                found.append(f"no {side[:-1]} {port.name!r}: the file has {', '.join(details)}")
                continue
            shape = tuple(int(n) for n in details[port.name]["shape"])
            dtype = np.dtype(details[port.name]["dtype"]).name
            expected = (1, *port.shape(size))
            if (shape, dtype) != (expected, card.dtype):
                found.append(
                    f"{port.name!r} is {dtype} {shape}, the card says {card.dtype} {expected}"
                )
    return found
