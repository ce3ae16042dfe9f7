"""WebP files whose size field is wrong."""

import struct

import cv2
import numpy as np
import pytest
from PIL import Image

from lowlight_tf.checks import UsageError
from lowlight_tf.imaging import image_io


@pytest.fixture
def scene(rng):
    """Return a smooth (20, 30, 3) uint8 image."""
    return cv2.resize(rng.integers(0, 120, (4, 6, 3), dtype=np.uint8), (30, 20))


@pytest.mark.parametrize("metadata", [b"", b"<x:xmpmeta/>"])
@pytest.mark.parametrize("size", [0, 30, 2**20, 2**32 - 1])
def test_a_wrong_size_of_the_file_does_not_matter(tmp_path, scene, size, metadata):
    path = tmp_path / "x.webp"
    Image.fromarray(scene).save(path, lossless=True, xmp=metadata)
    content = path.read_bytes()
    path.write_bytes(content[:4] + struct.pack("<I", size) + content[8:])
    image = image_io.load_image(path)
    np.testing.assert_array_equal(image.pixels, scene)
    assert image.xmp == (metadata or None)


@pytest.mark.parametrize("missing", [2, 10])
def test_a_truncated_file_is_refused(tmp_path, scene, missing):
    path = tmp_path / "x.webp"
    Image.fromarray(scene).save(path, lossless=True)
    path.write_bytes(path.read_bytes()[:-missing])
    with pytest.raises(UsageError, match="truncated"):
        image_io.load_image(path)
