"""The header of a file has the size that decoding gives."""

import cv2
import numpy as np
import pytest

from lowlight_tf.checks import UsageError
from lowlight_tf.datasets import image_size
from lowlight_tf.imaging import image_io

WEBP = {"lossy": [cv2.IMWRITE_WEBP_QUALITY, 50], "lossless": [cv2.IMWRITE_WEBP_QUALITY, 101]}
KINDS = [("png", []), ("jpg", []), ("webp", WEBP["lossy"]), ("webp", WEBP["lossless"])]


@pytest.mark.parametrize(("suffix", "options"), KINDS)
def test_the_head_is_enough(tmp_path, rng, suffix, options):
    path = tmp_path / f"a.{suffix}"
    cv2.imwrite(str(path), rng.integers(0, 255, (37, 300, 3), np.uint8), options)
    head = path.read_bytes()[: image_size.HEAD_BYTES]
    assert image_size._from_head(head) == image_size.image_size(path) == (37, 300)


@pytest.mark.parametrize("suffix", ["bmp", "tif"])
def test_other_formats_are_decoded(write_image, suffix):
    assert image_size.image_size(write_image(f"a.{suffix}")) == (12, 20)


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp"])
def test_a_picture_on_its_side_is_measured_upright(tmp_path, suffix):
    Image = pytest.importorskip("PIL.Image")
    path = tmp_path / f"a.{suffix}"
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (20, 12)).save(path, exif=exif)
    assert image_size.image_size(path) == image_io.load_image(path).pixels.shape[:2] == (20, 12)


def test_what_is_no_picture_is_refused(tmp_path):
    (tmp_path / "a.png").write_bytes(b"")
    for name in ("a.png", "missing.png"):
        with pytest.raises(UsageError, match=name):
            image_size.image_size(tmp_path / name)


def test_real_pictures_have_the_size_of_their_pixels(shared):
    for folder in ("lol_v1/our485/low", "lol_v1/our485/high", "unpaired"):
        path = image_io.find_images(shared / folder)[0]
        assert image_size.image_size(path) == image_io.load_image(path).pixels.shape[:2]
