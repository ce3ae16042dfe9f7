"""Height and width of a picture, from the head of its file where that is enough."""

from pathlib import Path

from lowlight_tf.imaging import image_io
from lowlight_tf.imaging.raw import raw_image

HEAD_BYTES = 1 << 16  # bytes; room for most metadata before a JPEG's size
NO_SIZE = {0xC4, 0xC8, 0xCC}  # tables among the JPEG markers that otherwise begin a frame


def image_size(path: Path) -> tuple[int, int]:
    """Return (height, width) in pixels, upright.

    Raises:
        UsageError: If the head does not tell and the file cannot be decoded.
    """
    if path.suffix.lower() in raw_image.SUFFIXES:
        return raw_image.raw_size(path)
    try:
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
    except OSError:
        head = b""
    turned = b"Exif\0\0" in head or b"eXIf" in head or b"EXIF" in head  # it may lie on its side
    found = None if turned else _from_head(head)
    return found or image_io.load_image(path).pixels.shape[:2]


def _from_head(head: bytes) -> tuple[int, int] | None:
    if head[:8] == b"\x89PNG\r\n\x1a\n" and head[12:16] == b"IHDR":
        return _big(head[20:24]), _big(head[16:20])
    if head[:2] == b"\xff\xd8":
        return _jpeg(head)
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return _webp(head)
    return None


def _jpeg(head: bytes) -> tuple[int, int] | None:
    """Walk from marker to marker until a frame begins (ITU-T T.81, annex B)."""
    place = 2
    while place + 9 <= len(head) and head[place] == 0xFF:
        marker = head[place + 1]
        if 0xC0 <= marker <= 0xCF and marker not in NO_SIZE:
            return _big(head[place + 5 : place + 7]), _big(head[place + 7 : place + 9])
        place += 2 + _big(head[place + 2 : place + 4])
    return None


def _webp(head: bytes) -> tuple[int, int] | None:
    """Read the first chunk: extended, lossless or lossy (RFC 9649, section 2)."""
    kind, body = head[12:16], head[20:30]
    if kind == b"VP8X":
        return 1 + _little(body[7:10]), 1 + _little(body[4:7])
    if kind == b"VP8L":
        bits = _little(body[1:5])
        return 1 + (bits >> 14 & 0x3FFF), 1 + (bits & 0x3FFF)
    if kind == b"VP8 ":
        return _little(body[8:10]) & 0x3FFF, _little(body[6:8]) & 0x3FFF
    return None


def _big(octets: bytes) -> int:
    return int.from_bytes(octets, "big")


def _little(octets: bytes) -> int:
    return int.from_bytes(octets, "little")
