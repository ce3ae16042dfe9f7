"""What every test may use. Python warnings are errors (pyproject.toml)."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("MPLBACKEND", "agg")

import numpy as np
import pytest


@pytest.fixture
def rng():
    """A random generator that begins the same in every test."""
    return np.random.default_rng(0)
