"""High dynamic range video (PQ and HLG) made standard dynamic range, in linear light."""

import av
import cv2
import numpy as np
from av.video.reformatter import ColorRange

PQ, HLG = 16, 18
"""Transfer characteristics as numbered by ITU-T H.273: SMPTE ST 2084 and ARIB STD-B67."""

BT709, BT2020 = 1, 9
"""Primaries, and matrix coefficients, as numbered by ITU-T H.273."""

PEAK_NITS, REFERENCE_WHITE_NITS = 1000, 203
"""Luminance of what becomes white, and of white paper in HDR video (cd/m2, ITU-R BT.2408)."""

KNEE = 0.5
"""Linear light, as a fraction of white paper, up to which the curve changes nothing."""

DISPLAY_GAMMA = 2.4
"""Exponent of a display of standard dynamic range (ITU-R BT.1886)."""

BT2020_TO_BT709 = np.float32(
    [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]]
)
"""Matrix between linear RGB values (ITU-R BT.2087)."""

BT2020_LUMINANCE = np.float32([[0.2627, 0.6780, 0.0593]])
"""Weights of linear R, G and B in the luminance."""


def pq_to_nits(signal: np.ndarray) -> np.ndarray:
    """Return the luminance (cd/m2) of a PQ signal in [0, 1].

    Reference:
        ITU-R BT.2100-2, table 4. Differences: none.
    """
    root = np.power(signal, 1 / 78.84375)
    ratio = np.maximum(root - 0.8359375, 0) / (18.8515625 - 18.6875 * root)
    return 10000 * np.power(ratio, 1 / 0.1593017578125)


def hlg_to_scene(signal: np.ndarray) -> np.ndarray:
    """Return the scene's linear light, in [0, 1], of an HLG signal in [0, 1].

    Reference:
        ITU-R BT.2100-2, table 5. Differences: none.
    """
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    return np.where(signal <= 0.5, signal**2 / 3, (np.exp((signal - c) / a) + b) / 12)


def compress_highlights(light: np.ndarray) -> np.ndarray:
    """Return linear light, in units of white paper, in [0, 1]: `PEAK_NITS` becomes 1.

    What is darker than `KNEE` stays as it is; above it the curve goes on with the same slope.

    Reference:
        Reinhard et al., "Photographic Tone Reproduction for Digital Images", SIGGRAPH 2002,
        equation 4. Differences: it begins at the knee.
    """
    white = (PEAK_NITS / REFERENCE_WHITE_NITS - KNEE) / (1 - KNEE)
    above = np.clip((light - KNEE) / (1 - KNEE), 0, white)
    rolled = above * (1 + above / white**2) / (1 + above)
    return np.where(light <= KNEE, light, KNEE + (1 - KNEE) * rolled).astype(np.float32)


class ToneMapper:
    """Converts frames of PQ or HLG to RGB of BT.709 for a display of gamma 2.4.

    The curve is applied to the largest of R, G and B, and all three are scaled alike, so that hues
    stay. Colors outside of BT.709 are clipped.

    Args:
        transfer: `PQ` or `HLG`.
        matrix: Matrix coefficients of the frames' YUV; unknown ones are taken for BT.2020.
        primaries: Of the frames; all but BT.709 are taken for BT.2020.
    """

    def __init__(self, transfer: int, *, matrix: int, primaries: int) -> None:
        self._transfer, self._matrix, self._primaries = transfer, matrix, primaries
        signal = np.arange(65536) / 65535
        light = pq_to_nits(signal) / REFERENCE_WHITE_NITS if transfer == PQ else None
        self._light = np.float32(hlg_to_scene(signal) if light is None else light)

    def to_rgb(self, frame: av.VideoFrame, size: tuple[int, int]) -> np.ndarray:
        """Return a frame of any size and pixel format as RGB, (*size, 3) uint8."""
        is_full = frame.color_range == ColorRange.JPEG or frame.format.is_rgb
        rgb = frame.reformat(
            size[1],
            size[0],
            "rgb48le",
            src_colorspace=None if frame.format.is_rgb else self._matrix,
            src_color_range=ColorRange.JPEG if is_full else ColorRange.MPEG,
            dst_color_range=ColorRange.JPEG,
        ).to_ndarray()
        light = self._light[rgb]
        if self._transfer == HLG:  # the scene's light becomes that of a display
            luminance = cv2.transform(light, BT2020_LUMINANCE)
            light *= cv2.pow(luminance, 0.2)[..., None] * (PEAK_NITS / REFERENCE_WHITE_NITS)
        if self._primaries != BT709:
            light = cv2.transform(light, BT2020_TO_BT709)
        light = np.maximum(light, 0)
        brightest = light.max(axis=2)
        scale = compress_highlights(brightest) / np.maximum(brightest, 1e-6)
        light *= scale[..., None]
        return np.uint8(np.clip(255 * cv2.pow(light, 1 / DISPLAY_GAMMA) + 0.5, 0, 255))
