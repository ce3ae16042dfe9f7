"""Boxes of .mp4 and .mov files that FFmpeg does not tell of."""

import os
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import BinaryIO


def is_joined(name: str) -> bool:
    """Return whether a file is several .mp4 or .mov files joined as `cat` does, not in fragments.

    FFmpeg reads the first one only.
    """
    boxes = list_boxes(Path(name)) if Path(name).is_file() else []
    return boxes.count(b"moov") > 1 and b"moof" not in boxes


def has_gps_box(name: str) -> bool:
    """Return whether a dashcam's .mp4 or .mov file holds places outside of its tracks.

    They are in a box `gps ` within the box `moov` (chips of Novatek) or `free` (BlackVue), which
    FFmpeg does not read.
    """
    path = Path(name)
    return path.is_file() and b"gps " in list_boxes(path, inside=(b"moov", b"free"))


def list_boxes(path: Path, *, inside: Collection[bytes] = ()) -> list[bytes]:
    """Return the types of the top-level boxes of an .mp4 or .mov file; of others, mostly none.

    Args:
        path: The file.
        inside: Types of top-level boxes whose own boxes are returned instead.
    """
    with path.open("rb") as file:
        end = file.seek(0, os.SEEK_END)
        boxes = list(_walk_boxes(file, 0, end))
        if inside:
            parents = [place for kind, *place in boxes if kind in inside]
            boxes = [box for place in parents for box in _walk_boxes(file, *place)]
    return [kind for kind, *_ in boxes]


def _walk_boxes(file: BinaryIO, position: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Yield the type of each box from a position on, and where its content begins and ends."""
    while position + 8 <= end:
        file.seek(position)
        header = file.read(16)
        size, kind = int.from_bytes(header[:4], "big"), header[4:8]
        begin = position + (16 if size == 1 else 8)
        size = {0: end - position, 1: int.from_bytes(header[8:], "big")}.get(size, size)
        if size < 8 or not kind.strip().isalnum():
            return
        position += size
        yield kind, begin, min(position, end)
