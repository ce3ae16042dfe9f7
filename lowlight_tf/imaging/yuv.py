"""Conversion between the 8-bit YUV planes of video frames and RGB, accurate to one level.

The fast conversion of FFmpeg rounds down, which costs one level in dark images, where a level is a
large difference.
"""

import dataclasses
from collections.abc import Sequence

import cv2
import numpy as np

MIN_HD_HEIGHT = 720
"""Frame height (pixels) from which untagged video is taken for BT.709; below it, for BT.601."""

UNKNOWN_MATRIX = 2
"""Matrix coefficients that are not stated, as numbered by ITU-T H.273."""

LUMA_WEIGHTS = {  # matrix coefficients -> weights of red and blue in the luma
    1: (0.2126, 0.0722),  # BT.709
    4: (0.30, 0.11),  # FCC
    5: (0.299, 0.114),  # BT.601 with 625 lines
    6: (0.299, 0.114),  # BT.601 with 525 lines
    7: (0.212, 0.087),  # SMPTE 240M
    9: (0.2627, 0.0593),  # BT.2020
    10: (0.2627, 0.0593),  # BT.2020 constant luminance, approximated
}


@dataclasses.dataclass(frozen=True)
class YuvFormat:
    """How luma and chroma are coded.

    Attributes:
        matrix: Matrix coefficients as numbered by ITU-T H.273: a key of `LUMA_WEIGHTS`.
        full_range: Black is 0 and white is 255 (else 16 and 235).
    """

    matrix: int
    full_range: bool

    @classmethod
    def from_tags(cls, matrix: int, *, full_range: bool, height: int) -> "YuvFormat":
        """Return the format that a video's tags state; an unknown matrix is guessed from height."""
        if matrix not in LUMA_WEIGHTS:
            matrix = 1 if height >= MIN_HD_HEIGHT else 6
        return cls(matrix, full_range)

    @property
    def luma_levels(self) -> tuple[int, int]:
        """Bytes of black and of white."""
        return (0, 255) if self.full_range else (16, 235)

    def rgb_to_yuv_matrix(self) -> np.ndarray:
        """Return the 3x4 matrix from (R, G, B, 1) to (Y, Cb, Cr), all in levels of 0 to 255.

        Reference:
            ITU-T H.273 (2021), section 8.3, equations 38 to 52. Differences: none.
        """
        red, blue = LUMA_WEIGHTS[self.matrix]
        luma = np.array([red, 1 - red - blue, blue])
        blue_difference = (np.array([0, 0, 1]) - luma) / (2 * (1 - blue))
        red_difference = (np.array([1, 0, 0]) - luma) / (2 * (1 - red))
        ranges = (255, 255, 255) if self.full_range else (219, 224, 224)
        linear = np.stack([luma, blue_difference, red_difference])
        linear = linear * np.divide(ranges, 255)[:, None]
        return np.column_stack([linear, [0 if self.full_range else 16, 128, 128]])

    def yuv_to_rgb_matrix(self) -> np.ndarray:
        """Return the inverse of `rgb_to_yuv_matrix`: 3x4, from (Y, Cb, Cr, 1) to (R, G, B)."""
        matrix = self.rgb_to_yuv_matrix()
        linear = np.linalg.inv(matrix[:, :3])
        return np.column_stack([linear, -linear @ matrix[:, 3]])


def level_table(old: tuple[int, int], new: tuple[int, int]) -> np.ndarray:
    """Return the table, (256,) uint8, that maps two levels of bytes to two others linearly."""
    scale = (new[1] - new[0]) / (old[1] - old[0])
    values = new[0] + (np.arange(256) - old[0]) * scale
    return np.uint8(np.rint(values).clip(0, 255))


Planes = Sequence[np.ndarray]
"""Y, Cb and Cr, each (h, w) uint8. Chroma has the size of Y, or half of it, rounded up."""


class YuvConverter:
    """Converts frames of one video between YUV and RGB, in reused buffers. Not thread-safe.

    Args:
        yuv_format: How the video is coded.
    """

    def __init__(self, yuv_format: YuvFormat) -> None:
        self._rgb_to_yuv = yuv_format.rgb_to_yuv_matrix().astype(np.float32)
        self._yuv_to_rgb = yuv_format.yuv_to_rgb_matrix().astype(np.float32)
        self._buffers: dict[tuple[str, tuple[int, ...]], np.ndarray] = {}

    def to_rgb(self, planes: Planes, out: np.ndarray) -> None:
        """Convert three planes to RGB, (H, W, 3) uint8, with linearly interpolated chroma."""
        size = out.shape[1::-1]
        upsampled = [
            plane
            if plane.shape == out.shape[:2]
            else cv2.resize(plane, size, self._buffer(name, out.shape[:2]))
            for name, plane in zip("YBR", planes, strict=True)
        ]
        cv2.merge(upsampled, out)
        cv2.transform(out, self._yuv_to_rgb, out)

    def to_yuv(self, image: np.ndarray, planes: Planes) -> None:
        """Convert an RGB image, (H, W, 3) uint8, into three planes: the inverse of `to_rgb`."""
        yuv = self._buffer("yuv", image.shape)
        cv2.transform(image, self._rgb_to_yuv, yuv)
        for channel, plane in enumerate(planes):
            if plane.shape == image.shape[:2]:
                plane[...] = yuv[..., channel]
                continue
            chroma = self._buffer("chroma", image.shape[:2])
            cv2.extractChannel(yuv, channel, chroma)
            plane[...] = cv2.resize(chroma, plane.shape[::-1], interpolation=cv2.INTER_AREA)

    def to_rgb_downscaled(self, planes: Planes, factor: int) -> np.ndarray:
        """Return the image downscaled by about `factor` as RGB, (h, w, 3) uint8, by area averaging.

        Faster than `to_rgb`, since the planes are downscaled before they are converted.
        """
        height, width = planes[0].shape
        out = np.empty((max(height // factor, 1), max(width // factor, 1), 3), np.uint8)
        size = out.shape[1::-1]
        downscaled = [cv2.resize(plane, size, interpolation=cv2.INTER_AREA) for plane in planes]
        self.to_rgb(downscaled, out)
        return out

    def _buffer(self, name: str, shape: tuple[int, ...]) -> np.ndarray:
        if (name, shape) not in self._buffers:
            self._buffers[name, shape] = np.empty(shape, np.uint8)
        return self._buffers[name, shape]
