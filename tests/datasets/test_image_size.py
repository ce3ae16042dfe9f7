"""The size in the header of a file is that of the decoded image."""

import cv2
import numpy as np
import pytest

from lowlight_tf.checks import UsageError
from lowlight_tf.datasets.image_size import image_size
from lowlight_tf.imaging import image_io
from lowlight_tf.imaging.formats import headers

WEBP = {"lossy": [cv2.IMWRITE_WEBP_QUALITY, 50], "lossless": [cv2.IMWRITE_WEBP_QUALITY, 101]}
FORMATS = [("png", []), ("jpg", []), ("webp", WEBP["lossy"]), ("webp", WEBP["lossless"])]


@pytest.mark.parametrize(("suffix", "options"), FORMATS)
def test_the_first_bytes_are_enough(tmp_path, rng, suffix, options):
    path = tmp_path / f"a.{suffix}"
    cv2.imwrite(str(path), rng.integers(0, 255, (37, 300, 3), np.uint8), options)
    head = path.read_bytes()[: headers.HEAD_BYTES]
    assert headers._size(head) == image_size(path) == (37, 300)


@pytest.mark.parametrize("suffix", ["bmp", "tif"])
def test_other_formats_are_decoded(write_image, suffix):
    assert image_size(write_image(f"a.{suffix}")) == (12, 20)


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp"])
def test_the_size_is_that_of_the_upright_image(tmp_path, suffix):
    Image = pytest.importorskip("PIL.Image")
    path = tmp_path / f"a.{suffix}"
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (20, 12)).save(path, exif=exif)
    assert image_size(path) == image_io.load_image(path).pixels.shape[:2] == (20, 12)


def test_a_file_that_is_no_image_is_refused(tmp_path):
    (tmp_path / "a.png").write_bytes(b"")
    for name in ("a.png", "missing.png"):
        with pytest.raises(UsageError, match=name):
            image_size(tmp_path / name)


def test_the_size_of_real_files_is_that_of_their_pixels(shared):
    for folder in ("lol_v1/our485/low", "lol_v1/our485/high", "unpaired"):
        path = image_io.find_images(shared / folder)[0]
        assert image_size(path) == image_io.load_image(path).pixels.shape[:2]
