"""RAW files of three colors in each pixel are no mosaics; their light is measured."""

import struct

import numpy as np
import pytest

from lowlight_tf.imaging.formats import dng
from lowlight_tf.imaging.raw import linear_raw, raw_image
from tests.imaging.raw.linear_dng import LINEAR_RAW, write_linear_dng

pytest.importorskip("rawpy", reason="rawpy is not installed ([raw] extra)")


@pytest.fixture
def path(tmp_path):
    """A gray image at a tenth of white, in a camera's colors before white balance."""
    pixels = np.empty((40, 60, 3), np.uint16)
    pixels[:] = np.float64([0.05, 0.1, 0.08]) * 65535
    return write_linear_dng(tmp_path / "linear.dng", pixels)


def test_their_light_is_white_balanced(path):
    light = linear_raw.sample_linear_light(path)
    assert light.shape == (40, 60, 3)
    np.testing.assert_allclose(light, 0.1, atol=1e-3)


def test_of_large_files_only_some_pixels_are_measured(path, monkeypatch):
    monkeypatch.setattr(linear_raw, "MAX_SAMPLES", 300)
    assert linear_raw.sample_linear_light(path).shape == (14, 20, 3)


def test_as_a_mosaic_they_are_refused_and_what_works_is_named(path):
    with pytest.raises(
        raw_image.NoMosaicError, match=r"3 colors in each pixel .*--model of images"
    ) as error:
        raw_image.read_raw(path)
    assert "\n" not in str(error.value)


def test_a_monochrome_sensor_has_no_mosaic_either(tmp_path):
    content = dng.encode(np.full((40, 60), 6553, np.uint16), "RGGB", black_level=(0,))
    kinds = (struct.pack("<HHIHH", 262, 3, 1, kind, 0) for kind in (dng.CFA, LINEAR_RAW))
    path = tmp_path / "gray.dng"
    path.write_bytes(content.replace(*kinds))
    with pytest.raises(raw_image.NoMosaicError, match="no color filters"):
        raw_image.read_raw(path)
    np.testing.assert_allclose(linear_raw.sample_linear_light(path), 0.1, atol=1e-3)
    developed = raw_image.develop_with_libraw(path)
    assert developed.shape == (40, 60, 3)
    assert np.ptp(developed) < 300
