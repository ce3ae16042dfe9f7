"""Which dark picture belongs to which bright one: by name, whatever the suffix."""

import dataclasses
import random
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import MappingProxyType

from lowlight_tf import checks
from lowlight_tf.checks import UsageError
from lowlight_tf.contract import RAW
from lowlight_tf.datasets.image_size import image_size
from lowlight_tf.imaging import image_io
from lowlight_tf.imaging.raw import raw_image

MAX_NAMES_SHOWN = 3  # how many culprits an error names
CAMERAS = "visible", "infrared"  # subfolders of two cameras, and the ports that they feed


@dataclasses.dataclass(frozen=True)
class Pair:
    """Pictures of one scene.

    Attributes:
        name: What the pictures share: the stem of their files.
        inputs: Port -> picture. Empty for a day picture, whose dark twin the pipeline makes.
        target: What a net should make of the inputs; None where nobody knows.
        size: The input whose size all others get when they are read (`cameras.read`): they show
            one field of view at several sizes. "" where all have one size.
    """

    name: str
    inputs: dict[str, Path]
    target: Path | None
    size: str = ""

    def path_of(self, port: str) -> Path | None:
        """Return what a port is shown; of two cameras, "low" is shown what the visible one saw."""
        return self.inputs.get(port, self.inputs.get("visible") if port == "low" else None)


def pair_folder(
    folder: Path,
    *,
    inputs: Sequence[str] = ("low",),
    target: str | None = "high",
    folders: Mapping[str, str] = MappingProxyType({}),
    prefixes: Mapping[str, str] = MappingProxyType({}),
) -> list[Pair]:
    """Pair the pictures of a folder's subfolders by the stems of their names.

    What is called like the port of RAW pictures holds RAW files, and its targets may be such too.

    Args:
        folder: Holds one subfolder for each input and one for the target.
        inputs: Subfolders of the inputs, called like the ports that they feed.
        target: Subfolder of the targets; None where there are none.
        folders: Input or target -> its subfolder, where that is called otherwise.
        prefixes: Input or target -> what its names begin with and its partners' do not.

    Returns:
        The pairs, sorted by name.

    Raises:
        UsageError: If a subfolder is missing or empty, two files of one share their stem, or a
            picture has no partner.
    """
    pictures = _sides(folder, inputs, target, folders, prefixes)
    names = sorted(set().union(*pictures.values()))
    for side, there in pictures.items():
        lone = [name for name in names if name not in there]
        if lone:
            raise UsageError(
                f"{len(lone)} of {len(names)} pictures in {folder} have no partner in {side}/: "
                f"{_shorten_list(lone)}. Partners must have the same name; its suffix may differ. "
                "Add the missing files or remove their partners."
            )
    return _paired(pictures, inputs, target)


def fusion_folder(folder: Path) -> list[Pair]:
    """Return the pairs of two cameras, of `folder/visible` and `folder/infrared`.

    Raises:
        UsageError: As `pair_folder`.
    """
    return pair_folder(folder, inputs=CAMERAS, target=None)


def pair_folder_lenient(
    folder: Path, *, inputs: Sequence[str] = CAMERAS, target: str | None = None
) -> tuple[list[Pair], list[Path]]:
    """Return what `pair_folder` would if the pictures without a partner were not there, and them.

    Raises:
        UsageError: If a subfolder is missing or empty, or two files of one share their stem.
    """
    pictures = _sides(folder, inputs, target)
    both = set.intersection(*(set(there) for there in pictures.values()))
    lone = [path for there in pictures.values() for name, path in there.items() if name not in both]
    return _paired(pictures, inputs, target), lone


def target_only_folder(folder: Path) -> list[Pair]:
    """Return the pictures of `folder/high`, or else of `folder` itself, as day pictures.

    Raises:
        UsageError: If there are none, or two of them share their stem.
    """
    checks.check_dir("data", folder)
    place = folder / "high" if (folder / "high").is_dir() else folder
    return [Pair(name, {}, path) for name, path in sorted(match_by_stem(place).items())]


def input_only_folder(folder: Path) -> list[Pair]:
    """Return dark pictures without targets: of `folder/low`, of `folder/visible`, or of `folder`.

    Raises:
        UsageError: If there are none, or two of them share their stem.
    """
    checks.check_dir("data", folder)
    places = [place for place in (folder / "low", folder / "visible") if place.is_dir()]
    found = match_by_stem(places[0] if places else folder)
    return [Pair(name, {"low": path}, None) for name, path in sorted(found.items())]


def match_by_stem(
    folder: Path, suffixes: Collection[str] = image_io.SUFFIXES, *, prefix: str = ""
) -> dict[str, Path]:
    """Return stem, less the prefix if it has it -> picture, for those directly inside `folder`.

    Raises:
        UsageError: If there are none, or two of them share their stem.
    """
    paths = image_io.find_images(folder, recursive=False, suffixes=suffixes)
    if not paths:
        raise UsageError(
            f"{folder} holds no pictures. Expected files that end in {', '.join(suffixes)}."
        )
    stems: dict[str, Path] = {}
    for path in paths:
        stem = path.stem.removeprefix(prefix)
        if stem in stems:
            raise UsageError(
                f"{folder} holds two pictures called {stem}: {stems[stem].name} and "
                f"{path.name}. Remove or rename one, so that names pair without doubt."
            )
        stems[stem] = path
    return stems


