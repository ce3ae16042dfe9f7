"""Decoder of the samples of TIFF images, strip by strip or tile by tile.

OpenCV decodes only some layouts correctly: 16 bits in planes are returned as noise, straight alpha
of 8 bits is multiplied in, and damaged strips of 8 bits are black without an error. It decompresses
LZW and PackBits here, as it contains libtiff.
"""

import itertools
import lzma
import struct
import zlib
from collections.abc import Iterable, Iterator

import cv2
import numpy as np

from lowlight_tf.imaging.formats import tiff, tiff_layout
from lowlight_tf.imaging.formats.tiff import Data, Tag
from lowlight_tf.imaging.formats.tiff_layout import Layout

ROWS_PER_BLOCK = 16  # rows that are unpacked at once, while they are in the cache
ROWS_AT_ONCE = 64  # rows of strips that are decompressed at once, if they are short
REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
"""Byte -> the byte of its bits in reverse order."""


def decode_pixels(data: Data, layout: Layout) -> np.ndarray:
    """Return an image as OpenCV does: (H, W) gray, (H, W, 3) BGR or (H, W, 4) BGRA.

    Args:
        data: The file.
        layout: Of an image of unsigned integers of at most 16 bits.

    Returns:
        uint8 for up to 8 bits, else uint16; of less bits black and white are 0 and the maximum.
        Alpha is straight: premultiplied colors are divided by it.

    Raises:
        ValueError: If the file is truncated or damaged.
    """
    image = decode_samples(data, layout)
    if layout.photometric == tiff_layout.PALETTE:
        return _apply_palette(image[..., 0], layout)
    _stretch_to_type(image, layout.bits)
    colors = image[..., : tiff_layout.COLOR_SAMPLES[layout.photometric]]
    if layout.alpha == tiff.PREMULTIPLIED:
        _divide_by_alpha(image)
    if layout.photometric == tiff_layout.MIN_IS_WHITE:
        np.bitwise_not(colors, out=colors)
    if layout.samples == 1:
        return image[..., 0]
    if layout.samples == 2:
        return cv2.merge([image[..., 0]] * 3 + [image[..., 1]])
    code = cv2.COLOR_RGB2BGR if layout.samples == 3 else cv2.COLOR_RGBA2BGRA
    for top in range(0, len(image), ROWS_PER_BLOCK):
        block = image[top : top + ROWS_PER_BLOCK]
        cv2.cvtColor(block, code, dst=block)
    return image


