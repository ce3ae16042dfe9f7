"""Workers wait for each other before they begin, and say who is missing."""

import contextlib
import socket
import time
from collections.abc import Sequence

from lowlight_tf.checks import UsageError

TIMEOUT_S = 300.0
"""Seconds that they wait."""

RETRY_INTERVAL_S = 0.2  # seconds between two calls at a door that is still closed
HANDSHAKE_TIMEOUT_S = 2.0  # seconds in which a guest says who it is
HELLO = b"lowlight_tf worker "
BEGIN = b"begin"


def wait_for_workers(
    addresses: Sequence[str], index: int, *, patience: float | None = None
) -> None:
    """Return once all workers are there.

    The chief listens at its own address until every other has said who it is, tells them to begin
    and leaves the address free for what comes after.

    Args:
        addresses: HOST:PORT of all workers; the first is the chief's.
        index: The own place among them.
        patience: Seconds to wait; None waits for `PATIENCE`.

    Raises:
        UsageError: If somebody does not come in time; it says who.
    """
    end = time.monotonic() + (TIMEOUT_S if patience is None else patience)
    if index:
        _report(addresses[0], index, end)
    else:
        _await(addresses, end)


def _await(addresses: Sequence[str], end: float) -> None:
    port = _split(addresses[0])[1]
    there: dict[int, socket.socket] = {}
    with contextlib.ExitStack() as opened:
        try:
            door = opened.enter_context(socket.create_server(("", port)))
        except OSError as error:
            raise UsageError(
                f"The chief cannot listen at port {port}: {error.strerror}. Name another one in "
                "TF_CONFIG."
            ) from None
        while len(there) < len(addresses) - 1:
            door.settimeout(_left(end))
            try:
                guest = opened.enter_context(door.accept()[0])
            except TimeoutError:
                missing = [k for k in range(1, len(addresses)) if k not in there]
                names = ", ".join(f"{k} ({addresses[k]})" for k in missing)
                raise UsageError(f"These workers did not come in time: {names}.") from None
            guest.settimeout(HANDSHAKE_TIMEOUT_S)
            with contextlib.suppress(OSError):
                said = guest.recv(64)
                number = said.removeprefix(HELLO)
                if said.startswith(HELLO) and number.isdigit():
                    there[int(number)] = guest
        for guest in there.values():
            with contextlib.suppress(OSError):  # it is missed soon enough
                guest.sendall(BEGIN)


def _report(chief: str, index: int, end: float) -> None:
    while True:
        try:
            with socket.create_connection(_split(chief), timeout=_left(end)) as door:
                door.sendall(HELLO + str(index).encode())
                if door.recv(64) == BEGIN:
                    return
        except OSError:  # not there yet, or gone again
            pass
        if time.monotonic() + RETRY_INTERVAL_S >= end:
            raise UsageError(f"The chief ({chief}) did not begin in time.")
        time.sleep(RETRY_INTERVAL_S)


def _left(end: float) -> float:
    return max(end - time.monotonic(), 0.001)


def _split(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)
