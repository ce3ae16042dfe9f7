"""Resolve the data sources of a recipe to the training and validation pairs of a run."""

import contextlib
import dataclasses
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from lowlight_tf.catalog import MODELS
from lowlight_tf.checks import UsageError
from lowlight_tf.config import Recipe
from lowlight_tf.contract import RAW
from lowlight_tf.datasets import dataset_card, pairing, synthetic
from lowlight_tf.datasets.folder import TRAIN_DIRS, extract_if_archive, split_dir
from lowlight_tf.datasets.leakage import check_leakage, group_split
from lowlight_tf.datasets.pairing import Pair
from lowlight_tf.datasets.readable import keep_readable
from lowlight_tf.datasets.split import check_split_file, read_split, save_split
from lowlight_tf.fileio import write_json
from lowlight_tf.training.tasks import training_of
from lowlight_tf.training_config import TrainingConfig

SYNTHETIC_VALIDATION_DIR = "synthetic_validation"
"""Folder of a run for the inputs that are synthesized for validation pairs without one."""


@dataclasses.dataclass(frozen=True)
class TrainingData:
    """The pairs of a run.

    Attributes:
        train: Training pairs; those without inputs are daylight images.
        val: Validation pairs, never trained on.
        licenses: Source -> its origin and terms of use.
    """

    train: list[Pair]
    val: list[Pair]
    licenses: dict[str, str]

    def save(self, run: Path) -> None:
        """Write both lists into the run folder, for `read_split_pairs`, and `split.json`."""
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


def load_training_data(
    recipe: Recipe, run: Path, *, report: Callable[[str], None] = print
) -> TrainingData:
    """Collect all pairs of a recipe's data sources, and refuse those that cannot be trained on.

    Args:
        recipe: Its `data`, `data_root`, `seed`, `pipeline`, `training.validation_split` and
            `training.split_file` are read.
        run: Run folder; the embedded pairs are written into it.
        report: Called with one line for each file that is damaged or has no partner, and each pair
            of unequal size; they are left out.

    Raises:
        UsageError: If a source is missing, mostly unpaired or of unequal size, or smaller than the
            crop; if a validation image is among the training images; if a split is given for data
            with validation pairs of their own.
    """
    train: list[Pair] = []
    val: list[Pair] = []
    licenses: dict[str, str] = {}
    for source in recipe.data:  # A source that is named twice is trained on twice as often.
        source_train, source_val, licenses[source] = _load_source(source, recipe, run, report)
        train += source_train
        val += [pair for pair in source_val if pair not in val]
    if recipe.training.split_file:
        check_split_file(Path(recipe.training.split_file))  # before all images are read
    # RAW files to train on are checked when they are decoded into the cache, which takes long.
    everything, train = train, keep_readable(train, report, raw=False)
    train = pairing.keep_equal_sizes(train, report)
    val = pairing.keep_equal_sizes(keep_readable(val, report, raw=False), report)
    kept = {id(pair) for pair in train}
    damaged = [pair for pair in everything if id(pair) not in kept]
    task = training_of(MODELS.find(recipe.model).contract)
    train, val = (
        task.prepare_pairs(pairs, run / "synthetic", recipe.seed) for pairs in (train, val)
    )
    training = recipe.training
    for key in ("split_file", "validation_split"):
        value = getattr(training, key)
        if val and value != getattr(TrainingConfig(), key):
            raise UsageError(
                f"`{key}` is for data without validation pairs of their own. Received: {key}="
                f"{value} and {len(val)} validation pairs of {', '.join(recipe.data)}. Leave it "
                "out."
            )
    if training.split_file:
        subsets = read_split(Path(training.split_file), [*train, *damaged])
        train, val = ([pair for pair in pairs if pair not in damaged] for pairs in subsets)
    elif not val:
        train, val = group_split(train, training.validation_split, recipe.seed)
    if any(RAW.name in pair.inputs for pair in val):
        val = keep_readable(val, report)
    pipeline = recipe.pipeline
    crops = {"crop_size": pipeline.crop_size}
    if pipeline.progressive_start < 1:
        crops["progressive_crop_size"] = pipeline.progressive_crop_size
    largest = max(crops, key=crops.__getitem__)
    pairing.check_sizes(train, crop_size=task.min_image_size(crops[largest]), crop_name=largest)
    pairing.check_sizes(val)
    check_leakage(train, val)
    return TrainingData(train, val, licenses)


@contextlib.contextmanager
def unwrap_data_errors() -> Iterator[None]:
    """Raise errors of data that tf.data wraps into its own, with all their frames, as they were.

    Raises:
        UsageError: Such as that a file, which could be read before the first step, no longer can.
    """
    try:
        yield
    except UsageError:
        raise
    except Exception as error:
        name = f"{UsageError.__module__}.{UsageError.__name__}"
        found = re.search(rf"^{re.escape(name)}: (.+)$", str(error), re.MULTILINE)
        if not found:
            raise
        raise UsageError(
            f"{found[1]} Mend that file, and continue from the last checkpoint with --resume."
        ) from None


def _load_source(
    source: str, recipe: Recipe, run: Path, report: Callable[[str], None]
) -> tuple[list[Pair], list[Pair], str]:
    """Return the training pairs and the validation pairs of one source, and its license."""
    task = training_of(MODELS.find(recipe.model).contract)

    def read_pairs(folder: Path) -> list[Pair]:
        return task.read_folder(folder, recipe, report)

    if source == "embedded":
        folder = task.write_samples(run / "embedded")
        return read_pairs(folder / "train"), read_pairs(folder / "val"), synthetic.TERMS
    path = Path(source)
    if path.is_dir() or (path.is_file() and path.suffix != ".toml"):
        folder = extract_if_archive(path)
        if (folder / "train").is_dir() and (folder / "val").is_dir():
            return read_pairs(folder / "train"), read_pairs(folder / "val"), _read_terms(folder)
        return read_pairs(split_dir(folder, TRAIN_DIRS)), [], _read_terms(folder)
    if path.suffix != ".toml" and (len(path.parts) > 1 or path.suffix == ".zip"):
        raise UsageError(
            "`data` must be a folder with low/ and high/, or with train_val/{low,high}, a .zip of "
            f"one, or a dataset's name. Received: {source} (nothing there)."
        )
    dataset = dataset_card.get_dataset(source)
    if not task.accepts(dataset):
        raise UsageError(
            f"{recipe.model} is trained on {task.data_requirement}; {source} has "
            f"{' and '.join(dataset.image_keys)}. Name other data."
        )
    root = Path(recipe.data_root or ".")
    val = dataset.pairs(root, "val") if "val" in dataset.splits else []
    return dataset.pairs(root, "train"), val, dataset.terms


def _read_terms(folder: Path) -> str:
    """Return what a folder's terms.txt says about origin and terms of use, for the model card."""
    path = folder / "terms.txt"
    return path.read_text(encoding="utf-8").strip() if path.is_file() else "the user's own"


def read_split_pairs(path: Path) -> list[Pair]:
    """Read a list of pairs that `TrainingData.save` wrote."""
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
