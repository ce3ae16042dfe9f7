"""The page of `lowlight-tf demo`, served for as long as a test needs it."""

import contextlib
import threading

import pytest

from lowlight_tf.checks import UsageError
from lowlight_tf.demo import litertjs, server


def fetched():
    """Return the folder of LiteRT.js, fetched if need be; skip where that cannot be."""
    folder = litertjs.cache_dir()
    try:
        litertjs.download(folder)
    except UsageError as error:
        pytest.skip(f"LiteRT.js is not here: {error}")
    return folder


@contextlib.contextmanager
def served(parts, *, chosen="dashcam_net_nano"):
    """Serve the shipped nets, and LiteRT.js as `litertjs.content` gives it; yield the address."""
    with server.serve(server.list_demo_models(), parts, chosen=chosen) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{running.server_port}"
        finally:
            running.shutdown()
            thread.join()
