"""How the samples of a TIFF image are stored, and which ways are read."""

import dataclasses

from lowlight_tf.imaging.formats import tiff
from lowlight_tf.imaging.formats.tiff import Data, Tag

FILL_ORDER, STRIP_OFFSETS, ROWS_PER_STRIP, STRIP_BYTES, PLANAR = 266, 273, 278, 279, 284
PREDICTOR, COLOR_MAP, TILE_WIDTH, TILE_HEIGHT, TILE_OFFSETS = 317, 320, 322, 323, 324
TILE_BYTES = 325

MIN_IS_WHITE, MIN_IS_BLACK, RGB, PALETTE, YCBCR = 0, 1, 2, 3, 6  # color models
COLOR_MODELS = {
    4: "a transparency mask", 5: "CMYK", 8: "CIELAB", 9: "ICC Lab", 10: "ITU Lab",
    32803: "a mosaic of color filters", 32844: "LogL", 32845: "LogLuv", 34892: "linear RAW",
}  # fmt: skip
"""Values of PhotometricInterpretation, and what they stand for, that are not read."""

COLOR_SAMPLES = {MIN_IS_WHITE: 1, MIN_IS_BLACK: 1, RGB: 3, PALETTE: 1, YCBCR: 3}
"""Color model -> samples per pixel without alpha."""

NONE, CCITT, LZW, JPEG = 1, (2, 3, 4), 5, 7
DEFLATE, LZMA, PACKBITS = (8, 32946), 34925, 32773
COMPRESSIONS = {NONE, *CCITT, LZW, JPEG, *DEFLATE, LZMA, PACKBITS}
COMPRESSION_NAMES = {
    6: "old-style JPEG", 34712: "JPEG 2000", 34887: "LERC", 50000: "ZSTD", 50001: "WebP",
    50002: "JPEG XL",
}  # fmt: skip

FORMATS = {1: "u", 2: "i", 3: "f", 4: "u", 5: "complex integers", 6: "complex floats"}
FORMAT_NAMES = {"u": "integers", "i": "signed integers", "f": "floats"}
BITS = {"u": {*range(1, 17), 32, 64}, "i": {8, 16, 32, 64}, "f": {16, 32, 64}}
DIFFERENCES, FLOAT_DIFFERENCES = 2, 3  # values of PREDICTOR; 1: none


@dataclasses.dataclass(frozen=True)
class Layout:
    """How the samples of a TIFF image are stored.

    Attributes:
        width: Of the image, in pixels.
        height: Of the image, in pixels.
        samples: Per pixel, alpha included.
        bits: Per sample.
        kind: "u", "i" or "f", as NumPy names unsigned and signed integers and floats.
        photometric: Color model, a key of `COLOR_SAMPLES`.
        alpha: `tiff.PREMULTIPLIED`, `tiff.STRAIGHT`, 0 where the extra sample may be anything,
            or None without one.
        compression: One of `COMPRESSIONS`.
        predictor: 1, `DIFFERENCES` or `FLOAT_DIFFERENCES`.
        is_planar: Whether each sample has a plane of its own.
        is_reversed: Whether the first bit of a byte is the lowest one.
        is_tiled: Whether segments are tiles, which are stored in full at the edges, and not strips.
        segment_shape: (rows, columns) of a strip or tile.
        offsets: Position of each segment in the file; 0 for one that is left out.
        byte_counts: Size of each segment in the file.
        color_map: Of a palette: 2^bits values of red, then of green, then of blue.
    """

    width: int
    height: int
    samples: int
    bits: int
    kind: str
    photometric: int
    alpha: int | None
    compression: int
    predictor: int
    is_planar: bool
    is_reversed: bool
    is_tiled: bool
    segment_shape: tuple[int, int]
    offsets: list[int]
    byte_counts: list[int]
    color_map: list[int]

    @property
    def is_gray(self) -> bool:
        """Whether the image is grayscale, with or without alpha."""
        return self.photometric in (MIN_IS_WHITE, MIN_IS_BLACK)


def is_measurement(layout: Layout) -> bool:
    """Return whether an image has one channel of values such as temperatures."""
    is_gray = layout.photometric == MIN_IS_BLACK and layout.samples == 1
    return is_gray and (layout.kind != "u" or layout.bits > 16)


def check_image(layout: Layout) -> None:
    """Refuse samples other than those of an image: unsigned integers of at most 16 bits.

    Raises:
        ValueError: The message continues a sentence about the file.
    """
    if layout.kind != "u" or layout.bits > 16:
        raise ValueError(_describe_samples(FORMAT_NAMES[layout.kind], layout.bits))


