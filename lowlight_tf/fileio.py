"""Reading and writing files: atomic replacement, JSON, checksums."""

import contextlib
import hashlib
import json
import os
import shutil
import threading
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lowlight_tf.checks import UsageError

MAX_NAME_BYTES = 255  # of a file, in all common file systems

_STDERR_LOCK = threading.Lock()  # standard error is shared by all threads


@contextlib.contextmanager
def atomic_write(path: Path, *, keep_suffix: bool = False) -> Iterator[Path]:
    """Yield a temporary path next to a file; it replaces the file if the body succeeds.

    A reader of `path` sees either the old content or all of the new. If the body raises, `path` is
    unchanged and the temporary file is removed.

    Args:
        path: File to write, in a folder that exists; a device or a pipe is written to directly.
        keep_suffix: Whether the temporary name ends like `path`, for libraries that choose the
            format by the suffix. The default, .part, keeps a file that is left over when the
            process is killed out of listings of images or checkpoints.

    Yields:
        A hidden path in the same folder, .NAME.part or .NAME.part.SUFFIX; of a name that is too
        long for that, the beginning and a checksum.
    """
    if path.exists() and not path.is_file():  # a device or a pipe is written to, never replaced
        yield path
        return
    part = _part_path(path, path.suffix if keep_suffix else "")
    try:
        yield part
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


@contextlib.contextmanager
def atomic_directory(path: Path) -> Iterator[Path]:
    """Yield a new, empty directory next to a path; it replaces the path if the body succeeds.

    If the body raises, `path` is unchanged and the temporary directory is removed.

    Args:
        path: Directory to write. If it exists, it is removed with all that is in it, after the
            body.

    Yields:
        A hidden directory in the same folder, .NAME.part.
    """
    part = _part_path(path)
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    try:
        yield part
        if path.exists():
            shutil.rmtree(path)
        os.replace(part, path)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def is_utf8(path: Path) -> bool:
    """Return whether a path is UTF-8 text; names of older systems need not be."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return False
    return True


def walk_files(folder: Path) -> Iterator[Path]:
    """Yield the files of a folder and its subfolders, linked folders included.

    Each folder is entered once, so that links that lead back to it end.
    """
    visited = {os.path.realpath(folder)}
    for parent, names, files in os.walk(folder, followlinks=True):
        unvisited = []
        for name in sorted(names):
            real = os.path.realpath(os.path.join(parent, name))
            if real not in visited:
                visited.add(real)
                unvisited.append(name)
        names[:] = unvisited
        yield from (Path(parent, name) for name in sorted(files))


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        UsageError: If the file cannot be read or holds no JSON object.
    """
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} cannot be read as JSON: {error}.") from None
    if not isinstance(fields, dict):
        raise UsageError(f"{path} must hold a JSON object. Received: {type(fields).__name__}.")
    return fields


def write_json(path: Path, fields: dict[str, Any]) -> None:
    """Write a JSON object atomically, indented by two; errors as of `write_text`."""
    write_text(path, json.dumps(fields, indent=2) + "\n")


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 text file atomically; file names in it that are not UTF-8 keep their bytes.

    Raises:
        UsageError: If it cannot be written.
    """
    try:
        with atomic_write(path) as part:
            part.write_text(text, encoding="utf-8", errors="surrogateescape")
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}.") from None


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextlib.contextmanager
def silence_stderr() -> Iterator[None]:
    """Keep libraries in C from printing errors that are reported otherwise."""
    with _STDERR_LOCK:
        saved, null = os.dup(2), os.open(os.devnull, os.O_WRONLY)
        try:
            os.dup2(null, 2)
            yield
        finally:
            os.dup2(saved, 2)
            os.close(saved)
            os.close(null)


def _part_path(path: Path, suffix: str = "") -> Path:
    name, checksum = path.name, ""
    while len(os.fsencode(f".{name}{checksum}.part{suffix}")) > MAX_NAME_BYTES:
        name, checksum = name[:-1], f"~{zlib.crc32(os.fsencode(path.name)):08x}"
    return path.with_name(f".{name}{checksum}.part{suffix}")
