"""RAW samples keep the color filter pattern when they are flipped and transposed."""

import numpy as np
import pytest

from lowlight_tf.checks import UsageError
from lowlight_tf.config import Recipe
from lowlight_tf.contract import RAW_TO_RGB
from lowlight_tf.datasets.exposure_pairs import sid_folder
from lowlight_tf.imaging.formats import dng
from lowlight_tf.imaging.raw import cfa
from lowlight_tf.pipeline.raw import flip_cfa, raw_dataset, transpose_cfa

RECIPE = Recipe(model="attention_unet").replace(["pipeline.crop_size=8", "pipeline.batch_size=2"])


@pytest.fixture
def scene(rng):
    """The packed mosaic of an image, and the image."""
    image = rng.random((8, 12, 3), dtype=np.float32)
    return cfa.pack(cfa.mosaic(image, "RGGB"), "RGGB"), image


@pytest.mark.parametrize("axis", [0, 1])
def test_a_flipped_mosaic_is_the_mosaic_of_the_flipped_image(scene, axis):
    packed, image = flip_cfa(*scene, axis)
    np.testing.assert_array_equal(packed, cfa.pack(cfa.mosaic(image, "RGGB"), "RGGB"))
    original = np.flip(scene[1], axis)
    np.testing.assert_array_equal(image, original[1:-1] if axis == 0 else original[:, 1:-1])


def test_a_transposed_mosaic_is_the_mosaic_of_the_transposed_image(scene):
    packed, image = transpose_cfa(*scene)
    np.testing.assert_array_equal(packed, cfa.pack(cfa.mosaic(image, "RGGB"), "RGGB"))
    np.testing.assert_array_equal(image, scene[1].swapaxes(0, 1))


@pytest.fixture
def write_exposures(tmp_path):
    """Return a function that writes uniform short and long exposures, and returns the pairs."""
    pytest.importorskip("rawpy", reason="rawpy is not installed ([raw] extra)")

    def write(*scenes, pattern="RGGB"):
        for folder, value, seconds in (("short", 530, "0.1"), ("long", 2312, "10")):
            (tmp_path / folder).mkdir()
            for scene in scenes:
                path = tmp_path / folder / f"{scene}_00_{seconds}s.dng"
                raw_values = np.full((48, 60), value, np.uint16)
                dng.write(path, raw_values, pattern, bit_depth=14, black_level=(512,))
        return sid_folder(tmp_path)[0]

    return write


def test_pairs_that_cannot_be_decoded_are_reported_and_skipped(write_exposures, tmp_path, capsys):
    pairs = write_exposures("00001", "00002")
    damaged = pairs[0].inputs["raw"]
    damaged.write_bytes(damaged.read_bytes()[:4000])
    dataset = raw_dataset(pairs, RECIPE, RAW_TO_RGB, cache_dir=tmp_path / "decoded")
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("00001_00_0.1s is skipped: ")
    assert "truncated or damaged" in line
    for inputs, targets in dataset.take(3):
        assert inputs["raw"].shape == (2, 8, 8, 4)
        assert targets["target"].shape == (2, 16, 16, 3)
        np.testing.assert_allclose(inputs["raw"], 100 * 18 / (2**14 - 1 - 512), rtol=1e-5)


def test_another_kind_of_sensor_is_rejected_before_decoding(write_exposures, tmp_path):
    pairs = write_exposures("00001", pattern=cfa.XTRANS)
    with pytest.raises(UsageError, match=r"trains on Bayer.*Received: .*X-Trans \(9 channels\)"):
        raw_dataset(pairs, RECIPE, RAW_TO_RGB, cache_dir=tmp_path / "decoded")
    assert not (tmp_path / "decoded").exists()
