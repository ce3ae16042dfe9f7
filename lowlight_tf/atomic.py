"""Files that are there whole or not at all."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
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
