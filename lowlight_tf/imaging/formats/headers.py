"""Headers of image files: shape, EXIF, ICC profile and completeness, read without decoding.

Decoders fill the missing part of a truncated file with gray without an error, and OpenCV does not
return the metadata of TIFF files.
"""

import contextlib
import dataclasses
import mmap
import re
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from lowlight_tf.checks import UsageError
from lowlight_tf.imaging.formats import tiff, tiff_layout

JPEG_SIGNATURE = b"\xff\xd8\xff"
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
JPEG_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]", re.DOTALL)  # neither data nor a restart
JPEG_END, JPEG_SCAN = 0xD9, 0xDA
JPEG_FRAMES = set(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # the others are tables
UNREAD_SIGNATURES = {
    (4, b"ftyphei"): "a HEIC image", (4, b"ftyphev"): "a HEIC image",
    (4, b"ftypmif1"): "a HEIC image", (4, b"ftypavi"): "an AVIF image",
    (0, b"GIF8"): "a GIF", (0, b"\xff\x0a"): "a JPEG XL image",
    (4, b"JXL "): "a JPEG XL image", (4, b"jP  "): "a JPEG 2000 image",
}  # fmt: skip
"""(offset, bytes at it) -> what the file is."""

JPEG_CODINGS = {
    **dict.fromkeys((0xC3, 0xC7, 0xCB, 0xCF), "a lossless JPEG"),
    **dict.fromkeys((0xC5, 0xC6), "a hierarchical JPEG"),
    **dict.fromkeys((0xC9, 0xCA, 0xCD, 0xCE), "a JPEG of arithmetic coding"),
}
"""Markers of frames that few decoders read, and what they stand for."""

MAX_ICC_BYTES = 2**24
CHUNK_BYTES = 2**24  # read from a PNG before its memory pages are released
HEAD_BYTES = 2**16  # enough for most of the metadata before the size of a JPEG

Data = bytes | mmap.mmap


@dataclasses.dataclass
class Header:
    """Header of an image file.

    Attributes:
        format: "jpeg", "png", "webp", "bmp" or "tiff".
        shape: Shape of the array that the decoder will return; None if the header does not give it.
        dtype: Type of that array.
        gray: Whether the image is grayscale, with or without alpha.
        exif: EXIF data without its "Exif" prefix, with orientation 1 (upright); or None.
        icc: ICC color profile, or None.
        orientation: EXIF orientation of the file, 1 to 8.
        coding: What kind of JPEG it is, if decoders may not read that; or None.
        layout: How a TIFF stores its samples; or None.
        page: Which image of a TIFF this is; or None.
    """

    format: str
    shape: tuple[int, ...] | None = None
    dtype: type = np.uint8
    gray: bool = False
    exif: bytes | None = None
    icc: bytes | None = None
    orientation: int = 1
    coding: str | None = None
    layout: tiff_layout.Layout | None = None
    page: tiff.Page | None = None


def read_header(path: Path) -> Header:
    """Read the header of an image file; the format is detected by the first bytes.

    The chunks of a PNG are verified by their checksums; of the other formats, that the end of the
    file is present. The strips of a TIFF are left to its decoder, which does report errors.

    Raises:
        UsageError: If the file is missing, empty, of an unknown format, truncated or damaged.
    """
    try:
        with path.open("rb") as file:
            if not file.seek(0, 2):
                raise UsageError(f"{path} is empty (0 bytes). Copy it again.")
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                header = _parse(data)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}.") from None
    except (struct.error, IndexError):
        raise UsageError(f"{path} is truncated. Copy it again.") from None
    except ValueError as error:
        if isinstance(error, UsageError):
            raise
        raise UsageError(f"{path} {error}.") from None
    except (ArithmeticError, LookupError, RecursionError, TypeError, zlib.error) as error:
        # Fields that contradict each other fail somewhere in the parsers.
        raise UsageError(f"{path} has a damaged header ({type(error).__name__}).") from None
    if header.format != "tiff" and header.exif:
        exif, header.exif = header.exif, None
        with contextlib.suppress(ValueError):  # damaged EXIF is dropped, the image is kept
            orientation = tiff.read_orientation(tiff.read_tags(exif))
            header.orientation, header.exif = orientation, tiff.without_orientation(exif)
    return header


