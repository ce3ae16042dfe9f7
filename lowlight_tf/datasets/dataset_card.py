"""Dataset cards: source, licence terms, folder layout and splits of a dataset."""

import dataclasses
import tomllib
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from lowlight_tf import checks
from lowlight_tf.checks import UsageError
from lowlight_tf.datasets.exposure_pairs import sid_folder
from lowlight_tf.datasets.pairing import MAX_NAMES_LISTED, Pair, pair_folder
from lowlight_tf.legacy_names import rename_dataset_card
from lowlight_tf.registry import closest_match

CARD_DIR = Path(__file__).parent / "cards"
"""Folder of the cards that are part of the package, NAME.toml."""

PAIRINGS = "name", "exposure"
"""Values of `DatasetCard.pairing`."""


@dataclasses.dataclass(frozen=True)
class Split:
    """A subset of a dataset's pairs.

    Attributes:
        count: Number of pairs of the complete split; 0 if not fixed.
        folder: Folder of the subfolders `DatasetCard.inputs` and `.target`, below the dataset.
        include: Names of the pairs of the split, or patterns such as 02????; empty means all. Each
            name must exist; a pattern may match any number of pairs.
        exclude: Names of pairs, or patterns, that are left out.
        pixel_sha256: Image key -> `checksums.hash_files` of the images of this split, where known.
        names_sha256: `exposure_pairs.hash_names` of the complete split, where known.
    """

    count: int = 0
    folder: str = "."
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    pixel_sha256: Mapping[str, str] = dataclasses.field(default_factory=dict)
    names_sha256: str = ""

    @property
    def required_names(self) -> set[str]:
        """The names in `include`, without the patterns."""
        return {name for name in self.include if not set(name) & set("*?[")}

    def contains(self, name: str) -> bool:
        """Return whether a pair of this name belongs to the split."""
        if _match_any(name, self.exclude):
            return False
        return not self.include or _match_any(name, self.include)


@dataclasses.dataclass(frozen=True)
class Archive:
    """A zip or tar file of a dataset.

    Attributes:
        file: File name.
        url: Where it is downloaded from; "" if that needs a browser.
        sha256: Its checksum in hexadecimal; "" if none is published. Required with a `url`.
    """

    file: str
    url: str = ""
    sha256: str = ""


