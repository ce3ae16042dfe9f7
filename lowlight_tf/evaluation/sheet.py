"""Before and after beside each other: a row for each picture, a column for each model."""

from collections.abc import Sequence

import cv2
import numpy as np

from lowlight_tf.datasets.pairing import Pair
from lowlight_tf.imaging import files
from lowlight_tf.runtime.engine import Engine
from lowlight_tf.runtime.enhance import enhance

HEAD = 24  # pixels above the pictures, for the names of the columns


def contact_sheet(
    engines: Sequence[Engine], pairs: Sequence[Pair], *, height: int = 160
) -> np.ndarray:
    """Lay the dark picture, what each engine makes of it, and the target side by side.

    Args:
        engines: The columns between the dark picture and the target.
        pairs: The rows; a pair without a target has no last picture.
        height: Of each picture (pixels); all are as wide as the first.

    Returns:
        (HEAD + rows * height, width, 3) float32 sRGB in [0, 1].
    """
    rows = []
    for pair in pairs:
        low = files.read(next(iter(pair.inputs.values())))
        row = [low, *(enhance(engine, low) for engine in engines)]
        rows.append([*row, files.read(pair.target) if pair.target else np.zeros_like(low)])
    first = rows[0][0]
    width = max(round(first.shape[1] * height / first.shape[0]), 1)
    names = ["before", *(engine.name for engine in engines), "target"]
    head = np.zeros((HEAD, width * len(names), 3), np.uint8)
    for column, name in enumerate(names):
        place = (column * width + 6, HEAD - 8)
        cv2.putText(head, name, place, cv2.FONT_HERSHEY_SIMPLEX, 0.45, (255, 255, 255), 1)
    lines = [np.hstack([_shrunk(image, width, height) for image in row]) for row in rows]
    return np.vstack([np.float32(head) / 255, *lines])


def _shrunk(image: np.ndarray, width: int, height: int) -> np.ndarray:
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA).clip(0, 1)