def read_layout(data: Data, tags: dict[int, Tag]) -> Layout:
    """Return how an image is stored.

    Raises:
        ValueError: If it is damaged, or stored in a way that is not read; the message continues a
            sentence about the file.
    """
    if not {tiff.WIDTH, tiff.HEIGHT, tiff.PHOTOMETRIC} <= set(tags):
        raise ValueError("is damaged: a TIFF without width, height or color model")

    def value(number: int, default: int) -> int:
        return tags[number].value if number in tags else default

    samples, compression = value(tiff.SAMPLES, 1), value(tiff.COMPRESSION, NONE)
    bits = _read_equal(tags, tiff.BITS, samples, "bits") if tiff.BITS in tags else 1
    sample_format = 1
    if tiff.SAMPLE_FORMAT in tags:
        sample_format = _read_equal(tags, tiff.SAMPLE_FORMAT, samples, "formats")
    kind = FORMATS.get(sample_format, f"samples of format {sample_format}")
    width, height = value(tiff.WIDTH, 0), value(tiff.HEIGHT, 0)
    is_tiled = TILE_OFFSETS in tags
    if is_tiled:
        segment_shape = value(TILE_HEIGHT, 0), value(TILE_WIDTH, 0)
    else:
        segment_shape = min(value(ROWS_PER_STRIP, height), height), width
    offsets, byte_counts = (
        tags[number].values if number in tags else []
        for number in ((TILE_OFFSETS, TILE_BYTES) if is_tiled else (STRIP_OFFSETS, STRIP_BYTES))
    )
    if not byte_counts and len(offsets) == 1:  # left out by old writers: up to the end of the file
        byte_counts = [len(data) - offsets[0]]
    layout = Layout(
        width,
        height,
        samples,
        bits,
        kind,
        value(tiff.PHOTOMETRIC, MIN_IS_BLACK),
        value(tiff.EXTRA_SAMPLES, 0) if samples in (2, 4) else None,
        compression,
        value(PREDICTOR, 1),
        value(PLANAR, 1) == 2 and samples > 1,
        value(FILL_ORDER, 1) == 2,
        is_tiled,
        segment_shape,
        offsets,
        byte_counts,
        tags[COLOR_MAP].values if COLOR_MAP in tags else [],
    )
    _check(layout)
    _check_segments(layout, len(data))
    return layout


def _read_equal(tags: dict[int, Tag], number: int, samples: int, what: str) -> int:
    """Return the value that a tag has for each sample; one alone stands for all."""
    values = set(tags[number].values[:samples])
    if len(values) != 1:
        raise ValueError(f"has channels of different {what} ({', '.join(map(str, values))})")
    return values.pop()


def _check(layout: Layout) -> None:
    """Raise ValueError for what is not read."""
    compression, photometric, samples = layout.compression, layout.photometric, layout.samples
    if photometric not in COLOR_SAMPLES:
        name = COLOR_MODELS.get(photometric, f"of color model {photometric}")
        raise ValueError(f"is {name}. Convert it to RGB first")
    if compression not in COMPRESSIONS:
        name = COMPRESSION_NAMES.get(compression, f"method {compression}")
        raise ValueError(f"is a TIFF compressed by {name}, which is not read. Save it by Deflate")
    extra = samples - COLOR_SAMPLES[photometric]
    if extra not in (0, 1) or (extra and photometric not in (MIN_IS_WHITE, MIN_IS_BLACK, RGB)):
        kind = "palette " if photometric == PALETTE else "gray " if layout.is_gray else ""
        raise ValueError(
            f"has {samples} {kind}channels. Expected gray or RGB, with or without alpha"
        )
    if layout.kind not in BITS:
        raise ValueError(_describe_samples(layout.kind, layout.bits))
    if layout.bits not in BITS[layout.kind]:
        raise ValueError(_describe_samples(FORMAT_NAMES[layout.kind], layout.bits))
    if layout.predictor != 1:
        _check_predictor(layout)
    if is_left_to_opencv(layout):
        _check_for_opencv(layout)
    if photometric == PALETTE and len(layout.color_map) != 3 * 2**layout.bits:
        raise ValueError("is damaged: a TIFF palette of a wrong size")


def _check_segments(layout: Layout, size: int) -> None:
    """Raise ValueError if strips or tiles are missing, or end beyond `size` bytes."""
    rows, columns = layout.segment_shape
    if min(layout.width, layout.height, rows, columns) < 1:
        raise ValueError("is damaged: a TIFF of no size")
    planes = layout.samples if layout.is_planar else 1
    count = -(-layout.width // columns) * -(-layout.height // rows) * planes
    segments = list(zip(layout.offsets, layout.byte_counts, strict=False))[:count]
    if len(segments) < count or any(offset + length > size for offset, length in segments):
        raise ValueError("is truncated or damaged: a TIFF without all its strips")


def _describe_samples(name: str, bits: int) -> str:
    return f"holds {name} of {bits} bits. Convert it to integers of 8 or 16 bits first"


def _check_predictor(layout: Layout) -> None:
    compressed = layout.compression in (LZW, *DEFLATE, LZMA)
    floats = layout.predictor == FLOAT_DIFFERENCES and layout.kind == "f"
    integers = layout.predictor == DIFFERENCES and layout.bits in (8, 16, 32, 64)
    if layout.compression != JPEG and not (compressed and (floats or integers)):
        raise ValueError(
            f"is a TIFF of predictor {layout.predictor} for {FORMAT_NAMES[layout.kind]} of "
            f"{layout.bits} bits, which is not read. Save it by Deflate"
        )


def is_left_to_opencv(layout: Layout) -> bool:
    """Return whether OpenCV decodes an image: photographs and fax pages."""
    return layout.compression in (*CCITT, JPEG) or layout.photometric == YCBCR


def _check_for_opencv(layout: Layout) -> None:
    if layout.compression in CCITT:
        if (layout.bits, layout.samples) != (1, 1):
            raise ValueError("is damaged: a TIFF of a fax page that has colors")
        return
    name = "JPEG" if layout.compression == JPEG else "YCbCr"
    if layout.kind != "u" or layout.bits != 8:
        raise ValueError(f"is a TIFF of {name} of {layout.bits} bits. Convert it to 8 bits first")
    if layout.samples not in (1, 3) or layout.is_planar or layout.photometric == PALETTE:
        kind = "in planes" if layout.is_planar else f"of {layout.samples} channels"
        raise ValueError(f"is a TIFF of {name} {kind}, which is not read. Save it by Deflate")
