"""From the names in a recipe to the pairs of a run: what is learned from, what is judged by."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

from lowlight_tf.catalog import MODELS
from lowlight_tf.checks import UsageError
from lowlight_tf.config import Recipe
from lowlight_tf.contract import Contract
from lowlight_tf.datasets import dataset_card, exposure_pairs, pairing, synthetic
from lowlight_tf.datasets.folder import TRAIN_DIRS, extract_if_archive, split_dir
from lowlight_tf.datasets.leakage import check_leakage, group_split
from lowlight_tf.datasets.pairing import Pair
from lowlight_tf.datasets.split import read_split, save_split
from lowlight_tf.datasets.synthetic_raw import synthesize_raw_pairs
from lowlight_tf.fileio import write_json
from lowlight_tf.training_config import TrainingConfig


@dataclasses.dataclass(frozen=True)
class TrainingData:
    """The pairs of a run.

    Attributes:
        train: What is learned from; pairs without inputs are day pictures.
        val: What is judged by, never learned from.
        licenses: What each source is and under which terms it may be used.
    """

    train: list[Pair]
    val: list[Pair]
    licenses: dict[str, str]

    def save(self, run: Path) -> None:
        """Write both lists into the run folder, as `read_pairs` reads them, and `split.json`."""
        save_split(run / "split.json", self.train, self.val)
        for name, pairs in (("training", self.train), ("validation", self.val)):
            write_json(
                run / f"pairs_{name}.json",
                {
                    "pairs": [
                        {
                            "name": pair.name,
                            "inputs": {port: str(p.resolve()) for port, p in pair.inputs.items()},
                            "target": pair.target and str(pair.target.resolve()),
                            "size": pair.resize_to,
                        }
                        for pair in pairs
                    ]
                },
            )


def load_training_data(recipe: Recipe, run: Path) -> TrainingData:
    """Find all pairs that a recipe names, and refuse what must not be learned from.

    Args:
        recipe: Its `data`, `data_root`, `seed`, `pipeline`, `training.validation_split` and
            `training.split_file` are read.
        run: Run folder; the embedded pairs are written into it.

    Raises:
        UsageError: If something named is missing, unpaired, of unequal size, smaller than the crop,
            if a picture for judging is found among those for learning, or if a split is asked for
            that does not fit.
    """
    train: list[Pair] = []
    val: list[Pair] = []
    terms: dict[str, str] = {}
    for source in recipe.data:  # A source that is named twice is learned from twice as often.
        more, held, terms[source] = _source(source, recipe, run)
        train += more
        val += [pair for pair in held if pair not in val]
    develops = MODELS.find(recipe.model).contract.is_raw
    if develops:
        train, val = (
            _as_raw_pairs(pairs, run / "synthetic", recipe.seed) for pairs in (train, val)
        )
    plan = recipe.training
    for key in ("split_file", "validation_split"):
        value = getattr(plan, key)
        if val and value != getattr(TrainingConfig(), key):
            raise UsageError(
                f"`{key}` is for data without validation pairs of their own. Received: {key}="
                f"{value} and {len(val)} validation pairs of {', '.join(recipe.data)}. Leave it out."
            )
    if plan.split_file:
        train, val = read_split(Path(plan.split_file), train)
    elif not val:
        train, val = group_split(train, plan.validation_split, recipe.seed)
    late = recipe.pipeline.progressive_crop_size if recipe.pipeline.progressive_start < 1 else 0
    crop = max(recipe.pipeline.crop_size, late)
    pairing.check_sizes(train, crop_size=2 * (crop + 1) if develops else crop)
    pairing.check_sizes(val)
    check_leakage(train, val)
    return TrainingData(train, val, terms)


def _source(source: str, recipe: Recipe, run: Path) -> tuple[list[Pair], list[Pair], str]:
    """Return the pairs of one source for learning and for judging, and its terms."""
    contract = MODELS.find(recipe.model).contract
    read = _reader(contract, recipe)
    if source == "embedded":
        write = synthetic.sample_camera_pairs if contract.is_fusion else synthetic.sample_pairs
        folder = write(run / "embedded")
        halves = (read(folder / half) for half in ("train", "val"))
        return *halves, synthetic.TERMS
    path = Path(source)
    if path.is_dir() or (path.is_file() and path.suffix != ".toml"):
        folder = extract_if_archive(path)
        if (folder / "train").is_dir() and (folder / "val").is_dir():
            return read(folder / "train"), read(folder / "val"), "the user's own"
        return read(split_dir(folder, TRAIN_DIRS)), [], "the user's own"
    if path.suffix != ".toml" and (len(path.parts) > 1 or path.suffix == ".zip"):
        raise UsageError(
            "`data` must be a folder with low/ and high/, or with train_val/{low,high}, a .zip of "
            f"one, or a dataset's name. Received: {source} (nothing there)."
        )
    known = dataset_card.get_dataset(source)
    if contract.is_fusion != (len(known.inputs) > 1) or not (contract.is_fusion or known.target):
        wanted = "two cameras" if contract.is_fusion else "pictures with targets"
        raise UsageError(
            f"{recipe.model} learns from {wanted}; {source} has {' and '.join(known.image_keys)}. "
            "Name other data."
        )
    root = Path(recipe.data_root or ".")
    held = known.pairs(root, "val") if "val" in known.splits else []
    return known.pairs(root, "train"), held, known.terms


def _reader(contract: Contract, recipe: Recipe) -> Callable[[Path], list[Pair]]:
    """Return what reads a folder of pairs."""
    if contract.is_fusion:
        return pairing.fusion_folder
    if contract.is_raw:
        return _raw_or_photographs
    return pairing.target_only_folder if recipe.pipeline.synthesize_night else pairing.pair_folder


def _raw_or_photographs(folder: Path) -> list[Pair]:
    """Return the RAW pairs of a folder, or its pictures, of which RAW can be made."""
    if not any((folder / side).is_dir() for side in (exposure_pairs.RAW_PORT, "short")):
        return pairing.target_only_folder(folder)
    pairs, lone = exposure_pairs.pair_raw_folder(folder)
    for path in lone:
        print(f"{path} has no partner and is left out")
    return pairs


def _as_raw_pairs(pairs: list[Pair], folder: Path, seed: int) -> list[Pair]:
    """Return RAW pairs: those that are some, and of other pictures such as are made of them."""
    photographs = [pair for pair in pairs if exposure_pairs.RAW_PORT not in pair.inputs]
    made = iter(synthesize_raw_pairs(photographs, folder, seed=seed) if photographs else ())
    return [pair if exposure_pairs.RAW_PORT in pair.inputs else next(made) for pair in pairs]


def read_split_pairs(path: Path) -> list[Pair]:
    """Read a list that `Material.save` wrote."""
    fields = json.loads(path.read_text(encoding="utf-8"))["pairs"]
    return [
        Pair(
            f["name"],
            {port: Path(p) for port, p in f["inputs"].items()},
            f["target"] and Path(f["target"]),
            f.get("size", ""),
        )
        for f in fields
    ]