def check_sizes(pairs: Sequence[Pair], *, crop: int | None = None) -> None:
    """Refuse pairs whose pictures differ in size, or from which no crop can be cut.

    Mostly reads the heads of files only: thousands of pairs take about a second.

    Args:
        pairs: What to look at.
        crop: Side of the square that will be cut from each picture (pixels).

    Raises:
        UsageError: Naming the first such pair and both sizes.
    """
    with ThreadPoolExecutor() as pool:
        for pair, sizes in zip(pairs, pool.map(_sizes, pairs), strict=True):
            (first, (height, width)), *rest = sizes.items()
            if pair.size:
                first = pair.inputs[pair.size]
                height, width = sizes[first]
            for other, (rows, columns) in rest:
                if not pair.size and (rows, columns) != (height, width):
                    raise UsageError(
                        f"The pictures of pair {pair.name} must have one size. Received: "
                        f"{first} is {height}x{width}, {other} is {rows}x{columns} "
                        "(height x width). Resize or remove them."
                    )
            if crop and crop > min(height, width):
                raise UsageError(
                    f"`crop` must fit into every picture. Received: crop={crop}, but {first} is "
                    f"{height}x{width} (height x width). Pass a crop of at most "
                    f"{min(height, width)}, or remove the small pictures."
                )


def split(pairs: Sequence[Pair], fraction: float, seed: int = 1) -> tuple[list[Pair], list[Pair]]:
    """Hold back a share of the pairs, chosen by their names and the seed alone.

    The order in which the pairs come does not matter, nor where their files lie.

    Args:
        pairs: At least two.
        fraction: Share that is held back, in (0, 1); at least one pair.
        seed: Another seed holds back others.

    Returns:
        (kept, held back), each sorted by name.

    Raises:
        UsageError: If there are too few pairs or the share is none.
    """
    ordered = sorted(pairs, key=lambda pair: pair.name)
    count = validation_count(len(ordered), fraction)
    held = set(random.Random(seed).sample(range(len(ordered)), count))
    return (
        [pair for index, pair in enumerate(ordered) if index not in held],
        [pair for index, pair in enumerate(ordered) if index in held],
    )


def validation_count(count: int, fraction: float) -> int:
    """Return how many of `count` pairs a share is: at least one, and not all.

    Raises:
        UsageError: If there are fewer than two, or the share is not between 0 and 1.
    """
    if not 0 < fraction < 1:
        raise UsageError(f"The share held back must be between 0 and 1. Received: {fraction}.")
    if count < 2:
        raise UsageError(f"At least 2 pairs are needed to hold one back. Received: {count}.")
    return min(max(1, round(fraction * count)), count - 1)


def _sides(
    folder: Path,
    inputs: Sequence[str],
    target: str | None,
    folders: Mapping[str, str] = MappingProxyType({}),
    prefixes: Mapping[str, str] = MappingProxyType({}),
) -> dict[str, dict[str, Path]]:
    """Return input or target -> stem -> picture."""
    checks.check_dir("data", folder)
    sides = [*inputs, *([] if target is None else [target])]
    places = {side: folder / folders.get(side, side) for side in sides}
    missing = [place.name for place in places.values() if not place.is_dir()]
    if missing:
        found = sorted(path.name for path in folder.iterdir() if path.is_dir()) or ["none"]
        wanted = ", ".join(place.name for place in places.values())
        raise UsageError(
            f"{folder} must have the subfolders {wanted}. Missing: {', '.join(missing)}; "
            f"found: {', '.join(found[:8])}. Pass the folder that has them."
        )
    kinds = {side: image_io.SUFFIXES for side in sides}
    if RAW.name in inputs:
        kinds |= {RAW.name: raw_image.SUFFIXES, target: (*image_io.SUFFIXES, *raw_image.SUFFIXES)}
    return {
        side: match_by_stem(place, kinds[side], prefix=prefixes.get(side, ""))
        for side, place in places.items()
    }


def _paired(
    pictures: dict[str, dict[str, Path]], inputs: Sequence[str], target: str | None
) -> list[Pair]:
    names = set.intersection(*(set(there) for there in pictures.values()))
    return [
        Pair(
            name,
            {side: pictures[side][name] for side in inputs},
            None if target is None else pictures[target][name],
        )
        for name in sorted(names)
    ]


def _sizes(pair: Pair) -> dict[Path, tuple[int, int]]:
    paths = [*pair.inputs.values(), *([] if pair.target is None else [pair.target])]
    return {path: image_size(path) for path in paths}


def _shorten_list(names: Sequence[str]) -> str:
    return ", ".join(names[:MAX_NAMES_SHOWN]) + (", ..." if len(names) > MAX_NAMES_SHOWN else "")
