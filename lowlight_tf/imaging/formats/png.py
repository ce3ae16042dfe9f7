"""Headers and metadata of PNG files (W3C, "Portable Network Graphics", third edition)."""

import contextlib
import mmap
import re
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from lowlight_tf.imaging.formats import jpeg
from lowlight_tf.imaging.formats.image_header import (
    MM_PER_INCH,
    Header,
    Metadata,
    insert_bytes,
    make_upright,
)

SIGNATURE = b"\x89PNG\r\n\x1a\n"
HEADER_END = 33  # position after the signature and the first chunk
COPIED = {b"gAMA", b"cHRM", b"sRGB", b"cICP", b"mDCV", b"cLLI", b"tEXt", b"zTXt", b"iTXt"}
"""Chunks that are copied as they are: how pixels become light, and texts."""

PARSED = {b"IHDR", b"eXIf", b"iCCP", b"pHYs", b"tRNS"}
XMP_KEYWORD = b"XML:com.adobe.xmp\0"
IPTC_KEYWORD = b"Raw profile type iptc\0"  # as ImageMagick and ExifTool write it
RAW_PROFILE = re.compile(rb"\s*\w+\s+\d+\s+([0-9a-fA-F\s]*)$")
MAX_INFLATED_BYTES = MAX_COPIED_BYTES = 2**24
RELEASED_BYTES = 2**24  # read before memory pages are released
SRGB_GAMMA, GAMMA_TOLERANCE = 1 / 2.2, 0.01
END_CHUNK = b"\0\0\0\0IEND\xaeB`\x82"
PER_METER = 1  # unit of density; 0: only the aspect ratio is known


def read(data: mmap.mmap) -> Header:
    """Return the header of a PNG file, all of whose checksums are verified.

    Raises:
        ValueError: If a checksum is wrong; the message continues a sentence about the file.
        IndexError, struct.error: If the file is truncated.
    """
    header, offset, released, kind = Header("png"), len(SIGNATURE), 0, b""
    fields: dict[str, Any] = {"png_chunks": b""}
    frames = kept = bits = 0
    has_pixels = False
    while kind != b"IEND":
        rest = data[offset : offset + len(END_CHUNK)]
        if has_pixels and rest != END_CHUNK and END_CHUNK.startswith(rest):
            header.mend = offset, END_CHUNK
            break
        length, kind = struct.unpack_from(">I4s", data, offset)
        (expected,) = struct.unpack_from(">I", data, offset + 8 + length)
        with memoryview(data) as view, view[offset + 4 : offset + 8 + length] as chunk:
            if zlib.crc32(chunk) != expected:
                name = kind.decode() if kind.isalpha() else "a chunk"
                raise ValueError(f"is damaged: wrong checksum of {name}")
            body = bytes(chunk[4:]) if kind in PARSED | COPIED else b""
        if kind == b"IHDR":
            header.shape = read_shape(body)
            bits = body[8]
            header.dtype = np.uint16 if bits == 16 else np.uint8
            header.gray = body[9] in (0, 4)
        elif kind == b"tRNS":
            header.transparent = _read_transparent(header, bits, body)
            header.shape = None
        elif kind == b"fcTL":
            frames += 1
            kept += not has_pixels  # the image itself is the first frame
        elif kind == b"IDAT":
            has_pixels = True
        _read_metadata(kind, body, fields)
        offset += 12 + length
        if offset - released > RELEASED_BYTES:
            released = offset
            _release_pages(data)
    if frames > kept:
        fields["left_out"] = f"{frames - kept} of {frames} frames"
        if not kept:
            fields["left_out"] = "its animation"
    header.orientation, header.metadata = make_upright(Metadata(**fields))
    return header


def read_shape(body: bytes) -> tuple[int, ...]:
    """Return the shape that an IHDR chunk describes: gray has no channel axis."""
    width, height, _, color_type = struct.unpack_from(">IIBB", body)
    return (height, width, *{0: (), 4: (4,), 6: (4,)}.get(color_type, (3,)))


def _read_transparent(header: Header, bits: int, body: bytes) -> int | None:
    """Return the level of gray that is transparent, as decoded; OpenCV ignores it."""
    if not header.gray or len(header.shape or ()) != 2:
        return None
    level, white = int.from_bytes(body[:2], "big"), 2**bits - 1
    return level * int(np.iinfo(header.dtype).max) // white if level <= white else None


