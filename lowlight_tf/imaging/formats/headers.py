"""What a picture file says of itself, and whether it is whole; read before it is decoded.

Decoders fill with gray what is missing and say nothing, and OpenCV tells of TIFF files no metadata.
"""

import contextlib
import dataclasses
import mmap
import re
import struct
import zlib
from pathlib import Path

import numpy as np

from lowlight_tf.checks import UsageError
from lowlight_tf.imaging.formats import tiff

MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]", re.DOTALL)  # neither data nor a restart
END, SCAN = 0xD9, 0xDA
FRAMES = set(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
MAX_ICC_BYTES = 2**24  # bytes
CHUNK_BYTES = 2**24  # bytes of a file that are kept in memory


@dataclasses.dataclass
class Header:
    """What is known of a picture file.

    Attributes:
        kind: "jpeg", "png", "webp", "bmp" or "tiff".
        shape: What the decoder is expected to give; None where it is left to tell.
        dtype: Likewise.
        gray: Gray, with or without alpha.
        exif: EXIF without its head, saying "upright"; or None.
        icc: Color profile, or None.
        orientation: 1 to 8, as EXIF counts.
    """

    kind: str
    shape: tuple[int, ...] | None = None
    dtype: type = np.uint8
    gray: bool = False
    exif: bytes | None = None
    icc: bytes | None = None
    orientation: int = 1


def read_header(path: Path) -> Header:
    """Read the header of a picture file, its format told by its first bytes.

    The chunks of a PNG are checked against their checksums; of the others, that the end is there.
    The strips of a TIFF are left to its decoder, which does tell.

    Raises:
        UsageError: If the file is missing, empty, of no known format, truncated or damaged.
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
    if header.kind != "tiff" and header.exif:
        exif, header.exif = header.exif, None
        with contextlib.suppress(ValueError):  # damaged: the picture is good without
            header.orientation, header.exif = (
                tiff.read_orientation(exif),
                tiff.without_orientation(exif),
            )
    return header


def _parse(data: mmap.mmap) -> Header:
    if data[:3] == b"\xff\xd8\xff":
        return _jpeg(data)
    if data[:8] == b"\x89PNG\r\n\x1a\n":
        return _png(data)
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return _webp(data)
    if data[:2] == b"BM":
        _check_length(data, struct.unpack_from("<I", data, 2)[0])
        return Header("bmp")
    if tiff.is_tiff(data):
        return _tiff(data)
    raise ValueError("is not a JPEG, PNG, WebP, TIFF or BMP picture")


def _jpeg(data: mmap.mmap) -> Header:
    """Walk from marker to marker; thumbnails in the head have ends of their own."""
    header, profile, place = Header("jpeg"), {}, 2
    while data[place + 1] != END:
        kind = data[place + 1]
        (length,) = struct.unpack_from(">H", data, place + 2)
        content = data[place + 4 : place + 2 + length]
        if kind in FRAMES:
            _, height, width, channels = struct.unpack_from(">BHHB", content)
            header.gray = channels == 1
            header.shape = (height, width) if header.gray else (height, width, 3)
        elif kind == 0xE1 and content.startswith(b"Exif\0\0"):
            header.exif = header.exif or content[6:]
        elif kind == 0xE2 and content.startswith(b"ICC_PROFILE\0"):
            profile[content[12]] = content[14:]
        place += 2 + length
        marker = MARKER.search(data, place)
        if marker is None or not (kind == SCAN or data[place] == 0xFF):
            raise IndexError(place)
        place = marker.start()
    header.icc = b"".join(profile[part] for part in sorted(profile)) or None
    return header


def _png(data: mmap.mmap) -> Header:
    header, place, forgotten, kind = Header("png"), 8, 0, b""
    while kind != b"IEND":
        length, kind = struct.unpack_from(">I4s", data, place)
        (expected,) = struct.unpack_from(">I", data, place + 8 + length)
        with memoryview(data) as view, view[place + 4 : place + 8 + length] as chunk:
            if zlib.crc32(chunk) != expected:
                raise ValueError(f"is damaged: wrong checksum of {kind.decode('latin1')}")
            content = bytes(chunk[4:]) if kind in (b"IHDR", b"eXIf", b"iCCP", b"tRNS") else b""
        if kind == b"IHDR":
            width, height, depth, color = struct.unpack_from(">IIBB", content)
            header.gray = color in (0, 4)
            channels = {0: (), 4: (4,), 6: (4,)}.get(color, (3,))
            header.shape, header.dtype = (
                (height, width, *channels),
                np.uint16 if depth == 16 else np.uint8,
            )
        elif kind == b"tRNS":
            header.shape = None
        elif kind == b"eXIf":
            header.exif = content
        elif kind == b"iCCP":
            packed = content[content.index(b"\0") + 2 :]
            with contextlib.suppress(zlib.error):
                header.icc = zlib.decompressobj().decompress(packed, MAX_ICC_BYTES)
        place += 12 + length
        if place - forgotten > CHUNK_BYTES:
            forgotten = place
            _release_pages(data)
    return header


def _webp(data: mmap.mmap) -> Header:
    end = struct.unpack_from("<I", data, 4)[0] + 8
    _check_length(data, end)
    header, place = Header("webp"), 12
    while place + 8 <= end:
        kind, length = struct.unpack_from("<4sI", data, place)
        if kind == b"EXIF":
            header.exif = data[place + 8 : place + 8 + length].removeprefix(b"Exif\0\0")
        elif kind == b"ICCP":
            header.icc = data[place + 8 : place + 8 + length]
        place += 8 + length + length % 2
    return header


def _tiff(data: mmap.mmap) -> Header:
    known = tiff.read_tags(data)
    if not {tiff.WIDTH, tiff.HEIGHT, tiff.PHOTOMETRIC} <= set(known):
        raise ValueError("is damaged: a TIFF without width, height or color model")
    if known[tiff.PHOTOMETRIC].number == tiff.CMYK:
        raise ValueError("is CMYK. Convert it to RGB first")
    channels = known[tiff.SAMPLES].number if tiff.SAMPLES in known else 1
    if channels == 2:
        raise ValueError("is a gray TIFF with alpha, which decoders drop. Make it a PNG")
    gray = known[tiff.PHOTOMETRIC].number in (0, 1)
    deep = tiff.BITS in known and known[tiff.BITS].number == 16
    return Header(
        "tiff",
        (known[tiff.HEIGHT].number, known[tiff.WIDTH].number, *(() if gray else (channels,))),
        np.uint16 if deep else np.uint8,
        gray,
        tiff.extract_exif(data),
        known[tiff.PROFILE].payload if tiff.PROFILE in known else None,
        tiff.read_orientation(data),
    )


def _check_length(data: mmap.mmap, size: int) -> None:
    if len(data) < size:
        raise IndexError(size)


def _release_pages(data: mmap.mmap) -> None:
    """Give back the memory of what was read, where the system can."""
    if hasattr(mmap, "MADV_DONTNEED"):
        data.madvise(mmap.MADV_DONTNEED)
