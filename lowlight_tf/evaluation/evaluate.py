"""Engine x pictures x metrics -> numbers, each with the protocol that it goes by."""

import dataclasses
import functools
import importlib.metadata
import math
import platform
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from lowlight_tf import __version__
from lowlight_tf.catalog import METRICS
from lowlight_tf.checks import UsageError
from lowlight_tf.contract import ENHANCE, read_json, write_json
from lowlight_tf.datasets.pairing import Pair, check_sizes
from lowlight_tf.imaging import files
from lowlight_tf.metrics import fidelity
from lowlight_tf.runtime.engine import Engine, Images
from lowlight_tf.runtime.enhance import enhance

PACKAGES = ("numpy", "opencv-python-headless", "ai-edge-litert", "keras", "tensorflow")
"""Whose versions are written beside the numbers, where they are installed."""

FUSION = ("entropy", "mutual_information", "standard_deviation", "scd", "vif")
"""What a net that fuses is validated by: it has no target."""


class Score(NamedTuple):
    """What was measured on one picture.

    Attributes:
        name: The pair's.
        values: Metric -> number; NaN where the picture has none.
        ms: Time inside the engine (milliseconds), all tiles together.
        multiply_adds: What the engine computed, all tiles together; None where that is not known.
    """

    name: str
    values: dict[str, float]
    ms: float
    multiply_adds: int | None = None


@dataclasses.dataclass(frozen=True)
class Results:
    """What one engine reached on some pairs, under one protocol.

    Attributes:
        model: What tables call the engine.
        protocol: "plain", "gt_mean" or "luma": see `metrics.fidelity.under`. No number that was
            measured against a target means anything without it; the others know none.
        scores: One for each picture, in the order of the pairs.
        data: What the pairs are called.
        sha256: Checksum of the .tflite file, if it was one.
        weights: How many trained weights it has, if it is a net.
    """

    model: str
    protocol: str
    scores: tuple[Score, ...]
    data: str = ""
    sha256: str | None = None
    weights: int | None = None

    @property
    def metrics(self) -> tuple[str, ...]:
        """Names of what was measured."""
        return tuple(self.scores[0].values)

    @property
    def means(self) -> dict[str, float]:
        """Metric -> mean over the pictures that have it; infinite if it is for one of them."""
        return {
            metric: float(np.mean(values)) if values else math.nan
            for metric, values in ((metric, self._of(metric)) for metric in self.metrics)
        }

    @property
    def deviations(self) -> dict[str, float]:
        """Metric -> standard deviation over those pictures; NaN where a picture's is infinite."""
        return {
            metric: float(np.std(values)) if values and np.isfinite(values).all() else math.nan
            for metric, values in ((metric, self._of(metric)) for metric in self.metrics)
        }

    @property
    def ms(self) -> float:
        """Median time inside the engine for one picture (milliseconds)."""
        return float(np.median([score.ms for score in self.scores]))

    @property
    def multiply_adds(self) -> int | None:
        """Median number of multiply-adds for one picture, where that is known."""
        known = [score.multiply_adds for score in self.scores if score.multiply_adds is not None]
        return round(np.median(known)) if known else None

    def _of(self, metric: str) -> list[float]:
        values = (score.values[metric] for score in self.scores)
        return [value for value in values if not math.isnan(value)]


class Unchanged:
    """An `Engine` that leaves a picture as it is: what every model has to beat."""

    name = "input"
    contract = ENHANCE
    size = None

    def __call__(self, images: Images) -> Images:
        """Give back what came. See `Engine`."""
        return {"enhanced": images["low"]}


