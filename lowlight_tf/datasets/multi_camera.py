"""What the cameras of a pair saw, at one size."""

from collections.abc import Sequence

import numpy as np

from lowlight_tf.datasets.pairing import Pair
from lowlight_tf.imaging import image_io
from lowlight_tf.imaging.registration import infrared
from lowlight_tf.imaging.resize import resize_image


def read_cameras(pair: Pair, ports: Sequence[str]) -> dict[str, np.ndarray]:
    """Read some pictures of a pair, each (H, W, C), at the size of the one that `pair.size` names.

    Args:
        pair: What to read.
        ports: Which of its pictures; "infrared" is (H, W, 1) float32 in [0, 1] (see
            `imaging.infrared`), the others are color pictures with the values of their files. A
            single picture, or those without the one that `pair.size` names, have their own size.

    Raises:
        UsageError: If a file cannot be read, or an infrared one is none.
    """
    pictures = {port: _read(pair, port) for port in ports}
    if pair.size in pictures:
        size = pictures[pair.size].shape[:2]
        pictures = {port: resize_image(picture, size) for port, picture in pictures.items()}
    return pictures


def _read(pair: Pair, port: str) -> np.ndarray:
    path = pair.path_of(port)
    return infrared.read_thermal(path) if port == "infrared" else image_io.load_image(path).pixels
