"""Calibration of a trained model's exposure: its gain layers are fitted in closed form."""

import dataclasses
import itertools
from collections.abc import Sequence

import keras
import numpy as np

from lowlight_tf.checks import UsageError
from lowlight_tf.config import Recipe
from lowlight_tf.contract import Contract
from lowlight_tf.datasets.pairing import Pair
from lowlight_tf.export.keras_engine import KerasEngine
from lowlight_tf.imaging import image_io
from lowlight_tf.imaging.dtypes import img_as_float32
from lowlight_tf.metrics.fidelity import psnr
from lowlight_tf.pipeline.image_cache import PairCache, exposure_normalization_factors
from lowlight_tf.runtime.enhance import enhance
from lowlight_tf.runtime.input_geometry import make_thumbnails

LIFT_LAYERS = {"lift_shade": "glance_mean", "lift_lit": "lit_mean", "lift_dark": "dark_d_act"}
"""The fitted layers, 1 x 1 convolutions to one channel -> the layers that they take as input. Twice
the sigmoid of their sum is the gain of the image."""

SHARED_WEIGHT_LAYER = "lift_shade"
"""The fitted layer with one weight for all its inputs, so that only their mean counts. Separate
weights for colors would overfit."""

PRIOR_SCALE = {"lift_dark": 0.1}
"""Scale of the prior of a layer's weights where it is not 1. The features of this layer are trained
ones, fitted to the training images already; on others they mislead."""

IDENTITY_GAINS = (1.0, 1.5)
"""Brightness, relative to the target, of the well exposed images whose exposure is to be kept."""

IDENTITY_WEIGHT = 0.1
"""Weight of such an image, where a pair counts 1."""

RIDGE_ALPHAS = (0.2, 0.5, 1.0, 2.0, 5.0, 20.0)
"""Candidate regularization strengths of the ridge regression, for features of variance 1. Weaker
ones give weights so large that eight bits are too coarse for the features."""

LOGIT_SHIFTS = tuple(shift / 20 for shift in range(-8, 5))
"""Candidate offsets of all gains, added before the sigmoid."""

MIN_PAIRS = 10
"""Fewest pairs to fit to."""


@dataclasses.dataclass(frozen=True)
class ExposureFit:
    """The result of a fit.

    Attributes:
        pairs: Number of pairs that it was fitted to.
        ridge: Regularization strength.
        shift: Offset of all gains, before the sigmoid.
        before: Mean PSNR of the validation pairs with a gain of 1 for all images (dB).
        after: The same with the fitted gains (dB).
    """

    pairs: int
    ridge: float
    shift: float
    before: float
    after: float


def plan_calibration(recipe: Recipe, model: keras.Model, pairs: Sequence[Pair]) -> Recipe:
    """Return a recipe without the calibration if there are too few pairs for it, and say so.

    Raises:
        UsageError: If it is asked for and the model has no exposure layer to fit.
    """
    if not recipe.training.calibrate_exposure:
        return recipe
    _check_layers(model)
    count = len({pair.target for pair in pairs if pair.inputs})
    if count >= MIN_PAIRS:
        return recipe
    print(f"exposure is not calibrated: that needs {MIN_PAIRS} pairs with inputs, not {count}")
    training = dataclasses.replace(recipe.training, calibrate_exposure=False)
    return dataclasses.replace(recipe, training=training)


def fit_exposure(
    model: keras.Model,
    contract: Contract,
    pairs: Sequence[Pair],
    val: Sequence[Pair],
    *,
    normalize_target_exposure: float,
) -> ExposureFit:
    """Fit the gain layers of a model by ridge regression, in place.

    A model trained on exposure-normalized targets brings every image to the same mean brightness.
    The gain is fitted to the brightness that each target had before normalization, and to the
    identity for targets as inputs. The regularization strength, and an offset of all gains (PSNR
    penalizes overexposure more than underexposure), are chosen on the validation pairs, as the
    checkpoint was.

    Args:
        model: Has the layers of `LIFT_LAYERS`.
        contract: Its ports.
        pairs: Its training pairs; those without an input are left out.
        val: Its validation pairs.
        normalize_target_exposure: How far the targets were normalized, see
            `training_config.PipelineConfig`.

    Raises:
        UsageError: If the model has no such layers, or there are too few pairs.

    Reference:
        Hoerl and Kennard, "Ridge Regression", Technometrics 12, 1970.
    """
    _check_layers(model)
    factors = exposure_normalization_factors(PairCache(pairs), normalize_target_exposure)
    gain_of_target = {pair.target: (pair, 1 / f) for pair, f in zip(pairs, factors, strict=True)}
    samples = [(pair, gain) for pair, gain in gain_of_target.values() if pair.inputs]
    if len(samples) < MIN_PAIRS:
        raise UsageError(
            f"`training.calibrate_exposure` needs at least {MIN_PAIRS} pairs with inputs. "
            f"Received: {len(samples)}."
        )
    for name in LIFT_LAYERS:  # zeros: a gain of 1 for all images
        layer = model.get_layer(name)
        layer.set_weights([np.zeros(weight.shape) for weight in layer.weights])
    (port,) = contract.image_inputs
    extract = _FeatureExtractor(model, contract)
    features, gains = [], []
    for pair, gain in samples:
        low = image_io.load_image(pair.inputs[port.name]).pixels
        target = image_io.load_image(pair.target).pixels
        identities = [_scale_brightness(target, factor) for factor in IDENTITY_GAINS]
        features += [extract(low), *map(extract, identities)]
        gains += [gain, *(gain * image.mean() / target.mean() for image in identities)]
    sample_weights = np.tile([1.0, *[IDENTITY_WEIGHT] * len(IDENTITY_GAINS)], len(samples))
    sigmoids = np.clip(np.array(gains) / 2, 0.05, 0.95)
    logits = np.log(sigmoids / (1 - sigmoids))
    scales = np.repeat([PRIOR_SCALE.get(name, 1.0) for name in LIFT_LAYERS], extract.counts)
    center = np.average(features, axis=0, weights=sample_weights)
    features = np.array(features) - center
    fits = [_fit_ridge(features, logits, sample_weights, alpha, scales) for alpha in RIDGE_ALPHAS]

    val_images = (image_io.load_image(pair.inputs[port.name]).pixels for pair in val)
    val_features = np.array([extract(image) - center for image in val_images])
    candidates = list(itertools.product(range(len(fits)), LOGIT_SHIFTS))
    val_logits = np.array(
        [val_features @ fits[index][0] + fits[index][1] + shift for index, shift in candidates]
    )
    val_gains = np.vstack([np.ones(len(val)), 2 / (1 + np.exp(-val_logits))])
    before, *after = _mean_psnrs(model, contract, val, val_gains)
    best = int(np.argmax(after))
    index, shift = candidates[best]
    _set_lift_weights(model, *fits[index], shift, center, extract.counts)
    return ExposureFit(len(samples), RIDGE_ALPHAS[index], shift, float(before), float(after[best]))


