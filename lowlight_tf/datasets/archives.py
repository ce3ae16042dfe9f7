"""Unpack zip and tar files whose content is not trusted."""

import os
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Collection, Iterator
from errno import EDQUOT, ENOSPC
from lzma import LZMAError
from pathlib import Path, PurePosixPath
from typing import BinaryIO, NamedTuple

from lowlight_tf.checks import UsageError
from lowlight_tf.fileio import atomic_write

CHUNK_BYTES = 1 << 20
DISK_FULL_ERRNOS = (ENOSPC, EDQUOT)
CORRUPT_ERRORS = (tarfile.TarError, zipfile.BadZipFile, zlib.error, LZMAError, EOFError, OSError)
ENCRYPTED_ERRORS = (RuntimeError, NotImplementedError)
"""Raised by zipfile for members with a password, or with an unsupported compression."""


class _Member(NamedTuple):
    name: str
    kind: str  # "file", "folder", or what is refused: "link", "link or device"
    size: int  # bytes
    open: Callable[[], BinaryIO]


def extract_archive(
    archive: Path, folder: Path, *, root_folders: Collection[str] = ()
) -> list[Path]:
    """Unpack all files of an archive, or none.

    The files are unpacked into a hidden folder next to `folder` first. If that is interrupted or
    the disk is full, the hidden folder stays and the next call resumes from it.

    Modes, owners and times in the archive are ignored.

    Args:
        archive: .zip, or .tar with any compression.
        folder: Destination: a new folder, or one that files are added to.
        root_folders: Folders that belong directly into `folder`, of which at least one must exist:
            the leading folders of a path are stripped up to the first of them, so that
            DATA/our485/1.png becomes our485/1.png. Empty keeps all paths.

    Returns:
        Paths of the files, sorted.

    Raises:
        UsageError: If the file is not such an archive, or is damaged or encrypted; if a member
            would be written outside `folder` or is neither file nor folder (links, devices); if a
            file exists already; if the disk is full.
    """
    staging = _staging_folder(archive, folder)
    try:
        staging.mkdir(parents=True, exist_ok=True)
        done = {path for path in staging.rglob("*") if path.is_file()}
        paths = set()
        for path, member in _iter_files(archive, root_folders):
            _extract_member(member, staging / path, done)
            paths.add(path)
        if not paths:
            raise UsageError(f"{archive} holds no files. Fetch it again.")
        if root_folders and not any((staging / root).is_dir() for root in root_folders):
            raise UsageError(
                f"{archive} holds none of the expected folders: {', '.join(sorted(root_folders))}. "
                "It is another archive, or another version of it."
            )
        extracted = _move_files(staging, sorted(paths), folder)
    except (*CORRUPT_ERRORS, *ENCRYPTED_ERRORS, UsageError) as error:
        if getattr(error, "errno", None) in DISK_FULL_ERRNOS:
            raise UsageError(
                f"The disk of {folder} is full. Free some space and run the same command again: "
                "it resumes from there."
            ) from None
        shutil.rmtree(staging, ignore_errors=True)
        if isinstance(error, UsageError):
            raise
        raise UsageError(f"{archive} cannot be unpacked: {error}. Fetch it again.") from None
    shutil.rmtree(staging, ignore_errors=True)
    return extracted


def _staging_folder(archive: Path, folder: Path) -> Path:
    """Return the hidden folder for the files of this archive; remove those of other archives."""
    source = archive.stat()
    staging = folder.with_name(f".{folder.name}.{source.st_size}-{source.st_mtime_ns}.unpacking")
    for other in folder.parent.glob(f".{folder.name}.*.unpacking"):
        if other != staging:
            shutil.rmtree(other, ignore_errors=True)
    return staging


def _iter_files(
    archive: Path, root_folders: Collection[str]
) -> Iterator[tuple[PurePosixPath, _Member]]:
    """Yield each file with its path below the destination, after checking its name and kind.

    tarfile.data_filter is no substitute for these checks: it strips a leading slash where this
    raises, accepts links inside the destination, and knows no drive letters outside of Windows.

    Raises:
        UsageError: If a member would be written outside, or is neither file nor folder.
    """
    for member in _iter_members(archive):
        name = member.name
        path = PurePosixPath(name.replace("\\", "/"))
        if path.is_absolute() or ".." in path.parts or ":" in name.split("/")[0]:
            raise UsageError(
                f"{archive} has a member that would be written outside its folder: {name!r}. "
                "Nothing was unpacked; do not trust this file."
            )
        if member.kind not in ("file", "folder"):
            raise UsageError(
                f"{archive} has a member that is neither file nor folder: {name!r} "
                f"({member.kind}). Nothing was unpacked; do not trust this file."
            )
        if member.kind == "file":
            root = next((i for i, part in enumerate(path.parts) if part in root_folders), 0)
            yield PurePosixPath(*path.parts[root:]), member


def _iter_members(archive: Path) -> Iterator[_Member]:
    """Yield the members of a zip or tar file, in its order."""
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as file:
            for info in file.infolist():
                is_file = stat.S_IFMT(info.external_attr >> 16) in (0, stat.S_IFREG)
                kind = "folder" if info.is_dir() else "file" if is_file else "link"
                yield _Member(
                    info.filename, kind, info.file_size, lambda info=info: file.open(info)
                )
    elif tarfile.is_tarfile(archive):
        with tarfile.open(archive) as file:
            for info in file:
                kind = "folder" if info.isdir() else "file" if info.isreg() else "link or device"
                yield _Member(info.name, kind, info.size, lambda info=info: file.extractfile(info))
            while file.fileobj.read(CHUNK_BYTES):  # the checksum of a compressed stream is its end
                pass
    else:
        raise UsageError(f"{archive} is neither a zip nor a tar file. Fetch it again.")


def _extract_member(member: _Member, path: Path, done: Collection[Path]) -> None:
    """Write one file, unless an earlier call has written it."""
    if path in done and path.stat().st_size == member.size:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with member.open() as source, atomic_write(path) as part, part.open("wb") as target:
        shutil.copyfileobj(source, target, CHUNK_BYTES)  # raises where a checksum differs


def _move_files(staging: Path, paths: list[PurePosixPath], folder: Path) -> list[Path]:
    """Move the files from the staging folder to the destination."""
    existing = next((path for path in paths if (folder / path).exists()), None)
    if existing:
        raise UsageError(
            f"{folder / existing} exists already. Nothing was unpacked; move it away first."
        )
    if not folder.exists():
        os.replace(staging, folder)
    else:
        for path in paths:
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            os.replace(staging / path, folder / path)
    return [folder / path for path in paths]
