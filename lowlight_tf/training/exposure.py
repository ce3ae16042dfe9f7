"""How bright a picture is meant to be: fitted in closed form, when all else is learned."""

import dataclasses
import itertools
from collections.abc import Sequence

import keras
import numpy as np

from lowlight_tf.checks import UsageError
from lowlight_tf.contract import Contract
from lowlight_tf.datasets.pairing import Pair
from lowlight_tf.export.keras_engine import KerasEngine
from lowlight_tf.imaging import files
from lowlight_tf.metrics.fidelity import psnr
from lowlight_tf.pipeline.decode import PairStore, levels
from lowlight_tf.runtime.enhance import enhance
from lowlight_tf.runtime.fit import thumbnails

LIFT, FEATURES = "lift", "lit_mean"
"""The layer that is fitted, a 1 x 1 convolution with a sigmoid of which twice is the lift, and the
layer that it hears."""

RIDGES = (1.0, 10.0, 100.0, 1000.0, 10000.0)
"""Strengths of the ridge that are tried, for features of variance 1 (in pictures)."""

SHIFTS = tuple(shift / 20 for shift in range(-8, 5))
"""What is tried to be added to all lifts, before the sigmoid."""

LEAST = 10
"""Pairs that can be fitted to."""


@dataclasses.dataclass(frozen=True)
class Exposure:
    """What a fit found.

    Attributes:
        pairs: Pairs that it was fitted to.
        ridge: Strength of the ridge.
        shift: What was added to all, before the sigmoid.
        before: Mean PSNR over the validation pairs when all are exposed alike (dB).
        after: As they are exposed now (dB).
    """

    pairs: int
    ridge: float
    shift: float
    before: float
    after: float


def fit_exposure(
    net: keras.Model,
    contract: Contract,
    pairs: Sequence[Pair],
    val: Sequence[Pair],
    *,
    leveled: float,
) -> Exposure:
    """Fit the layer `lift` of a net by ridge regression, in place.

    A net that learned from leveled targets brings every picture to one brightness; how bright each
    target was before it was leveled is what the lift has to tell. It is fitted to that. How strong
    the ridge is, and how much darker or brighter all come out (PSNR punishes what is too bright
    more than what is too dark), is chosen on the validation pairs, as the checkpoint was.

    Args:
        net: Has the layers `lift` and `lit_mean`.
        contract: Its ports.
        pairs: What it learned from; day pictures, which have no input of their own, tell nothing
            here.
        val: What it is judged by.
        leveled: How far the targets were leveled, see `config.Pipeline.leveled`.

    Returns:
        What was found.

    Raises:
        UsageError: If the net has no such layers, or there are too few pairs.

    Reference:
        Hoerl and Kennard, "Ridge Regression", Technometrics 12, 1970.
    """
    names = {layer.name for layer in net.layers}
    if not {LIFT, FEATURES} <= names:
        raise UsageError(
            f"`training.exposure` needs a net with the layers {LIFT} and {FEATURES}. "
            f"Received: {net.name}."
        )
    factors = levels(PairStore(pairs), leveled)
    wanted = {pair.target: (pair, 1 / f) for pair, f in zip(pairs, factors, strict=True)}
    known = [(pair, ratio) for pair, ratio in wanted.values() if pair.inputs]
    if len(known) < LEAST:
        raise UsageError(
            f"`training.exposure` needs at least {LEAST} pairs with inputs. "
            f"Received: {len(known)}."
        )
    share = np.clip([ratio / 2 for _, ratio in known], 0.05, 0.95)
    goal = np.log(share / (1 - share))
    lift = net.get_layer(LIFT)
    lift.set_weights([np.zeros(weight.shape) for weight in lift.weights])  # all alike, by 1
    heard, judged = (_features(net, contract, some) for some in ([pair for pair, _ in known], val))
    fits = [_ridge(heard, goal, ridge) for ridge in RIDGES]
    tried = list(itertools.product(range(len(fits)), SHIFTS))
    said = [judged @ fits[number][0] + fits[number][1] + shift for number, shift in tried]
    gains = 2 / (1 + np.exp(-np.array(said)))
    before, *after = _mean_psnrs(net, contract, val, np.vstack([np.ones(len(val)), gains]))
    best = int(np.argmax(after))
    number, shift = tried[best]
    weights, bias = fits[number]
    lift.set_weights([weights.reshape(1, 1, -1, 1), np.array([bias + shift])])
    return Exposure(len(known), RIDGES[number], shift, float(before), float(after[best]))


def _features(net: keras.Model, contract: Contract, pairs: Sequence[Pair]) -> np.ndarray:
    """Return what the layer hears of each pair's input, (pairs, features)."""
    ear = keras.Model(
        {port.name: net.input[port.name] for port in contract.thumbnails},
        {FEATURES: net.get_layer(FEATURES).output},
    )
    (port,) = contract.pictures
    rows = []
    for pair in pairs:
        small = thumbnails(contract, files.load(pair.inputs[port.name]).pixels)
        seen = {name: _unit(image) for name, image in small.items()}
        rows.append(np.asarray(ear.predict_on_batch(seen)[FEATURES], np.float64).ravel())
    return np.array(rows)


def _ridge(heard: np.ndarray, goal: np.ndarray, ridge: float) -> tuple[np.ndarray, float]:
    """Return the weights and the bias for features as they come."""
    middle, spread = heard.mean(0), heard.std(0) + 1e-9
    x = (heard - middle) / spread
    weights = np.linalg.solve(x.T @ x + ridge * np.eye(x.shape[1]), x.T @ (goal - goal.mean()))
    weights /= spread
    return weights, goal.mean() - middle @ weights


def _mean_psnrs(
    net: keras.Model, contract: Contract, pairs: Sequence[Pair], gains: np.ndarray
) -> np.ndarray:
    """Return the mean PSNR over the pairs for each row of gains, (rows, pairs) -> (rows,)."""
    engine = KerasEngine.of(net, contract, name=net.name)
    (port,) = contract.pictures
    sums = np.zeros(len(gains))
    for pair, row in zip(pairs, gains.T, strict=True):
        result = enhance(engine, _unit(files.load(pair.inputs[port.name]).pixels))
        target = _unit(files.load(pair.target).pixels)
        sums += [psnr(target, np.minimum(result * np.float32(gain), 1)) for gain in row]
    return sums / len(pairs)


def _unit(pixels: np.ndarray) -> np.ndarray:
    return np.divide(pixels, np.iinfo(pixels.dtype).max, dtype=np.float32)
