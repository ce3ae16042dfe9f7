"""Console output: warnings on stderr, and a progress bar where that is a terminal."""

import io
import sys
from types import TracebackType

from lowlight_tf import crash_notes


def escape_unencodable() -> None:
    """Let stdout and stderr escape characters that the terminal's encoding does not have."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def warn(command: str, message: str) -> None:
    """Print one line on stderr, after the name of the verb; names of files may have line breaks."""
    print(f"lowlight-tf {command}: {message}".replace("\n", "\\n"), file=sys.stderr)


class Problems:
    """What is wrong with single files or pairs: printed once each, and then the status is 1.

    Args:
        command: The verb.
    """

    def __init__(self, command: str) -> None:
        self._command, self._lines = command, set[str]()
        self._printed = crash_notes.records()  # before a decoder crashed

    def __bool__(self) -> bool:
        """Return whether there are any."""
        return bool(self._lines)

    def report(self, line: str) -> None:
        """Print one on stderr."""
        if line not in self._lines:
            self._lines.add(line)
            if line not in self._printed:
                warn(self._command, line)
                crash_notes.record(line, crash_notes.PRINTED)


class ProgressBar:
    """How many of the items are done, drawn on stderr; silent where that is no terminal.

    Args:
        total: Number of items.
    """

    def __init__(self, total: int) -> None:
        self._bar = None
        if sys.stderr.isatty():
            from tqdm import tqdm  # here, for its import takes a tenth of enhancing one image

            self._bar = tqdm(
                total=total,
                leave=False,
                bar_format="{bar:30} {n:.0f}/{total_fmt} {remaining} left {postfix}",
            )

    def __enter__(self) -> "ProgressBar":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.close()

    def show(self, done: float, name: str) -> None:
        """Draw the bar for `done` items, fractions included, and the name of the current one."""
        if self._bar is not None:
            self._bar.n = min(done, self._bar.total)
            self._bar.set_postfix_str(str(name)[-40:])

    def clear(self) -> None:
        """Remove the bar, so that a line can be printed in its place."""
        if self._bar is not None:
            self._bar.clear()


class ByteProgress:
    """A download's progress: `progress(done, total)` in bytes, as `datasets.download.fetch` calls.

    Args:
        name: Of the file.
    """

    def __init__(self, name: str) -> None:
        from tqdm import tqdm

        self._bar = tqdm(desc=name, unit="B", unit_scale=True, disable=None)

    def __call__(self, done: int, total: int | None) -> None:
        """Draw `done` of `total` bytes."""
        self._bar.total = total
        self._bar.update(done - self._bar.n)
        if done == total:
            self._bar.close()
