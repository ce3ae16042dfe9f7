"""Dataset cards: where pictures come from, on what terms, how they lie and which are for what."""

import dataclasses
import tomllib
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from lowlight_tf import checks
from lowlight_tf.checks import UsageError
from lowlight_tf.datasets.exposure_pairs import sid_folder
from lowlight_tf.datasets.pairing import MAX_NAMES_SHOWN, Pair, pair_folder
from lowlight_tf.registry import closest_match

CARD_DIR = Path(__file__).parent / "cards"
"""The cards that come with the package, NAME.toml."""

PAIRINGS = "name", "exposure"


@dataclasses.dataclass(frozen=True)
class Split:
    """Some of a dataset's pairs.

    Attributes:
        count: How many pairs it has when it is complete; 0 where that is open.
        folder: Where the subfolders of `DatasetCard.inputs` and `.target` lie, below the dataset.
        only: Names of the pairs of the split; none means all. Each of them must be there, but for
            patterns such as 02????, which stand for whatever fits.
        exclude: Names of pairs, or patterns, that must be left out.
        pixels: Subfolder -> `checksums.hash_files` of its pictures of this split, where it is known.
        files: `exposures.digest` of the names of the complete split, where it is known.
    """

    count: int = 0
    folder: str = "."
    only: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    pixels: Mapping[str, str] = dataclasses.field(default_factory=dict)
    files: str = ""

    @property
    def named(self) -> set[str]:
        """The names in `only`, without the patterns."""
        return {name for name in self.only if not set(name) & set("*?[")}

    def holds(self, name: str) -> bool:
        """Say whether a pair of this name belongs to the split."""
        return not _fits(name, self.exclude) and (not self.only or _fits(name, self.only))


@dataclasses.dataclass(frozen=True)
class Archive:
    """A zip or tar file of a dataset.

    Attributes:
        file: Its name.
        url: Where it is fetched; "" if that takes a browser.
        sha256: Its checksum; "" where nobody has published one, which no `url` may go without.
    """

    file: str
    url: str = ""
    sha256: str = ""


