"""Reading and writing files: atomic replacement, JSON, checksums."""

import contextlib
import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lowlight_tf.checks import UsageError


@contextlib.contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Lend a name beside a file; what was written there becomes the file if all went well.

    Whoever reads `path` sees what was there before or all of the new. If the body raises, `path` is
    as it was and nothing lies beside it.

    Args:
        path: In a folder that exists.

    Yields:
        A name in the same folder, hidden, that does not end as `path` does: no listing of pictures
        or checkpoints takes it for one, not even after the process was killed.
    """
    part = path.with_name(f".{path.name}.part")
    try:
        yield part
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object; a file that holds none is the user's error."""
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} cannot be read as JSON: {error}.") from None
    if not isinstance(fields, dict):
        raise UsageError(f"{path} must hold a JSON object. Received: {type(fields).__name__}.")
    return fields


def write_json(path: Path, fields: dict[str, Any]) -> None:
    """Write an object as `write_text` does."""
    write_text(path, json.dumps(fields, indent=2) + "\n")


def write_text(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    with atomic_write(path) as part:
        part.write_text(text, encoding="utf-8")


def sha256(path: Path) -> str:
    """Return the checksum of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
