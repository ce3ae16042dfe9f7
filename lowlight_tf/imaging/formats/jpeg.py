"""Headers and metadata of JPEG files (ITU-T T.81, annex B; JFIF; Exif; XMP, part 3)."""

import re
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from lowlight_tf.fileio import silence_stderr
from lowlight_tf.imaging.formats import tiff
from lowlight_tf.imaging.formats.image_header import (
    MM_PER_INCH,
    Data,
    Header,
    Metadata,
    insert_bytes,
    make_upright,
)

SIGNATURE = b"\xff\xd8\xff"
MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]", re.DOTALL)  # neither data nor a restart
END, SCAN = 0xD9, 0xDA
END_MARKER = bytes([0xFF, END])
FRAMES = set(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # the others are tables
APP0, APP1, APP2, APP13, APP15 = 0xE0, 0xE1, 0xE2, 0xED, 0xEF  # segments of metadata
CODINGS = {
    **dict.fromkeys((0xC3, 0xC7, 0xCB, 0xCF), "a lossless JPEG"),
    **dict.fromkeys((0xC5, 0xC6), "a hierarchical JPEG"),
    **dict.fromkeys((0xC9, 0xCA, 0xCD, 0xCE), "a JPEG of arithmetic coding"),
}
"""Markers of frames that few decoders read, and what they stand for."""

JFIF, EXIF, ICC, PHOTOSHOP = b"JFIF\0", b"Exif\0\0", b"ICC_PROFILE\0", b"Photoshop 3.0\0"
XMP, XMP_EXTENSION = b"http://ns.adobe.com/xap/1.0/\0", b"http://ns.adobe.com/xmp/extension/\0"
MPF, ENTRIES, ENTRY_BYTES = b"MPF\0", 0xB002, 16  # list of images behind the first
PRIMARY, THUMBNAIL = 0x03, 0x01  # kinds of these images
MOTION = re.compile(rb"((?:MotionPhoto|MicroVideo)\s*=\s*[\"'])1(?=[\"'])")
"""What XMP says of an image that is followed by a video."""

DENSITY = 13  # position of unit and density in a file that begins with a JFIF segment
PER_INCH, PER_CM = 1, 2  # units of density; 0: only the aspect ratio is known
RESOURCE, IPTC_RESOURCE = b"8BIM", 0x0404  # of Photoshop
MAX_BODY = 65533  # bytes in a segment
FILLERS = tuple(
    bytes(count * [value]) for value, count in ((0, 0), (0x55, 64), (0xAA, 64), (0x33, 64))
)
"""What may follow the pixels of an image."""


def read(data: Data) -> Header:
    """Return the header of a JPEG file.

    Raises:
        IndexError, struct.error: If the data end before the image.
    """
    header, icc_parts, resources = Header("jpeg"), {}, b""
    fields: dict[str, Any] = {}
    left_out, has_extension = [], False
    for marker, body in read_segments(data):
        if marker == END:  # is missing
            header.mend = len(data), END_MARKER
        elif marker in FRAMES:
            header.shape = frame_shape(body)
            header.gray = len(header.shape) == 2
            header.coding = CODINGS.get(marker)
            if body[0] != 8:
                header.coding = f"a JPEG of {body[0]} bits per channel"
        elif marker == APP0 and body.startswith(JFIF):
            fields["dpi"] = _read_density(body)
        elif marker == APP1 and body.startswith(EXIF):
            fields.setdefault("exif", body[len(EXIF) :])
        elif marker == APP1 and body.startswith(XMP):
            fields.setdefault("xmp", body[len(XMP) :])
        elif marker == APP1 and body.startswith(XMP_EXTENSION):
            has_extension = True
        elif marker == APP2 and body.startswith(ICC):
            icc_parts[body[12]] = body[14:]
        elif marker == APP2 and body.startswith(MPF):
            if count := _count_further_images(body[len(MPF) :]):
                left_out.append("1 further image" if count == 1 else f"{count} further images")
        elif marker == APP13 and body.startswith(PHOTOSHOP):
            resources += body[len(PHOTOSHOP) :]
    fields["icc"] = b"".join(icc_parts[part] for part in sorted(icc_parts)) or None
    fields["iptc"] = find_iptc(resources)
    if has_extension:
        left_out.append("the extension of its XMP")
    if MOTION.search(fields.get("xmp", b"")):
        fields["xmp"] = MOTION.sub(rb"\g<1>0", fields["xmp"])
        left_out.append("its video")
    header.orientation, header.metadata = make_upright(
        Metadata(**fields, left_out=", ".join(left_out))
    )
    return header


def read_segments(data: Data) -> Iterator[tuple[int, bytes]]:
    """Yield marker and body of each segment up to the end of the image.

    Segments are followed one by one: embedded thumbnails have end markers of their own. The end
    itself is yielded only if its marker is missing.

    Raises:
        IndexError, struct.error: If the data end before the image.
    """
    offset = 2
    while (marker := data[offset + 1]) != END:
        (length,) = struct.unpack_from(">H", data, offset + 2)
        yield marker, data[offset + 4 : offset + 2 + length]
        offset += 2 + length
        following = MARKER.search(data, offset)
        if following is None:
            if marker != SCAN:
                raise IndexError(offset)
            yield END, b""
            return
        offset = following.start()  # bytes before a marker are skipped, as decoders do


def frame_shape(body: bytes) -> tuple[int, ...]:
    """Return the shape that the header of a frame describes: gray has no channel axis."""
    _, height, width, channels = struct.unpack_from(">BHHB", body)
    return (height, width) if channels == 1 else (height, width, 3)


def decode_mended(data: bytes) -> np.ndarray | None:
    """Return the image of a file that lacks its end marker, as stored; None if it lacks more.

    Nothing that follows a complete image changes what is decoded.
    """
    data = data.rstrip(b"\xff")
    files = [np.frombuffer(data + filler + END_MARKER, np.uint8) for filler in FILLERS]
    with silence_stderr():
        images = [cv2.imdecode(file, cv2.IMREAD_UNCHANGED) for file in files]
    is_complete = all(np.array_equal(images[0], image) for image in images[1:])
    return images[0] if is_complete else None


def find_iptc(resources: bytes) -> bytes | None:
    """Return the IPTC data among the image resources of Photoshop."""
    offset = 0
    while resources[offset : offset + 4] == RESOURCE and offset + 12 <= len(resources):
        (kind,) = struct.unpack_from(">H", resources, offset + 4)
        name = resources[offset + 6] + 1  # with its length
        offset += 6 + name + name % 2
        size = int.from_bytes(resources[offset : offset + 4], "big")
        if kind == IPTC_RESOURCE:
            return resources[offset + 4 : offset + 4 + size] or None
        offset += 4 + size + size % 2
    return None


def _count_further_images(index: bytes) -> int:
    """Return how many images other than thumbnails an index of CIPA DC-007 lists."""
    try:
        entries = tiff.read_tags(index)[ENTRIES].payload
    except (ValueError, KeyError):
        return 0
    place = 1 if tiff.byte_order(index) == ">" else 2  # of the kind in the attributes
    kinds = entries[place::ENTRY_BYTES]
    return sum(kind not in (PRIMARY, THUMBNAIL) for kind in kinds)


def add_metadata(path: Path, metadata: Metadata) -> None:
    """Write density, XMP and IPTC data into a JPEG file that begins with a JFIF segment."""
    with path.open("r+b") as file:
        head = file.read(DENSITY + 5)
        if metadata.dpi and head[6:11] == JFIF:
            density = [min(max(round(value), 1), 65535) for value in metadata.dpi]
            file.seek(DENSITY)
            file.write(struct.pack(">BHH", PER_INCH, *density))
        file.seek(0)
        offset, header = 2, file.read(6)[2:]
        while header[:1] == b"\xff" and APP0 <= header[1] <= APP15:
            offset += 2 + int.from_bytes(header[2:], "big")
            file.seek(offset)
            header = file.read(4)
    added = b""
    if metadata.xmp and fits_xmp(metadata.xmp):
        added += _segment(APP1, XMP + metadata.xmp)
    if metadata.iptc:
        iptc = metadata.iptc
        resource = RESOURCE + struct.pack(">HHI", IPTC_RESOURCE, 0, len(iptc)) + iptc
        resource += bytes(len(iptc) % 2)
        step = MAX_BODY - len(PHOTOSHOP)
        parts = (resource[start : start + step] for start in range(0, len(resource), step))
        added += b"".join(_segment(APP13, PHOTOSHOP + part) for part in parts)
    if added:
        insert_bytes(path, offset, added)


def fits_xmp(xmp: bytes) -> bool:
    """Return whether an XMP packet fits into a JPEG file."""
    return len(XMP) + len(xmp) <= MAX_BODY


def _segment(marker: int, body: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, 2 + len(body)) + body


def _read_density(body: bytes) -> tuple[float, float] | None:
    unit, across, down = struct.unpack_from(">BHH", body, 7)
    scale = {PER_INCH: 1, PER_CM: MM_PER_INCH / 10}.get(unit)
    return (across * scale, down * scale) if scale and across and down else None
