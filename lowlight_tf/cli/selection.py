"""Which pairs a command works on: folders, dataset names, the pairs of a run."""

import argparse
import sys
from pathlib import Path

from lowlight_tf.checks import UsageError
from lowlight_tf.registry import closest_match


def select_pairs(
    args: argparse.Namespace, models: list[str], against: bool, cameras: bool, raws: Path | None
) -> dict[str, list]:
    """Return the pairs that the flags name, by what to call them."""
    if args.data:
        return dict(named_pairs(data, args, against, cameras, raws) for data in args.data)
    runs = [Path(model) for model in models if Path(model).is_dir()]
    if len(runs) != 1:
        raise UsageError(
            "Pass --data: a folder with low/ and high/, or a dataset's name. Only one run "
            f"folder brings pairs of its own. Received: {len(runs)} run folders."
        )
    return {f"{runs[0].resolve().name} validation": own_pairs(runs[0])}


def named_pairs(
    data: str,
    args: argparse.Namespace,
    against: bool,
    cameras: bool = False,
    raws: Path | None = None,
) -> tuple[str, list]:
    """Return what to call the pairs of a folder or dataset, and the pairs.

    Args:
        data: A folder, or the name of a dataset.
        args: Its `split` and `data_root` are read.
        against: Whether targets are needed.
        cameras: Whether infrared pictures are needed.
        raws: Where RAW files are made of photographs, if RAW files are needed.
    """
    from lowlight_tf.datasets import dataset_card, pairing
    from lowlight_tf.datasets.folder import EVAL_DIRS, extract_if_archive, split_dir

    path = Path(data)
    if path.is_dir() or (path.is_file() and path.suffix != ".toml"):
        whole = extract_if_archive(path)
        place = split_dir(whole, (args.split,) if args.split else EVAL_DIRS)
        name = data if place == whole else f"{data} {place.name}"
        if raws:
            return _raw_pairs(name, place, raws, args.command)
        if cameras:
            return name, pairing.fusion_folder(place)
        if against or ((place / "low").is_dir() and (place / "high").is_dir()):
            return name, pairing.pair_folder(place)
        return name, pairing.input_only_folder(place)
    if path.suffix == ".toml" or data in dataset_card.list_datasets():
        known = dataset_card.get_dataset(data)
        split = args.split or ("val" if "val" in known.splits else next(iter(known.splits)))
        pairs = known.pairs(args.data_root, split)
        return _as_raw(f"{data} {split}", pairs, raws) if raws else (f"{data} {split}", pairs)
    raise UsageError(
        "`data` must be a folder with low/ and high/, or with test/{low,high}, a .zip of one, or "
        f"the name of a dataset: {closest_match(data, dataset_card.list_datasets())}. Received: {data} (no such "
        "folder or dataset)."
    )


def _raw_pairs(name: str, place: Path, room: Path, command: str) -> tuple[str, list]:
    """Return the RAW pairs of a folder; of one of photographs those that are made of them."""
    from lowlight_tf.datasets import exposure_pairs, pairing

    if not any((place / side).is_dir() for side in (exposure_pairs.RAW_PORT, "short")):
        return _as_raw(name, pairing.target_only_folder(place), room)
    pairs, lone = exposure_pairs.paired_raw_folder(place)
    known, wrong = [], [f"{path} has no partner." for path in lone]
    for pair in pairs:
        try:
            exposure_pairs.exposure_ratio(pair)
        except UsageError as error:
            wrong.append(str(error))
        else:
            known.append(pair)
    if not known:
        raise UsageError(wrong[-1])
    for line in wrong:
        print(f"lowlight-tf {command}: {line}", file=sys.stderr)
    return name, known


def _as_raw(name: str, pairs: list, room: Path) -> tuple[str, list]:
    """Return RAW pairs: these, or such as `lowlight-tf train` makes of photographs (seed 1)."""
    from lowlight_tf.datasets import exposure_pairs
    from lowlight_tf.datasets.synthetic_raw import synthetic_raw

    if all(exposure_pairs.RAW_PORT in pair.inputs for pair in pairs):
        return name, pairs
    return f"{name} as RAW", synthetic_raw(pairs, room / str(len(list(room.iterdir()))))


def own_pairs(run: Path) -> list:
    """Return the pairs that a run was validated with."""
    from lowlight_tf.training.data import read_split_pairs

    path = run / "pairs_validation.json"
    if not path.is_file():
        raise UsageError(
            f"{run} names no validation pairs: no {path.name} in it. Pass the folder that "
            "`lowlight-tf train` wrote, or --data."
        )
    return read_split_pairs(path)
