"""Simulated images of two cameras, and real ones where available."""

import functools
from pathlib import Path

import pytest

from tests.cameras import render_scene

SHARED = Path(__file__).parents[2].parent / "shared" / "data"


@pytest.fixture
def shared():
    """The folder of real images next to the repository."""
    if not (SHARED / "llvip").is_dir():
        pytest.skip("needs the real images of ../shared/data, which are not here")
    return SHARED


@pytest.fixture
def cameras(rng):
    """Return a function: size -> (visible (H, W, 3), infrared (H, W, 1)) of one scene."""
    return functools.partial(render_scene, rng=rng)
