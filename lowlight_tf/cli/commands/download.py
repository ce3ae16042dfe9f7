"""`lowlight-tf download`: a dataset's pictures into their place, or what to do by hand."""

import argparse
import sys
from pathlib import Path

from lowlight_tf import checks

HELP = "fetch, verify and unpack a dataset, or check one that is there"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    add = parser.add_argument
    add("name", help="a dataset of `lowlight-tf catalog datasets`, or a card of your own (.toml)")
    add("--data-root", type=Path, default=Path("."), help="folder that gets the dataset's folder")
    add("--archive", type=Path, help="its archive, fetched by hand: verify and unpack it")
    add("--check", action="store_true", help="fetch nothing; compare what is there with the card")


def run(args: argparse.Namespace) -> int:
    """Fetch, unpack, report. Return 1 if there is something left to do or not as it should be."""
    from lowlight_tf.datasets import dataset_card

    dataset = dataset_card.get_dataset(args.name)
    if args.check:
        return _check(dataset, args.data_root)
    place = args.data_root / dataset.name
    print(f"{dataset.title}\n  home   {dataset.homepage}\n  terms  {dataset.terms}")
    for other in dataset.overlaps:
        print(f"  shows scenes of {other}: what learned from one must not be judged by the other")
    if args.archive:
        return _install(dataset, args.archive, place)
    try:
        there = dataset.folder_of(args.data_root)
    except checks.UsageError:
        return _fetch(dataset, place)
    print(f"{there} is there already; --check looks at its pictures")
    _report(dataset, there)
    return 0


def _fetch(dataset, place: Path) -> int:
    from lowlight_tf.datasets import download

    by_hand = [archive for archive in dataset.archives if not archive.url]
    for archive in dataset.archives:
        if archive.url:
            path = place.parent / archive.file
            told = _Progress(archive.file)
            download.fetch(archive.url, path, sha256=archive.sha256, progress=told)
            _unpack(dataset, path, place)
            path.unlink()
    if by_hand or not dataset.archives:
        print(f"To fetch by hand: {dataset.by_hand}", file=sys.stderr)
        for archive in by_hand:
            print(
                f"Then run: lowlight-tf download {dataset.name} --data-root {place.parent} "
                f"--archive {archive.file}",
                file=sys.stderr,
            )
        return 1
    return 0


def _install(dataset, path: Path, place: Path) -> int:
    """Unpack an archive that the user fetched, which stays where it is."""
    from lowlight_tf.datasets import download

    if not dataset.archives:
        raise checks.UsageError(f"{dataset.name} comes in no archive. {dataset.by_hand}")
    if not path.is_file():
        raise checks.UsageError(f"`archive` must be a file that exists. Received: {path}.")
    known = {archive.file: archive.sha256 for archive in dataset.archives}
    sums = {known[path.name]} if path.name in known else set(known.values())
    if "" not in sums:
        download.verify(path, *sums)
    _unpack(dataset, path, place)
    return 0


def _unpack(dataset, path: Path, place: Path) -> None:
    from lowlight_tf.datasets import archives

    files = archives.extract_archive(path, place, root_folders=dataset.root_folders)
    print(f"{len(files)} files unpacked into {place}")
    _report(dataset, place)


def _report(dataset, place: Path) -> None:
    for name, split in dataset.splits.items():
        there = (place / split.folder).is_dir()
        print(f"  {name:6} {f'{len(dataset.pairs(place, name))} pairs' if there else 'not there'}")
        if there and (lone := dataset.unpaired(place, name)):
            print(f"  {len(lone)} more lack their long exposure, such as {lone[0].name}")


def _check(dataset, root: Path) -> int:
    from lowlight_tf.datasets import checksums

    verdicts = checksums.verify_checksums(dataset, root)
    for verdict in verdicts:
        what = {True: "as on the card", None: "of which the card has no checksum"}.get(
            verdict.right, "NOT as on the card"
        )
        if verdict.right is False and verdict.count != verdict.expected:
            what += f", which has {verdict.expected}"
        elif verdict.right is False:
            what += ": others, or compressed again with loss"
        print(f"{verdict.split}/{verdict.side}: {verdict.count} pictures, {what}")
    return 1 if any(verdict.right is False for verdict in verdicts) else 0


class _Progress:
    """One line that is written over where there is a terminal, else a line each tenth."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._tenth = -1

    def __call__(self, done: int, total: int | None) -> None:
        share = f"{done / 1e6:.1f} MB" + (f" of {total / 1e6:.1f}" if total else "")
        tenth = 10 * done // total if total else done // 10**8
        if sys.stderr.isatty():
            print(f"\r{self._name}  {share}", end="\n" if done == total else "", file=sys.stderr)
        elif tenth != self._tenth:
            print(f"{self._name}  {share}", file=sys.stderr)
        self._tenth = tenth
