"""LibRaw develops packed light of every mosaic."""

import numpy as np
import pytest

from lowlight_tf.checks import UsageError
from lowlight_tf.classical.raw import libraw
from lowlight_tf.imaging.raw.raw_image import RawMetadata

pytest.importorskip("rawpy", reason="rawpy is not installed ([raw] extra)")


@pytest.mark.parametrize(("channels", "side"), [(4, 2), (9, 3)])
def test_gray_is_developed_by_the_formula(channels, side):
    red, blue = 2.0, 1.5
    metadata = RawMetadata(
        "RGGB", (64, 64), (0,) * channels, (1,) * channels, camera_wb=(red, 1.0, blue)
    )
    gains = {4: [red, 1, 1, blue], 9: [red, 1, blue, red, blue, 1, 1, 1, 1]}[channels]
    packed = np.float32(0.02 / np.array(gains)) * np.ones((20, 24, 1), np.float32)
    image = libraw(packed, metadata, ratio=10.0)
    assert image.shape == (20 * side, 24 * side, 3)
    expected = 1.055 * 0.2 ** (1 / 2.4) - 0.055
    np.testing.assert_allclose(image[8:-8, 8:-8], expected, atol=2e-3)


def test_small_images_are_developed_too():
    metadata = RawMetadata("RGGB", (20, 40), (0,) * 4, (1,) * 4)
    packed = np.full((3, 20, 4), 0.2, np.float32)
    image = libraw(packed, metadata)
    assert image.shape == (6, 40, 3)
    np.testing.assert_allclose(image, 1.055 * 0.2 ** (1 / 2.4) - 0.055, atol=2e-3)


def test_a_ratio_of_zero_is_refused():
    with pytest.raises(UsageError, match="`ratio` must be a positive number"):
        libraw(
            np.zeros((20, 20, 4), np.float32),
            RawMetadata("RGGB", (40, 40), (0,) * 4, (1,) * 4),
            ratio=0,
        )
