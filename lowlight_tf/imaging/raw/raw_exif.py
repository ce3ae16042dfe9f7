"""EXIF data of RAW files, for the images that they are developed into."""

import mmap
import struct
from collections.abc import Mapping
from pathlib import Path

from lowlight_tf.imaging.formats import tiff

EXIF_IFD, GPS_IFD = 34665, 34853
COLOR_SPACE, SRGB = 40961, 1
OF_THE_RAW_FILE = {37500, 40962, 40963, 40965, 41486, 41487, 41488, 41730}
"""EXIF tags that are not those of the developed image, or point into the RAW file: the maker's
note, size, interoperability, resolution of the sensor, color filters."""
EXPOSURE_TAGS = {33434, 33437, 34850, 34855, 36867, 36868, *range(37377, 37387)}
"""What TIFF/EP files, as NEF, have in their first directory: exposure, ISO, time, lens."""

TIFF_MAGICS = (b"II*\0", b"MM\0*", b"IIU\0", b"IIRO", b"IIRS", b"MMOR")
"""Beginnings of RAW files that are TIFF files but for these bytes: Panasonic's, Olympus's."""
RAF_MAGIC = b"FUJIFILMCCD-RAW"
RAF_JPEG_OFFSET = 84  # where the position of the preview is stated
JPEG_HEAD = b"Exif\0\0"
BOXES = {b"CMT1": None, b"CMT2": EXIF_IFD, b"CMT4": GPS_IFD}
"""Box of a CR3 file -> the directory that its TIFF data are; None for the first directory."""
MAX_BOX_OFFSET = 2**20  # bytes; they are in the movie box, which comes first

Directories = dict[int | None, dict[int, tiff.Tag]]


def read_raw_exif(path: Path) -> bytes | None:
    """Return the EXIF data of a RAW file: camera, exposure, lens, time and place.

    The maker's note, thumbnail, orientation and what else belongs to the RAW file are left out.

    Args:
        path: A file of TIFF's structure (DNG, NEF, CR2, ARW, PEF, ORF, RW2 and others), RAF or CR3.

    Returns:
        The data as other formats embed them; None if there are none, or the file is of another
        kind.

    Raises:
        ValueError: If its tags are damaged.
    """
    if path.stat().st_size < len(RAF_MAGIC):
        return None
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY) as data:
        try:
            found = _read_directories(data)
        except struct.error:
            raise ValueError("it is truncated") from None
    return _assemble(found) if any(found.values()) else None


def _read_directories(data: mmap.mmap) -> Directories:
    """Return the first, the EXIF and the GPS directory of a RAW file."""
    if bytes(data[:4]) in TIFF_MAGICS:
        data[:4] = b"II*\0" if bytes(data[:2]) == b"II" else b"MM\0*"  # in memory only
        return _split(data)
    if bytes(data[: len(RAF_MAGIC)]) == RAF_MAGIC:
        (offset,) = struct.unpack_from(">I", data, RAF_JPEG_OFFSET)
        start = data.find(JPEG_HEAD, offset, offset + 2**12)
        return _split(data[start + len(JPEG_HEAD) : start + 2**16]) if start >= 0 else {}
    found: Directories = {}
    if bytes(data[4:11]) == b"ftypcrx":
        for name, directory in BOXES.items():
            start = data.find(name, 0, MAX_BOX_OFFSET)
            if start >= 4:
                (size,) = struct.unpack_from(">I", data, start - 4)
                found[directory] = tiff.read_tags(data[start + 4 : start - 4 + size])
    return found


def _split(data: tiff.Data) -> Directories:
    """Return the directories of TIFF data; exposure may be in the first one."""
    first = tiff.read_tags(data)
    found: Directories = {None: first}
    for number in (EXIF_IFD, GPS_IFD):
        found[number] = tiff.read_tags(data, first[number].value) if number in first else {}
    found[EXIF_IFD] = {
        number: tag for number, tag in first.items() if number in EXPOSURE_TAGS
    } | found[EXIF_IFD]
    return found


def _assemble(found: Mapping[int | None, Mapping[int, tiff.Tag]]) -> bytes:
    """Return EXIF data of these directories, without what belongs to the RAW file."""
    first = {n: tag for n, tag in found.get(None, {}).items() if n in tiff.DESCRIPTIVE_TAGS}
    exif = {n: tag for n, tag in found.get(EXIF_IFD, {}).items() if n not in OF_THE_RAW_FILE}
    if COLOR_SPACE in exif:
        exif[COLOR_SPACE] = tiff.Tag(3, struct.pack("<H", SRGB), 0)
    sub_ifds = {EXIF_IFD: exif, GPS_IFD: dict(found.get(GPS_IFD, {}))}
    sub_ifds = {number: tags for number, tags in sub_ifds.items() if tags}
    first |= {number: tiff.Tag(4, bytes(4), 0) for number in sub_ifds}
    offset = len(tiff.build_file(first))
    content = b""
    for number, tags in sub_ifds.items():
        first[number] = tiff.Tag(4, struct.pack("<I", offset + len(content)), 0)
        content += tiff.build_ifd(b"", tags, offset + len(content))
    return tiff.build_file(first) + content
