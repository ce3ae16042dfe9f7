"""LibRaw's development of packed RAW images: the baseline of RAW models.

The raw values go through a DNG file in memory, so that simulated sensors are processed like real
ones.
"""

import numpy as np

from lowlight_tf.imaging import dtypes
from lowlight_tf.imaging.formats import dng
from lowlight_tf.imaging.raw import cfa, raw_image

MIN_SIDE_PX = {2: 22, 3: 516}
"""Minimum side of an image for LibRaw, by `cfa.packing_factor`; smaller images are padded."""


def libraw_bt709(
    packed: np.ndarray, metadata: raw_image.RawMetadata, *, ratio: float = 1.0
) -> np.ndarray:
    """Develop as `libraw`, with the tone curve of the targets of See-in-the-Dark."""
    return libraw(packed, metadata, ratio=ratio, curve="bt709")


def libraw(
    packed: np.ndarray, metadata: raw_image.RawMetadata, *, ratio: float = 1.0, curve: str = "srgb"
) -> np.ndarray:
    """Develop packed light by LibRaw: AHD, white balance, color matrix, exposure scaling.

    Args:
        packed: (h, w, 4) or (h, w, 9) float32 in [0, 1], any part of a packed image.
        metadata: Metadata of the camera.
        ratio: Factor of the linear light before the tone curve.
        curve: One of `raw_image.TONE_CURVES`.

    Returns:
        (2h, 2w, 3) or (3h, 3w, 3) float32 in [0, 1], aligned with the mosaic.

    Raises:
        UsageError: If rawpy is missing, or `ratio` is not positive.
    """
    side = 2 if packed.shape[-1] == 4 else 3
    pattern = cfa.BAYER if side == 2 else cfa.XTRANS
    rows, columns = packed.shape[:2]
    padding = [max(0, MIN_SIDE_PX[side] // side - length) for length in (rows, columns)]
    padded = np.pad(packed, [*((0, after) for after in padding), (0, 0)], mode="edge")
    size = padded.shape[0] * side, padded.shape[1] * side
    # ColorMatrix1 of the DNG file, from which LibRaw computes the same color matrix again.
    srgb_to_camera = np.linalg.inv(np.array(metadata.color_matrix))
    xyz_to_camera = srgb_to_camera @ np.linalg.inv(raw_image.SRGB_TO_XYZ)
    raw_values = cfa.unpack(dtypes.img_as_uint16(padded), pattern, size)
    file = dng.encode(
        raw_values,
        pattern,
        black_level=(0,),
        camera_wb=metadata.camera_wb,
        xyz_to_camera=xyz_to_camera,
    )
    developed = raw_image.develop_with_libraw(file, ratio=ratio, curve=curve)
    return dtypes.img_as_float32(developed[: rows * side, : columns * side])
