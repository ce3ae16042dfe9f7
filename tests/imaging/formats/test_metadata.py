"""Metadata of image files are read, written and converted; what is lost is named."""

import struct
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image, IptcImagePlugin, PngImagePlugin, TiffImagePlugin

from lowlight_tf.imaging import image_io
from lowlight_tf.imaging.formats import jpeg, png
from lowlight_tf.imaging.image_io import LoadedImage
from tests.tiffs import encode_tiff, join_pages

XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="6" '
    b'GPano:ProjectionType="equirectangular"/><tiff:Orientation>8</tiff:Orientation></x:xmpmeta>'
)
XMP_UPRIGHT = XMP.replace(b'"6"', b'"1"').replace(b">8<", b">1<")
IPTC = b"\x1c\x02\x78\x00\x07caption\x1c\x02\x50\x00\x02me"
FORMATS = ["jpg", "png", "tif", "webp"]


@pytest.fixture
def pixels(rng):
    """Return a smooth (20, 30, 3) uint8 image."""
    return cv2.resize(rng.integers(0, 120, (4, 6, 3), dtype=np.uint8), (30, 20))


def chunk(kind, body):
    """Return a chunk of a PNG."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def add_chunks(path, *chunks):
    """Insert chunks after the first one of a PNG file."""
    content = path.read_bytes()
    path.write_bytes(content[:33] + b"".join(chunks) + content[33:])


def reload(tmp_path, source, suffix):
    """Return what a copy of a file in another format holds, and its path."""
    target = tmp_path / f"copy.{suffix}"
    image_io.save_image(target, image_io.load_image(source), overwrite=True)
    return image_io.load_image(target), target


@pytest.mark.parametrize("source", FORMATS)
@pytest.mark.parametrize("target", FORMATS)
def test_xmp_iptc_and_resolution_are_kept_in_every_format_that_has_a_place(
    tmp_path, pixels, source, target
):
    original = LoadedImage(pixels, xmp=XMP_UPRIGHT, iptc=IPTC, dpi=(300, 150))
    image_io.save_image(tmp_path / f"x.{source}", original)
    copy, path = reload(tmp_path, tmp_path / f"x.{source}", target)
    assert copy.xmp == XMP_UPRIGHT
    assert copy.iptc == (None if "webp" in (source, target) else IPTC)
    with Image.open(path) as image:
        assert image.info.get("xmp", XMP_UPRIGHT) == XMP_UPRIGHT
        if target == "jpg":
            assert image.info["xmp"] == XMP_UPRIGHT
        if "webp" in (source, target):  # in which EXIF holds it
            assert image.getexif()[282] == 300
        else:
            assert copy.dpi == pytest.approx((300, 150), abs=0.01)
            assert image.info["dpi"] == pytest.approx((300, 150), abs=0.02)  # of a PNG
        if target in ("jpg", "tif") and source != "webp":
            assert IptcImagePlugin.getiptcinfo(image)[2, 120] == b"caption"


@pytest.mark.parametrize("suffix", FORMATS)
def test_xmp_that_pillow_writes_is_kept(tmp_path, pixels, suffix):
    source = tmp_path / f"x.{suffix}"
    image = Image.fromarray(pixels)
    if suffix == "png":
        info = PngImagePlugin.PngInfo()
        info.add_itxt("XML:com.adobe.xmp", XMP.decode())
        image.save(source, pnginfo=info)
    elif suffix == "tif":
        image.save(source, tiffinfo={700: XMP})
    else:
        image.save(source, xmp=XMP)
    copy, path = reload(tmp_path, source, suffix)
    assert copy.xmp == XMP  # whose orientation is not that of the pixels, as none was read
    with Image.open(path) as image:
        kept = image.tag_v2[700] if suffix == "tif" else image.info["xmp"]
        assert kept == XMP


@pytest.mark.parametrize("suffix", FORMATS)
def test_xmp_of_an_image_that_is_turned_says_that_it_is_upright(tmp_path, pixels, suffix):
    source, exif = tmp_path / f"x.{suffix}", Image.Exif()
    exif[274] = 6
    image_io.save_image(source, LoadedImage(pixels, xmp=XMP, exif=exif.tobytes()[6:]))
    if suffix == "tif":
        values = XMP + bytes(-len(XMP) % 4)
        tags = [(274, [6]), (700, struct.unpack(f"<{len(values) // 4}I", values))]
        source.write_bytes(encode_tiff(pixels, tags=tags))
    copy, _ = reload(tmp_path, source, suffix)
    assert copy.pixels.shape == (30, 20, 3)
    assert copy.xmp.rstrip(b"\0") == XMP_UPRIGHT


@pytest.mark.parametrize("suffix", ["jpg", "png", "tif"])
def test_the_resolution_that_pillow_writes_is_kept(tmp_path, pixels, suffix):
    Image.fromarray(pixels).save(tmp_path / f"x.{suffix}", dpi=(300, 300))
    _, path = reload(tmp_path, tmp_path / f"x.{suffix}", suffix)
    with Image.open(tmp_path / f"x.{suffix}") as before, Image.open(path) as after:
        assert after.info["dpi"] == before.info["dpi"]


def test_a_resolution_per_centimeter_is_converted(tmp_path, pixels):
    image = Image.fromarray(pixels)
    image.save(tmp_path / "x.tif", resolution=100, resolution_unit="cm")
    assert image_io.load_image(tmp_path / "x.tif").dpi == pytest.approx((254, 254))
    Image.fromarray(pixels).save(tmp_path / "x.jpg")
    content = bytearray((tmp_path / "x.jpg").read_bytes())
    content[13:18] = struct.pack(">BHH", 2, 100, 50)
    (tmp_path / "x.jpg").write_bytes(content)
    assert image_io.load_image(tmp_path / "x.jpg").dpi == pytest.approx((254, 127))


def test_iptc_longer_than_a_segment_is_kept(tmp_path, pixels):
    long = b"\x1c\x02\x78" + bytes(200_001)
    image_io.save_image(tmp_path / "x.jpg", LoadedImage(pixels, iptc=long))
    assert image_io.load_image(tmp_path / "x.jpg").iptc == long


def test_iptc_of_a_big_endian_tiff_is_read_as_bytes(tmp_path, pixels):
    padded = IPTC + bytes(-len(IPTC) % 4)
    values = struct.unpack(f">{len(padded) // 4}I", padded)
    content = encode_tiff(pixels, order=">", tags=[(33723, values)])
    (tmp_path / "x.tif").write_bytes(content)
    assert image_io.load_image(tmp_path / "x.tif").iptc == padded


def test_gamma_primaries_and_texts_of_a_png_are_copied(tmp_path, pixels):
    source = tmp_path / "x.png"
    cv2.imwrite(str(source), pixels)
    chunks = (
        chunk(b"gAMA", struct.pack(">I", 100_000)),
        chunk(b"cHRM", struct.pack(">8I", *range(31_000, 39_000, 1000))),
        chunk(b"pHYs", struct.pack(">IIB", 2, 1, 0)),  # not square, size unknown
        chunk(b"tEXt", b"Author\0me"),
        chunk(b"zTXt", b"Comment\0\0" + zlib.compress(b"long")),
    )
    add_chunks(source, *chunks)
    _, path = reload(tmp_path, source, "png")
    content = path.read_bytes()
    assert all(each in content for each in chunks)
    with Image.open(path) as image:
        assert image.info["gamma"] == 1
        assert image.text == {"Author": "me", "Comment": "long"}
    image = image_io.load_image(source)
    assert image_io.find_losses(path, image) == []
    assert image_io.find_losses(tmp_path / "x.jpg", image) == ["texts", "its gamma of 1"]


@pytest.mark.parametrize(
    ("kind", "body", "names"),
    [
        (b"gAMA", struct.pack(">I", 45455), []),
        (b"cICP", bytes((9, 16, 0, 1)), ["the code of its color space"]),
        (b"iTXt", b"Title\0\0\0\0\0caf\xc3\xa9", ["texts"]),
    ],
)
def test_chunks_that_other_formats_cannot_hold_are_described(kind, body, names):
    assert png.describe_chunks(chunk(kind, body)) == names


def test_what_a_format_cannot_hold_is_named(tmp_path, pixels):
    profile = bytes(16) + b"RGB "
    image = LoadedImage(
        pixels, exif=b"x", icc=profile, iptc=IPTC, dpi=(1, 1), xmp=bytes(jpeg.MAX_BODY)
    )
    find = image_io.find_losses
    assert find(tmp_path / "x.tif", image) == find(tmp_path / "x.png", image) == []
    assert find(tmp_path / "x.webp", image) == ["IPTC data"]
    assert find(tmp_path / "x.png", LoadedImage(pixels, gray=True, icc=profile)) == [
        "a color profile of another color model"
    ]
    assert find(tmp_path / "x.jpg", image) == ["XMP"]
    assert find(tmp_path / "x.bmp", image) == [
        "IPTC data", "EXIF", "XMP", "a color profile", "its resolution",
    ]  # fmt: skip


def test_frames_of_animations_that_are_left_out_are_counted(tmp_path, pixels):
    frames = [Image.fromarray(pixels + np.uint8(20 * index)) for index in range(4)]
    for suffix in ("png", "webp"):
        path = tmp_path / f"x.{suffix}"
        frames[0].save(path, save_all=True, append_images=frames[1:], lossless=True)
        image = image_io.load_image(path)
        assert image.left_out == "3 of 4 frames"
        np.testing.assert_array_equal(image.pixels, pixels)
    frames[0].save(tmp_path / "y.png", save_all=True, append_images=frames[1:], default_image=True)
    assert image_io.load_image(tmp_path / "y.png").left_out == "its animation"
    frames[0].save(tmp_path / "one.png")
    assert image_io.load_image(tmp_path / "one.png").left_out == ""


def test_pages_that_are_left_out_are_counted_without_thumbnails_and_masks(tmp_path, pixels):
    full = encode_tiff(pixels)
    reduced = encode_tiff(pixels[:5, :5], tags=[(254, [1])])
    mask = encode_tiff(pixels[..., :1] // 200, bits=1, photometric=4, tags=[(254, [4])])
    for pages, left_out in (
        ([full], ""),
        ([full, reduced, mask], ""),
        ([reduced, full, reduced, full, full], "2 of 3 pages"),
    ):
        (tmp_path / "x.tif").write_bytes(join_pages(pages))
        assert image_io.load_image(tmp_path / "x.tif").left_out == left_out


def test_the_extension_of_xmp_is_named_as_left_out(tmp_path, pixels):
    content = cv2.imencode(".jpg", pixels)[1].tobytes()
    body = jpeg.XMP_EXTENSION + b"0" * 40
    extension = b"\xff\xe1" + struct.pack(">H", 2 + len(body)) + body
    (tmp_path / "x.jpg").write_bytes(content[:20] + extension + content[20:])
    assert image_io.load_image(tmp_path / "x.jpg").left_out == "the extension of its XMP"


def test_further_images_of_a_jpeg_are_counted_without_thumbnails(tmp_path, pixels):
    first, second, small = (Image.fromarray(pixels[: 20 - index]) for index in range(3))
    first.save(tmp_path / "x.jpg", "MPO", save_all=True, append_images=[second, small])
    image = image_io.load_image(tmp_path / "x.jpg")
    assert image.left_out == "2 further images"
    assert image.pixels.shape == pixels.shape
    content = (tmp_path / "x.jpg").read_bytes()
    entries = content.index(b"MPF\0") + 4 + 0x42  # behind the directory of three tags
    kinds = [entries + 16 * index + 2 for index in range(3)]
    changed = bytearray(content)
    changed[kinds[1]] = jpeg.THUMBNAIL
    (tmp_path / "y.jpg").write_bytes(changed)
    assert image_io.load_image(tmp_path / "y.jpg").left_out == "1 further image"


def test_the_video_behind_an_image_is_named_and_xmp_says_that_it_is_gone(tmp_path, pixels):
    xmp = b'<rdf:Description GCamera:MotionPhoto="1" GCamera:MotionPhotoVersion="1"/>'
    image_io.save_image(tmp_path / "x.jpg", LoadedImage(pixels, xmp=xmp))
    with (tmp_path / "x.jpg").open("ab") as file:
        file.write(b"\0\0\0\x18ftypmp42")
    image = image_io.load_image(tmp_path / "x.jpg")
    assert image.left_out == "its video"
    assert image.xmp == xmp.replace(b'Photo="1"', b'Photo="0"')


def test_a_damaged_directory_of_exif_is_left_out_of_a_tiff(tmp_path, pixels):
    exif = Image.Exif()
    exif[271], exif.get_ifd(34665)[33434] = "Maker", 0.02
    content = bytearray(exif.tobytes()[6:])
    order = ">" if content[:2] == b"MM" else "<"
    entry = content.index(struct.pack(f"{order}HHI", 34665, 4, 1))
    for place in (10**6, 8):  # outside, and the directory itself
        struct.pack_into(f"{order}I", content, entry + 8, place)
        image = LoadedImage(pixels, exif=bytes(content))
        image_io.save_image(tmp_path / "x.tif", image, overwrite=True)
        with Image.open(tmp_path / "x.tif") as written:
            assert written.getexif()[271] == "Maker"
            assert 34665 not in written.getexif()


def test_metadata_are_inserted_before_long_files(tmp_path, rng):
    """The rest of the file, of several blocks, is moved unchanged."""
    noise = rng.integers(0, 256, (900, 1300, 3), dtype=np.uint8)
    for suffix in ("png", "jpg"):
        image_io.save_image(tmp_path / f"plain.{suffix}", noise)
        image_io.save_image(tmp_path / f"x.{suffix}", LoadedImage(noise, xmp=XMP_UPRIGHT))
        plain, image = (image_io.load_image(tmp_path / f"{n}.{suffix}") for n in ("plain", "x"))
        np.testing.assert_array_equal(image.pixels, plain.pixels)
        assert image.xmp == XMP_UPRIGHT


def test_old_photoshop_resources_hold_the_iptc_of_a_tiff(tmp_path, pixels):
    resources = b"8BIM\x03\xed\0\0" + struct.pack(">I", 3) + b"abc\0"
    resources += b"8BIM\x04\x04\x03a b" + struct.pack(">I", len(IPTC)) + IPTC
    info = TiffImagePlugin.ImageFileDirectory_v2()
    info[34377] = resources
    info.tagtype[34377] = 7
    Image.fromarray(pixels).save(tmp_path / "x.tif", tiffinfo=info)
    assert image_io.load_image(tmp_path / "x.tif").iptc == IPTC
