"""Pairs of images, matched by file name without suffix."""

import dataclasses
import random
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import MappingProxyType

from lowlight_tf import checks
from lowlight_tf.checks import UsageError
from lowlight_tf.contract import RAW
from lowlight_tf.datasets.image_size import image_size
from lowlight_tf.imaging import image_io
from lowlight_tf.imaging.raw import raw_image

MAX_NAMES_LISTED = 3
"""How many names an error message lists."""

CAMERA_PORTS = "visible", "infrared"
"""Ports of a fusion model, and the subfolders of their images."""


@dataclasses.dataclass(frozen=True)
class Pair:
    """Images of one scene.

    Attributes:
        name: Stem of the files, below the folders that they are in: "1", or "scene1/1".
        inputs: Port -> image file. Empty if there is only a target, from which the pipeline
            synthesizes the input.
        target: Reference image; None if there is none.
        resize_to: Input whose size all others are resized to when they are read
            (`multi_camera.read_cameras`): they show the same field of view at several sizes. "" if
            all have one size.
    """

    name: str
    inputs: dict[str, Path]
    target: Path | None
    resize_to: str = ""

    def path_of(self, port: str) -> Path | None:
        """Return the file for a port; for "low", the visible image if there is no "low"."""
        return self.inputs.get(port, self.inputs.get("visible") if port == "low" else None)


def pair_folder(
    folder: Path,
    *,
    inputs: Sequence[str] = ("low",),
    target: str | None = "high",
    folders: Mapping[str, str] = MappingProxyType({}),
    prefixes: Mapping[str, str] = MappingProxyType({}),
    report: Callable[[str], None] | None = None,
) -> list[Pair]:
    """Pair the images of a folder's subfolders by the stems of their names.

    Images may be in folders of their own, as low/scene1/1.png and high/scene1/1.png: those of the
    same place are a pair.

    The input "raw" holds RAW files; its targets may be RAW files too.

    Args:
        folder: Holds one subfolder for each input and one for the target.
        inputs: Subfolders of the inputs, named like the ports of a model.
        target: Subfolder of the targets; None if there are none.
        folders: Input or target -> its subfolder, where that has another name.
        prefixes: Input or target -> prefix of its file names that the other images of a pair lack.
        report: Called with one line for each image that has no partner and is left out, and one
            that counts them; None raises instead.

    Returns:
        The pairs, sorted by name.

    Raises:
        UsageError: If a subfolder is missing or empty, two of its files share a stem, or an image
            has no partner; with `report`, if most have none.
    """
    images = _list_images(folder, inputs, target, folders, prefixes)
    names = sorted(set().union(*images.values()))
    incomplete = {name for name in names if not all(name in paths for paths in images.values())}
    is_refused = report is None or 2 * len(incomplete) > len(names)
    for key, paths in images.items():
        unpaired = [name for name in names if name not in paths]
        if unpaired and is_refused:
            raise UsageError(
                f"{len(unpaired)} of {len(names)} images in {folder} have no partner in {key}/: "
                f"{_shorten_list(unpaired)}. Partners must have the same name; the suffix may "
                "differ. Add the missing files or remove their partners."
            )
        for name in unpaired:
            path = next(each[name] for each in images.values() if name in each)
            report(f"{path} has no partner in {key}/ and is left out")
    if incomplete:
        report(f"{len(incomplete)} of {len(names)} pairs in {folder} are incomplete")
    return _make_pairs(images, inputs, target)


def fusion_folder(folder: Path, *, report: Callable[[str], None] | None = None) -> list[Pair]:
    """Return the pairs of visible and infrared images in `folder/visible` and `folder/infrared`.

    Args:
        folder: Holds both.
        report: As of `pair_folder`, as are the errors.
    """
    return pair_folder(folder, inputs=CAMERA_PORTS, target=None, report=report)


def pair_folder_partially(
    folder: Path, *, inputs: Sequence[str] = CAMERA_PORTS, target: str | None = None
) -> tuple[list[Pair], list[Path]]:
    """Pair the images of a folder that have a partner.

    Returns:
        The pairs, as of `pair_folder`, and the images without a partner.

    Raises:
        UsageError: If a subfolder is missing or empty, or two of its files share a stem.
    """
    images = _list_images(folder, inputs, target)
    paired = set.intersection(*(set(paths) for paths in images.values()))
    unpaired = [
        path for paths in images.values() for name, path in paths.items() if name not in paired
    ]
    return _make_pairs(images, inputs, target), unpaired


