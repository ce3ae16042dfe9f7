"""RAW files without a mosaic: linear DNG of phones, Lightroom and DxO, and monochrome sensors.

`raw_image.read_raw` refuses them, `raw_image.develop_with_libraw` develops them.
"""

from pathlib import Path

import numpy as np

from lowlight_tf.imaging.raw.libraw import open_raw
from lowlight_tf.imaging.raw.raw_image import channel_white_levels, read_white_balance

MAX_SAMPLES = 2**18  # pixels that are enough to measure light


def sample_linear_light(path: Path) -> np.ndarray:
    """Return the white-balanced light of some pixels of a file without a mosaic.

    The gains are divided by the smallest one, as in LibRaw.

    Returns:
        (h, w, 3), or (h, w, 1) of a monochrome sensor, float32 in [0, 1]; at most about
        `MAX_SAMPLES` pixels.

    Raises:
        UsageError: As `raw_image.develop_with_libraw`.
    """
    with open_raw(path) as file:
        pixels = np.atleast_3d(file.raw_image_visible)
        step = int(np.ceil((pixels[..., 0].size / MAX_SAMPLES) ** 0.5))
        light = pixels[::step, ::step, :3].astype(np.float32)
        channels = light.shape[2]
        black = np.float32(file.black_level_per_channel[:channels])
        white = channel_white_levels(file.camera_white_level_per_channel, file.white_level)
        gains = np.float32(read_white_balance(file) if channels == 3 else (1,))
    light = (light - black) / np.maximum(np.float32(white[:channels]) - black, 1)
    return np.clip(light * (gains / gains.min()), 0, 1)
