"""What the cameras of a pair saw, at one size."""

from collections.abc import Sequence

import cv2
import numpy as np

from lowlight_tf.datasets.pairing import Pair
from lowlight_tf.imaging import image_io
from lowlight_tf.imaging.registration import infrared


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
        pictures = {port: resize_area(picture, size) for port, picture in pictures.items()}
    return pictures


def resize_area(picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Return a picture, (H, W, C), at another height and width; means where it gets smaller."""
    if picture.shape[:2] == size:
        return picture
    smaller = size[0] < picture.shape[0]
    how = cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
    return cv2.resize(picture, size[::-1], interpolation=how).reshape(*size, -1)


def _read(pair: Pair, port: str) -> np.ndarray:
    path = pair.path_of(port)
    return infrared.read_thermal(path) if port == "infrared" else image_io.load_image(path).pixels
