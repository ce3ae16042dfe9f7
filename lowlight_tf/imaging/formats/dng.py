"""Writer of minimal DNG files, for simulated sensors and for tests."""

import struct
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np

from lowlight_tf.checks import UsageError
from lowlight_tf.fileio import atomic_write
from lowlight_tf.imaging.formats import tiff

BYTE, ASCII, SHORT, LONG, RATIONAL, SRATIONAL = 1, 2, 3, 4, 5, 10  # field types
MAX_DENOMINATOR = 10**6  # of values that are written as fractions
CFA_COLORS = "RGBCMYW"  # the position of a color is its number in the file
CFA = 32803  # photometric interpretation of a mosaic of color filters
D65 = 21  # illuminant of the color matrix


def encode(
    mosaic: np.ndarray,
    cfa_pattern: str,
    *,
    bit_depth: int = 16,
    black_level: Sequence[float] = (),
    white_level: int | None = None,
    camera_wb: Sequence[float] = (1, 1, 1),
    xyz_to_camera: np.ndarray | None = None,
    exposure_time: float | None = None,
    iso: int | None = None,
    orientation: int = 1,
    model: str = "lowlight_tf",
) -> bytes:
    """Encode raw values, (H, W), as an uncompressed DNG file.

    Args:
        mosaic: (H, W) raw values of the sensor, below 2^bit_depth.
        cfa_pattern: Colors of the filters at the top left corner, row by row: 4 or 36 of
            `CFA_COLORS`.
        bit_depth: Bits per raw value in the file, 8 to 16; they are packed.
        black_level: Raw value of black: one, or one for each pixel of the pattern, row by row.
            Empty: the file contains no black level.
        white_level: Raw value of white. Default: the largest that fits.
        camera_wb: White balance gains of red, green and blue.
        xyz_to_camera: (3, 3) from XYZ (D65) to camera colors. None: the file contains no matrix.
        exposure_time: Exposure time (seconds).
        iso: ISO sensitivity.
        orientation: EXIF orientation, 1 to 8.
        model: Name of the camera.

    Raises:
        UsageError: If a raw value does not fit.

    Reference:
        Adobe, "Digital Negative (DNG) Specification", version 1.4.0.0, 2012. Differences: no
        preview and no profile: readers that require either refuse it.
    """
    if not 8 <= bit_depth <= 16 or mosaic.max(initial=0) >= 2**bit_depth:
        raise UsageError(
            "Raw values must be below 2^bit_depth, with a bit depth of 8 to 16. Received: "
            f"bit_depth={bit_depth}, largest raw value {mosaic.max(initial=0)}."
        )
    height, width = mosaic.shape
    side = 2 if len(cfa_pattern) == 4 else 6
    pixels = _pack_bits(mosaic, bit_depth)
    white_level = 2**bit_depth - 1 if white_level is None else white_level
    tags = {
        254: _integers(LONG, 0),
        tiff.WIDTH: _integers(LONG, width),
        tiff.HEIGHT: _integers(LONG, height),
        tiff.BITS: _integers(SHORT, bit_depth),
        259: _integers(SHORT, 1),  # not compressed
        tiff.PHOTOMETRIC: _integers(SHORT, CFA),
        271: _text("lowlight_tf"),
        272: _text(model),
        273: _integers(LONG, 0),  # offset of the pixels, set below
        tiff.ORIENTATION: _integers(SHORT, orientation),
        tiff.SAMPLES: _integers(SHORT, 1),
        278: _integers(LONG, height),
        279: _integers(LONG, len(pixels)),
        284: _integers(SHORT, 1),
        33421: _integers(SHORT, side, side),
        33422: _integers(BYTE, *map(CFA_COLORS.index, cfa_pattern)),
        34665: _integers(LONG, 0),  # offset of the EXIF directory, set below
        50706: _integers(BYTE, 1, 4, 0, 0),
        50707: _integers(BYTE, 1, 1, 0, 0),
        50708: _text(model),
        50710: _integers(BYTE, *sorted(map(CFA_COLORS.index, set(cfa_pattern)))),
        50717: _integers(LONG, white_level),
        50728: _rationals(RATIONAL, *(1 / gain for gain in camera_wb)),
        50778: _integers(SHORT, D65),
    }
    if len(black_level):
        tags[50713] = _integers(SHORT, *((1, 1) if len(black_level) == 1 else (side, side)))
        tags[50714] = _rationals(RATIONAL, *black_level)
    if xyz_to_camera is not None:
        tags[50721] = _rationals(SRATIONAL, *np.ravel(xyz_to_camera))
    exif = {}
    if exposure_time is not None:
        exif[33434] = _rationals(RATIONAL, exposure_time)
    if iso is not None:
        exif[34855] = _integers(SHORT, iso)
    exif_offset = _round_up_to_even(len(tiff.build_file(tags)))
    pixel_offset = exif_offset + _round_up_to_even(len(tiff.build_ifd(b"", exif, exif_offset)))
    tags[34665], tags[273] = _integers(LONG, exif_offset), _integers(LONG, pixel_offset)
    file = tiff.build_file(tags)
    file = file.ljust(exif_offset, b"\0") + tiff.build_ifd(b"", exif, exif_offset)
    return file.ljust(pixel_offset, b"\0") + pixels


def write(path: Path, mosaic: np.ndarray, cfa_pattern: str, **metadata) -> None:
    """Write a DNG file atomically; arguments as for `encode`."""
    with atomic_write(path) as part:
        part.write_bytes(encode(mosaic, cfa_pattern, **metadata))


def _pack_bits(mosaic: np.ndarray, bit_depth: int) -> bytes:
    """Return raw values without padding bits, rows starting at bytes; 16 bits little-endian."""
    if bit_depth == 16:
        return mosaic.astype("<u2").tobytes()
    octets = mosaic.astype(">u2")[..., None].view(np.uint8)
    bits = np.unpackbits(octets, axis=-1)[..., 16 - bit_depth :]
    return np.packbits(bits.reshape(len(mosaic), -1), axis=-1).tobytes()


def _integers(field_type: int, *values: int) -> tiff.Tag:
    code = {BYTE: "B", SHORT: "H", LONG: "I"}[field_type]
    return tiff.Tag(field_type, struct.pack(f"<{len(values)}{code}", *values), 0)


def _text(text: str) -> tiff.Tag:
    return tiff.Tag(ASCII, text.encode("ascii") + b"\0", 0)


def _rationals(field_type: int, *values: float) -> tiff.Tag:
    code = "i" if field_type == SRATIONAL else "I"
    fractions = [Fraction(float(value)).limit_denominator(MAX_DENOMINATOR) for value in values]
    numbers = [number for f in fractions for number in (f.numerator, f.denominator)]
    return tiff.Tag(field_type, struct.pack(f"<{len(numbers)}{code}", *numbers), 0)


def _round_up_to_even(length: int) -> int:
    return length + length % 2
