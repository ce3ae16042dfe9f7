"""Unpack zip and tar files without trusting what is in them."""

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

CHUNK = 1 << 20  # bytes
DAMAGED = (tarfile.TarError, zipfile.BadZipFile, zlib.error, LZMAError, EOFError, OSError)
LOCKED = (RuntimeError, NotImplementedError)  # zip members with a password, or of an odd method


def unpack(archive: Path, folder: Path, *, tops: Collection[str] = ()) -> list[Path]:
    """Unpack all files of an archive, or nothing.

    Args:
        archive: .zip, or .tar however compressed.
        folder: Where its files go: new, or a folder that is added to.
        tops: Folders that belong directly into `folder`, of which at least one must be there: what
            leads to them is left out, so that DATA/our485/1.png becomes our485/1.png. None: all
            goes where the archive says.

    Returns:
        The files, sorted.

    Raises:
        UsageError: If it is no such archive or damaged; if a member would land outside the folder
            or is neither file nor folder (links, devices); if a file is there already.
    """
    part = folder.with_name(f".{folder.name}.unpacking")
    shutil.rmtree(part, ignore_errors=True)
    try:
        part.mkdir(parents=True)
        places = [_write(part, path, content) for path, content in _members(archive, tops)]
        if not places:
            raise UsageError(f"{archive} holds no files. Fetch it again.")
        if tops and not any((part / top).is_dir() for top in tops):
            raise UsageError(
                f"{archive} holds none of the expected folders: {', '.join(sorted(tops))}. "
                "It is another archive, or another version of it."
            )
        return _move(part, sorted(set(places)), folder)
    except (*DAMAGED, *LOCKED) as error:
        raise UsageError(f"{archive} cannot be unpacked: {error}. Fetch it again.") from None
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _members(
    archive: Path, tops: Collection[str]
) -> Iterator[tuple[PurePosixPath, Callable[[], BinaryIO]]]:
    """Yield where each file belongs and what opens it; refuse at the first that is not harmless."""
    for name, kind, opened in _entries(archive):
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
            yield PurePosixPath(*path.parts[first:]), opened


def _entries(archive: Path) -> Iterator[tuple[str, str, Callable[[], BinaryIO]]]:
    """Yield name, kind and opener of each member."""
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as box:
            for info in box.infolist():
                mode = stat.S_IFMT(info.external_attr >> 16)
                kind = (
                    "folder" if info.is_dir() else "file" if mode in (0, stat.S_IFREG) else "link"
                )
                yield info.filename, kind, lambda info=info: box.open(info)
    elif tarfile.is_tarfile(archive):
        with tarfile.open(archive) as box:
            for info in box:
                kind = "folder" if info.isdir() else "file" if info.isreg() else "link or device"
                yield info.name, kind, lambda info=info: box.extractfile(info)
            while box.fileobj.read(CHUNK):  # a compressed stream has its checksum at its very end
                pass
    else:
        raise UsageError(f"{archive} is neither a zip nor a tar file. Fetch it again.")


def _write(part: Path, path: PurePosixPath, content: Callable[[], BinaryIO]) -> Path:
    """Write one file below `part`; its mode and owner in the archive do not count."""
    place = part / path
    place.parent.mkdir(parents=True, exist_ok=True)
    with content() as source, place.open("wb") as target:
        shutil.copyfileobj(source, target, CHUNK)
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
