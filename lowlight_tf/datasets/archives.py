"""Unpack zip and tar files without trusting what is in them."""

import errno
import os
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Collection, Iterator
from lzma import LZMAError
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from lowlight_tf.checks import UsageError

CHUNK_BYTES = 1 << 20  # bytes
CORRUPT_ERRORS = (tarfile.TarError, zipfile.BadZipFile, zlib.error, LZMAError, EOFError, OSError)
DISK_FULL_ERRNOS = (errno.ENOSPC, errno.EDQUOT)  # the disk's fault, not the archive's
ENCRYPTED_ERRORS = (
    RuntimeError,
    NotImplementedError,
)  # zip members with a password, or of an odd method


def extract_archive(
    archive: Path, folder: Path, *, root_folders: Collection[str] = ()
) -> list[Path]:
    """Unpack all files of an archive, or nothing.

    What an attempt left that was interrupted, or for which the disk was too small, is not unpacked
    again: it lies beside `folder`, hidden, and is gone on with.

    Args:
        archive: .zip, or .tar however compressed.
        folder: Where its files go: new, or a folder that is added to.
        root_folders: Folders that belong directly into `folder`, of which at least one must be there: what
            leads to them is left out, so that DATA/our485/1.png becomes our485/1.png. None: all
            goes where the archive says.

    Returns:
        The files, sorted.

    Raises:
        UsageError: If it is no such archive or damaged; if a member would land outside the folder
            or is neither file nor folder (links, devices); if a file is there already; if the disk
            is full.
    """
    part = _part(archive, folder)
    try:
        part.mkdir(parents=True, exist_ok=True)
        done = {path for path in part.rglob("*") if path.is_file()}
        places = [_write(part, *member, done) for member in _members(archive, root_folders)]
        if not places:
            raise UsageError(f"{archive} holds no files. Fetch it again.")
        if root_folders and not any((part / top).is_dir() for top in root_folders):
            raise UsageError(
                f"{archive} holds none of the expected folders: {', '.join(sorted(root_folders))}. "
                "It is another archive, or another version of it."
            )
        unpacked = _move(part, sorted(set(places)), folder)
    except (*CORRUPT_ERRORS, *ENCRYPTED_ERRORS, UsageError) as error:
        if getattr(error, "errno", None) in DISK_FULL_ERRNOS:
            raise UsageError(
                f"The disk of {folder} is full. Make room and run the same command again: it goes "
                "on from there."
            ) from None
        shutil.rmtree(part, ignore_errors=True)
        if isinstance(error, UsageError):
            raise
        raise UsageError(f"{archive} cannot be unpacked: {error}. Fetch it again.") from None
    shutil.rmtree(part, ignore_errors=True)
    return unpacked


def _part(archive: Path, folder: Path) -> Path:
    """Return where an archive is unpacked first; what is left there of others is removed."""
    known = archive.stat()
    part = folder.with_name(f".{folder.name}.{known.st_size}-{known.st_mtime_ns}.unpacking")
    for other in folder.parent.glob(f".{folder.name}.*.unpacking"):
        if other != part:
            shutil.rmtree(other, ignore_errors=True)
    return part


def _members(
    archive: Path, tops: Collection[str]
) -> Iterator[tuple[PurePosixPath, int, Callable[[], BinaryIO]]]:
    """Yield where each file belongs, its size and what opens it; refuse what is not harmless."""
    for name, kind, size, opened in _entries(archive):
        path = PurePosixPath(name.replace("\\", "/"))
        if path.is_absolute() or ".." in path.parts or ":" in name.split("/")[0]:
            raise UsageError(
                f"{archive} has a member that would land outside its folder: {name!r}. "
                "Nothing was unpacked; do not trust this file."
            )
        if kind not in ("file", "folder"):
            raise UsageError(
                f"{archive} has a member that is neither file nor folder: {name!r} ({kind}). "
                "Nothing was unpacked; do not trust this file."
            )
        if kind == "file":
            first = next((i for i, part in enumerate(path.parts) if part in tops), 0)
            yield PurePosixPath(*path.parts[first:]), size, opened


def _entries(archive: Path) -> Iterator[tuple[str, str, int, Callable[[], BinaryIO]]]:
    """Yield name, kind, size (bytes) and opener of each member."""
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as box:
            for info in box.infolist():
                mode = stat.S_IFMT(info.external_attr >> 16)
                kind = (
                    "folder" if info.is_dir() else "file" if mode in (0, stat.S_IFREG) else "link"
                )
                yield info.filename, kind, info.file_size, lambda info=info: box.open(info)
    elif tarfile.is_tarfile(archive):
        with tarfile.open(archive) as box:
            for info in box:
                kind = "folder" if info.isdir() else "file" if info.isreg() else "link or device"
                yield info.name, kind, info.size, lambda info=info: box.extractfile(info)
            while box.fileobj.read(
                CHUNK_BYTES
            ):  # a compressed stream has its checksum at its very end
                pass
    else:
        raise UsageError(f"{archive} is neither a zip nor a tar file. Fetch it again.")


def _write(
    part: Path,
    path: PurePosixPath,
    size: int,
    content: Callable[[], BinaryIO],
    done: Collection[Path],
) -> PurePosixPath:
    """Write one file below `part`, unless an earlier attempt has done so.

    Its mode and owner in the archive do not count.
    """
    place = part / path
    if place not in done or place.stat().st_size != size:
        place.parent.mkdir(parents=True, exist_ok=True)
        beside = place.with_name(f".{place.name}.part")
        with content() as source, beside.open("wb") as target:
            shutil.copyfileobj(source, target, CHUNK_BYTES)
        os.replace(beside, place)  # there only when whole, and right by its checksum
    return path


def _move(part: Path, places: list[PurePosixPath], folder: Path) -> list[Path]:
    taken = next((place for place in places if (folder / place).exists()), None)
    if taken:
        raise UsageError(
            f"{folder / taken} is there already. Nothing was unpacked; move it away first."
        )
    if not folder.exists():
        os.replace(part, folder)
    else:
        for place in places:
            (folder / place).parent.mkdir(parents=True, exist_ok=True)
            os.replace(part / place, folder / place)
    return [folder / place for place in places]
