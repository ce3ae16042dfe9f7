"""Checks of arguments; each message contains what is expected and what was received."""

from collections.abc import Collection
from pathlib import Path


class UsageError(ValueError):
    """An error of the caller. The command line prints it without a traceback."""


def describe_error(error: Exception) -> str:
    """Return an error of any library in one line, with its type; of a UsageError its message."""
    kind = "" if isinstance(error, UsageError) else f"{type(error).__name__}: "
    return f"{kind}{error}".replace("\n", " ")


def check_min(name: str, value: float, minimum: float) -> None:
    """Raise an error for a number below `minimum`, or NaN."""
    if not value >= minimum:
        raise UsageError(f"`{name}` must be at least {minimum}. Received: {name}={value}.")


def check_positive(name: str, value: float) -> None:
    """Raise an error for a number that is not above zero (NaN included) or not finite."""
    if not 0 < value < float("inf"):
        raise UsageError(f"`{name}` must be a positive number. Received: {name}={value}.")


def check_choice(name: str, value: str, allowed: Collection[str]) -> None:
    """Raise an error for a value that is not among `allowed`."""
    if value not in allowed:
        choices = ", ".join(sorted(allowed))
        raise UsageError(f"`{name}` must be one of: {choices}. Received: {name}={value!r}.")


def check_dir(name: str, path: Path) -> None:
    """Raise an error for a path that is not an existing folder."""
    if not path.is_dir():
        kind = "a file" if path.exists() else "nothing there"
        raise UsageError(f"`{name}` must be an existing folder. Received: {path} ({kind}).")


def check_file_in_dir(name: str, path: Path) -> None:
    """Raise an error for a path that is a folder, or whose folder does not exist."""
    if path.is_dir() or not path.parent.is_dir():
        raise UsageError(f"`{name}` must be a file of an existing folder. Received: {path}.")
