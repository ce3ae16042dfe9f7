"""LibRaw's own development of what a net develops: the row that a net of RAW pictures has to lead.

It is asked through a DNG file in memory, so that made-up sensors go the way of real ones.
"""

import numpy as np

from lowlight_tf.imaging.formats import dng
from lowlight_tf.imaging.raw import cfa, raw_image

MIN_SIDE_PX = {2: 22, 3: 516}
"""Side (pixels) of what LibRaw develops at least, by that of a cell; what is less is filled up."""


def libraw_bt709(
    packed: np.ndarray, metadata: raw_image.RawMetadata, *, ratio: float = 1.0
) -> np.ndarray:
    """Do as `libraw`, with the tone curve that the targets of See-in-the-Dark have."""
    return libraw(packed, metadata, ratio=ratio, curve="bt709")


def libraw(
    packed: np.ndarray, metadata: raw_image.RawMetadata, *, ratio: float = 1.0, curve: str = "srgb"
) -> np.ndarray:
    """Develop packed light as LibRaw does: AHD, white balance, color matrix, exposure scaling.

    Args:
        packed: (h, w, 4) or (h, w, 9) float32 in [0, 1], any part of a packed picture.
        metadata: What the camera said of it.
        ratio: By how much the light is multiplied before the tone curve.
        curve: One of `raw.CURVES`.

    Returns:
        (2h, 2w, 3) or (3h, 3w, 3) float32 in [0, 1], pixel over pixel.

    Raises:
        UsageError: If rawpy is missing, or `ratio` is not positive.
    """
    side = 2 if packed.shape[-1] == 4 else 3
    phase = cfa.BAYER if side == 2 else cfa.XTRANS
    rows, columns = packed.shape[:2]
    missing = [max(0, MIN_SIDE_PX[side] // side - length) for length in (rows, columns)]
    whole = np.pad(packed, [*((0, more) for more in missing), (0, 0)], mode="edge")
    size = whole.shape[0] * side, whole.shape[1] * side
    # AsShotNeutral and ColorMatrix, of which LibRaw makes gains and matrix again.
    from_xyz = np.linalg.inv(np.array(metadata.color_matrix)) @ np.linalg.inv(raw_image.SRGB_TO_XYZ)
    digits = cfa.unpack(raw_image.img_as_uint16(whole), phase, size)
    file = dng.encode(digits, phase, black_level=(0,), camera_wb=metadata.camera_wb, xyz_to_camera=from_xyz)
    developed = raw_image.develop_with_libraw(file, ratio=ratio, curve=curve)
    developed = developed[: rows * side, : columns * side]
    return np.divide(developed, 65535, dtype=np.float32)