def evaluate(
    engine: Engine,
    pairs: Sequence[Pair],
    *,
    metrics: Sequence[str] = ("psnr", "ssim"),
    protocol: str = "plain",
    data: str = "",
    progress: Callable[[float], None] | None = None,
) -> Results:
    """Enhance the dark pictures of some pairs and measure what becomes of them.

    Pictures are enhanced whole, in the 8 or 16 bits of their files and through `enhance`, as any
    user's would be; what is measured is the 8-bit result.

    Args:
        engine: What enhances; from one color image to one.
        pairs: Pictures of any sizes, with their targets if one of the metrics takes a target.
        metrics: Names of the catalog.
        protocol: One of `metrics.fidelity.PROTOCOLS`.
        data: What the pairs are called in the results.
        progress: Called with the share done, in (0, 1].

    Returns:
        The numbers of each picture, and their means.

    Raises:
        UsageError: If there is no such metric or protocol; if there are no pairs, or one lacks its
            dark picture or a target that is asked for, or has them in different sizes; if a file
            cannot be read.
    """
    protocols = (protocol,)
    return measure(
        engine, pairs, metrics=metrics, protocols=protocols, data=data, progress=progress
    )[0]


def measure(
    engine: Engine,
    pairs: Sequence[Pair],
    *,
    metrics: Sequence[str],
    protocols: Sequence[str],
    data: str = "",
    progress: Callable[[float], None] | None = None,
) -> list[Results]:
    """Do as `evaluate` for several protocols, and enhance each picture only once.

    Metrics that take no target know no protocol: they stand in the first of the results.
    """
    check(engine, pairs, metrics=metrics, protocols=protocols)
    judges = {metric: METRICS.find(metric) for metric in metrics}
    with_target = [metric for metric, judge in judges.items() if not judge.judges_alone]
    port = engine.contract.pictures[0].name
    asked = {protocol: with_target for protocol in protocols if with_target}
    asked[protocols[0]] = list(metrics)
    functions = {metric: (judge.load(), judge.takes) for metric, judge in judges.items()}
    scores: dict[str, list[Score]] = {protocol: [] for protocol in asked}
    watch = _Stopwatch(engine)
    for done, pair in enumerate(pairs, 1):
        watch.reset()
        low = files.load(pair.picture(port)).pixels
        images = {"low": _eight(low), "enhanced": _eight(enhance(watch, low))}
        if with_target:
            images["target"] = _eight(files.load(pair.target).pixels)
        for protocol, chosen in asked.items():
            values = _judge(pair, protocol, {name: functions[name] for name in chosen}, images)
            scores[protocol].append(Score(pair.name, values, watch.ms, watch.multiply_adds))
        if progress:
            progress(done / len(pairs))
    checksum = getattr(getattr(engine, "card", None), "sha256", None)
    weights = getattr(engine, "weights", None)
    return [
        Results(engine.name, protocol, tuple(found), data, checksum, weights)
        for protocol, found in scores.items()
    ]


def check(
    engine: Engine, pairs: Sequence[Pair], *, metrics: Sequence[str], protocols: Sequence[str]
) -> None:
    """Refuse what `measure` cannot do, before any picture is enhanced; errors as `evaluate`."""
    for protocol in protocols:
        fidelity.check(protocol)
    with_target = [name for name in metrics if not METRICS.find(name).judges_alone]
    if not pairs:
        raise UsageError("Evaluating needs at least one pair of pictures. Received: none.")
    port, used = engine.contract.pictures[0].name, []
    for pair in pairs:
        low = pair.picture(port)
        if low is None:
            raise UsageError(
                f"Pair {pair.name} has no picture for {port!r}. Pass a folder with {port}/."
            )
        if with_target and pair.target is None:
            alone = ", ".join(name for name in METRICS if METRICS.find(name).judges_alone)
            raise UsageError(
                f"Pair {pair.name} has no target, which {', '.join(with_target)} must have. Pass "
                f"a folder with {port}/ and high/, or metrics that need none: {alone}."
            )
        used.append(Pair(pair.name, {port: low}, pair.target if with_target else None))
    check_sizes(used)


def save(path: Path, results: Sequence[Results], *, command: str = "") -> None:
    """Write results as JSON: beside, then renamed.

    JSON knows no infinity: an infinite PSNR is written as the string "inf", which `float` reads,
    and what is undefined as null.

    Args:
        path: File to write, over whatever is there.
        results: What `evaluate` gave.
        command: What a reader types to make the same numbers.
    """
    write_json(path, {**made_by(command), "results": [_to_json(one) for one in results]})


