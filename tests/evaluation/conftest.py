"""Pairs of flat pictures, whose numbers can be worked out by hand."""

import numpy as np
import pytest

from lowlight_tf.datasets.pairing import Pair
from lowlight_tf.imaging import files


@pytest.fixture
def pair_of(tmp_path):
    """Return what writes a pair of flat pictures of two levels."""

    def pair(name, low, target, *, size=(12, 15), target_size=None, dtype=np.uint8):
        paths = {}
        sizes = {"low": size, "high": target_size or size}
        for side, level in (("low", low), ("high", target)):
            paths[side] = tmp_path / side / f"{name}.png"
            paths[side].parent.mkdir(exist_ok=True)
            files.save(paths[side], files.Picture(np.full((*sizes[side], 3), level, dtype)))
        return Pair(name, {"low": paths["low"]}, paths["high"])

    return pair
