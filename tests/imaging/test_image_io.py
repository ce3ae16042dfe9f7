"""Image files are read and written with their metadata, and broken ones are refused."""

import os
import struct
import subprocess
import sys

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms
from PIL.TiffImagePlugin import IFDRational

from lowlight_tf.checks import UsageError
from lowlight_tf.imaging import image_io
from lowlight_tf.imaging.image_io import LoadedImage

PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
WITH_METADATA = ["jpg", "png", "webp", "tif"]


@pytest.fixture
def scene(rng):
    """Return a smooth (20, 30, 3) uint8 image with a bright upper left corner."""
    small = rng.integers(0, 120, (4, 6, 3), dtype=np.uint8)
    small[0, 0] = 250, 200, 40
    return cv2.resize(small, (30, 20))


def save_with_exif(path, pixels, orientation):
    """Write an image as a camera does: stored pixels, and their orientation in EXIF."""
    exif = Image.Exif()
    exif[274], exif[271], exif[306] = orientation, "Maker", "2020:01:02 03:04:05"
    exif.get_ifd(34665)[33434] = IFDRational(1, 50)  # exposure time
    lossless = {"quality": 100, "subsampling": 0} if path.suffix == ".jpg" else {"lossless": True}
    image = Image.fromarray(pixels)
    image.save(path, exif=exif, icc_profile=PROFILE, **(lossless if path.suffix != ".tif" else {}))


def load_upright_with_pillow(path):
    """Return the upright pixels as Pillow reads the file."""
    with Image.open(path) as image:
        image.load()  # rotates TIFF by itself
        transpose = {2: 0, 3: 3, 4: 1, 5: 5, 6: 4, 7: 6, 8: 2}.get(image.getexif().get(274, 1))
        return np.asarray(image if transpose is None else image.transpose(transpose))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", WITH_METADATA)
def test_every_orientation_is_read_upright_and_written_without_rotation(
    tmp_path, scene, suffix, orientation
):
    source, result = tmp_path / f"in.{suffix}", tmp_path / f"out.{suffix}"
    save_with_exif(source, scene, orientation)
    expected = load_upright_with_pillow(source)
    image = image_io.load_image(source)
    np.testing.assert_allclose(image.pixels, expected, atol=2)
    image_io.save_image(result, image)
    np.testing.assert_allclose(
        load_upright_with_pillow(result), expected, atol=12 if suffix == "jpg" else 0
    )


@pytest.mark.parametrize("suffix", WITH_METADATA)
def test_the_icc_profile_and_exif_are_kept(tmp_path, scene, suffix):
    source, result = tmp_path / f"in.{suffix}", tmp_path / f"out.{suffix}"
    save_with_exif(source, scene, 6)
    image_io.save_image(result, image_io.load_image(source))
    with Image.open(result) as image:
        assert image.info["icc_profile"] == PROFILE
        exif = image.getexif()
        assert exif[271] == "Maker"
        assert exif.get(274, 1) == 1
        if suffix != "tif":  # into which Pillow writes no EXIF directory
            assert exif.get_ifd(34665)[33434] == pytest.approx(0.02)


def test_metadata_are_converted_between_formats(tmp_path, scene):
    save_with_exif(tmp_path / "1.jpg", scene, 3)
    for source, result in (("1.jpg", "2.tif"), ("2.tif", "3.webp"), ("3.webp", "4.png")):
        image_io.save_image(tmp_path / result, image_io.load_image(tmp_path / source))
        with Image.open(tmp_path / result) as image:
            assert image.info["icc_profile"] == PROFILE
            assert image.getexif()[271] == "Maker"
            assert image.getexif().get_ifd(34665)[33434] == pytest.approx(0.02)


def test_the_exif_thumbnail_is_dropped(tmp_path, scene):
    orientation = struct.pack(">HHIHH", 274, 3, 1, 6, 0)
    exif = b"MM\0*" + struct.pack(">IH", 8, 1) + orientation + struct.pack(">IHI", 26, 0, 0)
    Image.fromarray(scene).save(tmp_path / "in.jpg", exif=b"Exif\0\0" + exif)
    assert image_io.load_image(tmp_path / "in.jpg").exif == (
        exif[:10] + struct.pack(">HHIHH", 274, 3, 1, 1, 0) + bytes(4) + exif[26:]
    )


def test_damaged_exif_is_dropped_and_the_image_read(tmp_path, scene):
    Image.fromarray(scene).save(tmp_path / "in.jpg", exif=b"Exif\0\0MM\0*\0\0\0\x08\0\xff")
    image = image_io.load_image(tmp_path / "in.jpg")
    assert image.pixels.shape == scene.shape
    assert image.exif is None