class _FeatureExtractor:
    """The inputs of the fitted layers for an image.

    Attributes:
        counts: Number of features of each layer.
    """

    def __init__(self, model: keras.Model, contract: Contract) -> None:
        self._contract = contract
        self._model = keras.Model(
            {port.name: model.input[port.name] for port in contract.thumbnail_inputs},
            {name: model.get_layer(source).output for name, source in LIFT_LAYERS.items()},
        )
        self.counts = [
            1 if name == SHARED_WEIGHT_LAYER else model.get_layer(name).kernel.shape[2]
            for name in LIFT_LAYERS
        ]

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """Return the features of all layers, concatenated, (N,) float64."""
        thumbnails = make_thumbnails(self._contract, image)
        outputs = self._model.predict_on_batch(
            {name: img_as_float32(thumbnail) for name, thumbnail in thumbnails.items()}
        )
        features = {name: np.asarray(outputs[name], np.float64).ravel() for name in LIFT_LAYERS}
        features[SHARED_WEIGHT_LAYER] = features[SHARED_WEIGHT_LAYER].mean(keepdims=True)
        return np.concatenate(list(features.values()))


def _fit_ridge(
    features: np.ndarray,
    targets: np.ndarray,
    sample_weights: np.ndarray,
    alpha: float,
    scales: np.ndarray,
) -> tuple[np.ndarray, float]:
    """Return the weights and the bias of a weighted ridge regression.

    Args:
        features: Of mean 0, (samples, features).
        targets: (samples,).
        sample_weights: (samples,).
        alpha: Regularization strength.
        scales: Prior scale of each feature: one of half the scale has four times the penalty.
    """
    fractions = sample_weights / sample_weights.sum()
    mean = fractions @ targets
    deviations = (np.sqrt(fractions @ features**2) + 1e-6) / scales
    x = features / deviations
    weighted = (x * fractions[:, None]).T
    gram = weighted @ x + alpha * np.eye(x.shape[1])
    weights = np.linalg.solve(gram, weighted @ (targets - mean))
    return weights / deviations, mean


def _set_lift_weights(
    model: keras.Model,
    weights: np.ndarray,
    bias: float,
    shift: float,
    center: np.ndarray,
    counts: Sequence[int],
) -> None:
    """Write the fitted weights into the layers, the bias and the shift into the first of them."""
    start = 0
    for name, count in zip(LIFT_LAYERS, counts, strict=True):
        layer, own = model.get_layer(name), slice(start, start + count)
        kernel = weights[own] / (layer.kernel.shape[2] if name == SHARED_WEIGHT_LAYER else 1)
        # Each output is a difference from the mean image's: eight bits are fine enough for that.
        offset = bias + shift - center[own] @ weights[own]
        kernel = np.broadcast_to(kernel[:, None], layer.kernel.shape)
        layer.set_weights([kernel, np.array([offset])])
        start, bias, shift = start + count, 0.0, 0.0


def _mean_psnrs(
    model: keras.Model, contract: Contract, pairs: Sequence[Pair], gains: np.ndarray
) -> np.ndarray:
    """Return the mean PSNR over the pairs for each row of gains, (rows, pairs) -> (rows,)."""
    engine = KerasEngine.of(model, contract, name=model.name)
    (port,) = contract.image_inputs
    sums = np.zeros(len(gains))
    for pair, pair_gains in zip(pairs, gains.T, strict=True):
        low = img_as_float32(image_io.load_image(pair.inputs[port.name]).pixels)
        target = img_as_float32(image_io.load_image(pair.target).pixels)
        result = enhance(engine, low)
        sums += [psnr(target, np.minimum(result * np.float32(gain), 1)) for gain in pair_gains]
    return sums / len(pairs)


def _scale_brightness(pixels: np.ndarray, gain: float) -> np.ndarray:
    """Return integer pixels times a gain, clipped."""
    top = np.iinfo(pixels.dtype).max
    return np.rint(np.minimum(pixels * np.float32(gain), top)).astype(pixels.dtype)


def _check_layers(model: keras.Model) -> None:
    if not {*LIFT_LAYERS, *LIFT_LAYERS.values()} <= {layer.name for layer in model.layers}:
        raise UsageError(
            "`training.calibrate_exposure` needs a model with the layers "
            f"{', '.join(LIFT_LAYERS)}. Received: {model.name}."
        )
