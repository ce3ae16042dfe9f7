"""DNG files: the least that every RAW developer opens; for made-up sensors and for tests."""

import struct
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np

from lowlight_tf.checks import UsageError
from lowlight_tf.fileio import atomic_write
from lowlight_tf.imaging.formats import tiff

BYTE, ASCII, SHORT, LONG, RATIONAL, SRATIONAL = 1, 2, 3, 4, 5, 10
SCALE = 10**6  # denominator of what is written as a fraction
COLORS = "RGBCMYW"  # numbers of the colors of filters
CFA = 32803  # "photometric interpretation" of a mosaic
D65 = 21  # the light that the color matrix is for


def encode(
    mosaic: np.ndarray,
    phase: str,
    *,
    bits: int = 16,
    black: Sequence[float] = (),
    white: int | None = None,
    wb: Sequence[float] = (1, 1, 1),
    matrix: np.ndarray | None = None,
    exposure: float | None = None,
    iso: int | None = None,
    orientation: int = 1,
    model: str = "lowlight_tf",
) -> bytes:
    """Return an uncompressed DNG file.

    Args:
        mosaic: (H, W) digits of the sensor, below 2^bits.
        phase: Colors of the filters at the top left corner, row by row: 4 or 36 of `COLORS`.
        bits: Of a digit in the file, 8 to 16; they lie packed.
        black: Digits of black: one, or one for each pixel of the phase, row by row. None: the file
            says nothing of black.
        white: Digit of white. Default: the largest that fits.
        wb: Gains of red, green and blue that make gray gray.
        matrix: (3, 3) from XYZ in daylight (D65) to the camera's colors. None: the file has none.
        exposure: Time (seconds).
        iso: Sensitivity.
        orientation: 1 to 8, as EXIF counts.
        model: Name of the camera.

    Raises:
        UsageError: If a digit does not fit.

    Reference:
        Adobe, "Digital Negative (DNG) Specification", version 1.4.0.0, 2012. Differences: no
        preview, no profile: a reader that insists on either refuses it.
    """
    if not 8 <= bits <= 16 or mosaic.max(initial=0) >= 2**bits:
        raise UsageError(
            f"Digits of 8 to 16 bits must be below 2^bits. Received: bits={bits}, "
            f"largest digit {mosaic.max(initial=0)}."
        )
    height, width = mosaic.shape
    side = 2 if len(phase) == 4 else 6
    pixels = _packed(mosaic, bits)
    white = 2**bits - 1 if white is None else white
    tags = {
        254: _whole(LONG, 0),
        tiff.WIDTH: _whole(LONG, width),
        tiff.HEIGHT: _whole(LONG, height),
        tiff.BITS: _whole(SHORT, bits),
        259: _whole(SHORT, 1),  # not compressed
        tiff.PHOTOMETRIC: _whole(SHORT, CFA),
        271: _text("lowlight_tf"),
        272: _text(model),
        273: _whole(LONG, 0),  # where the pixels lie: known when all else is
        tiff.ORIENTATION: _whole(SHORT, orientation),
        tiff.SAMPLES: _whole(SHORT, 1),
        278: _whole(LONG, height),
        279: _whole(LONG, len(pixels)),
        284: _whole(SHORT, 1),
        33421: _whole(SHORT, side, side),
        33422: _whole(BYTE, *map(COLORS.index, phase)),
        34665: _whole(LONG, 0),
        50706: _whole(BYTE, 1, 4, 0, 0),
        50707: _whole(BYTE, 1, 1, 0, 0),
        50708: _text(model),
        50710: _whole(BYTE, *sorted(map(COLORS.index, set(phase)))),
        50717: _whole(LONG, white),
        50728: _fractions(RATIONAL, *(1 / gain for gain in wb)),
        50778: _whole(SHORT, D65),
    }
    if len(black):
        tags[50713] = _whole(SHORT, *((1, 1) if len(black) == 1 else (side, side)))
        tags[50714] = _fractions(RATIONAL, *black)
    if matrix is not None:
        tags[50721] = _fractions(SRATIONAL, *np.ravel(matrix))
    exif = {}
    if exposure is not None:
        exif[33434] = _fractions(RATIONAL, exposure)
    if iso is not None:
        exif[34855] = _whole(SHORT, iso)
    inner = 8 + _even(len(tiff.build_ifd(b"", tags, 8)))
    start = inner + _even(len(tiff.build_ifd(b"", exif, inner)))
    tags[34665], tags[273] = _whole(LONG, inner), _whole(LONG, start)
    head = b"II*\0" + struct.pack("<I", 8) + tiff.build_ifd(b"", tags, 8)
    return (head.ljust(inner, b"\0") + tiff.build_ifd(b"", exif, inner)).ljust(
        start, b"\0"
    ) + pixels


def write(path: Path, mosaic: np.ndarray, phase: str, **said) -> None:
    """Write a DNG file; see `encode`. Whole or not at all."""
    with atomic_write(path) as part:
        part.write_bytes(encode(mosaic, phase, **said))


def _packed(mosaic: np.ndarray, bits: int) -> bytes:
    """Return the digits without gaps, rows beginning at whole bytes; 16 bits little-endian."""
    if bits == 16:
        return mosaic.astype("<u2").tobytes()
    octets = mosaic.astype(">u2")[..., None].view(np.uint8)
    each = np.unpackbits(octets, axis=-1)[..., 16 - bits :]
    return np.packbits(each.reshape(len(mosaic), -1), axis=-1).tobytes()


def _whole(kind: int, *values: int) -> tiff.Tag:
    letter = {BYTE: "B", SHORT: "H", LONG: "I"}[kind]
    return tiff.Tag(kind, struct.pack(f"<{len(values)}{letter}", *values), 0)


def _text(text: str) -> tiff.Tag:
    return tiff.Tag(ASCII, text.encode("ascii") + b"\0", 0)


def _fractions(kind: int, *values: float) -> tiff.Tag:
    letter = "i" if kind == SRATIONAL else "I"
    parts = [Fraction(float(value)).limit_denominator(SCALE) for value in values]
    numbers = [number for part in parts for number in (part.numerator, part.denominator)]
    return tiff.Tag(kind, struct.pack(f"<{len(numbers)}{letter}", *numbers), 0)


def _even(length: int) -> int:
    return length + length % 2
