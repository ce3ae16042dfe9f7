"""Is a picture file whole? Decoders fill what is missing with grey and say nothing."""

import mmap
import re
import struct
import zlib
from pathlib import Path

from lowlight_tf.checks import UsageError
from lowlight_tf.imaging import tiff

MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]", re.DOTALL)  # neither data nor a restart
END, SCAN = 0xD9, 0xDA


def check(path: Path) -> str:
    """Return the format of a picture file, told by its first bytes.

    The chunks of a PNG are checked against their checksums; of a JPEG, a WebP and a BMP that the
    end is there. A TIFF tells when it is decoded.

    Raises:
        UsageError: If the file is missing, empty, of no known format, truncated or damaged.
    """
    try:
        with path.open("rb") as file:
            if not file.seek(0, 2):
                raise UsageError(f"{path} is empty (0 bytes). Copy it again.")
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                return _check(data)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}.") from None
    except (struct.error, IndexError):
        raise UsageError(f"{path} is truncated. Copy it again.") from None
    except ValueError as error:
        if isinstance(error, UsageError):
            raise
        raise UsageError(f"{path} {error}.") from None


def _check(data: mmap.mmap) -> str:
    if data[:3] == b"\xff\xd8\xff":
        _jpeg(data)
        return "jpeg"
    if data[:8] == b"\x89PNG\r\n\x1a\n":
        _png(data)
        return "png"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        _long_enough(data, struct.unpack_from("<I", data, 4)[0] + 8)
        return "webp"
    if data[:2] == b"BM":
        _long_enough(data, struct.unpack_from("<I", data, 2)[0])
        return "bmp"
    if tiff.is_tiff(data):
        tiff.tags(data)
        return "tiff"
    raise ValueError("is not a JPEG, PNG, WebP, TIFF or BMP picture")


def _jpeg(data: mmap.mmap) -> None:
    """Walk from marker to marker; thumbnails in the head have ends of their own."""
    place = 2
    while data[place + 1] != END:
        (length,) = struct.unpack_from(">H", data, place + 2)
        scan = data[place + 1] == SCAN
        place += 2 + length
        marker = MARKER.search(data, place)
        if marker is None or not (scan or data[place] == 0xFF):
            raise IndexError(place)
        place = marker.start()


def _png(data: mmap.mmap) -> None:
    place, kind = 8, b""
    while kind != b"IEND":
        length, kind = struct.unpack_from(">I4s", data, place)
        (expected,) = struct.unpack_from(">I", data, place + 8 + length)
        with memoryview(data) as view, view[place + 4 : place + 8 + length] as chunk:
            if zlib.crc32(chunk) != expected:
                raise ValueError(f"is damaged: wrong checksum of {kind.decode('latin1')}")
        place += 12 + length


def _long_enough(data: mmap.mmap, size: int) -> None:
    if len(data) < size:
        raise IndexError(size)