def read_size(path: Path) -> tuple[int, int] | None:
    """Read (height, width) in pixels, upright, from the first `HEAD_BYTES` of an image file.

    Returns:
        None if they do not contain the size, contain EXIF data, which may rotate the image, or
        cannot be read.
    """
    try:
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
    except OSError:
        return None
    return None if any(name in head for name in (b"Exif\0\0", b"eXIf", b"EXIF")) else _size(head)


def _size(head: bytes) -> tuple[int, int] | None:
    """Return (height, width) as stored, from the beginning of a JPEG, PNG or WebP file."""
    try:
        if head.startswith(JPEG_SIGNATURE):
            frames = (body for marker, body in _jpeg_segments(head) if marker in JPEG_FRAMES)
            return _frame_shape(next(frames))[:2]
        if head.startswith(PNG_SIGNATURE):
            return _png_shape(head[16:29])[:2] if head[12:16] == b"IHDR" else None
        if _is_webp(head):
            return _webp_size(head[12:16], head[20:30])
    except (struct.error, IndexError, StopIteration):  # it ends before the size
        pass
    return None


def _parse(data: mmap.mmap) -> Header:
    if data[:3] == JPEG_SIGNATURE:
        return _jpeg(data)
    if data[:8] == PNG_SIGNATURE:
        return _png(data)
    if _is_webp(data):
        return _webp(data)
    if data[:2] == b"BM":
        _check_length(data, struct.unpack_from("<I", data, 2)[0])
        return Header("bmp")
    if tiff.is_tiff(data):
        return _tiff(data)
    for (offset, signature), name in UNREAD_SIGNATURES.items():
        if data[offset : offset + len(signature)] == signature:
            raise ValueError(f"is {name}, which is not read. Convert it to PNG or JPEG first")
    raise ValueError("is not a JPEG, PNG, WebP, TIFF or BMP image")


def _jpeg(data: mmap.mmap) -> Header:
    header, icc_parts = Header("jpeg"), {}
    for marker, body in _jpeg_segments(data):
        if marker in JPEG_FRAMES:
            header.shape = _frame_shape(body)
            header.gray = len(header.shape) == 2
            header.coding = JPEG_CODINGS.get(marker)
            if body[0] != 8:
                header.coding = f"a JPEG of {body[0]} bits per channel"
        elif marker == 0xE1 and body.startswith(b"Exif\0\0"):
            header.exif = header.exif or body[6:]
        elif marker == 0xE2 and body.startswith(b"ICC_PROFILE\0"):
            icc_parts[body[12]] = body[14:]
    header.icc = b"".join(icc_parts[part] for part in sorted(icc_parts)) or None
    return header


def _jpeg_segments(data: Data) -> Iterator[tuple[int, bytes]]:
    """Yield marker and body of each segment up to the end of the image (ITU-T T.81, annex B).

    Segments are followed one by one: embedded thumbnails have end markers of their own.

    Raises:
        IndexError, struct.error: If the data end before the image.
    """
    offset = 2
    while data[offset + 1] != JPEG_END:
        marker = data[offset + 1]
        (length,) = struct.unpack_from(">H", data, offset + 2)
        yield marker, data[offset + 4 : offset + 2 + length]
        offset += 2 + length
        following = JPEG_MARKER.search(data, offset)
        if following is None or not (marker == JPEG_SCAN or data[offset] == 0xFF):
            raise IndexError(offset)
        offset = following.start()


def _frame_shape(body: bytes) -> tuple[int, ...]:
    _, height, width, channels = struct.unpack_from(">BHHB", body)
    return (height, width) if channels == 1 else (height, width, 3)


