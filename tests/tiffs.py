"""Writer of small TIFF files of every layout, most of which no library here writes."""

import lzma
import struct
import zlib

import numpy as np

from lowlight_tf.imaging.formats import tiff, tiff_layout


def encode_tiff(
    samples,
    *,
    bits=None,
    photometric=None,
    extra=(),
    compression=1,
    predictor=1,
    planar=False,
    tile=None,
    rows_per_strip=5,
    order="<",
    reverse=False,
    tags=(),
):
    """Return a TIFF file of samples, (H, W, channels); `tags` are pairs (number, values)."""
    height, width, channels = samples.shape
    bits = bits or 8 * samples.dtype.itemsize
    rows, columns = tile or (rows_per_strip, width)
    planes = np.split(samples, channels, axis=2) if planar else [samples]
    segments = []
    for plane in planes:
        for top in range(0, height, rows):
            for left in range(0, width, columns):
                block = plane[top : top + rows, left : left + columns]
                if tile:
                    pad = (0, rows - block.shape[0]), (0, columns - block.shape[1]), (0, 0)
                    block = np.pad(block, pad, "edge")
                packed = _pack(block, bits, predictor, order)
                packed = COMPRESS[compression](packed)
                segments.append(packed.translate(REVERSE) if reverse else packed)
    if photometric is None:
        photometric = 2 if channels - len(extra) == 3 else 1
    fields = {
        256: [width],
        257: [height],
        258: [bits] * channels,
        259: [compression],
        262: [photometric],
        266: [2 if reverse else 1],
        277: [channels],
        284: [2 if planar else 1],
        317: [predictor],
        339: [{"u": 1, "i": 2, "f": 3, "c": 6}[samples.dtype.kind]] * channels,
        **({338: list(extra)} if extra else {}),
        **({322: [columns], 323: [rows]} if tile else {278: [rows]}),
        **dict(tags),
    }
    places, counts = (324, 325) if tile else (273, 279)
    fields |= {places: [0] * len(segments), counts: [len(segment) for segment in segments]}
    content, head = b"", b"II*\0" if order == "<" else b"MM\0*"
    values_at = 8 + 2 + 12 * len(fields) + 4
    fits = {number: len(values) == 1 for number, values in fields.items()}
    data_at = values_at + sum(4 * len(fields[number]) for number in fields if not fits[number])
    for index, segment in enumerate(segments):
        fields[places][index] = data_at + len(content)
        content += segment
    entries, values = struct.pack(f"{order}H", len(fields)), b""
    for number, numbers in sorted(fields.items()):
        packed = struct.pack(f"{order}{len(numbers)}I", *numbers)
        if not fits[number]:
            values, packed = (
                values + packed,
                struct.pack(f"{order}I", values_at + len(values)),
            )
        entries += struct.pack(f"{order}HHI", number, 4, len(numbers)) + packed
    return head + struct.pack(f"{order}I", 8) + entries + bytes(4) + values + content


def _pack(block, bits, predictor, order):
    """Return the bytes of samples, each row ending at a byte."""
    if bits % 8:
        columns = block.reshape(len(block), -1)[..., None] >> np.arange(bits - 1, -1, -1) & 1
        return np.packbits(columns.reshape(len(block), -1).astype(np.uint8), axis=1).tobytes()
    unit = bits // 8
    if predictor == 3:
        high_first = block.astype(f">f{unit}").view(np.uint8).reshape(len(block), -1, unit)
        stored = high_first.transpose(0, 2, 1).reshape(len(block), -1, block.shape[2])
        return np.diff(stored, axis=1, prepend=np.uint8(0)).tobytes()
    stored = block.view(f"u{unit}") if block.dtype.kind != "c" else block
    if predictor == 2:
        stored = np.diff(stored, axis=1, prepend=stored.dtype.type(0))
    return stored.astype(stored.dtype.newbyteorder(order)).tobytes()


def _compress_lzw(data):
    """Return LZW data whose table never grows beyond codes of 9 bits."""
    codes = []
    for start in range(0, len(data), 250):
        codes += [256, *data[start : start + 250]]
    bits = "".join(f"{code:09b}" for code in [*codes, 257])
    return int(bits.ljust(-(-len(bits) // 8) * 8, "0"), 2).to_bytes(-(-len(bits) // 8), "big")


def _compress_packbits(data):
    runs = (data[start : start + 100] for start in range(0, len(data), 100))
    return b"".join(bytes([len(run) - 1]) + run for run in runs)


COMPRESS = {
    1: bytes, 5: _compress_lzw, 8: zlib.compress, 32946: zlib.compress, 34925: lzma.compress,
    32773: _compress_packbits,
}  # fmt: skip
REVERSE = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def join_pages(files):
    """Return a TIFF file of several pages; the files must be little-endian."""
    joined = b""
    for content in files:
        joined += bytes(len(joined) % 2)
        joined = _append_page(joined, content)
    return joined


def _append_page(joined, content):
    """Append a file, whose positions are moved, as the last page of another one."""
    if not joined:
        return content
    tags = tiff.read_tags(content)
    base = len(joined)
    for number in (tiff_layout.STRIP_OFFSETS, tiff_layout.TILE_OFFSETS):
        if number in tags:
            moved = [base + value for value in tags[number].values]
            tags[number] = tiff.Tag(4, struct.pack(f"<{len(moved)}I", *moved), 0)
    place = base + len(content) + len(content) % 2
    joined += content + bytes(len(content) % 2) + tiff.build_ifd(b"", tags, place)
    pointer = _last_pointer(joined)
    return joined[:pointer] + struct.pack("<I", place) + joined[pointer + 4 :]


def _last_pointer(content):
    pointer = 4
    while offset := struct.unpack_from("<I", content, pointer)[0]:
        pointer = offset + 2 + 12 * struct.unpack_from("<H", content, offset)[0]
    return pointer
