"""Headers of WebP files (RFC 9649, section 2)."""

import struct
from typing import Any

from lowlight_tf.imaging.formats.image_header import (
    Data,
    Header,
    Metadata,
    check_length,
    make_upright,
)


def is_webp(data: Data) -> bool:
    """Return whether data begin as a WebP file."""
    return data[:4] == b"RIFF" and data[8:12] == b"WEBP"


def read(data: Data) -> Header:
    """Return the header of a WebP file.

    Raises:
        IndexError, struct.error: If the file is truncated.
    """
    header, offset, frames = Header("webp"), 12, 0
    (size,) = struct.unpack_from("<I", data, 4)
    end = _find_end(data, 8 + size)
    if end != 8 + size:
        header.mend = 4, struct.pack("<I", end - 8)
    fields: dict[str, Any] = {}
    while offset + 8 <= end:
        kind, length = struct.unpack_from("<4sI", data, offset)
        if kind in (b"EXIF", b"ICCP", b"XMP "):
            body = data[offset + 8 : offset + 8 + length]
            fields[{b"EXIF": "exif", b"ICCP": "icc", b"XMP ": "xmp"}[kind]] = body
        frames += kind == b"ANMF"
        offset += 8 + length + length % 2
    if frames > 1:
        fields["left_out"] = f"{frames - 1} of {frames} frames"
    if "exif" in fields:
        fields["exif"] = fields["exif"].removeprefix(b"Exif\0\0")
    header.orientation, header.metadata = make_upright(Metadata(**fields))
    return header


def _find_end(data: Data, stated: int) -> int:
    """Return where the chunks of a file end: where it states, if a chunk ends there."""
    offset = 12
    while offset != stated and offset + 8 <= len(data):
        (length,) = struct.unpack_from("<I", data, offset + 4)
        offset += 8 + length
        check_length(data, offset)
        if offset != stated:
            offset += length % 2  # padding
    return min(offset, len(data))


def read_size(kind: bytes, body: bytes) -> tuple[int, int] | None:
    """Return (height, width) from the first chunk of a WebP file."""
    if kind == b"VP8X":  # extended: two sides of 24 bits, less one
        return 1 + int.from_bytes(body[7:10], "little"), 1 + int.from_bytes(body[4:7], "little")
    if kind == b"VP8L":  # lossless: two sides of 14 bits, less one
        (bits,) = struct.unpack_from("<xI", body)
        return 1 + (bits >> 14 & 0x3FFF), 1 + (bits & 0x3FFF)
    if kind == b"VP8 ":  # lossy
        width, height = struct.unpack_from("<6xHH", body)
        return height & 0x3FFF, width & 0x3FFF
    return None
