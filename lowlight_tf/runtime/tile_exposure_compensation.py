"""Make tiles agree about the brightness of the whole.

A net that normalizes over its image sees a tile of dark street and a tile of lit windows as two
pictures, and brightens each to its own taste. Here the net sees the whole picture once, small, and
each tile is moved to what it said there.
"""

from collections.abc import Callable

import cv2
import numpy as np

from lowlight_tf.runtime.engine import Images

LOWPASS_SIGMA_FRACTION = 1 / 8
"""Spread of the low pass, in sides of a tile."""

MIN_SLOPE = 0.05
"""How much black and white still give way; halfway between them it is 0.3."""


class TileExposureCompensator:
    """What the net makes of the whole picture at a glance.

    The small picture consists of single pixels of the large one, not of means: so a net (or a
    curve) that looks at single pixels gives at those places exactly what its tiles give, and they
    are left exactly as they are.

    Args:
        run: The net: from what `pick` gives to float32 (h, w, C) in [0, 1].
        pick: (rows, columns) -> those pixels of all that the net sees, by port: float32
            (rows, columns, C) in [0, 1].
        shape: Height and width of the picture.
        size: Height and width that the net takes.
    """

    def __init__(
        self,
        run: Callable[[Images], np.ndarray],
        pick: Callable[[np.ndarray, np.ndarray], Images],
        *,
        shape: tuple[int, int],
        size: tuple[int, int],
    ) -> None:
        self._steps = [side / small for side, small in zip(shape, size, strict=True)]
        self._places = [
            ((np.arange(small) + 0.5) * step).astype(int)
            for small, step in zip(size, self._steps, strict=True)
        ]
        self._glance = run(pick(*self._places))

    def apply(self, tile: np.ndarray, top: int, left: int) -> np.ndarray:
        """Return a tile's result with its low frequencies moved to those of the glance.

        The move is a shift of the logit, to first order: large in the middle of the range, small
        at its ends, so that neither lamps nor the night around them get halos.

        Args:
            tile: (h, w, C) float32 in [0, 1].
            top: Where it lies in the picture (pixels).
            left: Likewise.
        """
        corner = top, left
        first, last = (
            [
                int(np.searchsorted(places, edge))
                for places, edge in zip(self._places, edges, strict=True)
            ]
            for edges in (corner, (top + tile.shape[0], left + tile.shape[1]))
        )
        rows, columns = (
            places[a:b] - edge
            for places, a, b, edge in zip(self._places, first, last, corner, strict=True)
        )
        if not len(rows) or not len(columns):
            return tile
        samples = tile[np.ix_(rows, columns)]
        missing = self._glance[first[0] : last[0], first[1] : last[1]] - samples
        if not missing.any():
            return tile
        shift = _low_pass(missing) / _low_pass(_sigmoid_slope(samples))
        (down, across), (y, x) = self._steps, corner
        place = np.float64(
            [
                [1 / across, 0, (x + 0.5) / across - 0.5 - first[1]],
                [0, 1 / down, (y + 0.5) / down - 0.5 - first[0]],
            ]
        )
        shift = cv2.warpAffine(
            shift,
            place,
            tile.shape[1::-1],
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        ).reshape(tile.shape)
        shift *= _sigmoid_slope(tile)
        shift += tile
        return np.clip(shift, 0, 1, out=shift)


def _sigmoid_slope(image: np.ndarray) -> np.ndarray:
    """Return how far each value gives way to a shift: the slope of a sigmoid, and a little."""
    return image * (1 - image) + np.float32(MIN_SLOPE)


def _low_pass(image: np.ndarray) -> np.ndarray:
    sigma = [max(LOWPASS_SIGMA_FRACTION * side, 0.5) for side in image.shape[:2]]
    blurred = cv2.GaussianBlur(
        image, (0, 0), sigmaX=sigma[1], sigmaY=sigma[0], borderType=cv2.BORDER_REFLECT
    )
    return blurred.reshape(image.shape)  # OpenCV drops a single channel
