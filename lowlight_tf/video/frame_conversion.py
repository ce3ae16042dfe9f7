"""Conversion of decoded frames to 8-bit planar YUV of one size and one pixel format."""

import struct

import av
import numpy as np
from av.sidedata.sidedata import Type
from av.video.reformatter import ColorRange

from lowlight_tf.imaging.yuv import LUMA_WEIGHTS, Planes, YuvConverter, YuvFormat
from lowlight_tf.video.deinterlacing import Deinterlacer
from lowlight_tf.video.tone_mapping import BT709, BT2020, HLG, PQ, ToneMapper

HDR_NAMES = {PQ: "PQ", HLG: "HLG"}
"""Transfer characteristics of a high dynamic range -> what they are called."""


CHROMA_NAMES = {(4, 4): "4:4:4", (4, 2): "4:4:0", (2, 4): "4:2:2", (1, 4): "4:1:1"}
"""Width and height of the chroma of 4 x 4 pixels -> what it is called."""


class FrameConverter:
    """Converts the frames of one video to the size, pixel format and colors of its first frame.

    Interlaced frames are made progressive (see `Deinterlacer`), and those of a high dynamic range
    are converted to BT.709 (see `ToneMapper`).

    Args:
        first: The first frame.

    Attributes:
        size: Height and width of the frames as stored (pixels); see `display_matrix`.
        pixel_format: "yuv420p", or "yuv444p" if a side is odd.
        yuv_format: How luma and chroma are coded.
        color_tags: The video's color range, matrix, primaries and transfer.
        display_matrix: Nine numbers that rotate or mirror the frames for display, or None.
    """

    def __init__(self, first: av.VideoFrame) -> None:
        self.size = first.height, first.width
        self.pixel_format = yuv_pixel_format(self.size)
        full_range = first.color_range == ColorRange.JPEG or (
            first.color_range == ColorRange.UNSPECIFIED
            and first.format.name.startswith(("yuvj", "gray"))
        )
        self.yuv_format = YuvFormat.from_tags(
            first.colorspace, full_range=full_range, height=first.height
        )
        self.color_tags = (
            ColorRange.JPEG if full_range else first.color_range,
            first.colorspace,
            first.color_primaries,
            first.color_trc,
        )
        if first.format.is_rgb:
            matrix = self.yuv_format.matrix
            self.color_tags = (ColorRange.MPEG, matrix, *self.color_tags[2:])
            self.yuv_format = YuvFormat(matrix, full_range=False)
        self._deinterlacer, self._tone_mapper = Deinterlacer(), None
        self._bits = max(component.bits for component in first.format.components)
        self._chroma_name = _chroma_name(first.format)
        self._has_alpha = any(component.is_alpha for component in first.format.components)
        self._was_scaled = False
        if first.color_trc in HDR_NAMES:
            matrix = first.colorspace if first.colorspace in LUMA_WEIGHTS else BT2020
            self._tone_mapper = ToneMapper(
                first.color_trc, matrix=matrix, primaries=first.color_primaries
            )
            self._hdr_name = HDR_NAMES[first.color_trc]
            self.color_tags = (ColorRange.MPEG, BT709, BT709, BT709)
            self.yuv_format = YuvFormat(BT709, full_range=False)
            self._to_yuv = YuvConverter(self.yuv_format).to_yuv
        self.display_matrix = next(
            (
                struct.unpack("9i", bytes(data)[:36])
                for data in first.side_data
                if data.type == Type.DISPLAYMATRIX
            ),
            None,
        )

    @property
    def notes(self) -> list[str]:
        """What was changed so far, as parts of a sentence."""
        notes = []
        if self._deinterlacer.frame_count:
            notes.append(f"{self._deinterlacer.frame_count} interlaced frames were deinterlaced")
        if self._tone_mapper:
            notes.append(f"its high dynamic range ({self._hdr_name}) was tone-mapped to BT.709")
        if self._bits > 8:
            notes.append(f"its {self._bits} bits a sample became 8")
        if self._chroma_name and self.pixel_format == "yuv420p":
            notes.append(f"its {self._chroma_name} colors became 4:2:0")
        if self._has_alpha:
            notes.append("its transparency was left out")
        if self._was_scaled:
            height, width = self.size
            notes.append(f"frames of another size were scaled to {width}x{height}")
        return notes

    def convert(self, frame: av.VideoFrame) -> list[av.VideoFrame]:
        """Return the frames that are complete, in the size and pixel format of the first one."""
        return [self._convert(each) for each in self._deinterlacer.push(frame)]

    def flush(self) -> list[av.VideoFrame]:
        """Return the frames that `convert` has kept."""
        return [self._convert(each) for each in self._deinterlacer.flush()]

    def _convert(self, frame: av.VideoFrame) -> av.VideoFrame:
        self._was_scaled |= (frame.height, frame.width) != self.size
        if self._tone_mapper:
            image = self._tone_mapper.to_rgb(frame, self.size)
            result = av.VideoFrame(self.size[1], self.size[0], self.pixel_format)
            self._to_yuv(image, yuv_planes(result))
            result.pts, result.dts = frame.pts, frame.dts
            result.time_base, result.duration = frame.time_base, frame.duration
            return result
        formats = (self.pixel_format, self.pixel_format.replace("yuv", "yuvj"))
        if frame.format.name in formats and (frame.height, frame.width) == self.size:
            return frame
        color_range = ColorRange.JPEG if self.yuv_format.full_range else ColorRange.MPEG
        return frame.reformat(
            self.size[1],
            self.size[0],
            self.pixel_format,
            src_colorspace=None if frame.format.is_rgb else self.yuv_format.matrix,
            dst_colorspace=self.yuv_format.matrix,
            src_color_range=ColorRange.JPEG if frame.format.is_rgb else color_range,
            dst_color_range=color_range,
        )


def yuv_pixel_format(size: tuple[int, int]) -> str:
    """Return "yuv420p", or "yuv444p" if a side of (height, width) is odd."""
    return "yuv444p" if size[0] % 2 or size[1] % 2 else "yuv420p"


def _chroma_name(pixel_format: av.VideoFormat) -> str:
    """Return how colors are stored if each has more than one value for four pixels, else ""."""
    if pixel_format.is_rgb:
        return "RGB"
    if len([part for part in pixel_format.components if not part.is_alpha]) < 3:
        return ""
    stored = pixel_format.chroma_width(4), pixel_format.chroma_height(4)
    return CHROMA_NAMES.get(stored, "")


def yuv_planes(frame: av.VideoFrame) -> Planes:
    """Return views, (h, w) uint8, of the three planes of a planar frame."""
    return [
        np.ndarray((plane.height, plane.width), np.uint8, plane, strides=(plane.line_size, 1))
        for plane in frame.planes
    ]
