"""Damaged image files of every format are refused or read: no crash, no hang, no other error."""

import io
import os
import pickle
import re
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image

from lowlight_tf.imaging import image_io
from lowlight_tf.imaging.image_io import LoadedImage
from tests.tiffs import encode_tiff, join_pages

FILES_PER_FORMAT = int(os.environ.get("LOWLIGHT_FUZZ", "4000"))
MAX_PEAK = 2**30  # bytes of memory; the files have 24x17 pixels
METADATA = {"xmp": b"<x/>", "iptc": b"\x1c\x02\x78\0\1a", "dpi": (300, 300)}


def save(image, kind, **options):
    """Return what Pillow writes."""
    content = io.BytesIO()
    image.save(content, kind, **options)
    return content.getvalue()


def valid_files(rng, tmp_path):
    """Return suffix -> files of that format."""
    pixels = cv2.resize(rng.integers(0, 255, (3, 4, 3), dtype=np.uint8), (24, 17))
    deep = rng.integers(0, 65536, (17, 24, 4), dtype=np.uint16)
    color, gray = Image.fromarray(pixels), Image.fromarray(pixels[..., 0])
    alpha = Image.fromarray(np.dstack([pixels, pixels[..., :1]]))
    files = {
        ".jpg": [save(color, "JPEG"), save(gray, "JPEG"), save(color, "JPEG", progressive=True),
                 save(color.convert("CMYK"), "JPEG"), save(color, "JPEG", restart_marker_rows=1)],
        ".png": [save(color, "PNG"), save(alpha, "PNG"), save(gray, "PNG"),
                 save(color.convert("P"), "PNG", transparency=0),
                 cv2.imencode(".png", deep)[1].tobytes(),
                 save(color, "PNG", save_all=True, append_images=[gray.convert("RGB")])],
        ".webp": [save(color, "WEBP"), save(alpha, "WEBP", lossless=True),
                  save(alpha, "WEBP", quality=50),
                  save(color, "WEBP", save_all=True, append_images=[gray.convert("RGB")])],
        ".bmp": [save(color, "BMP"), save(gray, "BMP"), save(color.convert("P"), "BMP"),
                 save(color.convert("1"), "BMP"), save(alpha, "BMP")],
        ".tif": [
            *(save(color, "TIFF", compression=each) for each in ("jpeg", "tiff_lzw", None)),
            save(color.convert("1"), "TIFF", compression="group4"),
            *(encode_tiff(deep, extra=(2,), compression=each, planar=each % 2 == 1,
                          tile=(16, 16) if each > 5 else None, order="<>"[each % 2])
              for each in (1, 5, 8, 32773, 34925)),
            encode_tiff(deep[..., :1] >> 4, bits=12, compression=8),
            encode_tiff(pixels[..., :1] >> 4, bits=4, photometric=3,
                        tags=[(320, rng.integers(0, 65536, 48).tolist())]),
            encode_tiff(pixels[..., :1].astype(np.float32), compression=8, predictor=3),
            join_pages([encode_tiff(pixels[:4, :4], tags=[(254, [1])]), encode_tiff(pixels)]),
        ],
    }  # fmt: skip
    big = io.BytesIO()
    tifffile.imwrite(big, pixels, bigtiff=True, photometric="rgb")
    files[".tif"].append(big.getvalue())
    exif = Image.Exif()
    exif[271], exif.get_ifd(34665)[33434] = "Maker", 0.02
    for suffix in (".jpg", ".png", ".webp", ".tif"):
        image = LoadedImage(pixels, exif=exif.tobytes()[6:], **METADATA)
        image_io.save_image(tmp_path / f"x{suffix}", image)
        files[suffix].append((tmp_path / f"x{suffix}").read_bytes())
    return files


def damage(content, rng):
    """Return a file with one kind of damage."""
    changed, size = bytearray(content), len(content)
    place = int(rng.integers(0, size))
    near_head = int(rng.integers(0, min(size - 8, 160)))
    length = int(rng.integers(1, 40))
    kind = rng.integers(0, 8)
    if kind == 0:
        for _ in range(int(rng.integers(1, 20))):
            changed[rng.integers(0, size)] ^= 1 << int(rng.integers(0, 8))
    elif kind == 1:
        del changed[place:]
    elif kind == 2:
        del changed[place : place + length]
    elif kind == 3:
        changed[place:place] = rng.bytes(length)
    elif kind == 4:  # two blocks change places
        other = int(rng.integers(0, size))
        first, second = changed[place : place + length], changed[other : other + length]
        changed[place : place + length], changed[other : other + length] = second, first
    elif kind == 5:  # a size or a position that is wrong
        lie = int(rng.choice([0, 1, 7, 255, 2**15, 2**16 - 1, 2**24, 2**31 - 1, 2**32 - 1]))
        struct.pack_into(rng.choice(["<I", ">I"]), changed, near_head, lie)
    elif kind == 6:
        lie = int(rng.choice([0, 1, 2, 255, 2**15, 2**16 - 1]))
        struct.pack_into(rng.choice(["<H", ">H"]), changed, near_head, lie)
    else:
        changed[near_head] = int(rng.integers(0, 256))
    return bytes(changed)


def correct_checksums(content):
    """Return a PNG whose checksums are right, so that damage reaches its decoder."""
    changed, offset = bytearray(content), 8
    while offset + 12 <= len(changed):
        (length,) = struct.unpack_from(">I", changed, offset)
        end = offset + 8 + length
        if end + 4 > len(changed):
            break
        struct.pack_into(">I", changed, end, zlib.crc32(changed[offset + 4 : end]))
        offset = end + 4
    return bytes(changed)


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".bmp", ".tif"])
def test_damaged_files_are_read_or_refused(tmp_path, rng, suffix):
    files = valid_files(rng, tmp_path)[suffix]
    damaged = [damage(files[index % len(files)], rng) for index in range(FILES_PER_FORMAT)]
    if suffix == ".png":
        damaged[::2] = map(correct_checksums, damaged[::2])
    batch = tmp_path / "batch.pickle"
    batch.write_bytes(pickle.dumps([(suffix, content) for content in [*files, *damaged]]))
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("fuzz_decoder.py")), str(batch)],
        capture_output=True, text=True, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    *lines, last = done.stdout.splitlines() or [""]
    assert done.returncode == 0, f"ended by {done.returncode} at {last}\n{done.stderr[-2000:]}"
    assert "Traceback" not in done.stderr
    failed = [line for line in lines if "failed" in line]
    assert not failed, "\n".join(failed)
    outcomes = [line.split()[1] for line in lines]
    assert outcomes[: len(files)] == ["read"] * len(files)
    assert len(outcomes) == len(files) + len(damaged)
    peak = int(re.fullmatch(r"peak (\d+)", last)[1])
    print(f"{suffix}: {len(outcomes)} files, {outcomes.count('read')} read, {peak >> 20} MB")
    assert peak < MAX_PEAK
