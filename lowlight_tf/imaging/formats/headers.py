"""Headers of image files: shape, metadata and completeness, read without decoding.

Decoders fill the missing part of a truncated file with gray without an error, and OpenCV does not
return the metadata of TIFF files.
"""

import contextlib
import mmap
import struct
import zlib
from pathlib import Path

import numpy as np

from lowlight_tf.checks import UsageError
from lowlight_tf.imaging.formats import bmp, jpeg, png, tiff, tiff_layout, tiff_metadata, webp
from lowlight_tf.imaging.formats.image_header import Header

UNREAD_SIGNATURES = {
    (4, b"ftyphei"): "a HEIC image", (4, b"ftyphev"): "a HEIC image",
    (4, b"ftypmif1"): "a HEIC image", (4, b"ftypavi"): "an AVIF image",
    (0, b"GIF8"): "a GIF", (0, b"\xff\x0a"): "a JPEG XL image",
    (4, b"JXL "): "a JPEG XL image", (4, b"jP  "): "a JPEG 2000 image",
    (0, b"v/1\x01"): "an OpenEXR image", (0, b"#?RADIANCE"): "a Radiance HDR image",
    (0, b"P5"): "a PGM image", (0, b"P6"): "a PPM image", (0, b"8BPS"): "a Photoshop image",
}  # fmt: skip
"""(offset, bytes at it) -> what the file is."""

MAX_PIXELS = 2**30  # the limit of OpenCV
HEAD_BYTES = 2**16  # enough for most of the metadata before the size of a JPEG


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
                _check_shape(header.shape)
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
        if head.startswith(jpeg.SIGNATURE):
            frames = (body for marker, body in jpeg.read_segments(head) if marker in jpeg.FRAMES)
            return jpeg.frame_shape(next(frames))[:2]
        if head.startswith(png.SIGNATURE):
            return png.read_shape(head[16:29])[:2] if head[12:16] == b"IHDR" else None
        if webp.is_webp(head):
            return webp.read_size(head[12:16], head[20:30])
    except (struct.error, IndexError, StopIteration):  # it ends before the size
        pass
    return None


def _parse(data: mmap.mmap) -> Header:
    if data[:3] == jpeg.SIGNATURE:
        return jpeg.read(data)
    if data[:8] == png.SIGNATURE:
        return png.read(data)
    if webp.is_webp(data):
        return webp.read(data)
    if data[:2] == bmp.SIGNATURE:
        return bmp.read(data)
    if tiff.is_tiff(data):
        return _tiff(data)
    for (offset, signature), name in UNREAD_SIGNATURES.items():
        if data[offset : offset + len(signature)] == signature:
            raise ValueError(f"is {name}, which is not read. Convert it to PNG or JPEG first")
    raise ValueError("is not a JPEG, PNG, WebP, TIFF or BMP image")


def _check_shape(shape: tuple[int, ...] | None) -> None:
    if shape is not None and not 0 < shape[0] * shape[1] <= MAX_PIXELS:
        raise ValueError(f"has {shape[1]}x{shape[0]} pixels. Expected 1 to 2^30")


def _tiff(data: mmap.mmap) -> Header:
    page = tiff.find_page(data)
    tags = tiff.read_tags(data, page.offset)
    layout = tiff_layout.read_layout(data, tags)
    exif, orientation = None, tiff.read_orientation(tags)
    with contextlib.suppress(ValueError, RecursionError):  # damaged EXIF is dropped
        exif = tiff.extract_exif(data)
    pages = f"{page.others} of {page.others + 1} pages" if page.others else ""
    return Header(
        "tiff",
        (layout.height, layout.width, *(() if layout.is_gray else (layout.samples,))),
        np.uint16 if layout.bits > 8 else np.uint8,
        layout.is_gray,
        orientation,
        metadata=tiff_metadata.read(data, tags, orientation=orientation, exif=exif, left_out=pages),
        layout=layout,
        page=page,
    )
