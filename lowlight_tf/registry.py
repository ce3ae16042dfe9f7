"""Names and what they stand for, loaded only when asked."""

import dataclasses
import difflib
import importlib
from collections.abc import Iterable, Iterator
from typing import Any, Generic, TypeVar

from lowlight_tf.checks import UsageError


@dataclasses.dataclass(frozen=True)
class Entry:
    """One line of a table: where the object lives, as "package.module:object"."""

    path: str

    def load(self) -> Any:
        """Import the object. Nothing is imported before."""
        module, _, attribute = self.path.partition(":")
        return getattr(importlib.import_module(module), attribute)


EntryType = TypeVar("E", bound=Entry)


class Registry(Generic[EntryType]):
    """A table from names to entries. Reading the names imports nothing."""

    def __init__(self, kind: str, **entries: EntryType) -> None:
        self.kind = kind
        self._entries = entries

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def find(self, name: str) -> EntryType:
        """Return the entry called `name`; the error for an unknown one offers the nearest."""
        if name not in self._entries:
            raise UsageError(
                f"No {self.kind} is called {name!r}. Known: {closest_match(name, self._entries)}."
            )
        return self._entries[name]


def closest_match(name: str, known: Iterable[str]) -> str:
    """Return the known names most like `name`, or all of them where none is like it."""
    known = sorted(known)
    return ", ".join(difflib.get_close_matches(name, known, n=3) or known)
