"""Opening RAW files by LibRaw, its errors in one line."""

import contextlib
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lowlight_tf import crash_notes
from lowlight_tf.checks import UsageError
from lowlight_tf.fileio import silence_stderr


@contextlib.contextmanager
def open_raw(source: Path | bytes, *, unpack: bool = True) -> Iterator[Any]:
    """Yield the open `rawpy.RawPy` of a file or of its content.

    Args:
        source: A file, or its content.
        unpack: Whether to decode the raw values.

    Raises:
        UsageError: If rawpy is missing, or the file is missing, truncated or no RAW file.
    """
    try:
        import rawpy
    except ImportError:
        raise UsageError(
            "RAW files need rawpy, which is not installed. Run: pip install 'lowlight_tf[raw]'."
        ) from None
    in_memory = isinstance(source, bytes)
    name = "The RAW file" if in_memory else source
    if not in_memory and not source.is_file():
        raise UsageError(f"{source} is no file. Name a RAW file that exists.")
    try:
        with contextlib.ExitStack() as stack:
            if not in_memory:
                stack.enter_context(crash_notes.reading(source))
            with silence_stderr():
                file = rawpy.imread(io.BytesIO(source) if in_memory else str(source))
                stack.enter_context(file)
                if unpack:
                    _ = file.raw_image_visible  # unpacks, and so fails if truncated
            yield file
    except (rawpy.LibRawFileUnsupportedError, rawpy.NotSupportedError):
        raise UsageError(
            f"{name} is not a RAW file that LibRaw supports. Use a model of images, without a "
            "ratio, for JPEG, PNG or TIFF; convert the RAW file of a new camera to DNG."
        ) from None
    except rawpy.LibRawError as error:
        raise UsageError(
            f"{name} is truncated or damaged: {_error_text(error)}. Copy it again."
        ) from None


def _error_text(error: Exception) -> str:
    (reason,) = error.args or ("unreadable",)
    return reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)
