"""Headers of BMP files, and which kinds of them OpenCV decodes correctly."""

import struct

from lowlight_tf.imaging.formats.image_header import Data, Header, check_length

SIGNATURE = b"BM"
HEADER_SIZES = {40, 108, 124}  # of Windows; palettes of OS/2 are decoded with wrong colors
PLAIN, RLE, MASKS = 0, (1, 2), 3  # compressions
BITS = {1, 4, 8, 16, 24, 32}
COLOR_MASKS = {
    16: {(0xF800, 0x7E0, 0x1F), (0x7C00, 0x3E0, 0x1F)},
    32: {(0xFF0000, 0xFF00, 0xFF)},
}
"""Bits per pixel -> masks of red, green and blue that every reader knows."""

BYTE_MASKS = {0xFF, 0xFF00, 0xFF0000, 0xFF000000}  # in any order in newer headers
OLD_HEADER_SIZE = 40  # without a mask of alpha
_ADVICE = "Convert it to PNG first"


def read(data: Data) -> Header:
    """Return the header of a BMP file.

    Raises:
        ValueError: If it is of a kind that is not read; the message continues a sentence about the
            file.
        IndexError, struct.error: If the file is truncated.
    """
    file_size, pixels_at, size = struct.unpack_from("<I4xII", data, 2)
    if size not in HEADER_SIZES:
        raise ValueError(f"is a BMP with a header of {size} bytes, which is not read. {_ADVICE}")
    width, height, bits, compression = struct.unpack_from("<ii2xHI", data, 18)
    (colors,) = struct.unpack_from("<I", data, 46)
    masks = struct.unpack_from("<4I", data, 54) if compression == MASKS else None
    is_new = size > OLD_HEADER_SIZE
    if masks is None:
        is_known = bits in BITS and compression in (PLAIN, *RLE)
    else:
        is_known = masks[:3] in COLOR_MASKS.get(bits, ())
        is_known |= is_new and bits == 32 and set(masks) <= {0, *BYTE_MASKS}
    if not is_known:
        raise ValueError(
            f"is a BMP of {bits} bits and compression {compression}, which is not read. {_ADVICE}"
        )
    if bits <= 8 and pixels_at < 14 + size + 4 * (colors or 2**bits):
        raise ValueError("is damaged: a BMP whose palette overlaps its pixels")
    if compression in RLE:
        check_length(data, file_size)
    else:
        check_length(data, pixels_at + (width * bits + 31) // 32 * 4 * abs(height))
    return Header("bmp", has_alpha=masks is not None and is_new and masks[3] in BYTE_MASKS)
