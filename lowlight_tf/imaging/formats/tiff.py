"""The tags of TIFF files, and of EXIF, which is a TIFF file without a picture."""

import mmap
import struct
from pathlib import Path
from typing import NamedTuple

import numpy as np

WIDTH, HEIGHT, BITS, PHOTOMETRIC, SAMPLES = 256, 257, 258, 262, 277
ORIENTATION, PROFILE = 274, 34675
CMYK = 5
POINTERS = {34665, 34853, 40965}  # EXIF, GPS and interoperability: tags that lead to more tags
DESCRIPTIVE = {270, 271, 272, 305, 306, 315, 33432}  # title, camera, program, time, artist, rights
UNIT = {1: 1, 2: 1, 3: 2, 4: 4, 5: 4, 6: 1, 7: 1, 8: 2, 9: 4, 10: 4, 11: 4, 12: 8}
RATIONAL = {5, 10}  # two units make one value

Data = bytes | bytearray | mmap.mmap


class Tag(NamedTuple):
    """One entry of a directory: its type and its bytes, little-endian, and where they lie."""

    kind: int
    payload: bytes
    offset: int

    @property
    def number(self) -> int:
        """The first value, of a tag that holds whole numbers."""
        return int.from_bytes(self.payload[: UNIT[self.kind]], "little")


def is_tiff(data: Data) -> bool:
    """Tell a TIFF file, or EXIF, by its first bytes. The one for files above 4 GB is not read."""
    return bytes(data[:4]) in (b"II*\0", b"MM\0*")


def read_tags(data: Data, offset: int | None = None) -> dict[int, Tag]:
    """Return the tags of the directory at `offset` (default: the first).

    Raises:
        ValueError: If they reach beyond the end.
    """
    order = _order(data)
    try:
        if not is_tiff(data):
            raise IndexError(0)
        offset = struct.unpack_from(f"{order}I", data, 4)[0] if offset is None else offset
        (count,) = struct.unpack_from(f"{order}H", data, offset)
        return dict(_tag(data, offset + 2 + 12 * index, order) for index in range(count))
    except (struct.error, IndexError):
        raise ValueError("its tags are damaged") from None


def read_orientation(data: Data) -> int:
    """Return 1 to 8 as EXIF counts the ways a picture may lie; 1 is upright."""
    tag = read_tags(data).get(ORIENTATION)
    return tag.number if tag and 1 <= tag.number <= 8 else 1


def clear_orientation(data: bytearray | mmap.mmap) -> None:
    """Call the picture of a TIFF file, or of EXIF, upright."""
    if tag := read_tags(data).get(ORIENTATION):
        struct.pack_into(f"{_order(data)}HIHH", data, tag.offset - 6, 3, 1, 1, 0)


def without_orientation(exif: bytes) -> bytes:
    """Return EXIF that calls its picture upright and has no thumbnail of how it was before."""
    changed, order = bytearray(exif), _order(exif)
    clear_orientation(changed)
    (first,) = struct.unpack_from(f"{order}I", exif, 4)
    struct.pack_into(f"{order}I", changed, first + 2 + 12 * len(read_tags(exif)), 0)
    return bytes(changed)


def extract_exif(data: Data) -> bytes | None:
    """Return the EXIF of a TIFF file, as other formats carry it."""
    kept = {n: tag for n, tag in read_tags(data).items() if n in DESCRIPTIVE | POINTERS}
    return b"II*\0" + struct.pack("<I", 8) + build_ifd(data, kept, 8) if kept else None


def add_tags(path: Path, *, exif: bytes | None, profile: bytes | None) -> None:
    """Write EXIF and a color profile into a TIFF file that is little-endian."""
    with path.open("r+b") as file, mmap.mmap(file.fileno(), 0) as data:
        kept = read_tags(data)
        if profile:
            kept[PROFILE] = Tag(7, profile, 0)
        base = len(data) + len(data) % 2
        more = b""
        for number, tag in sorted(read_tags(exif).items()) if exif else ():
            if number in POINTERS:
                inner = build_ifd(exif, read_tags(exif, tag.number), base + len(more))
                kept[number] = Tag(4, struct.pack("<I", base + len(more)), 0)
                more += inner + bytes(len(inner) % 2)
            elif number in DESCRIPTIVE:
                kept[number] = tag
        first = base + len(more)
        more += build_ifd(b"", kept, first)
    with path.open("r+b") as file:
        file.seek(base)
        file.write(more)
        file.seek(4)
        file.write(struct.pack("<I", first))


def _order(data: Data) -> str:
    return ">" if bytes(data[:2]) == b"MM" else "<"


def _tag(data: Data, entry: int, order: str) -> tuple[int, Tag]:
    number, kind, count = struct.unpack_from(f"{order}HHI", data, entry)
    unit = UNIT.get(kind, 1)
    size = unit * count * (2 if kind in RATIONAL else 1)
    place = entry + 8
    if size > 4:
        (place,) = struct.unpack_from(f"{order}I", data, place)
    payload = bytes(data[place : place + size])
    if len(payload) < size:
        raise IndexError(number)
    if order == ">" and unit > 1:
        payload = np.frombuffer(payload, f"u{unit}").byteswap().tobytes()
    return number, Tag(kind, payload, place)


def build_ifd(data: Data, kept: dict[int, Tag], offset: int) -> bytes:
    """Return a little-endian directory that will lie at `offset`, then what its tags hold.

    Where `data` is given, the directories in it that tags lead to are taken along.
    """
    head = struct.pack("<H", len(kept))
    after = offset + 2 + 12 * len(kept) + 4
    more = b""
    for number, tag in sorted(kept.items()):
        payload, here = tag.payload, after + len(more)
        if number in POINTERS and data:
            inner = build_ifd(data, read_tags(data, tag.number), here)
            more += inner + bytes(len(inner) % 2)
            payload = struct.pack("<I", here)
        elif len(payload) > 4:
            more += payload + bytes(len(payload) % 2)
            payload = struct.pack("<I", here)
        count = len(tag.payload) // UNIT.get(tag.kind, 1) // (2 if tag.kind in RATIONAL else 1)
        head += struct.pack("<HHI", number, tag.kind, count) + payload.ljust(4, b"\0")
    return head + bytes(4) + more
