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
from lowlight_tf.imaging import image_io
from lowlight_tf.metrics.fidelity import psnr
from lowlight_tf.pipeline.image_cache import PairCache, exposure_normalization_factors
from lowlight_tf.runtime.enhance import enhance
from lowlight_tf.runtime.input_geometry import make_thumbnails

LIFT_LAYERS = {"lift_shade": "glance_mean", "lift_lit": "lit_mean", "lift_dark": "dark_d_act"}
"""The layers that are fitted, 1 x 1 convolutions to one channel, and those that they hear. Twice
the sigmoid of their sum is the lift."""

SHARED_WEIGHT_LAYER = "lift_shade"
"""The one that has the same weight for all that it hears: their mean is what counts. Weights for
colors only learn the pictures that they are fitted to."""

PRIOR_SCALE = {"lift_dark": 0.1}
"""How freely a layer may be fitted, where it is not 1. The first look is learned, and so knows the
pictures that it learned from: on others it misleads."""

IDENTITY_GAINS = (1.0, 1.5)
"""How much brighter than its target a picture is which is to stay as bright as it is."""

IDENTITY_WEIGHT = 0.1
"""Of such a picture, beside 1 of a pair."""

RIDGE_ALPHAS = (0.2, 0.5, 1.0, 2.0, 5.0, 20.0)
"""Strengths of the ridge that are tried, for features of variance 1, in shares of the pictures. A
weaker one makes weights so large that eight bits are too coarse for what they weigh."""

LOGIT_SHIFTS = tuple(shift / 20 for shift in range(-8, 5))
"""What is tried to be added to all lifts, before the sigmoid."""

MIN_PAIRS = 10
"""Pairs that can be fitted to."""