@pytest.mark.parametrize("suffix", ["png", "tif"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_pixels_of_every_type_survive_a_round_trip(tmp_path, rng, suffix, dtype, channels):
    source, result = tmp_path / f"in.{suffix}", tmp_path / f"out.{suffix}"
    shape = (20, 30, channels)[: 2 if channels == 1 else 3]
    pixels = rng.integers(0, np.iinfo(dtype).max, shape, dtype=dtype)
    cv2.imwrite(str(source), pixels)
    image = image_io.load_image(source)
    assert image.gray is (channels == 1)
    assert (image.alpha is not None) is (channels == 4)
    before = image.pixels.copy()
    image_io.save_image(result, image)
    np.testing.assert_array_equal(image.pixels, before)
    if suffix == "tif" and channels == 4 and dtype == np.uint8:
        # OpenCV multiplies straight alpha into the colors of such files.
        with Image.open(result) as back:
            pixels_back = cv2.cvtColor(np.asarray(back), cv2.COLOR_RGBA2BGRA)
    else:
        pixels_back = cv2.imread(str(result), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(pixels_back, pixels)


def test_channels_are_in_rgb_order(tmp_path):
    Image.new("RGB", (4, 4), (255, 10, 20)).save(tmp_path / "red.png")
    np.testing.assert_array_equal(
        image_io.load_image(tmp_path / "red.png").pixels[0, 0], [255, 10, 20]
    )


def test_gray_with_alpha_stays_gray(tmp_path):
    Image.new("LA", (4, 4), (90, 40)).save(tmp_path / "in.png")
    image = image_io.load_image(tmp_path / "in.png")
    assert image.gray
    tinted = LoadedImage(image.pixels + np.uint8([30, 0, 0]), image.alpha, image.gray)
    image_io.save_image(tmp_path / "out.png", tinted)
    b, g, r, alpha = cv2.imread(str(tmp_path / "out.png"), cv2.IMREAD_UNCHANGED)[0, 0]
    assert b == g == r > 90
    assert alpha == 40


def test_webp_is_lossless_with_alpha(tmp_path, scene):
    alpha = np.full(scene.shape[:2], 77, np.uint8)
    image_io.save_image(tmp_path / "a.webp", LoadedImage(scene, alpha))
    back = image_io.load_image(tmp_path / "a.webp")
    np.testing.assert_array_equal(back.pixels, scene)
    np.testing.assert_array_equal(back.alpha, alpha)


def test_a_palette_is_read_as_rgb(tmp_path, scene):
    Image.fromarray(scene).convert("P").save(tmp_path / "p.png")
    with Image.open(tmp_path / "p.png") as image:
        expected = np.asarray(image.convert("RGB"))
    np.testing.assert_array_equal(image_io.load_image(tmp_path / "p.png").pixels, expected)


@pytest.mark.parametrize("fraction", [0.05, 0.3, 0.9, 0.98])
@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif", "bmp"])
def test_a_truncated_file_is_refused(tmp_path, rng, suffix, fraction):
    path = tmp_path / f"cut.{suffix}"
    Image.fromarray(rng.integers(0, 255, (64, 64, 3), dtype=np.uint8)).save(path)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * fraction)])
    with pytest.raises(UsageError, match=r"truncated|damaged"):
        image_io.load_image(path)


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"", "is empty"), (b"hello, this is text", "is not a JPEG")],
)
def test_a_file_that_is_no_image_is_refused(tmp_path, content, reason):
    (tmp_path / "x.png").write_bytes(content)
    with pytest.raises(UsageError, match=reason):
        image_io.load_image(tmp_path / "x.png")


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(UsageError, match="No such file"):
        image_io.load_image(tmp_path / "none.png")


def test_types_other_than_8_and_16_bit_are_refused(tmp_path):
    cv2.imwrite(str(tmp_path / "f.tif"), np.zeros((4, 4, 3), np.float32))
    with pytest.raises(UsageError, match="holds floats of 32 bits"):
        image_io.load_image(tmp_path / "f.tif")


def test_cmyk_tiff_is_refused(tmp_path, scene):
    Image.fromarray(scene).convert("CMYK").save(tmp_path / "c.tif")
    with pytest.raises(UsageError, match="CMYK"):
        image_io.load_image(tmp_path / "c.tif")


def test_an_existing_file_is_kept_unless_overwrite_is_passed(tmp_path, scene):
    path = tmp_path / "there.png"
    path.write_bytes(b"precious")
    with pytest.raises(UsageError, match="exists"):
        image_io.save_image(path, LoadedImage(scene))
    assert path.read_bytes() == b"precious"
    image_io.save_image(path, LoadedImage(scene), overwrite=True)
    np.testing.assert_array_equal(image_io.load_image(path).pixels, scene)


