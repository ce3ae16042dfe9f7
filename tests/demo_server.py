"""The server of `lowlight-tf demo`, running while a test needs it."""

import contextlib
import threading

import pytest

from lowlight_tf.checks import UsageError
from lowlight_tf.demo import litertjs, server


def download_litertjs():
    """Return the folder of LiteRT.js, downloaded if need be; skip the test if that fails."""
    folder = litertjs.cache_dir()
    try:
        litertjs.download(folder)
    except UsageError as error:
        pytest.skip(f"LiteRT.js cannot be downloaded: {error}")
    return folder


@contextlib.contextmanager
def serve_demo(litertjs_files, *, selected="dashcam_net_nano", paths=()):
    """Serve the page with the shipped models; yield its address.

    Args:
        litertjs_files: As `litertjs.read_served_files` returns.
        selected: Name of the model that is selected first.
        paths: Further .tflite files to serve.
    """
    models = [*server.list_demo_models(), *map(server.DemoModel.load, paths)]
    with server.create_server(models, litertjs_files, selected=selected) as http_server:
        thread = threading.Thread(target=http_server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{http_server.server_port}"
        finally:
            http_server.shutdown()
            thread.join()