def decode_samples(data: Data, layout: Layout) -> np.ndarray:
    """Return the samples of an image as they are stored, (H, W, samples).

    Their type is that of the file; of integers of less than 16 bits the next larger one.

    Raises:
        ValueError: If the file is truncated or damaged.
    """
    height, width = layout.height, layout.width
    rows, columns = layout.segment_shape
    size = 8 * -(-layout.bits // 8)  # bits of the type
    image = np.empty((height, width, layout.samples), f"{layout.kind}{size // 8}")
    step = rows * _count_strips_at_once(layout)
    planes = range(layout.samples) if layout.is_planar else [slice(None)]
    segments = zip(layout.offsets, layout.byte_counts, strict=False)
    for plane in planes:
        for top in range(0, height, step):
            for left in range(0, width, columns):
                target = image[top : top + step, left : left + columns, plane]
                places = list(itertools.islice(segments, -(-len(target) // rows)))
                if not all(places[0]):  # of a sparse file
                    target[...] = 0
                    continue
                stored = rows if layout.is_tiled else len(target)
                pieces = [data[offset : offset + length] for offset, length in places]
                segment = _decompress(pieces, stored, layout)
                for start, block in _unpack(segment, stored, layout, data):
                    part = target[start : start + len(block)]
                    block = block[: len(part), : part.shape[1]]
                    part[...] = block.reshape(part.shape)
    return image


def _count_strips_at_once(layout: Layout) -> int:
    """Return how many strips are decompressed at once: some writers store a row in each."""
    if layout.is_tiled or layout.compression not in (tiff_layout.LZW, tiff_layout.PACKBITS):
        return 1
    is_sparse = 0 in layout.offsets or 0 in layout.byte_counts
    return 1 if is_sparse else max(1, ROWS_AT_ONCE // layout.segment_shape[0])


def _decompress(pieces: list[bytes], rows: int, layout: Layout) -> bytes:
    """Return `rows` of a tile, or of strips.

    Raises:
        ValueError: If they hold less.
    """
    if layout.is_reversed:
        pieces = [piece.translate(REVERSED) for piece in pieces]
    row_bytes, segment = _row_bytes(layout), pieces[0]
    size = rows * row_bytes
    try:
        if layout.compression in tiff_layout.DEFLATE:
            segment = zlib.decompressobj().decompress(segment, size)
        elif layout.compression == tiff_layout.LZMA:
            segment = lzma.LZMADecompressor().decompress(segment, size)
        elif layout.compression != tiff_layout.NONE:
            segment = _decompress_by_opencv(pieces, rows, row_bytes, layout)
    except (zlib.error, lzma.LZMAError, cv2.error, struct.error, OverflowError):
        segment = b""
    if len(segment) < size:
        raise ValueError("is truncated or damaged: a TIFF whose strips are too short")
    return segment


def _decompress_by_opencv(pieces: list[bytes], rows: int, row_bytes: int, layout: Layout) -> bytes:
    """Decompress a tile, or strips, as those of a gray image.

    Of signed integers, for which OpenCV does report what is missing.
    """
    sizes = [len(piece) for piece in pieces]
    fields = {
        tiff.WIDTH: [row_bytes],
        tiff.HEIGHT: [rows],
        tiff.BITS: [8],
        tiff.COMPRESSION: [layout.compression],
        tiff.PHOTOMETRIC: [tiff_layout.MIN_IS_BLACK],
        tiff_layout.STRIP_OFFSETS: [0] * len(pieces),
        tiff.SAMPLES: [1],
        tiff_layout.ROWS_PER_STRIP: [min(rows, layout.segment_shape[0])],
        tiff_layout.STRIP_BYTES: sizes,
        tiff.SAMPLE_FORMAT: [2],
    }
    head_bytes = len(_encode_head(fields))
    fields[tiff_layout.STRIP_OFFSETS] = itertools.accumulate(sizes[:-1], initial=head_bytes)
    file = b"".join([_encode_head(fields), *pieces])
    image = cv2.imdecode(np.frombuffer(file, np.uint8), cv2.IMREAD_UNCHANGED)
    return b"" if image is None else image.tobytes()


def _encode_head(fields: dict[int, Iterable[int]]) -> bytes:
    """Return the beginning of a TIFF file with the values of tags, integers of 32 bits."""
    tags = {}
    for number, values in fields.items():
        payload = b"".join(struct.pack("<I", value) for value in values)
        tags[number] = Tag(4, payload, 0)
    return tiff.build_file(tags)


def _unpack(
    segment: bytes, rows: int, layout: Layout, data: Data
) -> Iterator[tuple[int, np.ndarray]]:
    """Yield the samples of a strip or tile by blocks of rows: (first row, block)."""
    samples = 1 if layout.is_planar else layout.samples
    columns, order = layout.segment_shape[1], tiff.byte_order(data)
    lines = np.frombuffer(segment, np.uint8, rows * _row_bytes(layout)).reshape(rows, -1)
    for start in range(0, rows, ROWS_PER_BLOCK):
        block = lines[start : start + ROWS_PER_BLOCK]
        if layout.bits % 8:
            block = _unpack_bits(block, columns * samples, layout.bits)
        elif layout.predictor == tiff_layout.FLOAT_DIFFERENCES:
            block = _add_float_differences(block, samples, layout.bits // 8)
        elif layout.predictor == tiff_layout.DIFFERENCES:
            steps = block.view(f"{order}u{layout.bits // 8}")
            block = _add_differences(steps.astype(f"u{layout.bits // 8}"), samples)
            block = block.view(f"{layout.kind}{layout.bits // 8}")
        else:
            block = block.view(f"{order}{layout.kind}{layout.bits // 8}")
        yield start, block.reshape(-1, columns, samples)


def _unpack_bits(lines: np.ndarray, count: int, bits: int) -> np.ndarray:
    """Return `count` integers of a number of bits from each row of bytes."""
    stored = np.unpackbits(lines, axis=1)[:, : count * bits].reshape(len(lines), count, bits)
    values = np.zeros(stored.shape[:2], np.uint16)
    for bit in range(bits):
        values |= stored[..., bit].astype(np.uint16) << (bits - 1 - bit)
    return values


def _add_differences(steps: np.ndarray, stride: int) -> np.ndarray:
    """Return the sums of integers along each row, of every `stride`-th one, modulo their type.

    Five times faster than `np.cumsum`, as long as the rows fit into the cache.
    """
    sums = np.empty_like(steps)
    while stride < steps.shape[1]:
        sums[:, :stride] = steps[:, :stride]
        np.add(steps[:, stride:], steps[:, :-stride], out=sums[:, stride:])
        steps, sums, stride = sums, steps, 2 * stride
    return steps


def _add_float_differences(lines: np.ndarray, samples: int, unit: int) -> np.ndarray:
    """Return floats from rows of differences of bytes, the highest bytes of all floats first."""
    stored = _add_differences(lines.copy(), samples).reshape(len(lines), unit, -1)
    return np.ascontiguousarray(stored.transpose(0, 2, 1)).view(f">f{unit}")


def _row_bytes(layout: Layout) -> int:
    samples = 1 if layout.is_planar else layout.samples
    return -(-layout.segment_shape[1] * samples * layout.bits // 8)


def _apply_palette(indices: np.ndarray, layout: Layout) -> np.ndarray:
    """Return (H, W, 3) uint8 BGR. Values are of 16 bits, but some writers store them in 8."""
    colors = np.reshape(layout.color_map, (3, -1)).T[:, ::-1]
    colors = colors.astype(np.uint8) if colors.max() < 256 else (colors >> 8).astype(np.uint8)
    return colors[indices]


def _stretch_to_type(image: np.ndarray, bits: int) -> None:
    """Stretch integers of a number of bits to the range of their type, in place."""
    white, top = 2**bits - 1, int(np.iinfo(image.dtype).max)
    if white != top:
        levels = (np.arange(white + 1) * top + white // 2) // white
        for row in image:
            row[...] = levels[row]


def _divide_by_alpha(image: np.ndarray) -> None:
    """Divide colors by alpha, the last sample, in place; nothing is left where that is 0."""
    top = int(np.iinfo(image.dtype).max)
    for row in image:
        colors, alpha = row[:, :-1].astype(np.int64), row[:, -1:].astype(np.int64)
        row[:, :-1] = np.minimum((colors * top + alpha // 2) // np.maximum(alpha, 1), top)
