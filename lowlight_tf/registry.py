"""Names and what they stand for, loaded only when asked."""

import dataclasses
import difflib
import importlib
from collections.abc import Iterable, Iterator, Mapping
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
    """A table from names to entries. Reading the names imports nothing.

    Args:
        kind: What the entries are called in messages.
        aliases: Former name -> name, accepted by `find`.
        **entries: Name -> entry.
    """

    def __init__(
        self, kind: str, *, aliases: Mapping[str, str] | None = None, **entries: EntryType
    ) -> None:
        self.kind = kind
        self._aliases = dict(aliases or {})
        self._entries = entries

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def canonical(self, name: str) -> str:
        """Return today's name for a former one, and any other name as it is."""
        return self._aliases.get(name, name)

    def find(self, name: str) -> EntryType:
        """Return the entry called `name`; the error for an unknown one offers the closest."""
        name = self.canonical(name)
        if name not in self._entries:
            raise UsageError(
                f"No {self.kind} is called {name!r}. Known: {closest_match(name, self._entries)}."
            )
        return self._entries[name]


def closest_match(name: str, known: Iterable[str]) -> str:
    """Return the known names most like `name`, or all of them where none is like it."""
    known = sorted(known)
    return ", ".join(difflib.get_close_matches(name, known, n=3) or known)