@dataclasses.dataclass(frozen=True)
class DatasetCard:
    """All that is known of a dataset before its files are there.

    Attributes:
        name: What it is called by, and its folder below the root.
        title: What it shows.
        homepage: Page of its makers.
        paper: Reference.
        terms: What its pictures may be used for.
        manual_download: What its user must do where no archive has an address of its own.
        inputs: Subfolders of the inputs, called like the ports; none for day pictures.
        target: Subfolder of the targets; "" where there are none.
        folders: Input or target -> its subfolder, where its makers call it otherwise.
        prefixes: Input or target -> what its names begin with and its partners' do not.
        overlaps: Datasets that show the same scenes: what learned from one must not be judged by
            another; see `leaks.shared_scenes`.
        size: See `pairing.Pair`.
        splits: Name -> which pairs.
        archives: What to fetch and unpack.
        pairing: "name": pictures of one name belong together. "exposure": RAW files, a short
            exposure and the long one of its scene; see `exposures`.
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
    size: str = ""
    archives: tuple[Archive, ...] = ()
    pairing: str = "name"

    @property
    def sides(self) -> tuple[str, ...]:
        """Subfolders of the inputs and of the target."""
        return (*self.inputs, self.target) if self.target else self.inputs

    @property
    def root_folders(self) -> set[str]:
        """The first folders below the dataset's."""
        splits = self.splits.values()
        return {place.parts[0] for split in splits for place in self._places(split)}

    def folder_of(self, root: Path) -> Path:
        """Return the dataset's folder: `root/NAME`, or `root` where it is that folder itself.

        Raises:
            UsageError: If neither holds the subfolders of any split.
        """
        for folder in (root / self.name, root):
            for split in self.splits.values():
                if all((folder / place).is_dir() for place in self._places(split)):
                    return folder
        split = next(iter(self.splits.values()))
        expected = " and ".join(str(self.name / place) for place in self._places(split))
        raise UsageError(
            f"{self.name} is not in {root}. Expected there: {expected}. "
            f"`lowlight-tf download {self.name} --data-root {root}` fetches it or says how."
        )

    def pairs(self, root: Path, split: str) -> list[Pair]:
        """Return the pairs of one split.

        Args:
            root: Folder that holds the dataset's folder, or that folder.
            split: One of `splits`.

        Raises:
            UsageError: If the dataset has no such split, is not there, misses a picture that the
                split names, or has a picture without its partner (of exposures, `lone` tells).
        """
        chosen, place = self._chosen(root, split)
        if self.pairing == "exposure":
            found, _ = self._exposures(place)
        else:
            found = pair_folder(
                place,
                inputs=self.inputs,
                target=self.target or None,
                folders=self.folders,
                prefixes=self.prefixes,
            )
        missing = sorted(chosen.named - {pair.name for pair in found})
        if missing:
            raise UsageError(
                f"The split {split} of {self.name} has {len(chosen.named)} pairs. Missing in "
                f"{place}: {len(missing)}, such as {', '.join(missing[:MAX_NAMES_SHOWN])}. "
                "Add them; a number made without them compares with no other."
            )
        kept = (pair for pair in found if chosen.holds(pair.name))
        return [dataclasses.replace(pair, size=self.size) for pair in kept]

    def unpaired(self, root: Path, split: str) -> list[Path]:
        """Return the short exposures of a split that `pairs` leaves out: their long one is missing.

        Raises:
            UsageError: As `pairs`.
        """
        chosen, place = self._chosen(root, split)
        alone = self._exposures(place)[1] if self.pairing == "exposure" else []
        return [path for path in alone if chosen.holds(path.stem)]

    def _places(self, split: Split) -> list[Path]:
        """Return where the pictures of a split lie, below the dataset's folder."""
        return [Path(split.folder) / self.folders.get(side, side) for side in self.sides]

    def _chosen(self, root: Path, split: str) -> tuple[Split, Path]:
        if split not in self.splits:
            raise UsageError(
                f"{self.name} has no split {split!r}. Known: {closest_match(split, self.splits)}."
            )
        return self.splits[split], self.folder_of(root) / self.splits[split].folder

    def _exposures(self, place: Path) -> tuple[list[Pair], list[Path]]:
        return sid_folder(place, short=self.inputs[0], long=self.target)


def list_datasets() -> list[str]:
    """Return the names of all cards that come with the package."""
    return sorted(path.stem for path in CARD_DIR.glob("*.toml"))


def get_dataset(name: str) -> DatasetCard:
    """Return the card called `name`, or read one of your own.

    Args:
        name: One of `names()`, or a path that ends in .toml.

    Raises:
        UsageError: If there is no such card (the nearest names are offered), or it is not one.
    """
    path = Path(name)
    if path.suffix != ".toml":
        if name not in list_datasets():
            raise UsageError(
                f"No dataset is called {name!r}. Known: {closest_match(name, list_datasets())}. "
                "A card of your own, a .toml file, will do too."
            )
        path = CARD_DIR / f"{name}.toml"
    try:
        fields = tomllib.loads(path.read_text(encoding="utf-8"))
        return _card(path.stem, fields)
    except FileNotFoundError:
        raise UsageError(f"No card at {path}. Name a .toml file that exists.") from None
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise UsageError(f"{path} is not the card of a dataset: {error}.") from None


def _card(name: str, fields: dict[str, Any]) -> DatasetCard:
    splits = {key: Split(**_tuples(split)) for key, split in fields.pop("splits").items()}
    archives = tuple(Archive(**archive) for archive in fields.pop("archives", ()))
    unproven = [archive.file for archive in archives if archive.url and not archive.sha256]
    if unproven:
        raise ValueError(f"the archive {unproven[0]} has an address, but no sha256")
    if not splits:
        raise ValueError("it has no splits")
    checks.check_choice("pairing", fields.get("pairing", "name"), PAIRINGS)
    return DatasetCard(name=name, splits=splits, archives=archives, **_tuples(fields))


def _fits(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def _tuples(fields: dict[str, Any]) -> dict[str, Any]:
    return {
        key: tuple(value) if isinstance(value, list) else value for key, value in fields.items()
    }