@pytest.mark.parametrize(
    ("name", "image", "reason"),
    [
        ("a.jpg", LoadedImage(np.zeros((4, 4, 3), np.uint16)), "16 bits"),
        ("a.jpg", LoadedImage(np.zeros((4, 4, 3), np.uint8), np.zeros((4, 4), np.uint8)), "alpha"),
        ("a.gif", LoadedImage(np.zeros((4, 4, 3), np.uint8)), "must end in"),
        ("a.webp", LoadedImage(np.zeros((4, 16400, 3), np.uint8)), "cannot be written"),
    ],
)
def test_an_unsupported_format_leaves_no_file(tmp_path, name, image, reason):
    with pytest.raises(UsageError, match=reason):
        image_io.save_image(tmp_path / name, image)
    assert list(tmp_path.iterdir()) == []


def test_float_images_are_written_with_8_bits_and_read_back(tmp_path, rng):
    image = rng.uniform(-0.1, 1.1, (6, 8, 3)).astype(np.float32)
    image_io.write_float_rgb(tmp_path / "a.png", image)
    image_io.write_float_rgb(tmp_path / "a.png", image)
    back = image_io.read_float_rgb(tmp_path / "a.png")
    assert back.dtype == np.float32
    np.testing.assert_allclose(back, image.clip(0, 1), atol=0.5 / 255 + 1e-6)


def test_16_bit_images_are_read_at_full_depth(tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), np.full((2, 2, 3), 12345, np.uint16))
    np.testing.assert_allclose(
        image_io.read_float_rgb(tmp_path / "a.png"), 12345 / 65535, rtol=1e-6
    )


def test_find_images_lists_images_only(tmp_path):
    for name in ("b.png", "a.JPG", "notes.txt", ".hidden.png", "sub/c.webp"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    assert image_io.find_images(tmp_path) == [
        tmp_path / n for n in ("a.JPG", "b.png", "sub/c.webp")
    ]
    assert image_io.find_images(tmp_path, recursive=False) == [
        tmp_path / n for n in ("a.JPG", "b.png")
    ]


def test_a_broken_file_prints_nothing(tmp_path):
    code = (
        "import sys; from pathlib import Path; from lowlight_tf.imaging import image_io\n"
        "for path in Path(sys.argv[1]).iterdir():\n"
        "  try: image_io.load_image(path); sys.exit(f'{path} was read')\n"
        "  except ValueError: pass\n"
    )
    for suffix in ("jpg", "png", "webp", "tif"):
        path = tmp_path / f"x.{suffix}"
        Image.new("RGB", (40, 40), (90, 3, 7)).save(path)
        path.write_bytes(path.read_bytes()[:-30])
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, env=os.environ
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, b"")


