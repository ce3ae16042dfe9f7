"""A progress bar on a terminal, and nothing at all in a file."""

import sys
import time
from types import TracebackType

WIDTH = 30


class ProgressBar:
    """How many of the items are done, drawn on stderr where that is a terminal.

    Args:
        total: Number of items.
    """

    def __init__(self, total: int) -> None:
        self._total = total
        self._shown = sys.stderr.isatty()
        self._begun = time.monotonic()

    def __enter__(self) -> "ProgressBar":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.clear()

    def show(self, done: float, name: str) -> None:
        """Draw the bar for so many items done, parts included, and the name of the present one."""
        if not self._shown:
            return
        share = min(done / self._total, 1)
        filled = int(share * WIDTH)
        passed = time.monotonic() - self._begun
        left = f" {passed / share - passed:.0f} s left" if share > 0 else ""
        bar = "#" * filled + "." * (WIDTH - filled)
        print(
            f"\r\x1b[K[{bar}] {int(done)}/{self._total}{left} {name[-40:]}", end="", file=sys.stderr
        )
        sys.stderr.flush()

    def clear(self) -> None:
        """Remove the bar, so that a line can be printed in its place."""
        if self._shown:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