@dataclasses.dataclass(frozen=True)
class DatasetCard:
    """Description of a dataset, independent of whether its files are on this machine.

    Attributes:
        name: Name of the dataset and of its folder below the data root.
        title: One line of description.
        homepage: Web page of the dataset.
        paper: Reference.
        terms: Terms of use of the images.
        inputs: Subfolders of the inputs, named like the ports of a model; empty if there are only
            targets.
        target: Subfolder of the targets; "" if there are none.
        splits: Name -> pairs of the split.
        manual_download: Instructions for what cannot be downloaded by a program.
        folders: Input or target -> its subfolder, where that has another name.
        prefixes: Input or target -> prefix of its file names that the other images of a pair lack.
        overlaps: Datasets that contain the same scenes: a model trained on one must not be
            evaluated on another; see `leakage.find_overlapping_datasets`.
        resize_to: See `pairing.Pair`.
        archives: Files to download and unpack.
        pairing: "name": images of the same name are a pair. "exposure": RAW files, a short exposure
            and the long one of the same scene; see `exposure_pairs`.
    """

    name: str
    title: str
    homepage: str
    paper: str
    terms: str
    inputs: tuple[str, ...]
    target: str
    splits: Mapping[str, Split]
    manual_download: str = ""
    folders: Mapping[str, str] = dataclasses.field(default_factory=dict)
    prefixes: Mapping[str, str] = dataclasses.field(default_factory=dict)
    overlaps: tuple[str, ...] = ()
    resize_to: str = ""
    archives: tuple[Archive, ...] = ()
    pairing: str = "name"

    @property
    def image_keys(self) -> tuple[str, ...]:
        """Names of the images of a pair: the inputs, and the target if there is one."""
        return (*self.inputs, self.target) if self.target else self.inputs

    @property
    def root_folders(self) -> set[str]:
        """The folders directly below the dataset's folder."""
        splits = self.splits.values()
        return {path.parts[0] for split in splits for path in self._image_folders(split)}

    def folder_of(self, root: Path) -> Path:
        """Return the dataset's folder: `root/NAME`, or `root` if it is that folder itself.

        Raises:
            UsageError: If neither contains the subfolders of any split.
        """
        for folder in (root / self.name, root):
            for split in self.splits.values():
                if all((folder / path).is_dir() for path in self._image_folders(split)):
                    return folder
        split = next(iter(self.splits.values()))
        expected = " and ".join(str(self.name / path) for path in self._image_folders(split))
        raise UsageError(
            f"{self.name} is not in {root}. Expected there: {expected}. "
            f"`lowlight-tf download {self.name} --data-root {root}` downloads it or prints how."
        )

    def pairs(self, root: Path, split: str) -> list[Pair]:
        """Return the pairs of one split.

        Args:
            root: Folder that contains the dataset's folder, or that folder.
            split: One of `splits`.

        Raises:
            UsageError: If the dataset has no such split, is not found, lacks an image that the
                split names, or has an image without its partner (of exposure pairs, see
                `find_unpaired`).
        """
        chosen, folder = self._find_split(root, split)
        if self.pairing == "exposure":
            found, _ = self._pair_exposures(folder)
        else:
            found = pair_folder(
                folder,
                inputs=self.inputs,
                target=self.target or None,
                folders=self.folders,
                prefixes=self.prefixes,
            )
        missing = sorted(chosen.required_names - {pair.name for pair in found})
        if missing:
            raise UsageError(
                f"The split {split} of {self.name} has {len(chosen.required_names)} pairs. Missing "
                f"in {folder}: {len(missing)}, such as {', '.join(missing[:MAX_NAMES_LISTED])}. "
                "Add them; results without them are not comparable."
            )
        selected = (pair for pair in found if chosen.contains(pair.name))
        return [dataclasses.replace(pair, resize_to=self.resize_to) for pair in selected]

    def find_unpaired(self, root: Path, split: str) -> list[Path]:
        """Return the short exposures of a split that `pairs` omits: the long one is missing.

        Raises:
            UsageError: As `pairs`.
        """
        chosen, folder = self._find_split(root, split)
        unpaired = self._pair_exposures(folder)[1] if self.pairing == "exposure" else []
        return [path for path in unpaired if chosen.contains(path.stem)]

    def _image_folders(self, split: Split) -> list[Path]:
        """Return the folders of the images of a split, below the dataset's folder."""
        return [Path(split.folder) / self.folders.get(key, key) for key in self.image_keys]

    def _find_split(self, root: Path, split: str) -> tuple[Split, Path]:
        if split not in self.splits:
            raise UsageError(
                f"{self.name} has no split {split!r}. Known: {closest_match(split, self.splits)}."
            )
        return self.splits[split], self.folder_of(root) / self.splits[split].folder

    def _pair_exposures(self, folder: Path) -> tuple[list[Pair], list[Path]]:
        return sid_folder(folder, short=self.inputs[0], long=self.target)


def list_datasets() -> list[str]:
    """Return the names of all cards that are part of the package."""
    return sorted(path.stem for path in CARD_DIR.glob("*.toml"))


def get_dataset(name: str) -> DatasetCard:
    """Return the card of a dataset.

    Args:
        name: One of `list_datasets()`, or the path of a card of your own, which ends in .toml.
            Field names of version 0.1.0 are accepted.

    Raises:
        UsageError: If there is no such card (the closest names are listed), or it is invalid.
    """
    path = Path(name)
    if path.suffix != ".toml":
        if name not in list_datasets():
            raise UsageError(
                f"No dataset is called {name!r}. Known: {closest_match(name, list_datasets())}. "
                "The path of a card of your own, a .toml file, is accepted too."
            )
        path = CARD_DIR / f"{name}.toml"
    try:
        fields = tomllib.loads(path.read_text(encoding="utf-8"))
        return _from_dict(path.stem, rename_dataset_card(fields))
    except FileNotFoundError:
        raise UsageError(f"No card at {path}. Pass a .toml file that exists.") from None
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise UsageError(f"{path} is not the card of a dataset: {error}.") from None


def _from_dict(name: str, fields: dict[str, Any]) -> DatasetCard:
    splits = {key: Split(**_as_tuples(split)) for key, split in fields.pop("splits").items()}
    archives = tuple(Archive(**archive) for archive in fields.pop("archives", ()))
    unverified = [archive.file for archive in archives if archive.url and not archive.sha256]
    if unverified:
        raise ValueError(f"the archive {unverified[0]} has a url, but no sha256")
    if not splits:
        raise ValueError("it has no splits")
    checks.check_choice("pairing", fields.get("pairing", "name"), PAIRINGS)
    return DatasetCard(name=name, splits=splits, archives=archives, **_as_tuples(fields))


def _match_any(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def _as_tuples(fields: dict[str, Any]) -> dict[str, Any]:
    return {
        key: tuple(value) if isinstance(value, list) else value for key, value in fields.items()
    }