@pytest.mark.slow
@pytest.mark.parametrize("suffix", ["jpg", "png", "tif"])
def test_a_large_image_is_held_in_memory_once(tmp_path, suffix):
    path = tmp_path / f"large.{suffix}"
    pixels = np.zeros((4000, 6000, 3), np.uint8)
    cv2.imwrite(str(path), pixels)
    code = (
        "import resource, sys; from pathlib import Path; from lowlight_tf.imaging import image_io\n"
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "path = Path(sys.argv[1]); before = peak(); image = image_io.load_image(path)\n"
        "image_io.save_image(path, image, overwrite=True); print(peak() - before)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True)
    assert int(done.stdout) * 1024 < 1.5 * pixels.nbytes, done.stderr


def test_a_gray_icc_profile_is_written_for_gray_images_only(tmp_path):
    gray = PROFILE[:16] + b"GRAY" + PROFILE[20:]
    pixels = np.full((8, 8, 3), 90, np.uint8)
    image_io.save_image(tmp_path / "gray.jpg", LoadedImage(pixels, gray=True, icc=gray))
    assert image_io.load_image(tmp_path / "gray.jpg").icc == gray
    image_io.save_image(tmp_path / "color.jpg", LoadedImage(pixels, icc=gray))
    assert image_io.load_image(tmp_path / "color.jpg").icc is None


@pytest.mark.skipif(sys.platform == "darwin", reason="the file system keeps UTF-8 names only")
@pytest.mark.parametrize("suffix", ["png", "jpg", "tif", "bmp", "webp"])
def test_a_name_that_is_not_utf8_is_read_and_written(scene, tmp_path, suffix):
    path = tmp_path / os.fsdecode(b"caf\xe9." + suffix.encode())
    image_io.save_image(path, scene)
    plain = tmp_path / f"plain.{suffix}"
    image_io.save_image(plain, scene)
    np.testing.assert_array_equal(
        image_io.load_image(path).pixels, image_io.load_image(plain).pixels
    )


def test_nothing_is_returned_that_the_decoder_did_not_write(scene, tmp_path, monkeypatch):
    """OpenCV returns the array that it was given as it is if it cannot read a file's header."""
    image_io.save_image(tmp_path / "scene.png", scene)
    monkeypatch.setattr(cv2, "imread", lambda path, *args: args[0] if len(args) == 2 else None)
    with pytest.raises(UsageError, match="cannot be decoded"):
        image_io.load_image(tmp_path / "scene.png")


@pytest.mark.parametrize(("value", "name"), [(50000, "ZSTD"), (60000, "method 60000")])
def test_the_compression_of_a_tiff_that_is_not_read_is_named(scene, tmp_path, value, name):
    """OpenCV returns black for some of them."""
    path = tmp_path / "compressed.tif"
    Image.fromarray(scene).save(path)
    content = bytearray(path.read_bytes())
    entry = content.index(struct.pack("<HHI", 259, 3, 1))
    content[entry + 8 : entry + 10] = struct.pack("<H", value)
    path.write_bytes(content)
    with pytest.raises(UsageError, match=f"compressed by {name}, which is not read"):
        image_io.load_image(path)


@pytest.mark.parametrize(
    ("sample_format", "reason"), [(2, "signed integers"), (3, "floats"), (6, "complex floats")]
)
def test_tiff_samples_that_are_not_read_are_named(scene, tmp_path, sample_format, reason):
    path = tmp_path / "samples.tif"
    Image.fromarray(scene).save(path, tiffinfo={339: (sample_format,) * 3})
    with pytest.raises(UsageError, match=f"holds {reason} of 8 bits"):
        image_io.load_image(path)


@pytest.fixture
def tiff_with_exif(scene, tmp_path):
    """Write a TIFF with EXIF; return its path, its bytes and the place of its EXIF pointer."""
    save_with_exif(tmp_path / "source.jpg", scene, 1)
    path = tmp_path / "exif.tif"
    image_io.save_image(path, image_io.load_image(tmp_path / "source.jpg"))
    content = bytearray(path.read_bytes())
    return path, content, content.rindex(struct.pack("<HHI", 34665, 4, 1))


def test_a_tiff_whose_exif_pointer_has_type_13_keeps_its_exif(tiff_with_exif, tmp_path):
    """FLIR's cameras write pointers to directories as type 13 instead of 4."""
    path, content, entry = tiff_with_exif
    struct.pack_into("<H", content, entry + 2, 13)
    path.write_bytes(content)
    image_io.save_image(tmp_path / "copy.png", image_io.load_image(path))
    with Image.open(tmp_path / "copy.png") as image:
        exif = image.getexif()
    assert exif[271] == "Maker"
    assert exif.get_ifd(34665)[33434] == IFDRational(1, 50)


def test_exif_whose_directories_point_at_themselves_is_dropped(tiff_with_exif, scene):
    path, content, entry = tiff_with_exif
    (first,) = struct.unpack_from("<I", content, 4)
    struct.pack_into("<I", content, entry + 8, first)
    path.write_bytes(content)
    loaded = image_io.load_image(path)
    assert loaded.exif is None
    assert loaded.pixels.shape == scene.shape


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (b"\0\0\0\x18ftypheic\0\0\0\0", "a HEIC image"),
        (b"\0\0\0\x18ftypavif\0\0\0\0", "an AVIF image"),
        (b"GIF89a", "a GIF"),
        (b"\xff\x0a\0\0", "a JPEG XL image"),
        (b"P5\n4 4\n255\n", "a PGM image"),
        (b"8BPS\0\x01", "a Photoshop image"),
        (b"v/1\x01\x02\0\0\0", "an OpenEXR image"),
    ],
)
def test_formats_that_are_not_read_are_named(tmp_path, content, name):
    (tmp_path / "file.png").write_bytes(content)
    with pytest.raises(UsageError, match=f"is {name}, which is not read"):
        image_io.load_image(tmp_path / "file.png")


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("gray", [False, True])
def test_alpha_is_written_to_tiff_as_straight(tmp_path, scene, dtype, gray):
    pixels = scene.astype(dtype) if not gray else np.repeat(scene[..., :1], 3, 2).astype(dtype)
    image = LoadedImage(pixels, np.full(scene.shape[:2], 99, dtype), gray)
    image_io.save_image(tmp_path / "a.tif", image)
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        assert file.pages[0].extrasamples == (2,)
    back = image_io.load_image(tmp_path / "a.tif")
    np.testing.assert_array_equal(back.pixels, pixels)
    np.testing.assert_array_equal(back.alpha, image.alpha)
