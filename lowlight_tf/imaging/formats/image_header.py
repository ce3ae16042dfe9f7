"""What is read from the headers of image files, whatever their format."""

import dataclasses
import mmap
import re
from pathlib import Path

import numpy as np

from lowlight_tf.imaging.formats import tiff, tiff_layout

MM_PER_INCH = 25.4
BLOCK_BYTES = 2**20  # moved at once where metadata are inserted
XMP_ORIENTATION = re.compile(rb"(tiff:Orientation\s*(?:=\s*[\"']|>)\s*)[1-8](?=\s*[\"'<])")

Data = bytes | mmap.mmap


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class Metadata:
    """What an image file holds besides pixels, as its result is to hold it.

    Attributes:
        exif: EXIF data without its "Exif" prefix, with orientation 1 (upright); or None.
        icc: ICC color profile of the pixels; or None.
        xmp: XMP packet, with orientation 1 if the image was turned; or None.
        iptc: IPTC data (IIM); or None.
        dpi: Pixels per inch, horizontally and vertically; or None.
        png_chunks: Chunks of a PNG that are copied as they are: gamma, primaries, texts.
        left_out: What else the file holds, such as "2 of 3 pages"; "" for nothing.
    """

    exif: bytes | None = None
    icc: bytes | None = None
    xmp: bytes | None = None
    iptc: bytes | None = None
    dpi: tuple[float, float] | None = None
    png_chunks: bytes = b""
    left_out: str = ""


@dataclasses.dataclass
class Header:
    """Header of an image file.

    Attributes:
        format: "jpeg", "png", "webp", "bmp" or "tiff".
        shape: Shape of the array that the decoder will return; None if the header does not give it.
        dtype: Type of that array.
        gray: Whether the image is grayscale, with or without alpha.
        orientation: EXIF orientation of the file, 1 to 8.
        has_alpha: Whether a fourth channel that the decoder returns is alpha.
        transparent: Gray level, as decoded, that stands for alpha 0; or None.
        metadata: What else the file holds.
        coding: What kind of JPEG it is, if decoders may not read that; or None.
        mend: Position and bytes that make the file valid, where its end marker is missing or its
            size field is wrong; or None.
        layout: How a TIFF stores its samples; or None.
        page: Which image of a TIFF this is; or None.
    """

    format: str
    shape: tuple[int, ...] | None = None
    dtype: type = np.uint8
    gray: bool = False
    orientation: int = 1
    has_alpha: bool = True
    transparent: int | None = None
    metadata: Metadata = dataclasses.field(default_factory=Metadata)
    coding: str | None = None
    mend: tuple[int, bytes] | None = None
    layout: tiff_layout.Layout | None = None
    page: tiff.Page | None = None


def make_upright(metadata: Metadata) -> tuple[int, Metadata]:
    """Return the EXIF orientation, and metadata of the upright image. Damaged EXIF is dropped."""
    orientation, exif = 1, None
    if metadata.exif:
        try:
            orientation = tiff.read_orientation(tiff.read_tags(metadata.exif))
            upright = tiff.without_orientation(metadata.exif)
            tiff.read_tags(upright)  # fails where the orientation lay inside another tag
            exif = upright
        except ValueError:
            pass
    xmp = make_xmp_upright(metadata.xmp, orientation)
    return orientation, dataclasses.replace(metadata, exif=exif, xmp=xmp)


def make_xmp_upright(xmp: bytes | None, orientation: int) -> bytes | None:
    """Return the XMP packet of an image that was turned upright; else it keeps its orientation."""
    return XMP_ORIENTATION.sub(rb"\g<1>1", xmp) if xmp and orientation != 1 else xmp


def check_length(data: Data, size: int) -> None:
    """Raise IndexError if a file is shorter than it says."""
    if len(data) < size:
        raise IndexError(size)


def insert_bytes(path: Path, offset: int, content: bytes) -> None:
    """Insert bytes into a file, whose rest is moved block by block."""
    with path.open("r+b") as file:
        end = file.seek(0, 2)
        while end > offset:
            start = max(offset, end - BLOCK_BYTES)
            file.seek(start)
            block = file.read(end - start)
            file.seek(start + len(content))
            file.write(block)
            end = start
        file.seek(offset)
        file.write(content)
