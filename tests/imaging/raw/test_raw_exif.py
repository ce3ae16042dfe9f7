"""EXIF data of RAW files are read from TIFF, RAF and CR3 files, in the form that images embed."""

import struct

import numpy as np
import pytest

from lowlight_tf.imaging.formats import dng, tiff
from lowlight_tf.imaging.raw import raw_exif
from lowlight_tf.imaging.raw.raw_exif import EXIF_IFD, GPS_IFD, read_raw_exif

EXPOSURE, ISO, MAKER_NOTE, PIXEL_WIDTH, LATITUDE = 33434, 34855, 37500, 40962, 2


def text(words):
    return tiff.Tag(2, words.encode() + b"\0", 0)


def tenth():
    return tiff.Tag(5, struct.pack("<2I", 1, 10), 0)


def directories():
    exif = {
        EXPOSURE: tenth(),
        ISO: tiff.Tag(3, struct.pack("<H", 800), 0),
        36867: text("2026:01:02 03:04:05"),
        MAKER_NOTE: tiff.Tag(7, bytes(100), 0),
        PIXEL_WIDTH: tiff.Tag(4, struct.pack("<I", 6000), 0),
        raw_exif.COLOR_SPACE: tiff.Tag(3, struct.pack("<H", 65535), 0),
    }
    gps = {1: text("N"), LATITUDE: tiff.Tag(5, struct.pack("<6I", 52, 1, 30, 1, 0, 1), 0)}
    camera = {271: text("Maker"), 272: text("Model"), 274: tiff.Tag(3, struct.pack("<H", 6), 0)}
    return camera, exif, gps


def tiff_file(first, exif=None, gps=None):
    """Return TIFF data of these directories."""
    offset = 8
    for number, tags in ((EXIF_IFD, exif), (GPS_IFD, gps)):
        first = first | ({number: tiff.Tag(4, bytes(4), 0)} if tags else {})
    offset += len(tiff.build_ifd(b"", first, 8))
    content = b""
    for number, tags in ((EXIF_IFD, exif), (GPS_IFD, gps)):
        if tags:
            first[number] = tiff.Tag(4, struct.pack("<I", offset + len(content)), 0)
            content += tiff.build_ifd(b"", tags, offset + len(content))
    return b"II*\0" + struct.pack("<I", 8) + tiff.build_ifd(b"", first, 8) + content


def as_panasonic(camera, exif, gps):
    return b"IIU\0" + tiff_file(camera, exif, gps)[4:]


def as_fuji(camera, exif, gps):
    head = b"FUJIFILMCCD-RAW".ljust(84, b"\0") + struct.pack(">I", 120)
    jpeg = b"\xff\xd8\xff\xe1\x01\x00Exif\0\0" + tiff_file(camera, exif, gps)
    return head.ljust(120, b"\0") + jpeg


def as_canon(camera, exif, gps):
    boxes = struct.pack(">I", 24) + b"ftypcrx " + bytes(12)
    for name, tags in ((b"CMT1", camera), (b"CMT2", exif), (b"CMT4", gps)):
        content = tiff_file(tags)
        boxes += struct.pack(">I", 8 + len(content)) + name + content
    return boxes


@pytest.mark.parametrize("make", [tiff_file, as_panasonic, as_fuji, as_canon])
def test_camera_exposure_time_and_place_are_kept(make, tmp_path):
    path = tmp_path / "image.raw"
    path.write_bytes(make(*directories()))
    found = read_raw_exif(path)
    first = tiff.read_tags(found)
    assert first[271].payload == b"Maker\0"
    assert tiff.ORIENTATION not in first
    exif = tiff.read_tags(found, first[EXIF_IFD].value)
    assert exif[EXPOSURE].payload == tenth().payload
    assert exif[ISO].value == 800
    assert exif[36867].payload == b"2026:01:02 03:04:05\0"
    assert exif[raw_exif.COLOR_SPACE].value == raw_exif.SRGB
    assert not {MAKER_NOTE, PIXEL_WIDTH} & set(exif)
    gps = tiff.read_tags(found, first[GPS_IFD].value)
    assert struct.unpack("<6I", gps[LATITUDE].payload) == (52, 1, 30, 1, 0, 1)


def test_exposure_in_the_first_directory_is_kept(tmp_path):
    path = tmp_path / "image.nef"
    path.write_bytes(tiff_file({271: text("Maker"), EXPOSURE: tenth()}))
    found = read_raw_exif(path)
    exif = tiff.read_tags(found, tiff.read_tags(found)[EXIF_IFD].value)
    assert exif == {EXPOSURE: tiff.Tag(5, tenth().payload, exif[EXPOSURE].offset)}


def test_other_files_have_none_and_damaged_ones_are_said_to_be(tmp_path):
    path = tmp_path / "image.dng"
    path.write_bytes(b"no")
    assert read_raw_exif(path) is None
    path.write_bytes(b"nothing of that kind")
    assert read_raw_exif(path) is None
    path.write_bytes(as_fuji(*directories())[:50])
    with pytest.raises(ValueError, match="truncated"):
        read_raw_exif(path)
    path.write_bytes(tiff_file(*directories())[:60])
    with pytest.raises(ValueError, match="damaged"):
        read_raw_exif(path)


def test_dng_files_of_our_own_have_exposure_and_iso(tmp_path):
    path = tmp_path / "image.dng"
    dng.write(path, np.full((24, 24), 900, np.uint16), "RGGB", exposure_time=0.1, iso=800)
    found = read_raw_exif(path)
    exif = tiff.read_tags(found, tiff.read_tags(found)[EXIF_IFD].value)
    assert exif[ISO].value == 800
