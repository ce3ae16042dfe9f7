"""Comparisons of made-up numbers, for tests of their reports."""

import math

import numpy as np

from lowlight_tf.evaluation.comparison.comparison import (
    Comparison,
    ImageResult,
    ModelResult,
    make_preview,
)
from lowlight_tf.evaluation.results import Results, Score


def make_flat_preview(level):
    """Return the preview of a flat image of 32x48 pixels."""
    return make_preview(np.full((32, 48, 3), level, np.float32), 640)


def make_model_result(model, *values, ms=4.0, level=1.0, failed="", **costs):
    """Return the results of a model: PSNR of images p0, p1, ...; None: it failed there."""
    images = []
    for index, value in enumerate(values):
        if value is None:
            images.append(ImageResult(failed=failed))
            continue
        score = Score(f"p{index}", {"psnr": value, "niqe": math.nan}, ms + index)
        refused = {"niqe": "NIQE needs more"}
        images.append(
            ImageResult(
                {"plain": score}, "", refused, make_flat_preview(level), make_flat_preview(0.0)
            )
        )
    scores = tuple(image.scores["plain"] for image in images if image.scores)
    results = (Results(model, "plain", scores, "night"),) if scores else ()
    costs = {"weights": None, "bytes": None, "peak_mb": 80.0, **costs}
    return ModelResult(model, tuple(images), results, **costs)


def make_comparison(*results_of_models):
    """Return a comparison of images whose input is black and whose target is gray."""
    names = tuple(f"p{index}" for index in range(len(results_of_models[0].images)))
    inputs = {
        index: {"before": make_flat_preview(0.0), "target": make_flat_preview(0.5)}
        for index in range(len(names))
    }
    return Comparison("night", names, results_of_models, inputs)
