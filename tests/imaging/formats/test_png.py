"""PNG files: transparent levels of gray, and checksums."""

import struct
import zlib

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


def test_a_png_with_a_changed_byte_is_refused(tmp_path, scene):
    path = tmp_path / "p.png"
    Image.fromarray(scene).save(path)
    changed = bytearray(path.read_bytes())
    changed[len(changed) // 2] ^= 1
    path.write_bytes(changed)
    with pytest.raises(UsageError, match="checksum of IDAT"):
        image_io.load_image(path)


@pytest.mark.parametrize("missing", [1, 8, 12])
def test_a_png_without_its_end_is_read(tmp_path, scene, missing):
    content = cv2.imencode(".png", scene)[1].tobytes()
    (tmp_path / "x.png").write_bytes(content[:-missing])
    pixels = image_io.load_image(tmp_path / "x.png").pixels
    np.testing.assert_array_equal(pixels, scene[..., ::-1])


def test_a_png_without_its_last_pixels_is_refused(tmp_path, rng):
    noise = rng.integers(0, 256, (100, 100, 3), dtype=np.uint8)
    content = cv2.imencode(".png", noise)[1].tobytes()
    last = content.rindex(b"IDAT") - 4
    assert content.count(b"IDAT") > 1
    for rest in (b"", content[-12:]):
        (tmp_path / "x.png").write_bytes(content[:last] + rest)
        with pytest.raises(UsageError, match="is truncated"):
            image_io.load_image(tmp_path / "x.png")


@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16])
def test_the_transparent_level_of_a_gray_png_becomes_alpha(tmp_path, rng, bits):
    """OpenCV drops it."""
    dtype = np.uint16 if bits == 16 else np.uint8
    levels = rng.integers(0, 2**bits, (9, 16), dtype=np.uint16)
    levels[0] = key = 2**bits // 2
    packed = (levels[..., None] >> np.arange(bits - 1, -1, -1) & 1).astype(np.uint8)
    rows = np.packbits(packed.reshape(9, -1), axis=1)
    scanlines = b"".join(b"\0" + row.tobytes() for row in rows)
    content = b"\x89PNG\r\n\x1a\n"
    for kind, body in (
        (b"IHDR", struct.pack(">IIBBBBB", 16, 9, bits, 0, 0, 0, 0)),
        (b"tRNS", struct.pack(">H", key)),
        (b"IDAT", zlib.compress(scanlines)),
        (b"IEND", b""),
    ):
        checksum = struct.pack(">I", zlib.crc32(kind + body))
        content += struct.pack(">I", len(body)) + kind + body + checksum
    (tmp_path / "x.png").write_bytes(content)
    image = image_io.load_image(tmp_path / "x.png")
    top = np.iinfo(dtype).max
    np.testing.assert_array_equal(image.pixels[..., 0], levels * (top / (2**bits - 1)))
    np.testing.assert_array_equal(image.alpha, np.where(levels == key, 0, top))