def _png(data: mmap.mmap) -> Header:
    header, offset, released, kind = Header("png"), 8, 0, b""
    while kind != b"IEND":
        length, kind = struct.unpack_from(">I4s", data, offset)
        (expected,) = struct.unpack_from(">I", data, offset + 8 + length)
        with memoryview(data) as view, view[offset + 4 : offset + 8 + length] as chunk:
            if zlib.crc32(chunk) != expected:
                raise ValueError(f"is damaged: wrong checksum of {kind.decode('latin1')}")
            body = bytes(chunk[4:]) if kind in (b"IHDR", b"eXIf", b"iCCP", b"tRNS") else b""
        if kind == b"IHDR":
            header.shape = _png_shape(body)
            header.dtype = np.uint16 if body[8] == 16 else np.uint8
            header.gray = body[9] in (0, 4)
        elif kind == b"tRNS":
            header.shape = None
        elif kind == b"eXIf":
            header.exif = body
        elif kind == b"iCCP":
            compressed = body[body.index(b"\0") + 2 :]
            with contextlib.suppress(zlib.error):
                header.icc = zlib.decompressobj().decompress(compressed, MAX_ICC_BYTES)
        offset += 12 + length
        if offset - released > CHUNK_BYTES:
            released = offset
            _release_pages(data)
    return header


def _png_shape(body: bytes) -> tuple[int, ...]:
    """Return the shape that an IHDR chunk describes: gray has no channel axis."""
    width, height, _, color_type = struct.unpack_from(">IIBB", body)
    return (height, width, *{0: (), 4: (4,), 6: (4,)}.get(color_type, (3,)))


def _is_webp(data: Data) -> bool:
    return data[:4] == b"RIFF" and data[8:12] == b"WEBP"


def _webp(data: mmap.mmap) -> Header:
    end = struct.unpack_from("<I", data, 4)[0] + 8
    _check_length(data, end)
    header, offset = Header("webp"), 12
    while offset + 8 <= end:
        kind, length = struct.unpack_from("<4sI", data, offset)
        if kind == b"EXIF":
            header.exif = data[offset + 8 : offset + 8 + length].removeprefix(b"Exif\0\0")
        elif kind == b"ICCP":
            header.icc = data[offset + 8 : offset + 8 + length]
        offset += 8 + length + length % 2
    return header


def _webp_size(kind: bytes, body: bytes) -> tuple[int, int] | None:
    """Return (height, width) from the first chunk of a WebP file (RFC 9649, section 2)."""
    if kind == b"VP8X":  # extended: two sides of 24 bits, less one
        return 1 + int.from_bytes(body[7:10], "little"), 1 + int.from_bytes(body[4:7], "little")
    if kind == b"VP8L":  # lossless: two sides of 14 bits, less one
        (bits,) = struct.unpack_from("<xI", body)
        return 1 + (bits >> 14 & 0x3FFF), 1 + (bits & 0x3FFF)
    if kind == b"VP8 ":  # lossy
        width, height = struct.unpack_from("<6xHH", body)
        return height & 0x3FFF, width & 0x3FFF
    return None


def _tiff(data: mmap.mmap) -> Header:
    page = tiff.find_page(data)
    tags = tiff.read_tags(data, page.offset)
    layout = tiff_layout.read_layout(data, tags)
    exif = None
    with contextlib.suppress(ValueError, RecursionError):  # damaged EXIF is dropped
        exif = tiff.extract_exif(data)
    return Header(
        "tiff",
        (layout.height, layout.width, *(() if layout.is_gray else (layout.samples,))),
        np.uint16 if layout.bits > 8 else np.uint8,
        layout.is_gray,
        exif,
        tags[tiff.PROFILE].payload if tiff.PROFILE in tags else None,
        tiff.read_orientation(tags),
        layout=layout,
        page=page,
    )


def _check_length(data: mmap.mmap, size: int) -> None:
    if len(data) < size:
        raise IndexError(size)


def _release_pages(data: mmap.mmap) -> None:
    """Release the memory pages that were read, where the operating system supports it."""
    if hasattr(mmap, "MADV_DONTNEED"):
        data.madvise(mmap.MADV_DONTNEED)
