"""Samples of RAW pairs: every filter in its place however they are turned."""

import numpy as np
import pytest

from lowlight_tf.checks import UsageError
from lowlight_tf.config import Recipe
from lowlight_tf.contract import RAW_TO_RGB
from lowlight_tf.datasets.exposure_pairs import sid_folder
from lowlight_tf.imaging.formats import dng
from lowlight_tf.imaging.raw import cfa
from lowlight_tf.pipeline.raw import flip_cfa, raw_dataset, transpose_cfa

RECIPE = Recipe(model="attention_unet").replace(["pipeline.crop=8", "pipeline.batch=2"])


@pytest.fixture
def scene(rng):
    """A picture, and the packed mosaic that a sensor would see of it."""
    picture = rng.random((8, 12, 3), dtype=np.float32)
    return cfa.pack(cfa.mosaic(picture, "RGGB"), "RGGB"), picture


@pytest.mark.parametrize("axis", [0, 1])
def test_what_is_flipped_is_what_a_sensor_would_have_seen_of_the_flipped_picture(scene, axis):
    packed, picture = flip_cfa(*scene, axis)
    np.testing.assert_array_equal(packed, cfa.pack(cfa.mosaic(picture, "RGGB"), "RGGB"))
    original = np.flip(scene[1], axis)
    np.testing.assert_array_equal(picture, original[1:-1] if axis == 0 else original[:, 1:-1])


def test_what_is_transposed_is_what_a_sensor_would_have_seen_of_it(scene):
    packed, picture = transpose_cfa(*scene)
    np.testing.assert_array_equal(packed, cfa.pack(cfa.mosaic(picture, "RGGB"), "RGGB"))
    np.testing.assert_array_equal(picture, scene[1].swapaxes(0, 1))


@pytest.fixture
def exposures(tmp_path):
    """Write a short and a long exposure of some scenes, each of one gray; return the pairs."""
    pytest.importorskip("rawpy", reason="rawpy is not installed ([raw] extra)")

    def take(*scenes, phase="RGGB"):
        for side, light, seconds in (("short", 530, "0.1"), ("long", 2312, "10")):
            (tmp_path / side).mkdir()
            for scene in scenes:
                path = tmp_path / side / f"{scene}_00_{seconds}s.dng"
                digits = np.full((48, 60), light, np.uint16)
                dng.write(path, digits, phase, bits=14, black=(512,))
        return sid_folder(tmp_path)[0]

    return take


def test_a_pair_that_cannot_be_decoded_is_said_and_the_rest_is_learned_from(
    exposures, tmp_path, capsys
):
    pairs = exposures("00001", "00002")
    broken = pairs[0].inputs["raw"]
    broken.write_bytes(broken.read_bytes()[:4000])
    feed = raw_dataset(pairs, RECIPE, RAW_TO_RGB, cache_dir=tmp_path / "decoded")
    (said,) = capsys.readouterr().out.splitlines()
    assert said.startswith("00001_00_0.1s is left out: ")
    assert "truncated or damaged" in said
    for shown, wanted in feed.take(3):
        assert shown["raw"].shape == (2, 8, 8, 4)
        assert wanted["target"].shape == (2, 16, 16, 3)
        np.testing.assert_allclose(shown["raw"], 100 * 18 / (2**14 - 1 - 512), rtol=1e-5)


def test_another_kind_of_sensor_is_refused_before_anything_is_decoded(exposures, tmp_path):
    pairs = exposures("00001", phase=cfa.XTRANS)
    with pytest.raises(UsageError, match=r"learns from Bayer.*Received: .*X-Trans \(9 channels\)"):
        raw_dataset(pairs, RECIPE, RAW_TO_RGB, cache_dir=tmp_path / "decoded")
    assert not (tmp_path / "decoded").exists()
