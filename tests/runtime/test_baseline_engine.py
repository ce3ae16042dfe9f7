"""A baseline is an engine like any other."""

import numpy as np
import pytest

from lowlight_tf.catalog import BASELINES
from lowlight_tf.checks import UsageError
from lowlight_tf.classical.tone import histogram_equalization
from lowlight_tf.runtime import input_geometry
from lowlight_tf.runtime.enhance import enhance
from lowlight_tf.runtime.loading import load_model

PACKED = [name for name in BASELINES if BASELINES.find(name).contract.is_raw]


@pytest.mark.parametrize("name", [name for name in BASELINES if name not in PACKED])
def test_a_batch_is_run_image_by_image_in_its_own_dtype(name, rng):
    engine = load_model(name)
    ports = [port.name for port in engine.contract.image_inputs]
    (wanted,) = engine.contract.outputs
    channels = engine.contract.image_inputs[0].channels
    batch = {port: rng.random((2, 12, 15, channels), dtype=np.float32) for port in ports}
    floats = engine(batch)[wanted.name]
    alone = engine({port: image[1:] for port, image in batch.items()})[wanted.name]
    assert (floats.shape, floats.dtype) == ((2, 12, 15, wanted.channels), np.float32)
    np.testing.assert_array_equal(alone, floats[1:])
    as_uint8 = {port: np.rint(image * 255).astype(np.uint8) for port, image in batch.items()}
    eight = engine(as_uint8)[wanted.name]
    assert eight.dtype == np.uint8
    assert abs(eight / 255 - floats).mean() < 0.01


def test_a_misspelled_name_is_refused_with_the_closest_match():
    with pytest.raises(UsageError, match="laplacian_pyramid"):
        load_model("laplacian")


def test_a_baseline_gets_the_full_image_where_other_engines_get_tiles(rng):
    sides = (1024, input_geometry.MAX_UNTILED_PIXELS // 1024 + 1)
    image = np.broadcast_to(rng.integers(0, 60, (1, sides[1], 3), dtype=np.uint8), (*sides, 3))
    image = np.ascontiguousarray(image)
    image[:, :500] //= 4  # a tile that is darker than the rest would be equalized differently
    expected = histogram_equalization(np.float32(image) / 255)
    found = enhance(load_model("histogram_equalization"), image)
    assert np.abs(found - expected * 255).max() < 0.51
