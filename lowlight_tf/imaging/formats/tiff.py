"""Tags of TIFF files and of EXIF data, which is a TIFF file without an image."""

import mmap
import struct
from collections.abc import Collection
from typing import NamedTuple

import numpy as np

WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC, SAMPLES = 256, 257, 258, 259, 262, 277
ORIENTATION, SAMPLE_FORMAT, PROFILE = 274, 339, 34675
SUBFILE_TYPE, OLD_SUBFILE_TYPE, SUB_IFDS = 254, 255, 330
REDUCED, MASK = 1, 4  # bits of SUBFILE_TYPE
OLD_REDUCED = 2  # value of OLD_SUBFILE_TYPE
X_RESOLUTION, Y_RESOLUTION, RESOLUTION_UNIT, XMP, IPTC, PHOTOSHOP = 282, 283, 296, 700, 33723, 34377
EXTRA_SAMPLES = 338
PREMULTIPLIED, STRAIGHT = 1, 2  # values of EXTRA_SAMPLES; 0: not stated
MAX_PAGES = MAX_TAGS = 2**16
IFD_POINTER_TAGS = {34665, 34853, 40965}  # EXIF, GPS and interoperability directories
DESCRIPTIVE_TAGS = {270, 271, 272, 305, 306, 315, 33432}
"""Title, camera maker and model, software, time, artist, copyright."""
BYTES_PER_UNIT = {
    1: 1, 2: 1, 3: 2, 4: 4, 5: 4, 6: 1, 7: 1, 8: 2, 9: 4, 10: 4, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8,
    18: 8,
}  # fmt: skip
"""Field type -> size of a unit in bytes. 13, a pointer to a directory, is what FLIR writes; 16 to
18 are those of BigTIFF."""
RATIONAL_TYPES = {5, 10}  # two units per value

Data = bytes | bytearray | mmap.mmap


