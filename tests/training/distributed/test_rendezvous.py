"""Workers start together, or report which of them are missing."""

import socket
import threading

import pytest

from lowlight_tf.checks import UsageError
from lowlight_tf.training.distributed.rendezvous import wait_for_workers


@pytest.fixture
def addresses():
    """Three addresses of this machine that no process listens at."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    return [f"127.0.0.1:{port}", "127.0.0.1:2", "127.0.0.1:3"]


def start(work, *args):
    thread = threading.Thread(target=work, args=args)
    thread.start()
    return thread


def test_all_start_once_the_last_one_has_connected(addresses):
    done = []

    def worker(index):
        wait_for_workers(addresses, index, timeout_s=20)
        done.append(index)

    first, chief = start(worker, 1), start(worker, 0)
    first.join(0.5)
    assert not done
    last = start(worker, 2)
    for thread in (first, chief, last):
        thread.join()
    assert sorted(done) == [0, 1, 2]
    with socket.create_server(("", int(addresses[0].split(":")[1]))):
        pass  # the chief's address is free again


def test_the_chief_names_the_missing_workers(addresses):
    def worker():
        with pytest.raises(UsageError, match=r"The chief \(127\.0\.0\.1:\d+\) did not start"):
            wait_for_workers(addresses, 1, timeout_s=1)

    thread = start(worker)
    with pytest.raises(UsageError, match=r"did not connect in time: 2 \(127\.0\.0\.1:3\)\.$"):
        wait_for_workers(addresses, 0, timeout_s=1)
    thread.join()


def test_a_worker_does_not_wait_forever(addresses):
    with pytest.raises(UsageError, match="did not start in time"):
        wait_for_workers(addresses, 1, timeout_s=0.3)


def test_another_client_is_not_taken_for_a_worker(addresses):
    def send_http():
        while True:
            try:
                with socket.create_connection(("127.0.0.1", int(addresses[0].split(":")[1]))) as s:
                    s.sendall(b"GET / HTTP/1.1\r\n\r\n")
                    return
            except OSError:
                pass

    client = start(send_http)
    with pytest.raises(UsageError, match=r"in time: 1 \(.*, 2 \("):
        wait_for_workers(addresses, 0, timeout_s=1)
    client.join()


def test_a_port_in_use_is_reported():
    with socket.create_server(("", 0)) as busy:
        port = busy.getsockname()[1]
        with pytest.raises(UsageError, match=f"cannot listen at port {port}"):
            wait_for_workers([f"127.0.0.1:{port}", "127.0.0.1:2"], 0)
