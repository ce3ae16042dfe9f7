"""A linear DNG file for tests, as phones and Lightroom write them: three colors in each pixel."""

import struct

import numpy as np

from lowlight_tf.imaging.formats import tiff

LINEAR_RAW = 34892  # photometric interpretation


def write_linear_dng(path, pixels, *, white=65535, orientation=1):
    """Write (H, W, 3) uint16 linear light of a camera whose white balance is (2, 1, 1.25)."""

    def integers(kind, *values):
        return tiff.Tag(kind, struct.pack(f"<{len(values)}{' BsHI'[kind]}", *values), 0)

    height, width, _ = pixels.shape
    neutral = struct.pack("<6I", 1, 2, 1, 1, 4, 5)
    tags = {
        254: integers(4, 0),
        tiff.WIDTH: integers(4, width),
        tiff.HEIGHT: integers(4, height),
        tiff.BITS: integers(3, 16, 16, 16),
        tiff.COMPRESSION: integers(3, 1),
        tiff.PHOTOMETRIC: integers(3, LINEAR_RAW),
        273: integers(4, 0),  # offset of the pixels, set below
        tiff.ORIENTATION: integers(3, orientation),
        tiff.SAMPLES: integers(3, 3),
        278: integers(4, height),
        279: integers(4, pixels.nbytes),
        284: integers(3, 1),
        50706: integers(1, 1, 4, 0, 0),
        50707: integers(1, 1, 1, 0, 0),
        50708: tiff.Tag(2, b"test\0", 0),
        50717: integers(3, white, white, white),
        50728: tiff.Tag(5, neutral, 0),
        50778: integers(3, 21),
    }
    offset = 8 + len(tiff.build_ifd(b"", tags, 8))
    offset += offset % 2
    tags[273] = integers(4, offset)
    head = b"II*\0" + struct.pack("<I", 8) + tiff.build_ifd(b"", tags, 8)
    path.write_bytes(head.ljust(offset, b"\0") + np.ascontiguousarray(pixels, "<u2").tobytes())
    return path