@dataclasses.dataclass(frozen=True)
class ExposureFit:
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
) -> ExposureFit:
    """Fit the lift of a net by ridge regression, in place.

    A net that learned from leveled targets brings every picture to one brightness; how bright each
    target was before it was leveled is what the lift has to tell. It is fitted to that, and to
    leaving as bright as they are the targets themselves when they are the input. How strong the
    ridge is, and how much darker or brighter all come out (PSNR punishes what is too bright
    more than what is too dark), is chosen on the validation pairs, as the checkpoint was.

    Args:
        net: Has the layers of `LIFTS`.
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
    if not {*LIFT_LAYERS, *LIFT_LAYERS.values()} <= {layer.name for layer in net.layers}:
        raise UsageError(
            f"`training.exposure` needs a net with the layers {', '.join(LIFT_LAYERS)}. "
            f"Received: {net.name}."
        )
    factors = exposure_normalization_factors(PairCache(pairs), leveled)
    wanted = {pair.target: (pair, 1 / f) for pair, f in zip(pairs, factors, strict=True)}
    known = [(pair, ratio) for pair, ratio in wanted.values() if pair.inputs]
    if len(known) < MIN_PAIRS:
        raise UsageError(
            f"`training.exposure` needs at least {MIN_PAIRS} pairs with inputs. Received: {len(known)}."
        )
    for name in LIFT_LAYERS:  # all alike, by 1
        layer = net.get_layer(name)
        layer.set_weights([np.zeros(weight.shape) for weight in layer.weights])
    (port,) = contract.image_inputs
    hear = _FeatureExtractor(net, contract)
    heard, ratios = [], []
    for pair, ratio in known:
        low, target = (image_io.load_image(p).pixels for p in (pair.inputs[port.name], pair.target))
        stays = [_brighter(target, gain) for gain in IDENTITY_GAINS]
        heard += [hear(low), *map(hear, stays)]
        ratios += [ratio, *(ratio * stay.mean() / target.mean() for stay in stays)]
    weight = np.tile([1.0, *[IDENTITY_WEIGHT] * len(IDENTITY_GAINS)], len(known))
    share = np.clip(np.array(ratios) / 2, 0.05, 0.95)
    goal = np.log(share / (1 - share))
    trust = np.repeat([PRIOR_SCALE.get(name, 1.0) for name in LIFT_LAYERS], hear.counts)
    middle = np.average(heard, axis=0, weights=weight)
    heard = np.array(heard) - middle
    fits = [_ridge(heard, goal, weight, ridge, trust) for ridge in RIDGE_ALPHAS]
    judged = [hear(image_io.load_image(pair.inputs[port.name]).pixels) - middle for pair in val]
    tried = list(itertools.product(range(len(fits)), LOGIT_SHIFTS))
    said = [np.array(judged) @ fits[number][0] + fits[number][1] + shift for number, shift in tried]
    gains = 2 / (1 + np.exp(-np.array(said)))
    before, *after = _mean_psnrs(net, contract, val, np.vstack([np.ones(len(val)), gains]))
    best = int(np.argmax(after))
    number, shift = tried[best]
    weights, bias = fits[number]
    start = 0
    for name, count in zip(LIFT_LAYERS, hear.counts, strict=True):
        layer, own = net.get_layer(name), slice(start, start + count)
        kernel = weights[own] / (layer.kernel.shape[2] if name == SHARED_WEIGHT_LAYER else 1)
        # Each says how far a picture is from the middle: eight bits are fine enough for that.
        offset = bias + shift - middle[own] @ weights[own]
        kernel = np.broadcast_to(kernel[:, None], layer.kernel.shape)
        layer.set_weights([kernel, np.array([offset])])
        start, bias, shift = start + count, 0.0, 0.0
    return ExposureFit(
        len(known), RIDGE_ALPHAS[number], tried[best][1], float(before), float(after[best])
    )


class _FeatureExtractor:
    """What the fitted layers hear of a picture.

    Attributes:
        counts: How many features each hears.
    """

    def __init__(self, net: keras.Model, contract: Contract) -> None:
        self._contract = contract
        self._net = keras.Model(
            {port.name: net.input[port.name] for port in contract.thumbnail_inputs},
            {name: net.get_layer(heard).output for name, heard in LIFT_LAYERS.items()},
        )
        self.counts = [
            1 if x == SHARED_WEIGHT_LAYER else net.get_layer(x).kernel.shape[2] for x in LIFT_LAYERS
        ]

    def __call__(self, picture: np.ndarray) -> np.ndarray:
        """Return the features, those of all layers in a row."""
        shown = make_thumbnails(self._contract, picture)
        heard = self._net.predict_on_batch({name: _unit(image) for name, image in shown.items()})
        found = {name: np.asarray(heard[name], np.float64).ravel() for name in LIFT_LAYERS}
        found[SHARED_WEIGHT_LAYER] = found[SHARED_WEIGHT_LAYER].mean(keepdims=True)
        return np.concatenate(list(found.values()))


def _ridge(
    heard: np.ndarray, goal: np.ndarray, weight: np.ndarray, ridge: float, trust: np.ndarray
) -> tuple[np.ndarray, float]:
    """Return the weights and the bias for features of mean 0.

    Each row counts by `weight`; a feature of half the trust has four times the ridge.
    """
    share = weight / weight.sum()
    mean = share @ goal
    spread = (np.sqrt(share @ heard**2) + 1e-6) / trust
    x = heard / spread
    inner = (x * share[:, None]).T
    weights = np.linalg.solve(inner @ x + ridge * np.eye(x.shape[1]), inner @ (goal - mean))
    return weights / spread, mean


def _mean_psnrs(
    net: keras.Model, contract: Contract, pairs: Sequence[Pair], gains: np.ndarray
) -> np.ndarray:
    """Return the mean PSNR over the pairs for each row of gains, (rows, pairs) -> (rows,)."""
    engine = KerasEngine.of(net, contract, name=net.name)
    (port,) = contract.image_inputs
    sums = np.zeros(len(gains))
    for pair, row in zip(pairs, gains.T, strict=True):
        result = enhance(engine, _unit(image_io.load_image(pair.inputs[port.name]).pixels))
        target = _unit(image_io.load_image(pair.target).pixels)
        sums += [psnr(target, np.minimum(result * np.float32(gain), 1)) for gain in row]
    return sums / len(pairs)


def _brighter(pixels: np.ndarray, gain: float) -> np.ndarray:
    top = np.iinfo(pixels.dtype).max
    return np.rint(np.minimum(pixels * np.float32(gain), top)).astype(pixels.dtype)


def _unit(pixels: np.ndarray) -> np.ndarray:
    return np.divide(pixels, np.iinfo(pixels.dtype).max, dtype=np.float32)
