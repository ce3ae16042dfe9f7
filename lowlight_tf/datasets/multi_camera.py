"""Reading the images of several cameras at one size."""

from collections.abc import Sequence

import numpy as np

from lowlight_tf.datasets.pairing import Pair
from lowlight_tf.imaging import image_io
from lowlight_tf.imaging.registration import infrared
from lowlight_tf.imaging.resize import resize_image


def read_cameras(pair: Pair, ports: Sequence[str]) -> dict[str, np.ndarray]:
    """Read images of a pair, each (H, W, C), resized to the one that `pair.resize_to` names.

    Args:
        pair: What to read.
        ports: Which of its images. If `pair.resize_to` is not among them, or is "", they keep their
            own sizes.

    Returns:
        Port -> image. "infrared" is (H, W, 1) float32 in [0, 1] (see `infrared.read_thermal`), the
        others are (H, W, 3) with the values of their files.

    Raises:
        UsageError: If a file cannot be read, or an infrared image has colors.
    """
    images = {port: _read(pair, port) for port in ports}
    if pair.resize_to in images:
        size = images[pair.resize_to].shape[:2]
        images = {port: resize_image(image, size) for port, image in images.items()}
    return images


def _read(pair: Pair, port: str) -> np.ndarray:
    path = pair.path_of(port)
    return infrared.read_thermal(path) if port == "infrared" else image_io.load_image(path).pixels
