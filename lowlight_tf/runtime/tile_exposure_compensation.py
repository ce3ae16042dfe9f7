"""Exposure compensation of tiles, so that they match the result of the full image.

A model with global statistics brightens a tile of dark street and one of lit windows differently.
Here it is run once on the full image, resized, and the low frequencies of each tile are shifted to
that result.
"""

from collections.abc import Callable

import cv2
import numpy as np

from lowlight_tf.runtime.engine import Images

LOWPASS_SIGMA_FRACTION = 1 / 8
"""Sigma of the low pass, as a fraction of a tile's side."""

MIN_SLOPE = 0.05
"""Slope at black and white; halfway between them it is 0.3."""


class TileExposureCompensator:
    """Compensates the exposure of tiles, given the result of the full image at low resolution.

    The image is subsampled, not averaged: a model (or a curve) that works on single pixels gives
    the same result there as in its tiles, which are then left exactly unchanged.

    Args:
        run: The model: from what `pick` returns to float32 (h, w, C) in [0, 1].
        pick: (rows, columns) -> these pixels of all inputs, by port: float32 (rows, columns, C) in
            [0, 1].
        shape: Height and width of the image.
        size: Height and width that the model takes.
    """

    def __init__(
        self,
        run: Callable[[Images], np.ndarray],
        pick: Callable[[np.ndarray, np.ndarray], Images],
        *,
        shape: tuple[int, int],
        size: tuple[int, int],
    ) -> None:
        self._strides = [side / small for side, small in zip(shape, size, strict=True)]
        self._sample_positions = [
            ((np.arange(small) + 0.5) * step).astype(int)
            for small, step in zip(size, self._strides, strict=True)
        ]
        self._low_res_result = run(pick(*self._sample_positions))

    def apply(self, tile: np.ndarray, top: int, left: int) -> np.ndarray:
        """Return a tile's result with its low frequencies shifted to those of the full image.

        It is a shift of the logit, to first order: large in the middle of the range, small at its
        ends, so that neither lamps nor the darkness around them get halos.

        Args:
            tile: (h, w, C) float32 in [0, 1].
            top: Its upper border in the image (pixels).
            left: Its left border.
        """
        corner = top, left
        first, last = (
            [
                int(np.searchsorted(positions, edge))
                for positions, edge in zip(self._sample_positions, edges, strict=True)
            ]
            for edges in (corner, (top + tile.shape[0], left + tile.shape[1]))
        )
        rows, columns = (
            positions[a:b] - edge
            for positions, a, b, edge in zip(
                self._sample_positions, first, last, corner, strict=True
            )
        )
        if not len(rows) or not len(columns):
            return tile
        samples = tile[np.ix_(rows, columns)]
        difference = self._low_res_result[first[0] : last[0], first[1] : last[1]] - samples
        if not difference.any():
            return tile
        shift = _low_pass(difference) / _low_pass(_sigmoid_slope(samples))
        (down, across), (y, x) = self._strides, corner
        transform = np.float64(
            [
                [1 / across, 0, (x + 0.5) / across - 0.5 - first[1]],
                [0, 1 / down, (y + 0.5) / down - 0.5 - first[0]],
            ]
        )
        shift = cv2.warpAffine(
            shift,
            transform,
            tile.shape[1::-1],
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        ).reshape(tile.shape)
        shift *= _sigmoid_slope(tile)
        shift += tile
        return np.clip(shift, 0, 1, out=shift)


def _sigmoid_slope(image: np.ndarray) -> np.ndarray:
    """Return the slope of a sigmoid at each value, plus a minimum."""
    return image * (1 - image) + np.float32(MIN_SLOPE)


def _low_pass(image: np.ndarray) -> np.ndarray:
    sigma = [max(LOWPASS_SIGMA_FRACTION * side, 0.5) for side in image.shape[:2]]
    blurred = cv2.GaussianBlur(
        image, (0, 0), sigmaX=sigma[1], sigmaY=sigma[0], borderType=cv2.BORDER_REFLECT
    )
    return blurred.reshape(image.shape)  # OpenCV drops a single channel
