"""Metadata of TIFF files: EXIF, ICC profile, XMP, IPTC data, and pixels per inch."""

import mmap
import struct
from fractions import Fraction
from pathlib import Path

from lowlight_tf.imaging.formats import jpeg, tiff
from lowlight_tf.imaging.formats.image_header import MM_PER_INCH, Data, Metadata, make_xmp_upright
from lowlight_tf.imaging.formats.tiff import Tag

BYTE, SHORT, LONG, RATIONAL, UNDEFINED = 1, 3, 4, 5, 7  # field types
PER_INCH, PER_CM = 2, 3  # values of RESOLUTION_UNIT; 1: only the aspect ratio is known
RESOLUTION = {tiff.X_RESOLUTION, tiff.Y_RESOLUTION, tiff.RESOLUTION_UNIT}
MAX_DENOMINATOR = 10_000  # of resolutions, which are fractions
MAX_NUMERATOR = 2**32 - 1


def read(
    data: Data, tags: dict[int, Tag], *, orientation: int, exif: bytes | None, left_out: str
) -> Metadata:
    """Return the metadata of an image in a TIFF file.

    Args:
        data: The file.
        tags: Those of the image.
        orientation: EXIF orientation of the stored pixels.
        exif: EXIF data of the file.
        left_out: What is not read.
    """

    def payload(number: int) -> bytes | None:
        return tags[number].payload if number in tags else None

    iptc = jpeg.find_iptc(payload(tiff.PHOTOSHOP) or b"")
    if tiff.IPTC in tags:  # bytes, even where they are called integers of 32 bits
        tag = tags[tiff.IPTC]
        iptc = bytes(data[tag.offset : tag.offset + len(tag.payload)])
    return Metadata(
        exif=exif,
        icc=payload(tiff.PROFILE),
        xmp=make_xmp_upright(payload(tiff.XMP), orientation),
        iptc=iptc,
        dpi=_read_dpi(tags),
        left_out=left_out,
    )


def add(path: Path, metadata: Metadata, *, icc: bytes | None, has_alpha: bool) -> None:
    """Write metadata, and that alpha is straight, into a little-endian TIFF file."""
    exif = metadata.exif
    exif_tags = tiff.read_tags(exif) if exif else {}
    with path.open("r+b") as file, mmap.mmap(file.fileno(), 0) as data:
        tags, end = tiff.read_tags(data), len(data) + len(data) % 2
    for number, field_type, content in (
        (tiff.PROFILE, UNDEFINED, icc),
        (tiff.XMP, BYTE, metadata.xmp),
        (tiff.IPTC, UNDEFINED, metadata.iptc),
    ):
        if content:
            tags[number] = Tag(field_type, content, 0)
    if has_alpha:
        tags[tiff.EXTRA_SAMPLES] = Tag(SHORT, struct.pack("<H", tiff.STRAIGHT), 0)
    appended = b""
    for number, tag in sorted(exif_tags.items()):
        if number in tiff.IFD_POINTER_TAGS:
            try:
                sub_tags = tiff.read_tags(exif, tag.value)
                sub_ifd = tiff.build_ifd(exif, sub_tags, end + len(appended))
            except (ValueError, RecursionError):  # a damaged directory is dropped
                continue
            tags[number] = Tag(LONG, struct.pack("<I", end + len(appended)), 0)
            appended += sub_ifd + bytes(len(sub_ifd) % 2)
        elif number in tiff.DESCRIPTIVE_TAGS | RESOLUTION:
            tags[number] = tag
    if metadata.dpi:
        tags |= _resolution_tags(metadata.dpi)
    ifd_offset = end + len(appended)
    appended += tiff.build_ifd(b"", tags, ifd_offset)
    with path.open("r+b") as file:
        file.seek(end)
        file.write(appended)
        file.seek(4)
        file.write(struct.pack("<I", ifd_offset))


def encode_dpi(dpi: tuple[float, float]) -> bytes:
    """Return EXIF data that hold pixels per inch, for formats that hold them nowhere else."""
    return tiff.build_file(_resolution_tags(dpi))


def _read_dpi(tags: dict[int, Tag]) -> tuple[float, float] | None:
    unit = tags[tiff.RESOLUTION_UNIT].value if tiff.RESOLUTION_UNIT in tags else PER_INCH
    scale = {PER_INCH: 1, PER_CM: MM_PER_INCH / 10}.get(unit)
    pairs = [
        tags[number].values for number in (tiff.X_RESOLUTION, tiff.Y_RESOLUTION) if number in tags
    ]
    if scale is None or len(pairs) < 2 or any(len(pair) < 2 or 0 in pair[:2] for pair in pairs):
        return None
    return tuple(scale * pair[0] / pair[1] for pair in pairs)


def _resolution_tags(dpi: tuple[float, float]) -> dict[int, Tag]:
    tags = {tiff.RESOLUTION_UNIT: Tag(SHORT, struct.pack("<H", PER_INCH), 0)}
    for number, value in zip((tiff.X_RESOLUTION, tiff.Y_RESOLUTION), dpi, strict=True):
        ratio = Fraction(value).limit_denominator(MAX_DENOMINATOR)
        numerator = min(ratio.numerator, MAX_NUMERATOR)
        tags[number] = Tag(RATIONAL, struct.pack("<II", numerator, ratio.denominator), 0)
    return tags
