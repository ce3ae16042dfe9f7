"""BMP files are read, or refused where OpenCV decodes them wrongly."""

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


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA"])
def test_bmps_of_windows_are_read(tmp_path, scene, mode):
    image = Image.fromarray(scene).convert(mode)
    image.save(tmp_path / "x.bmp")
    expected = np.asarray(image.convert("RGB"))
    content = bytearray((tmp_path / "x.bmp").read_bytes())
    struct.pack_into("<I", content, 2, 9)  # a wrong file size, which decoders do not read
    (tmp_path / "x.bmp").write_bytes(content)
    loaded = image_io.load_image(tmp_path / "x.bmp")
    np.testing.assert_array_equal(loaded.pixels, expected)
    assert loaded.alpha is None  # in old headers the fourth byte means nothing


@pytest.mark.parametrize(
    ("place", "value", "reason"),
    [
        (14, 12, "is a BMP with a header of 12 bytes, which is not read"),  # OS/2
        (14, 52, "is a BMP with a header of 52 bytes, which is not read"),
        (28, 2, "is a BMP of 2 bits and compression 0, which is not read"),
        (30, 4, "is a BMP of 24 bits and compression 4, which is not read"),  # a JPEG inside
        (30, 3, "is a BMP of 24 bits and compression 3, which is not read"),  # strange masks
        (10, 50, "is damaged: a BMP whose palette overlaps its pixels"),
    ],
)
def test_bmps_that_are_decoded_wrongly_are_refused(tmp_path, scene, place, value, reason):
    image = Image.fromarray(scene)
    (image.convert("P") if place == 10 else image).save(tmp_path / "x.bmp")
    content = bytearray((tmp_path / "x.bmp").read_bytes())
    content[place] = value
    (tmp_path / "x.bmp").write_bytes(content)
    with pytest.raises(UsageError, match=reason):
        image_io.load_image(tmp_path / "x.bmp")


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (2, 1, 0, 3), (3, 2, 1, 0)])
@pytest.mark.parametrize("has_alpha", [False, True])
def test_bmps_of_32_bits_say_which_byte_is_which_channel(tmp_path, rng, order, has_alpha):
    pixels = rng.integers(0, 256, (5, 7, 4), dtype=np.uint8)  # red, green, blue, alpha
    stored = np.empty_like(pixels)
    stored[..., list(order)] = pixels
    masks = [0xFF << 8 * place for place in order]
    masks[3] *= has_alpha
    header = struct.pack("<IiiHHIIiiII4I", 108, 7, -5, 1, 32, 3, 0, 0, 0, 0, 0, *masks).ljust(
        108, b"\0"
    )
    content = struct.pack("<2sI4xI", b"BM", 14 + 108 + 140, 14 + 108) + header + stored.tobytes()
    (tmp_path / "x.bmp").write_bytes(content)
    image = image_io.load_image(tmp_path / "x.bmp")
    np.testing.assert_array_equal(image.pixels, pixels[..., :3])
    assert (image.alpha is not None) is has_alpha
    if has_alpha:
        np.testing.assert_array_equal(image.alpha, pixels[..., 3])
