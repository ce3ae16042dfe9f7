"""Checks at the door: each says what was expected, what came, and what to do."""

from collections.abc import Collection
from pathlib import Path


class UsageError(ValueError):
    """What the caller asked for cannot be done. The command line shows it without a traceback."""


def check_min(name: str, value: float, low: float) -> None:
    """Refuse a number below `low`."""
    if not value >= low:
        raise UsageError(f"`{name}` must be at least {low}. Received: {name}={value}.")


def check_positive(name: str, value: float) -> None:
    """Refuse a number that is not above zero (NaN included) or not finite."""
    if not 0 < value < float("inf"):
        raise UsageError(f"`{name}` must be a positive number. Received: {name}={value}.")


def check_choice(name: str, value: str, allowed: Collection[str]) -> None:
    """Refuse a word that is not among `allowed`."""
    if value not in allowed:
        words = ", ".join(sorted(allowed))
        raise UsageError(f"`{name}` must be one of: {words}. Received: {name}={value!r}.")


def check_dir(name: str, path: Path) -> None:
    """Refuse a path that is not an existing folder."""
    if not path.is_dir():
        what = "a file" if path.exists() else "nothing there"
        raise UsageError(f"`{name}` must be an existing folder. Received: {path} ({what}).")


def check_file_in_dir(name: str, path: Path) -> None:
    """Refuse a path that no file can be written to: a folder, or one in a folder not there."""
    if path.is_dir() or not path.parent.is_dir():
        raise UsageError(f"`{name}` must be a file of an existing folder. Received: {path}.")
