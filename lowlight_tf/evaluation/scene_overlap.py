"""Warnings of models that are evaluated on scenes they were trained on, found from their cards."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from lowlight_tf.datasets.leakage import find_overlapping_datasets
from lowlight_tf.fileio import read_json
from lowlight_tf.runtime.engine import Engine


def find_shared_scenes(
    models: Sequence[str], engines: Mapping[str, Engine], data: Iterable[str]
) -> list[str]:
    """Return a warning for each model whose training data have scenes in common with a dataset.

    `datasets.leakage` compares the images themselves while a model is trained; when it is
    evaluated, the training images usually are on another machine.

    Args:
        models: As they were named: shipped models, files, run folders.
        engines: Name in tables -> engine, in the same order.
        data: Names of data sets; folders are skipped.
    """
    names = list(data)
    return [
        f"{name} was trained on {source}, which shows scenes of {dataset}: its numbers there are "
        "not comparable."
        for model, (name, engine) in zip(models, engines.items(), strict=True)
        for dataset in names
        for source in find_overlapping_datasets(list_training_sets(model, engine), dataset)
    ]


def list_training_sets(model: str, engine: Engine) -> list[str]:
    """Return the names of a model's training data; none where that is unknown."""
    if engine.card:
        return list(engine.card.training.get("data", {}))
    report = Path(model) / "training.json"
    return list(read_json(report).get("data", {})) if report.is_file() else []
