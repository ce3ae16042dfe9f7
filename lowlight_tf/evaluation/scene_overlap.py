"""Models that learned from scenes which they are to be judged by: told from cards alone."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from lowlight_tf.datasets.leakage import find_overlapping_datasets
from lowlight_tf.fileio import read_json
from lowlight_tf.runtime.engine import Engine


def find_shared_scenes(
    models: Sequence[str], engines: Mapping[str, Engine], data: Iterable[str]
) -> list[str]:
    """Return a line for each model and dataset of which it has learned from the same scenes.

    Pictures that were learned from are found by `leaks.refuse_leaks`, while both are at hand; when
    a model is judged, they mostly are elsewhere.

    Args:
        models: As they were named: shipped nets, files, run folders.
        engines: What tables call them -> them, in the same order.
        data: Names of datasets; folders are passed over.
    """
    judging = list(data)
    return [
        f"{name} learned from {source}, which shows scenes of {one}: its numbers there say nothing."
        for model, (name, engine) in zip(models, engines.items(), strict=True)
        for one in judging
        for source in find_overlapping_datasets(list_training_sets(model, engine), one)
    ]


def list_training_sets(model: str, engine: Engine) -> list[str]:
    """Return the names of what a model learned from; none where nobody knows."""
    if engine.card:
        return list(engine.card.training.get("data", {}))
    report = Path(model) / "training.json"
    return list(read_json(report).get("data", {})) if report.is_file() else []
