"""Tags of TIFF files and of EXIF data, which is a TIFF file without an image."""

import mmap
import struct
from pathlib import Path
from typing import NamedTuple

import numpy as np

WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC, SAMPLES = 256, 257, 258, 259, 262, 277
ORIENTATION, SAMPLE_FORMAT, PROFILE = 274, 339, 34675
CMYK = 5
IFD_POINTER_TAGS = {34665, 34853, 40965}  # EXIF, GPS and interoperability directories
DESCRIPTIVE_TAGS = {270, 271, 272, 305, 306, 315, 33432}
"""Title, camera maker and model, software, time, artist, copyright."""
BYTES_PER_UNIT = {
    1: 1, 2: 1, 3: 2, 4: 4, 5: 4, 6: 1, 7: 1, 8: 2, 9: 4, 10: 4, 11: 4, 12: 8, 13: 4,
}  # fmt: skip
"""Field type -> size of a unit in bytes. 13, a pointer to a directory, is what FLIR writes."""
RATIONAL_TYPES = {5, 10}  # two units per value

Data = bytes | bytearray | mmap.mmap


class Tag(NamedTuple):
    """Entry of a TIFF directory (IFD).

    Attributes:
        field_type: 1 to 13, see `BYTES_PER_UNIT`.
        payload: Its values, little-endian.
        offset: Position of the values in the data (bytes).
    """

    field_type: int
    payload: bytes
    offset: int

    @property
    def value(self) -> int:
        """The first value of an integer tag."""
        return int.from_bytes(self.payload[: BYTES_PER_UNIT.get(self.field_type, 1)], "little")


def is_tiff(data: Data) -> bool:
    """Return whether data begin as a TIFF file or EXIF data. BigTIFF is not supported."""
    return bytes(data[:4]) in (b"II*\0", b"MM\0*")


def read_tags(data: Data, offset: int | None = None) -> dict[int, Tag]:
    """Return the tags of the directory at `offset` (default: the first) by their number.

    Raises:
        ValueError: If they extend beyond the end of the data.
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
    """Return the EXIF orientation, 1 to 8; 1 (upright) if it is missing or invalid."""
    tag = read_tags(data).get(ORIENTATION)
    return tag.value if tag and 1 <= tag.value <= 8 else 1


def clear_orientation(data: bytearray | mmap.mmap) -> None:
    """Set the orientation of a TIFF file or of EXIF data to 1 (upright), in place."""
    if tag := read_tags(data).get(ORIENTATION):
        struct.pack_into(f"{_order(data)}HIHH", data, tag.offset - 6, 3, 1, 1, 0)


def without_orientation(exif: bytes) -> bytes:
    """Return EXIF data with orientation 1 (upright) and without the thumbnail."""
    changed, order = bytearray(exif), _order(exif)
    clear_orientation(changed)
    (first,) = struct.unpack_from(f"{order}I", exif, 4)
    struct.pack_into(f"{order}I", changed, first + 2 + 12 * len(read_tags(exif)), 0)
    return bytes(changed)


def extract_exif(data: Data) -> bytes | None:
    """Return the EXIF data of a TIFF file in the form that other formats embed, or None."""
    wanted = DESCRIPTIVE_TAGS | IFD_POINTER_TAGS
    tags = {number: tag for number, tag in read_tags(data).items() if number in wanted}
    return b"II*\0" + struct.pack("<I", 8) + build_ifd(data, tags, 8) if tags else None


def add_tags(path: Path, *, exif: bytes | None, icc: bytes | None) -> None:
    """Write EXIF data and an ICC profile into a little-endian TIFF file."""
    with path.open("r+b") as file, mmap.mmap(file.fileno(), 0) as data:
        tags = read_tags(data)
        if icc:
            tags[PROFILE] = Tag(7, icc, 0)
        end = len(data) + len(data) % 2
        appended = b""
        for number, tag in sorted(read_tags(exif).items()) if exif else ():
            if number in IFD_POINTER_TAGS:
                sub_ifd = build_ifd(exif, read_tags(exif, tag.value), end + len(appended))
                tags[number] = Tag(4, struct.pack("<I", end + len(appended)), 0)
                appended += sub_ifd + bytes(len(sub_ifd) % 2)
            elif number in DESCRIPTIVE_TAGS:
                tags[number] = tag
        ifd_offset = end + len(appended)
        appended += build_ifd(b"", tags, ifd_offset)
    with path.open("r+b") as file:
        file.seek(end)
        file.write(appended)
        file.seek(4)
        file.write(struct.pack("<I", ifd_offset))


def build_ifd(data: Data, tags: dict[int, Tag], offset: int) -> bytes:
    """Return a little-endian directory for position `offset`, followed by its values.

    Where `data` is given, the directories in it that tags point to are copied, too.
    """
    entries = struct.pack("<H", len(tags))
    values_offset = offset + 2 + 12 * len(tags) + 4
    values = b""
    for number, tag in sorted(tags.items()):
        payload, position = tag.payload, values_offset + len(values)
        if number in IFD_POINTER_TAGS and data:
            sub_ifd = build_ifd(data, read_tags(data, tag.value), position)
            values += sub_ifd + bytes(len(sub_ifd) % 2)
            payload = struct.pack("<I", position)
        elif len(payload) > 4:
            values += payload + bytes(len(payload) % 2)
            payload = struct.pack("<I", position)
        units_per_value = 2 if tag.field_type in RATIONAL_TYPES else 1
        count = len(tag.payload) // BYTES_PER_UNIT.get(tag.field_type, 1) // units_per_value
        entries += struct.pack("<HHI", number, tag.field_type, count) + payload.ljust(4, b"\0")
    return entries + bytes(4) + values


def _order(data: Data) -> str:
    return ">" if bytes(data[:2]) == b"MM" else "<"


def _tag(data: Data, entry: int, order: str) -> tuple[int, Tag]:
    number, field_type, count = struct.unpack_from(f"{order}HHI", data, entry)
    unit = BYTES_PER_UNIT.get(field_type, 1)
    size = unit * count * (2 if field_type in RATIONAL_TYPES else 1)
    offset = entry + 8
    if size > 4:
        (offset,) = struct.unpack_from(f"{order}I", data, offset)
    payload = bytes(data[offset : offset + size])
    if len(payload) < size:
        raise IndexError(number)
    if order == ">" and unit > 1:
        payload = np.frombuffer(payload, f"u{unit}").byteswap().tobytes()
    return number, Tag(field_type, payload, offset)