def target_only_folder(folder: Path) -> list[Pair]:
    """Return the images of `folder/high`, or else of `folder` itself, as targets without inputs.

    Raises:
        UsageError: If there are none, or two of them share a stem.
    """
    checks.check_dir("data", folder)
    images = _images_of(folder, "high")
    return [Pair(name, {}, path) for name, path in sorted(images.items())]


def input_only_folder(folder: Path) -> list[Pair]:
    """Return the images of `folder/low`, `folder/visible` or `folder` as inputs without targets.

    Raises:
        UsageError: If there are none, or two of them share a stem.
    """
    checks.check_dir("data", folder)
    images = _images_of(folder, "low", "visible")
    return [Pair(name, {"low": path}, None) for name, path in sorted(images.items())]


def match_by_stem(
    folder: Path,
    suffixes: Collection[str] = image_io.SUFFIXES,
    *,
    prefix: str = "",
    recursive: bool = False,
) -> dict[str, Path]:
    """Return the images of a folder by their stems.

    Args:
        folder: The folder.
        suffixes: Of the images.
        prefix: What is removed from the names that begin with it.
        recursive: Whether images in its folders count, too; they are called "scene1/1". Hidden
            folders are skipped.

    Raises:
        UsageError: If there are none, or two of them share a stem.
    """
    paths = image_io.find_images(folder, recursive=recursive, suffixes=suffixes)
    names = {path: path.relative_to(folder) for path in paths}
    paths = [path for path in paths if not any(p.startswith(".") for p in names[path].parts)]
    if not paths:
        raise UsageError(
            f"{folder} holds no images. Expected files that end in {', '.join(suffixes)}."
        )
    images: dict[str, Path] = {}
    for path in paths:
        stem = (names[path].parent / path.stem.removeprefix(prefix)).as_posix()
        if stem in images:
            raise UsageError(
                f"{folder} holds two images called {stem}: {images[stem].name} and "
                f"{path.name}. Remove or rename one, so that names are unique."
            )
        images[stem] = path
    return images


def check_sizes(
    pairs: Sequence[Pair], *, crop_size: int | None = None, crop_name: str = "crop_size"
) -> None:
    """Check that the images of each pair have one size, and that a crop fits into them.

    For most formats only file headers are read: thousands of pairs take about a second.

    Args:
        pairs: Pairs to check.
        crop_size: Side (pixels) of the square crop of each image.
        crop_name: What that setting is called.

    Raises:
        UsageError: For the first such pair, with both sizes.
    """
    with ThreadPoolExecutor() as pool:
        for first, (height, width) in pool.map(_common_size, pairs):
            if crop_size and crop_size > min(height, width):
                raise UsageError(
                    f"`{crop_name}` must fit into every image. Received: {crop_name}={crop_size}, "
                    f"but {first} is {height}x{width} (height x width). Pass at most "
                    f"{min(height, width)}, or remove the small images."
                )


def keep_equal_sizes(pairs: Sequence[Pair], report: Callable[[str], None]) -> list[Pair]:
    """Return the pairs whose images have one size, where they must.

    Args:
        pairs: Pairs to check.
        report: Called with one line for each of the others, and one that counts them.

    Raises:
        UsageError: For the first of the others, if they are most of the pairs.
    """
    with ThreadPoolExecutor() as pool:
        problems = list(pool.map(_find_size_problem, pairs))
    kept = [pair for pair, problem in zip(pairs, problems, strict=True) if not problem]
    found = list(filter(None, problems))
    if 2 * len(found) > len(pairs):
        raise UsageError(found[0])
    for problem in found:
        report(problem)
    if found:
        count = f"{len(found)} of {len(pairs)} pairs are left out"
        report(f"{count}: their sizes are unequal or cannot be read")
    return kept


def random_split(
    pairs: Sequence[Pair], fraction: float, seed: int = 1
) -> tuple[list[Pair], list[Pair]]:
    """Hold back a random fraction of the pairs, chosen by their names and the seed alone.

    Neither the order of the pairs nor the location of their files matters.

    Args:
        pairs: At least two.
        fraction: Fraction that is held back, in (0, 1); at least one pair.
        seed: Seed of the choice.

    Returns:
        (training, validation), each sorted by name.

    Raises:
        UsageError: If there are fewer than two pairs, or the fraction is out of range.
    """
    ordered = sorted(pairs, key=lambda pair: pair.name)
    count = validation_count(len(ordered), fraction)
    return split_by_index(ordered, set(random.Random(seed).sample(range(len(ordered)), count)))