class Tag(NamedTuple):
    """Entry of a TIFF directory (IFD).

    Attributes:
        field_type: 1 to 18, see `BYTES_PER_UNIT`.
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

    @property
    def values(self) -> list[int]:
        """All values of an integer tag."""
        unit = BYTES_PER_UNIT.get(self.field_type, 1)
        return np.frombuffer(self.payload, f"<u{unit}").tolist()


class Page(NamedTuple):
    """Position of the directory of an image, and how many others a TIFF file has.

    Attributes:
        offset: Position in the file (bytes).
        is_first: Whether it is the first one, which decoders read.
        others: Number of further images of full size; thumbnails and masks are not counted.
    """

    offset: int
    is_first: bool
    others: int


def is_tiff(data: Data) -> bool:
    """Return whether data begin as a TIFF or BigTIFF file or as EXIF data."""
    return bytes(data[:4]) in (b"II*\0", b"MM\0*") or _is_big(data)


def read_tags(
    data: Data, offset: int | None = None, *, only: Collection[int] | None = None
) -> dict[int, Tag]:
    """Return the tags of the directory at `offset` (default: the first) by their number.

    Args:
        data: A file or EXIF data.
        offset: Position of the directory.
        only: Numbers of the tags to read. Default: all.

    Raises:
        ValueError: If they extend beyond the end of the data.
    """
    try:
        offset = _first_directory(data) if offset is None else offset
        layout = _entry_layout(data)
        (count,) = struct.unpack_from(layout.count, data, offset)
        if count > MAX_TAGS:
            raise IndexError(count)
        tags = {}
        for index in range(count):
            entry = offset + struct.calcsize(layout.count) + index * struct.calcsize(layout.entry)
            number, field_type, length, _ = struct.unpack_from(layout.entry, data, entry)
            if only is None or number in only:
                tags[number] = _read_tag(data, entry, field_type, length, layout)
        return tags
    except (struct.error, IndexError):
        raise ValueError("its tags are damaged") from None


def find_page(data: Data) -> Page:
    """Return the first image of a TIFF file that is neither a thumbnail nor a mask.

    Where all are, the first. Directories inside others count where those are thumbnails, as cameras
    write them.

    Raises:
        ValueError: If the directories are damaged.
    """
    first = offset = _first_directory(data)
    visited: set[int] = set()
    full, nested = [], []
    while offset and offset not in visited and len(visited) < MAX_PAGES:
        visited.add(offset)
        tags = read_tags(data, offset, only={SUBFILE_TYPE, OLD_SUBFILE_TYPE, SUB_IFDS})
        (full if _is_full(tags) else nested).append(offset)
        if not _is_full(tags) and SUB_IFDS in tags:
            nested += tags[SUB_IFDS].values
        offset = _next_directory(data, offset)
    for offset in nested if not full else ():
        if _is_full(read_tags(data, offset, only={SUBFILE_TYPE, OLD_SUBFILE_TYPE})):
            full.append(offset)
    offset = full[0] if full else first
    return Page(offset, offset == first, max(len(full) - 1, 0))


def select_page(data: mmap.mmap, page: Page) -> None:
    """Make an image the first one of a file, upright, in place, for decoders that read that one."""
    layout = _entry_layout(data)
    struct.pack_into(layout.pointer, data, struct.calcsize(layout.pointer), page.offset)
    clear_orientation(data)


def read_orientation(tags: dict[int, Tag]) -> int:
    """Return the EXIF orientation, 1 to 8; 1 (upright) if it is missing or invalid."""
    tag = tags.get(ORIENTATION)
    return tag.value if tag and 1 <= tag.value <= 8 else 1


def clear_orientation(data: bytearray | mmap.mmap) -> None:
    """Set the orientation of a TIFF file or of EXIF data to 1 (upright), in place."""
    if tag := read_tags(data).get(ORIENTATION):
        code = {1: "B", 2: "H", 4: "I", 8: "Q"}[BYTES_PER_UNIT.get(tag.field_type, 1)]
        struct.pack_into(byte_order(data) + code, data, tag.offset, 1)


def without_orientation(exif: bytes) -> bytes:
    """Return EXIF data with orientation 1 (upright) and without the thumbnail."""
    changed, order = bytearray(exif), byte_order(exif)
    clear_orientation(changed)
    (first,) = struct.unpack_from(f"{order}I", exif, 4)
    struct.pack_into(f"{order}I", changed, first + 2 + 12 * len(read_tags(exif)), 0)
    return bytes(changed)


def extract_exif(data: Data) -> bytes | None:
    """Return the EXIF data of a TIFF file in the form that other formats embed, or None."""
    wanted = DESCRIPTIVE_TAGS | IFD_POINTER_TAGS
    tags = {number: tag for number, tag in read_tags(data).items() if number in wanted}
    return build_file(tags, data) if tags else None


def build_file(tags: dict[int, Tag], data: Data = b"") -> bytes:
    """Return a little-endian TIFF file, or EXIF data, of one directory; see `build_ifd`."""
    return b"II*\0" + struct.pack("<I", 8) + build_ifd(data, tags, 8)


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


def byte_order(data: Data) -> str:
    """Return the byte order of a TIFF file, as NumPy and `struct` write it: "<" or ">"."""
    return ">" if bytes(data[:2]) == b"MM" else "<"


class _EntryLayout(NamedTuple):
    """How directories are stored, as formats of `struct`."""

    count: str  # number of entries
    entry: str  # number, type, count and values of a tag, or their position
    pointer: str  # position in the file


def _is_big(data: Data) -> bool:
    return bytes(data[:4]) in (b"II+\0", b"MM\0+")


def _entry_layout(data: Data) -> _EntryLayout:
    order = byte_order(data)
    if _is_big(data):
        return _EntryLayout(f"{order}Q", f"{order}HHQ8s", f"{order}Q")
    return _EntryLayout(f"{order}H", f"{order}HHI4s", f"{order}I")


def _first_directory(data: Data) -> int:
    if not is_tiff(data):
        raise ValueError("its tags are damaged")
    pointer = _entry_layout(data).pointer
    return _read_pointer(data, struct.calcsize(pointer), pointer)


def _next_directory(data: Data, offset: int) -> int:
    """Return the position of the directory that follows another one; 0 for none."""
    layout = _entry_layout(data)
    (count,) = struct.unpack_from(layout.count, data, offset)
    offset += struct.calcsize(layout.count) + count * struct.calcsize(layout.entry)
    return _read_pointer(data, offset, layout.pointer)


def _read_pointer(data: Data, offset: int, pointer: str) -> int:
    try:
        return struct.unpack_from(pointer, data, offset)[0]
    except struct.error:
        raise ValueError("its tags are damaged") from None


def _is_full(tags: dict[int, Tag]) -> bool:
    """Return whether an image is neither a thumbnail nor a mask."""
    if SUBFILE_TYPE in tags:
        return not tags[SUBFILE_TYPE].value & (REDUCED | MASK)
    return OLD_SUBFILE_TYPE not in tags or tags[OLD_SUBFILE_TYPE].value != OLD_REDUCED


def _read_tag(data: Data, entry: int, field_type: int, count: int, layout: _EntryLayout) -> Tag:
    unit = BYTES_PER_UNIT.get(field_type, 1)
    size = unit * count * (2 if field_type in RATIONAL_TYPES else 1)
    width = struct.calcsize(layout.pointer)  # of the field for values or their position
    offset = entry + struct.calcsize(layout.entry) - width
    if size > width:
        (offset,) = struct.unpack_from(layout.pointer, data, offset)
    payload = bytes(data[offset : offset + size])
    if len(payload) < size:
        raise IndexError(offset)
    if layout.count[0] == ">" and unit > 1:
        payload = np.frombuffer(payload, f"u{unit}").byteswap().tobytes()
    return Tag(field_type, payload, offset)