def add_metadata(path: Path, metadata: Metadata) -> None:
    """Write density, XMP, IPTC data and copied chunks into a PNG file."""
    added = metadata.png_chunks
    if metadata.dpi:
        density = [min(_per_meter(value), 2**31 - 1) for value in metadata.dpi]
        added += _chunk(b"pHYs", struct.pack(">IIB", *density, PER_METER))
    if metadata.xmp:
        added += _chunk(b"iTXt", XMP_KEYWORD + bytes(4) + metadata.xmp)
    if metadata.iptc:
        digits = metadata.iptc.hex()
        lines = (digits[start : start + 72] for start in range(0, len(digits), 72))
        text = f"\niptc\n{len(metadata.iptc):8d}\n" + "\n".join(lines) + "\n"
        added += _chunk(b"zTXt", IPTC_KEYWORD + b"\0" + zlib.compress(text.encode()))
    if added:
        insert_bytes(path, HEADER_END, added)


def describe_chunks(chunks: bytes) -> list[str]:
    """Return what copied chunks say that other formats cannot hold."""
    kinds, offset = {}, 0
    while offset < len(chunks):
        length, kind = struct.unpack_from(">I4s", chunks, offset)
        kinds[kind] = chunks[offset + 8 : offset + 8 + length]
        offset += 12 + length
    names = ["texts"] if kinds.keys() & {b"tEXt", b"zTXt", b"iTXt"} else []
    if b"cICP" in kinds:
        names.append("the code of its color space")
    elif b"gAMA" in kinds and b"sRGB" not in kinds:
        gamma = int.from_bytes(kinds[b"gAMA"], "big") / 100_000
        if abs(gamma - SRGB_GAMMA) > GAMMA_TOLERANCE:
            names.append(f"its gamma of {gamma:.3g}")
    return names


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _per_meter(dpi: float) -> int:
    return round(dpi / MM_PER_INCH * 1000)


def _per_inch(per_meter: int) -> float:
    """Return pixels per inch: an integer, if that is stored as the same number per meter."""
    dpi = per_meter * MM_PER_INCH / 1000
    return round(dpi) if _per_meter(round(dpi)) == per_meter else dpi


def _read_metadata(kind: bytes, body: bytes, fields: dict[str, Any]) -> None:
    """Add what a chunk holds to the fields of `Metadata`."""
    if kind == b"eXIf":
        fields["exif"] = body
    elif kind == b"iCCP":
        compressed = body[body.index(b"\0") + 2 :]
        with contextlib.suppress(zlib.error):
            fields["icc"] = _inflate(compressed)
    elif kind == b"pHYs" and body[8] == PER_METER:
        across, down = struct.unpack_from(">II", body)
        fields["dpi"] = (_per_inch(across), _per_inch(down)) if across and down else None
    elif kind in (b"tEXt", b"iTXt") and body.startswith(XMP_KEYWORD):
        fields["xmp"] = _read_text(kind, body)
    elif kind in (b"tEXt", b"zTXt") and body.startswith(IPTC_KEYWORD):
        fields["iptc"] = _read_iptc(_read_text(kind, body) or b"")
    elif kind in {*COPIED, b"pHYs"} and len(fields["png_chunks"]) + len(body) <= MAX_COPIED_BYTES:
        fields["png_chunks"] += _chunk(kind, body)


def _read_text(kind: bytes, body: bytes) -> bytes | None:
    """Return the text of a chunk; None if it is damaged."""
    text = body[body.index(b"\0") + 1 :]
    if kind == b"tEXt":
        return text
    is_compressed = kind == b"zTXt" or text[:1] == b"\1"
    # In iTXt a language and a translated keyword precede the text.
    text = text[2:].split(b"\0", 2)[-1] if kind == b"iTXt" else text[1:]
    try:
        return _inflate(text) if is_compressed else text
    except zlib.error:
        return None


def _inflate(compressed: bytes) -> bytes:
    return zlib.decompressobj().decompress(compressed, MAX_INFLATED_BYTES)


def _read_iptc(text: bytes) -> bytes | None:
    """Return the IPTC data of a raw profile: a name, a size and hexadecimal digits."""
    found = RAW_PROFILE.match(text)
    try:
        content = bytes.fromhex(found[1].decode("ascii")) if found else b""
    except ValueError:
        return None
    return (jpeg.find_iptc(content) or content) if content else None


def _release_pages(data: mmap.mmap) -> None:
    """Release the memory pages that were read, where the operating system supports it."""
    if hasattr(mmap, "MADV_DONTNEED"):
        data.madvise(mmap.MADV_DONTNEED)
