"""Registries: names of objects that are imported on first use."""

import dataclasses
import difflib
import importlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Generic, TypeVar

from lowlight_tf.checks import UsageError


@dataclasses.dataclass(frozen=True)
class Entry:
    """An entry of a registry: the import path of an object, "package.module:object"."""

    path: str

    def load(self) -> Any:
        """Import and return the object. Nothing is imported before."""
        module, _, attribute = self.path.partition(":")
        return getattr(importlib.import_module(module), attribute)


EntryType = TypeVar("E", bound=Entry)


class Registry(Generic[EntryType]):
    """A mapping from names to entries. Iteration over the names imports nothing.

    Args:
        kind: Term for the entries in messages, such as "model".
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
        """Return the current name for a former one, and any other name unchanged."""
        return self._aliases.get(name, name)

    def find(self, name: str) -> EntryType:
        """Return an entry by name.

        Raises:
            UsageError: If there is no such name; the message contains the closest ones.
        """
        name = self.canonical(name)
        if name not in self._entries:
            raise UsageError(
                f"No {self.kind} is called {name!r}. Known: {closest_match(name, self._entries)}."
            )
        return self._entries[name]


def closest_match(name: str, known: Iterable[str]) -> str:
    """Return the known names closest to `name`, or all of them if none is close."""
    known = sorted(known)
    return ", ".join(difflib.get_close_matches(name, known, n=3) or known)
