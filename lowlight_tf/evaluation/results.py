"""Results of an evaluation, image by image, and their JSON files."""

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
"""Packages whose versions are written with the numbers, where they are installed."""


class Score(NamedTuple):
    """The numbers of one image.

    Attributes:
        name: The pair's.
        values: Metric -> number; NaN where it cannot be computed.
        ms: Time inside the engine (milliseconds), all tiles together.
        multiply_adds: What the engine computed, all tiles together; None where that is not known.
    """

    name: str
    values: dict[str, float]
    ms: float
    multiply_adds: int | None = None


@dataclasses.dataclass(frozen=True)
class Results:
    """The numbers of one engine on some pairs, under one protocol.

    Attributes:
        model: Name of the engine in tables.
        protocol: "plain", "gt_mean" or "luma": see `metrics.fidelity.apply_protocol`; or
            "unit_range": see `metrics.fusion.source_psnr`. Numbers of metrics that have a protocol
            (`Metric.has_protocol`) are comparable only under the same one.
        scores: One for each image, in the order of the pairs.
        data: Name of the pairs.
        sha256: Checksum of the .tflite file, if it was one.
        weights: Number of trained weights, if it has any.
    """

    model: str
    protocol: str
    scores: tuple[Score, ...]
    data: str = ""
    sha256: str | None = None
    weights: int | None = None

    @property
    def metrics(self) -> tuple[str, ...]:
        """Names of the metrics."""
        return tuple(self.scores[0].values)

    @property
    def means(self) -> dict[str, float]:
        """Metric -> mean over the images that have it; infinite if it is for one of them."""
        return {
            metric: float(np.mean(values)) if values else math.nan
            for metric, values in ((metric, self._of(metric)) for metric in self.metrics)
        }

    @property
    def standard_deviations(self) -> dict[str, float]:
        """Metric -> standard deviation over those images; NaN where one is infinite."""
        return {
            metric: float(np.std(values)) if values and np.isfinite(values).all() else math.nan
            for metric, values in ((metric, self._of(metric)) for metric in self.metrics)
        }

    @property
    def ms(self) -> float:
        """Median time inside the engine for one image (milliseconds)."""
        return float(np.median([score.ms for score in self.scores]))

    @property
    def multiply_adds(self) -> int | None:
        """Median number of multiply-adds for one image, where that is known."""
        known = [score.multiply_adds for score in self.scores if score.multiply_adds is not None]
        return round(np.median(known)) if known else None

    def _of(self, metric: str) -> list[float]:
        values = (score.values[metric] for score in self.scores)
        return [value for value in values if not math.isnan(value)]


def save(path: Path, results: Sequence[Results], *, command: str = "") -> None:
    """Write results as JSON, atomically.

    JSON has no infinity: an infinite PSNR is written as the string "inf", which `float` reads, and
    an undefined number as null.

    Args:
        path: File to write; an existing one is replaced.
        results: What `evaluate` returned.
        command: The command that makes the same numbers.
    """
    write_json(path, {**provenance(command), "results": [_to_json(each) for each in results]})


def provenance(command: str) -> dict[str, Any]:
    """Return command, versions and machine that made numbers, for JSON."""
    versions = {"lowlight_tf": __version__, "python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return {"command": command, "versions": versions, "machine": platform.machine()}


def load(path: Path) -> list[Results]:
    """Read results that `save` wrote, also those of version 0.1.0.

    Raises:
        UsageError: If there is no such file, or it holds no results.
    """
    fields = read_json(path)
    try:
        return [_from_json(each) for each in fields["results"]]
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
        "images": len(results.scores),
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
        raise ValueError("no images")
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