def split_by_index(pairs: Sequence[Pair], held: set[int]) -> tuple[list[Pair], list[Pair]]:
    """Return (the other pairs, the pairs with the indices `held`), in their order."""
    return (
        [pair for index, pair in enumerate(pairs) if index not in held],
        [pair for index, pair in enumerate(pairs) if index in held],
    )


def validation_count(count: int, fraction: float) -> int:
    """Return how many of `count` pairs a fraction is: at least one, and not all.

    Raises:
        UsageError: If there are fewer than two, or the fraction is not between 0 and 1.
    """
    if not 0 < fraction < 1:
        raise UsageError(f"The fraction held back must be between 0 and 1. Received: {fraction}.")
    if count < 2:
        raise UsageError(f"At least 2 pairs are needed to hold one back. Received: {count}.")
    return min(max(1, round(fraction * count)), count - 1)


def _list_images(
    folder: Path,
    inputs: Sequence[str],
    target: str | None,
    folders: Mapping[str, str] = MappingProxyType({}),
    prefixes: Mapping[str, str] = MappingProxyType({}),
) -> dict[str, dict[str, Path]]:
    """Return input or target -> stem -> image."""
    checks.check_dir("data", folder)
    keys = [*inputs, *([] if target is None else [target])]
    subfolders = {key: folder / folders.get(key, key) for key in keys}
    missing = [path.name for path in subfolders.values() if not path.is_dir()]
    if missing:
        found = sorted(path.name for path in folder.iterdir() if path.is_dir()) or ["none"]
        expected = ", ".join(path.name for path in subfolders.values())
        raise UsageError(
            f"{folder} must have the subfolders {expected}. Missing: {', '.join(missing)}; "
            f"found: {', '.join(found[:8])}. Pass the folder that has them."
        )
    suffixes = dict.fromkeys(keys, image_io.SUFFIXES)
    if RAW.name in inputs:
        suffixes[RAW.name] = raw_image.SUFFIXES
        suffixes[target] = (*image_io.SUFFIXES, *raw_image.SUFFIXES)
    return {
        key: match_by_stem(path, suffixes[key], prefix=prefixes.get(key, ""), recursive=True)
        for key, path in subfolders.items()
    }


def _images_of(folder: Path, *subfolders: str) -> dict[str, Path]:
    """Return the images below the first subfolder that exists; else those of the folder.

    Folders in it are searched only if no image is next to them: they may hold anything.
    """
    existing = [folder / name for name in subfolders if (folder / name).is_dir()]
    if existing:
        return match_by_stem(existing[0], recursive=True)
    return match_by_stem(folder, recursive=not image_io.find_images(folder, recursive=False))


def _make_pairs(
    images: dict[str, dict[str, Path]], inputs: Sequence[str], target: str | None
) -> list[Pair]:
    names = set.intersection(*(set(paths) for paths in images.values()))
    return [
        Pair(
            name,
            {key: images[key][name] for key in inputs},
            None if target is None else images[target][name],
        )
        for name in sorted(names)
    ]


def _common_size(pair: Pair) -> tuple[Path, tuple[int, int]]:
    """Return the first image of a pair, or the one that others are resized to, and its size."""
    paths = [*pair.inputs.values(), *([] if pair.target is None else [pair.target])]
    sizes = {path: image_size(path) for path in paths}
    first = pair.inputs[pair.resize_to] if pair.resize_to else paths[0]
    height, width = sizes[first]
    for path, (other_height, other_width) in sizes.items():
        if not pair.resize_to and (other_height, other_width) != (height, width):
            raise UsageError(
                f"The images of pair {pair.name} must have one size. Received: "
                f"{first} is {height}x{width}, {path} is {other_height}x{other_width} "
                "(height x width). Resize or remove them."
            )
    return first, (height, width)


def _find_size_problem(pair: Pair) -> str:
    try:
        _common_size(pair)
    except UsageError as error:
        return str(error)
    return ""


def _shorten_list(names: Sequence[str]) -> str:
    return ", ".join(names[:MAX_NAMES_LISTED]) + (", ..." if len(names) > MAX_NAMES_LISTED else "")
