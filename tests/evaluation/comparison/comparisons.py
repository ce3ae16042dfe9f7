"""A comparison that nobody measured, for whoever shows one."""

import math

import numpy as np

from lowlight_tf.evaluation.comparison.comparison import (
    Comparison,
    ImageResult,
    ModelResult,
    make_preview,
)
from lowlight_tf.evaluation.results import Results, Score


def look(level):
    """Return a flat picture of 32x48 pixels."""
    return make_preview(np.full((32, 48, 3), level, np.float32), 640)


def entry(model, *values, ms=4.0, level=1.0, failed="", **costs):
    """Return a model's numbers: PSNR of pictures p0, p1, ...; where that is None it failed."""
    cells = []
    for index, value in enumerate(values):
        if value is None:
            cells.append(ImageResult(failed=failed))
            continue
        score = Score(f"p{index}", {"psnr": value, "niqe": math.nan}, ms + index)
        refused = {"niqe": "NIQE needs more"}
        cells.append(ImageResult({"plain": score}, "", refused, look(level), look(0.0)))
    scores = tuple(cell.scores["plain"] for cell in cells if cell.scores)
    results = (Results(model, "plain", scores, "night"),) if scores else ()
    costs = {"weights": None, "bytes": None, "peak_mb": 80.0, **costs}
    return ModelResult(model, tuple(cells), results, **costs)


def comparison(*entries):
    """Return a comparison of pictures that are black before, and gray where they should end."""
    names = tuple(f"p{index}" for index in range(len(entries[0].images)))
    given = {index: {"before": look(0.0), "target": look(0.5)} for index in range(len(names))}
    return Comparison("night", names, entries, given)
