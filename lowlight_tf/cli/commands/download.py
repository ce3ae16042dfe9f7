"""`lowlight-tf download`: download, verify and extract a dataset, or explain how to."""

import argparse
import sys
from pathlib import Path

from lowlight_tf import checks
from lowlight_tf.cli.console import ByteProgress

HELP = "fetch, verify and unpack a data set, or check an existing one"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of the command."""
    add = parser.add_argument
    add("name", help="a data set of `lowlight-tf catalog datasets`, or a card of your own (.toml)")
    add("--data-root", type=Path, default=Path("."), help="folder that holds the data set's folder")
    add("--archive", type=Path, help="its archive, fetched by hand: verify and unpack it")
    add("--check", action="store_true", help="fetch nothing; compare the files with the card")


def run(args: argparse.Namespace) -> int:
    """Fetch, unpack, report. Return 1 if there is something left to do or not as it should be."""
    from lowlight_tf.datasets import dataset_card

    dataset = dataset_card.get_dataset(args.name)
    if args.check:
        return _check(dataset, args.data_root)
    place = args.data_root / dataset.name
    print(f"{dataset.title}\n  home   {dataset.homepage}\n  terms  {dataset.terms}")
    for other in dataset.overlaps:
        print(f"  shows scenes of {other}: do not evaluate on one what was trained on the other")
    if args.archive:
        return _install(dataset, args.archive, place)
    try:
        there = dataset.folder_of(args.data_root)
    except checks.UsageError:
        return _fetch(dataset, place)
    print(f"{there} exists already; --check verifies its images")
    _report(dataset, there)
    return 0


def _fetch(dataset, place: Path) -> int:
    from lowlight_tf.datasets import download

    manual = [archive for archive in dataset.archives if not archive.url]
    for archive in dataset.archives:
        if archive.url:
            path = place.parent / archive.file
            progress = ByteProgress(archive.file)
            download.download_file(archive.url, path, sha256=archive.sha256, progress=progress)
            _unpack(dataset, path, place)
            path.unlink()
    if manual or not dataset.archives:
        print(f"To fetch by hand: {dataset.manual_download}", file=sys.stderr)
        for archive in manual:
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
        raise checks.UsageError(f"{dataset.name} has no archive. {dataset.manual_download}")
    if not path.is_file():
        raise checks.UsageError(f"`archive` must be a file that exists. Received: {path}.")
    known = {archive.file: archive.sha256 for archive in dataset.archives}
    sums = {known[path.name]} if path.name in known else set(known.values())
    if "" not in sums:
        download.verify_sha256(path, *sums)
    _unpack(dataset, path, place)
    return 0


def _unpack(dataset, path: Path, place: Path) -> None:
    from lowlight_tf.datasets import archives

    files = archives.extract_archive(path, place, root_folders=dataset.root_folders)
    print(f"{len(files)} files unpacked into {place}")
    _report(dataset, place)


def _report(dataset, place: Path) -> None:
    for name, split in dataset.splits.items():
        exists = (place / split.folder).is_dir()
        print(f"  {name:6} {f'{len(dataset.pairs(place, name))} pairs' if exists else 'missing'}")
        if exists and (unpaired := dataset.find_unpaired(place, name)):
            print(f"  {len(unpaired)} more lack their long exposure, such as {unpaired[0].name}")


def _check(dataset, root: Path) -> int:
    from lowlight_tf.datasets import checksums

    results = checksums.verify_checksums(dataset, root)
    for result in results:
        state = {True: "as on the card", None: "of which the card has no checksum"}.get(
            result.matches, "NOT as on the card"
        )
        if result.matches is False and result.count != result.expected_count:
            state += f", which has {result.expected_count}"
        elif result.matches is False:
            state += ": others, or compressed again with loss"
        print(f"{result.split}/{result.key}: {result.count} images, {state}")
    return 1 if any(result.matches is False for result in results) else 0
