"""Decoding and encoding without loss change nothing: every format, type, orientation and alpha."""

import itertools
import struct

import numpy as np
import pytest

from lowlight_tf.imaging import image_io
from lowlight_tf.imaging.image_io import LoadedImage
from tests.tiffs import encode_tiff

UPRIGHT = {
    1: lambda x: x,
    2: lambda x: x[:, ::-1],
    3: lambda x: x[::-1, ::-1],
    4: lambda x: x[::-1],
    5: lambda x: x.swapaxes(0, 1),
    6: lambda x: np.rot90(x, -1),
    7: lambda x: x[::-1, ::-1].swapaxes(0, 1),
    8: lambda x: np.rot90(x),
}
"""EXIF orientation -> what turns stored pixels upright."""

KINDS = [
    (suffix, dtype, alpha)
    for suffix in (".bmp", ".png", ".tif", ".tiff", ".webp")
    for dtype in (np.uint8, np.uint16)
    for alpha in (False, True)
    if dtype == np.uint8 or suffix in image_io.SUFFIXES_16BIT
    if not alpha or suffix in image_io.SUFFIXES_ALPHA
]


def draw(rng, size, dtype, *, gray, alpha):
    """Return a random image; where alpha is 0, there are colors, too."""
    top = np.iinfo(dtype).max
    pixels = rng.integers(0, top, (*size, 1 if gray else 3), dtype, endpoint=True)
    mask = rng.choice(np.array([0, 1, top // 2, top], dtype), size)
    pixels = np.ascontiguousarray(np.broadcast_to(pixels, (*size, 3)))
    return LoadedImage(pixels, mask if alpha else None, gray)


def check_equal(image, other):
    """Check that two images have equal pixels and alpha, of the same type."""
    assert image.pixels.dtype == other.pixels.dtype
    np.testing.assert_array_equal(image.pixels, other.pixels)
    assert (image.alpha is None) == (other.alpha is None)
    if image.alpha is not None:
        np.testing.assert_array_equal(image.alpha, other.alpha)


@pytest.mark.parametrize(("suffix", "dtype", "alpha"), KINDS)
@pytest.mark.parametrize("gray", [False, True])
@pytest.mark.parametrize("size", [(1, 1), (1, 9), (7, 1), (13, 22)])
def test_what_is_written_is_read(tmp_path, rng, suffix, dtype, alpha, gray, size):
    image = draw(rng, size, dtype, gray=gray, alpha=alpha)
    first, second = tmp_path / f"1{suffix}", tmp_path / f"2{suffix}"
    image_io.save_image(first, image)
    loaded = image_io.load_image(first)
    check_equal(loaded, image)
    image_io.save_image(second, loaded)
    assert second.read_bytes() == first.read_bytes()


@pytest.mark.parametrize(("suffix", "dtype", "alpha"), KINDS)
@pytest.mark.parametrize("orientation", UPRIGHT)
def test_every_orientation_is_turned_upright_once(tmp_path, rng, suffix, dtype, alpha, orientation):
    for gray in (False, True):
        stored = draw(rng, (13, 22), dtype, gray=gray, alpha=alpha)
        first, second = tmp_path / f"1{suffix}", tmp_path / f"2{suffix}"
        if suffix in (".tif", ".tiff"):
            samples = stored.pixels[..., :1] if gray else stored.pixels
            samples = np.dstack([samples, stored.alpha]) if alpha else samples
            options = {"extra": (2,) if alpha else (), "tags": [(274, [orientation])]}
            first.write_bytes(encode_tiff(samples, compression=8, predictor=2, **options))
        else:
            exif = b"MM\0*" + struct.pack(">IHHHIHHI", 8, 1, 274, 3, 1, orientation, 0, 0)
            held = None if suffix == ".bmp" else exif
            image_io.save_image(
                first, LoadedImage(stored.pixels, stored.alpha, gray, exif=held), overwrite=True
            )
        turn = UPRIGHT[orientation if suffix != ".bmp" else 1]
        expected = LoadedImage(turn(stored.pixels), turn(stored.alpha) if alpha else None)
        loaded = image_io.load_image(first)
        check_equal(loaded, expected)
        image_io.save_image(second, loaded, overwrite=True)
        check_equal(image_io.load_image(second), expected)


@pytest.mark.parametrize("gray", [False, True])
def test_chains_of_lossless_formats_change_nothing(tmp_path, rng, gray):
    for dtype, alpha in itertools.product((np.uint8, np.uint16), (False, True)):
        image = loaded = draw(rng, (13, 22), dtype, gray=gray, alpha=alpha)
        suffixes = [each for each, *kind in KINDS if kind == [dtype, alpha]]
        for index, suffix in enumerate([*suffixes, *suffixes[::-1]]):
            path = tmp_path / f"{index}{suffix}"
            image_io.save_image(path, loaded, overwrite=True)
            loaded = image_io.load_image(path)
        check_equal(loaded, image)
