"""Which pairs a command works on: those of folders, of data sets, or of a run's validation."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from lowlight_tf.checks import UsageError
from lowlight_tf.registry import closest_match

if TYPE_CHECKING:
    from lowlight_tf.datasets.pairing import Pair
    from lowlight_tf.evaluation.tasks import EvaluationTask


def select_pairs(
    args: argparse.Namespace,
    models: list[str],
    task: "EvaluationTask",
    *,
    with_targets: bool,
    workdir: Path,
    report: Callable[[str], None],
) -> dict[str, list["Pair"]]:
    """Return name -> pairs of everything that --data names, or of the one run among the models.

    Args:
        args: Its `data`, `data_root` and `split` are read.
        models: As they were named.
        task: What the pairs are for.
        with_targets: Whether targets are needed.
        workdir: Where RAW files are made of photographs, if RAW files are needed.
        report: Called with one line for each pair that is left out.

    Raises:
        UsageError: If nothing is named, or something that is no pair of this task.
    """
    if args.data:
        return dict(
            read_named_pairs(
                data, args, task, with_targets=with_targets, workdir=workdir, report=report
            )
            for data in args.data
        )
    runs = [Path(model) for model in models if Path(model).is_dir()]
    if len(runs) != 1:
        raise UsageError(
            "Pass --data: a folder with low/ and high/, or a data set's name. Only one run "
            f"folder has validation pairs to use. Received: {len(runs)} run folders."
        )
    return {f"{runs[0].resolve().name} validation": validation_pairs(runs[0])}


def read_named_pairs(
    data: str,
    args: argparse.Namespace,
    task: "EvaluationTask",
    *,
    with_targets: bool,
    workdir: Path,
    report: Callable[[str], None],
) -> tuple[str, list["Pair"]]:
    """Return the name of the pairs of a folder or data set, and the pairs.

    Args:
        data: A folder, an archive, or the name of a data set.
        args: Its `split` and `data_root` are read.
        task: What the pairs are for.
        with_targets: Whether targets are needed.
        workdir: As of `select_pairs`.
        report: See there.

    Raises:
        UsageError: If there is no such folder or data set, or it has no pairs of this task.
    """
    from lowlight_tf.datasets import dataset_card
    from lowlight_tf.datasets.folder import EVAL_DIRS, extract_if_archive, split_dir

    path = Path(data)
    if path.is_dir() or (path.is_file() and path.suffix != ".toml"):
        folder = extract_if_archive(path)
        part = split_dir(folder, (args.split,) if args.split else EVAL_DIRS)
        name = data if part == folder else f"{data} {part.name}"
        pairs = task.read_folder(part, with_targets=with_targets, report=report)
    elif path.suffix == ".toml" or data in dataset_card.list_datasets():
        dataset = dataset_card.get_dataset(data)
        split = args.split or ("val" if "val" in dataset.splits else next(iter(dataset.splits)))
        name, pairs = f"{data} {split}", dataset.pairs(args.data_root, split)
    else:
        raise UsageError(
            "`data` must be a folder with low/ and high/, or with test/{low,high}, a .zip of one, "
            f"or the name of a data set: {closest_match(data, dataset_card.list_datasets())}. "
            f"Received: {data} (no such folder or data set)."
        )
    prepared = task.prepare_pairs(pairs, workdir)
    return (name if prepared is pairs else f"{name} as RAW"), prepared


def validation_pairs(run: Path) -> list["Pair"]:
    """Return the pairs that a run was validated with.

    Raises:
        UsageError: If the folder lists none.
    """
    from lowlight_tf.training.data import read_split_pairs

    path = run / "pairs_validation.json"
    if not path.is_file():
        raise UsageError(
            f"{run} lists no validation pairs: no {path.name} in it. Pass the folder that "
            "`lowlight-tf train` wrote, or --data."
        )
    return read_split_pairs(path)
