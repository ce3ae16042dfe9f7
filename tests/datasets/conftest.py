"""Images to pair, and real ones where there are any."""

from pathlib import Path

import numpy as np
import pytest

from lowlight_tf.imaging import image_io
from tests.datasets.server import FileServer

SHARED = Path(__file__).parents[2].parent / "shared" / "data"


@pytest.fixture
def shared():
    """The folder of real images next to the repository."""
    if not (SHARED / "lol_v1").is_dir():
        pytest.skip("needs the real images of ../shared/data, which are not here")
    return SHARED


@pytest.fixture
def write_image(tmp_path, rng):
    """Return a function that writes a random image below the test's folder and returns its path."""

    def write(name, *, size=(12, 20), image=None):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        image_io.write_float_rgb(
            path, rng.random((*size, 3), dtype=np.float32) if image is None else image
        )
        return path

    return write


@pytest.fixture
def server(rng, monkeypatch):
    """A web server of one file of 100 kB."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with FileServer(rng.bytes(100_000)).run() as server:
        yield server
