"""What was measured, picture by picture, and how it is kept."""

import dataclasses
import importlib.metadata
import math
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from lowlight_tf import __version__
from lowlight_tf.catalog import METRICS
from lowlight_tf.checks import UsageError
from lowlight_tf.fileio import read_json, write_json
from lowlight_tf.legacy_names import PROTOCOLS

PACKAGES = ("numpy", "opencv-python-headless", "ai-edge-litert", "keras", "tensorflow")
"""Whose versions are written beside the numbers, where they are installed."""


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
        protocol: "plain", "gt_mean" or "luma": see `metrics.fidelity.apply_protocol`; or "unit_range": see
            `metrics.fusion.source_psnr`. A number of a metric that goes `by_protocol` means nothing
            without it; the others know none.
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
    def standard_deviations(self) -> dict[str, float]:
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


def save(path: Path, results: Sequence[Results], *, command: str = "") -> None:
    """Write results as JSON: beside, then renamed.

    JSON knows no infinity: an infinite PSNR is written as the string "inf", which `float` reads,
    and what is undefined as null.

    Args:
        path: File to write, over whatever is there.
        results: What `evaluate` gave.
        command: What a reader types to make the same numbers.
    """
    write_json(path, {**provenance(command), "results": [_to_json(one) for one in results]})


def provenance(command: str) -> dict[str, Any]:
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


def _to_json(results: Results) -> dict[str, Any]:
    means, deviations = results.means, results.standard_deviations
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
            {METRICS.canonical(name): _number(each[name]) for name in fields["metrics"]},
            each["ms"],
            each.get("multiply_adds"),
        )
        for each in fields["each"]
    )
    if not scores:
        raise ValueError("no pictures")
    keys = ("model", "protocol", "data", "sha256")
    named = {key: fields[key] for key in keys}
    named["protocol"] = PROTOCOLS.get(named["protocol"], named["protocol"])
    return Results(scores=scores, weights=fields.get("weights"), **named)


def _strict(value: float) -> float | str | None:
    if math.isnan(value):
        return None
    return value if math.isfinite(value) else str(value)


def _number(value: float | str | None) -> float:
    return math.nan if value is None else float(value)
