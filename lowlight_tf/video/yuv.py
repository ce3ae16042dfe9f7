"""Pixels of video: brightness and two color differences a pixel, to RGB and back, exact to a step.

FFmpeg's own fast conversion rounds down, by one level in dark pictures, where a level is a lot.
"""

import dataclasses
from collections.abc import Sequence

import cv2
import numpy as np

HD_LINES = 720
"""Lines from which on a video that does not say is taken for BT.709; below, for BT.601."""

WEIGHTS = {  # matrix -> shares of red and blue in the luma
    1: (0.2126, 0.0722),  # BT.709
    4: (0.30, 0.11),  # FCC
    5: (0.299, 0.114),  # BT.601 of 625 lines
    6: (0.299, 0.114),  # BT.601 of 525 lines
    7: (0.212, 0.087),  # SMPTE 240M
    9: (0.2627, 0.0593),  # BT.2020
    10: (0.2627, 0.0593),  # BT.2020, constant luminance: near enough
}


@dataclasses.dataclass(frozen=True)
class YuvFormat:
    """How brightness and color differences are coded.

    Attributes:
        matrix: A key of `WEIGHTS`: matrix coefficients as ITU-T H.273 numbers them.
        full: Black is 0 and white is 255; otherwise 16 and 235.
    """

    matrix: int
    full: bool

    @classmethod
    def of(cls, matrix: int, *, full: bool, lines: int) -> "YuvFormat":
        """Return what a video says, its matrix by its lines where it says none that is known."""
        return cls(matrix if matrix in WEIGHTS else 1 if lines >= HD_LINES else 6, full)

    def rgb_to_yuv(self) -> np.ndarray:
        """Return the 3x4 matrix from (R, G, B, 1) to (Y, Cb, Cr), all in levels of 0 to 255.

        Reference:
            ITU-T H.273 (2021), section 8.3, equations 38 to 52. Differences: none.
        """
        red, blue = WEIGHTS[self.matrix]
        luma = np.array([red, 1 - red - blue, blue])
        to_blue = (np.array([0, 0, 1]) - luma) / (2 * (1 - blue))
        to_red = (np.array([1, 0, 0]) - luma) / (2 * (1 - red))
        spans = (255, 255, 255) if self.full else (219, 224, 224)
        turn = np.stack([luma, to_blue, to_red]) * np.divide(spans, 255)[:, None]
        return np.column_stack([turn, [0 if self.full else 16, 128, 128]])

    def yuv_to_rgb(self) -> np.ndarray:
        """Return the inverse of `coding`: 3x4, from (Y, Cb, Cr, 1) to (R, G, B)."""
        code = self.rgb_to_yuv()
        turn = np.linalg.inv(code[:, :3])
        return np.column_stack([turn, -turn @ code[:, 3]])


Planes = Sequence[np.ndarray]
"""Y, Cb and Cr, each (h, w) uint8; the last two of half the size, rounded up, or of the whole."""


class YuvConverter:
    """Converts frames of one video, in buffers that it makes once. One thread at a time.

    Args:
        colors: How the video is coded.
    """

    def __init__(self, colors: YuvFormat) -> None:
        self._coding = colors.rgb_to_yuv().astype(np.float32)
        self._decoding = colors.yuv_to_rgb().astype(np.float32)
        self._room: dict[tuple[str, tuple[int, ...]], np.ndarray] = {}

    def to_rgb(self, planes: Planes, out: np.ndarray) -> None:
        """Write three planes as RGB, color differences interpolated, into (H, W, 3) uint8."""
        size = out.shape[1::-1]
        full = [
            plane
            if plane.shape == out.shape[:2]
            else cv2.resize(plane, size, self._buffer(name, out.shape[:2]))
            for name, plane in zip("YBR", planes, strict=True)
        ]
        cv2.merge(full, out)
        cv2.transform(out, self._decoding, out)

    def to_yuv(self, image: np.ndarray, planes: Planes) -> None:
        """Write an RGB image, (H, W, 3) uint8, into its three planes: the inverse of `to_rgb`."""
        coded = self._buffer("coded", image.shape)
        cv2.transform(image, self._coding, coded)
        for channel, plane in enumerate(planes):
            if plane.shape == image.shape[:2]:
                plane[...] = coded[..., channel]
                continue
            difference = self._buffer("difference", image.shape[:2])
            cv2.extractChannel(coded, channel, difference)
            plane[...] = cv2.resize(difference, plane.shape[::-1], interpolation=cv2.INTER_AREA)

    def to_rgb_downscaled(self, planes: Planes, factor: int) -> np.ndarray:
        """Return the picture shrunk by about `factor` as RGB: (h, w, 3) uint8, each pixel a mean.

        Costs a fraction of converting the whole, as it is shrunk before it is converted.
        """
        height, width = planes[0].shape
        out = np.empty((max(height // factor, 1), max(width // factor, 1), 3), np.uint8)
        size = out.shape[1::-1]
        shrunk = [cv2.resize(plane, size, interpolation=cv2.INTER_AREA) for plane in planes]
        self.to_rgb(shrunk, out)
        return out

    def _buffer(self, name: str, shape: tuple[int, ...]) -> np.ndarray:
        return self._room.setdefault((name, shape), np.empty(shape, np.uint8))
