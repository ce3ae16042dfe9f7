"""Workers wait for each other before training starts, and report which of them are missing.

Why not TensorFlow's own cluster coordination. Tried with TensorFlow 2.21 on the loopback, some of
the workers of TF_CONFIG not started:

- `tf.distribute.MultiWorkerMirroredStrategy()` as it is: the process blocks inside the constructor
  (the registration timeout of its coordination service is an hour), and cannot be interrupted: it
  sits in C++, and SIGTERM is caught by TensorFlow.
- `context.configure_coordination_service(cluster_register_timeout_in_ms=20_000, ...)` before it
  (semi-private): a worker whose chief is missing stops after 25 s with "DeadlineExceededError:
  Deadline Exceeded", which names nobody. A chief whose workers are missing, and a worker next to
  it, still block when they are killed after 130 s; the missing workers are in an INFO line alone.
- No coordination service (`service_type=""`) and `CommunicationOptions(timeout_seconds=20)`: all
  block in the constructor too.

Hence this module: a bounded wait, and an error that names the missing workers.
"""

import contextlib
import socket
import time
from collections.abc import Sequence

from lowlight_tf.checks import UsageError

TIMEOUT_S = 300.0
"""How long workers wait for each other."""

RETRY_INTERVAL_S = 0.2
"""Time between two attempts of a worker to reach the chief."""

HANDSHAKE_TIMEOUT_S = 2.0
"""How long the chief waits for the message of a client that has connected."""

HELLO = b"lowlight_tf worker "
"""What a worker sends, followed by its index."""

START = b"begin"
"""What the chief answers once all workers have connected."""


def wait_for_workers(
    addresses: Sequence[str], index: int, *, timeout_s: float | None = None
) -> None:
    """Return once all workers are running.

    The chief listens at its own address until every other worker has connected, tells them to
    start, and closes the port, which TensorFlow listens at afterwards.

    Args:
        addresses: HOST:PORT of all workers; the first is the chief's.
        index: This worker's index among them.
        timeout_s: How long to wait (s); None for `TIMEOUT_S`.

    Raises:
        UsageError: If a worker does not connect in time; the message names it.
    """
    deadline = time.monotonic() + (TIMEOUT_S if timeout_s is None else timeout_s)
    if index:
        _connect_to_chief(addresses[0], index, deadline)
    else:
        _accept_workers(addresses, deadline)


def _accept_workers(addresses: Sequence[str], deadline: float) -> None:
    """Accept connections until every worker has sent its index, then tell all to start."""
    port = _split_address(addresses[0])[1]
    connections: dict[int, socket.socket] = {}
    with contextlib.ExitStack() as stack:
        try:
            server = stack.enter_context(socket.create_server(("", port)))
        except OSError as error:
            raise UsageError(
                f"The chief cannot listen at port {port}: {error.strerror}. Name another one in "
                "TF_CONFIG."
            ) from None
        while len(connections) < len(addresses) - 1:
            server.settimeout(_seconds_left(deadline))
            try:
                connection = stack.enter_context(server.accept()[0])
            except TimeoutError:
                missing = [k for k in range(1, len(addresses)) if k not in connections]
                names = ", ".join(f"{k} ({addresses[k]})" for k in missing)
                raise UsageError(f"These workers did not connect in time: {names}.") from None
            connection.settimeout(HANDSHAKE_TIMEOUT_S)
            with contextlib.suppress(OSError):
                message = connection.recv(64)
                number = message.removeprefix(HELLO)
                if message.startswith(HELLO) and number.isdigit():
                    connections[int(number)] = connection
        for connection in connections.values():
            with contextlib.suppress(OSError):  # a worker lost now is noticed at the first step
                connection.sendall(START)


def _connect_to_chief(chief: str, index: int, deadline: float) -> None:
    """Send this worker's index to the chief until it answers."""
    while True:
        try:
            with socket.create_connection(
                _split_address(chief), timeout=_seconds_left(deadline)
            ) as connection:
                connection.sendall(HELLO + str(index).encode())
                if connection.recv(64) == START:
                    return
        except OSError:  # the chief does not listen yet, or not any more
            pass
        if time.monotonic() + RETRY_INTERVAL_S >= deadline:
            raise UsageError(f"The chief ({chief}) did not start in time.")
        time.sleep(RETRY_INTERVAL_S)


def _seconds_left(deadline: float) -> float:
    return max(deadline - time.monotonic(), 0.001)


def _split_address(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)
