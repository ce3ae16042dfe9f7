"""Notes of which files are being read, in memory that outlives a crash of a decoder.

A decoder in C may crash on a damaged file, and takes the process with it. `cli.crash_guard` runs a
command in a child process; here the child notes what it reads and what it has finished, so that the
next child goes on without the file that the last one crashed on.
"""

import contextlib
import mmap
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

from lowlight_tf.checks import UsageError

SLOTS, SLOT_BYTES = 64, 4200
"""How many files are noted at once, and the room for the path of each: PATH_MAX and two bytes."""

RECORD_BYTES = 2**26
"""Room for the records of finished work; pages that are not used take no memory."""

PARTIAL_FILE = "partial file"
"""Record of a file that is worthless if the process crashes, and then removed."""

PRINTED = "printed"
"""Record of a line that the user has read."""


class CrashNotes:
    """Memory that a process shares with its children: which files they read, what they finished."""

    def __init__(self) -> None:
        self._slots = mmap.mmap(-1, SLOTS * SLOT_BYTES)
        self._free = list(range(SLOTS))  # of this process: a child begins with a copy
        self._records = mmap.mmap(-1, RECORD_BYTES)
        self._record_lock = threading.Lock()
        self._crashed: dict[str, int] = {}
        self._one_at_a_time: threading.RLock | None = None
        self.restarted = False

    @contextlib.contextmanager
    def reading(self, path: str) -> Iterator[None]:
        """See the function of this name."""
        if path in self._crashed:
            reason = signal.strsignal(self._crashed[path])
            raise UsageError(
                f"{path} crashed its decoder ({reason}). Convert it with another program."
            )
        with self._one_at_a_time or contextlib.nullcontext():
            slot = self._free.pop() if self._free else None
            content = os.fsencode(path) + b"\0"
            if slot is None or len(content) >= SLOT_BYTES:
                yield
                return
            begin = slot * SLOT_BYTES
            self._slots[begin + 1 : begin + 1 + len(content)] = content
            self._slots[begin] = 1  # after the path: a slot in use is complete
            try:
                yield
            finally:
                self._slots[begin] = 0
                self._free.append(slot)

    def record(self, key: str, value: str) -> None:
        """See the function of this name."""
        content = os.fsencode(f"{value}={key}") + b"\0"
        with self._record_lock:
            if self._records.tell() + len(content) < RECORD_BYTES:
                self._records.write(content)

    def records(self) -> dict[str, str]:
        """See the function of this name."""
        content = self._records[: self._records.tell()]
        pairs = (os.fsdecode(each).partition("=") for each in content.split(b"\0")[:-1])
        return {key: value for value, _, key in pairs}

    def handle_crash(self, number: int) -> bool:
        """Leave out the file that a child was reading when a signal ended it.

        If it was reading several, the next one reads one at a time.

        Args:
            number: The signal.

        Returns:
            Whether another child can go on: False if no file was being read.
        """
        self._records.seek(self._records.find(b"\0\0") + 1 if self._records[0] else 0)
        for path, value in self.records().items():
            if value == PARTIAL_FILE:
                Path(path).unlink(missing_ok=True)
        begins = [slot * SLOT_BYTES for slot in range(SLOTS) if self._slots[slot * SLOT_BYTES]]
        for begin in begins:
            self._slots[begin] = 0
        ends = (self._slots.find(b"\0", begin + 1) for begin in begins)
        paths = [
            os.fsdecode(self._slots[begin + 1 : end])
            for begin, end in zip(begins, ends, strict=True)
        ]
        if len(paths) == 1 or self._one_at_a_time:
            self._crashed.update(dict.fromkeys(paths, number))
        else:
            self._one_at_a_time = threading.RLock()
        self.restarted = True
        return bool(paths)


_active: CrashNotes | None = None


def activate(notes: CrashNotes | None) -> None:
    """Let the functions of this module use notes; with None they do nothing."""
    global _active
    _active = notes


def reading(path: Path) -> contextlib.AbstractContextManager[None]:
    """Return a context in which a file is noted as being read.

    Entering it raises UsageError if an earlier process crashed on the file.
    """
    return _active.reading(str(path)) if _active else contextlib.nullcontext()


def record(key: Path | str, value: str) -> None:
    """Record what became of a file or a line, for a process that goes on after a crash."""
    if _active:
        _active.record(str(key), value)


def records() -> dict[str, str]:
    """Return key -> what was recorded last, by this process and those that crashed before it."""
    return _active.records() if _active else {}


def is_restarted() -> bool:
    """Return whether an earlier process of the same command crashed."""
    return _active is not None and _active.restarted