def made_by(command: str) -> dict[str, Any]:
    """Return what numbers were made by, as JSON tells it: command, versions and machine."""
    versions = {"lowlight_tf": __version__, "python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return {"command": command, "versions": versions, "machine": platform.machine()}


def load(path: Path) -> list[Results]:
    """Read back what `save` wrote.

    Raises:
        UsageError: If there is no such file, or it holds something else.
    """
    fields = read_json(path)
    try:
        return [_from_json(one) for one in fields["results"]]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UsageError(
            f"{path} holds no results of `lowlight-tf evaluate`: {error!r}. Evaluate again."
        ) from None


class _Stopwatch:
    """An engine, how long it has been running for a picture, and how much it computed."""

    def __init__(self, engine: Engine) -> None:
        self.name, self.contract, self.size = engine.name, engine.contract, engine.size
        self._engine = engine
        count = getattr(engine, "multiply_adds", None)  # only a graph can be counted
        self._count = functools.cache(count) if count else None
        self.reset()

    def reset(self) -> None:
        self.ms = 0.0
        self.multiply_adds = 0 if self._count else None

    def __call__(self, images: Images) -> Images:
        begin = time.perf_counter()
        results = self._engine(images)
        self.ms += 1000 * (time.perf_counter() - begin)
        if self._count:
            self.multiply_adds += self._count(images[self.contract.pictures[0].name].shape[1:3])
        return results


def _judge(
    pair: Pair,
    protocol: str,
    functions: dict[str, tuple[Callable[..., float], tuple[str, ...]]],
    images: dict[str, np.ndarray],
) -> dict[str, float]:
    """Return metric -> number; what takes a target goes by the protocol, the rest by none."""
    try:
        under = {}
        if "target" in images:
            both = fidelity.under(protocol, images["target"], images["enhanced"])
            under = dict(zip(("target", "enhanced"), both, strict=True))
        return {
            metric: function(*((under if "target" in takes else images)[name] for name in takes))
            for metric, (function, takes) in functions.items()
        }
    except UsageError as error:
        raise UsageError(f"Pair {pair.name}: {error}") from None


def _eight(pixels: np.ndarray) -> np.ndarray:
    """Return 16-bit pixels as floats in [0, 1], which metrics round; 8-bit ones as they are."""
    return pixels / np.float64(65535) if pixels.dtype == np.uint16 else pixels


def _to_json(results: Results) -> dict[str, Any]:
    means, deviations = results.means, results.deviations
    return {
        "model": results.model,
        "sha256": results.sha256,
        "data": results.data,
        "pictures": len(results.scores),
        "protocol": results.protocol,
        "metrics": {
            metric: {
                "unit": METRICS.find(metric).unit,
                "mean": _strict(means[metric]),
                "std": _strict(deviations[metric]),
            }
            for metric in results.metrics
        },
        "weights": results.weights,
        "multiply_adds": results.multiply_adds,
        "median_ms": round(results.ms, 3),
        "each": [
            {
                "name": score.name,
                **{metric: _strict(value) for metric, value in score.values.items()},
                "ms": round(score.ms, 3),
                "multiply_adds": score.multiply_adds,
            }
            for score in results.scores
        ],
    }


def _from_json(fields: dict[str, Any]) -> Results:
    scores = tuple(
        Score(
            each["name"],
            {name: _number(each[name]) for name in fields["metrics"]},
            each["ms"],
            each.get("multiply_adds"),
        )
        for each in fields["each"]
    )
    if not scores:
        raise ValueError("no pictures")
    keys = ("model", "protocol", "data", "sha256")
    named = {key: fields[key] for key in keys}
    return Results(scores=scores, weights=fields.get("weights"), **named)


def _strict(value: float) -> float | str | None:
    if math.isnan(value):
        return None
    return value if math.isfinite(value) else str(value)


def _number(value: float | str | None) -> float:
    return math.nan if value is None else float(value)
