"""What ends a command from outside: Ctrl-C, or a request to terminate."""

import contextlib
import signal
from collections.abc import Callable, Iterator
from typing import Any

STOP_SIGNALS = signal.SIGINT, signal.SIGTERM


@contextlib.contextmanager
def on_stop_signals(handler: Callable[..., Any]) -> Iterator[None]:
    """Let both call a handler, even where a shell ignores one. On the main thread only."""
    before = {stop: signal.signal(stop, handler) for stop in STOP_SIGNALS}
    try:
        yield
    finally:
        for stop, earlier in before.items():
            signal.signal(stop, earlier)
