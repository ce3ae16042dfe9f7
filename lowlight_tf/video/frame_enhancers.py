"""How a model enhances the frames of a video: as RGB images, or as the planes that they are."""

import abc

import av
import cv2
import numpy as np

from lowlight_tf.contract import ENHANCE_PLANES, Contract
from lowlight_tf.imaging.resize import resize_area_fast
from lowlight_tf.imaging.yuv import YuvConverter, level_table
from lowlight_tf.runtime import input_geometry
from lowlight_tf.runtime.brightness import check_brightness, with_brightness
from lowlight_tf.runtime.engine import Engine, Images
from lowlight_tf.runtime.enhance import enhance
from lowlight_tf.runtime.frame_memory import FrameMemory
from lowlight_tf.runtime.rgb_engine import RgbEngine
from lowlight_tf.video.frame_conversion import yuv_planes
from lowlight_tf.video.frame_queue import FrameItem
from lowlight_tf.video.reader import VideoReader
from lowlight_tf.video.temporal_smoothing import MEASURED_ROWS, LumaStabilizer, mean_luma

LUMA_PROBE_SIZE = (64, 96)
"""Smallest height and width at which the mean luma of a frame is measured (pixels)."""

NEUTRAL_CHROMA = 128
"""Byte of chroma that stands for gray."""

FULL_LUMA, FULL_CHROMA, LIMITED_CHROMA = (0, 255), (128, 128 + 255), (128, 128 + 224)
"""Levels of black and white, and of gray and twice the strongest color, by range."""


def make_frame_enhancer(
    engine: Engine, reader: VideoReader, *, brightness_ev: float
) -> "FrameEnhancer":
    """Return how a model enhances a video; a model of planes works on 4:2:0 frames as they are.

    A model of planes of one size gets frames of other sizes as tiles, in RGB.
    """
    is_planar = isinstance(engine, RgbEngine) and reader.pixel_format == "yuv420p"
    if is_planar and engine.size in (None, ENHANCE_PLANES.round_up(reader.size)):
        return PlaneEnhancer(engine.engine, reader, brightness_ev)
    return RgbFrameEnhancer(engine.contract, reader, brightness_ev)


class FrameEnhancer(abc.ABC):
    """Makes inputs of a model of the frames of one video, and frames of its outputs.

    Args:
        contract: Ports of the model.
        reader: The video.
        brightness_ev: Setting of the brightness control (EV), see `runtime.enhance`.

    Attributes:
        contract: The ports.
    """

    def __init__(self, contract: Contract, reader: VideoReader, brightness_ev: float) -> None:
        check_brightness(contract, brightness_ev)
        self.contract, self._size, self._brightness_ev = contract, reader.size, brightness_ev

    @abc.abstractmethod
    def measure_luma(self, frame: av.VideoFrame) -> float:
        """Return the mean luma of a frame, in [0, 1]."""

    @abc.abstractmethod
    def make_thumbnails(self, frame: av.VideoFrame) -> Images:
        """Return the inputs of the thumbnail ports, (1, h, w, 3) uint8."""

    @abc.abstractmethod
    def prepare(self, item: FrameItem) -> None:
        """Begin to enhance a frame. Called in the order of the frames, by one thread."""

    @abc.abstractmethod
    def enhance(self, engine: Engine, item: FrameItem) -> None:
        """Enhance a frame. Called by as many threads as there are engines."""

    @abc.abstractmethod
    def finish(self, item: FrameItem, stabilize_luma: LumaStabilizer | None) -> None:
        """Stabilize the exposure of a result and fade it in. Called in the order of the frames."""

    @abc.abstractmethod
    def recycle(self, item: FrameItem) -> None:
        """Take back the buffers of a frame that is written or dropped."""


class RgbFrameEnhancer(FrameEnhancer):
    """Frames are converted to RGB and back."""

    def __init__(self, contract: Contract, reader: VideoReader, brightness_ev: float) -> None:
        super().__init__(contract, reader, brightness_ev)
        self._converter = YuvConverter(reader.yuv_format)
        self._free_buffers: list[np.ndarray] = []
        probe_sizes = [port.size for port in contract.thumbnail_inputs] or [LUMA_PROBE_SIZE]
        # An integer; the downscaled frame is still at least twice as large as the thumbnails.
        self._downscale_factor = max(
            min(reader.size[axis] // (2 * size[axis]) for size in probe_sizes for axis in (0, 1)), 1
        )

    def measure_luma(self, frame: av.VideoFrame) -> float:
        """See `FrameEnhancer`."""
        return mean_luma(self._downscale(frame))

    def make_thumbnails(self, frame: av.VideoFrame) -> Images:
        """See `FrameEnhancer`."""
        return input_geometry.make_thumbnails(self.contract, self._downscale(frame))

    def _downscale(self, frame: av.VideoFrame) -> np.ndarray:
        return self._converter.to_rgb_downscaled(yuv_planes(frame), self._downscale_factor)

    def prepare(self, item: FrameItem) -> None:
        """See `FrameEnhancer`."""
        if self._free_buffers:
            item.image = self._free_buffers.pop()
        else:
            item.image = np.empty((*self._size, 3), np.uint8)
        self._converter.to_rgb(yuv_planes(item.frame), item.image)

    def enhance(self, engine: Engine, item: FrameItem) -> None:
        """See `FrameEnhancer`."""
        image = item.image
        item.original = image.copy() if item.blend_weight < 1 else None
        enhance(
            engine,
            image,
            out=image,
            thumbnails=item.thumbnails,
            brightness_ev=self._brightness_ev,
        )

    def finish(self, item: FrameItem, stabilize_luma: LumaStabilizer | None) -> None:
        """See `FrameEnhancer`."""
        image = item.image
        if stabilize_luma:
            stabilize_luma.scale_image(image, item.frame.time)
        if item.original is not None:
            weight = item.blend_weight
            cv2.addWeighted(image, weight, item.original, 1 - weight, 0, image)

    def recycle(self, item: FrameItem) -> None:
        """See `FrameEnhancer`."""
        if item.image is not None:
            self._free_buffers.append(item.image)


class PlaneEnhancer(FrameEnhancer):
    """Luma and chroma of 4:2:0 frames go into the model and come out of it.

    The model of `engine` works on limited range; bytes of full range are converted by tables. Its
    matrix is BT.709: other matrices are not converted, since it brightens luma and scales chroma
    with it. If it has states, frames must be enhanced one after another.
    """

    def __init__(self, engine: Engine, reader: VideoReader, brightness_ev: float) -> None:
        super().__init__(engine.contract, reader, brightness_ev)
        self._memory = None
        if engine.contract.states:
            dtype = engine.card.dtype if engine.card else np.float32
            self._memory = FrameMemory(engine.contract, reader.size, np.dtype(dtype))
        self._is_full = reader.yuv_format.full_range
        self._levels = reader.yuv_format.luma_levels
        levels = (FULL_LUMA, ENHANCE_PLANES.image_inputs[0].levels), (FULL_CHROMA, LIMITED_CHROMA)
        self._to_limited_tables = [level_table(full, limited) for full, limited in levels]
        self._to_full_tables = [level_table(limited, full) for full, limited in levels]

    def measure_luma(self, frame: av.VideoFrame) -> float:
        """See `FrameEnhancer`."""
        black, white = self._levels
        return (cv2.mean(yuv_planes(frame)[0][MEASURED_ROWS])[0] - black) / (white - black)

    def make_thumbnails(self, frame: av.VideoFrame) -> Images:
        """See `FrameEnhancer`."""
        (port,) = ENHANCE_PLANES.thumbnail_inputs
        luma, *chroma = (
            resize_area_fast(plane[..., np.newaxis], port.size) for plane in yuv_planes(frame)
        )
        planes = self._to_limited(luma, 0), *(self._to_limited(plane, 1) for plane in chroma)
        return {port.name: np.dstack(planes)[np.newaxis]}

    def prepare(self, item: FrameItem) -> None:
        """See `FrameEnhancer`: nothing is converted."""

    def enhance(self, engine: Engine, item: FrameItem) -> None:
        """See `FrameEnhancer`."""
        luma, *chroma = yuv_planes(item.frame)
        inputs = {
            "luma": self._to_limited(luma, 0)[np.newaxis, ..., np.newaxis],
            "chroma": self._to_limited(cv2.merge(chroma), 1)[np.newaxis],
            **item.thumbnails,
        }
        height, width = self._size
        item.result = av.VideoFrame(width, height, item.frame.format.name)
        item.result.pts, item.result.time_base = item.frame.pts, item.frame.time_base
        item.result.duration = item.frame.duration
        luma, *chroma = yuv_planes(item.result)
        enhanced = np.empty_like(inputs["chroma"])
        outputs = {
            "enhanced_luma": luma[np.newaxis, ..., np.newaxis],
            "enhanced_chroma": enhanced,
        }
        inputs = with_brightness(self.contract, inputs, self._brightness_ev)
        if self._memory:
            if item.is_first:
                self._memory.forget()
            engine.engine.run_into(inputs | self._memory.inputs, outputs | self._memory.outputs)
            self._memory.step()
        else:
            engine.engine.run_into(inputs, outputs)
        if self._is_full:
            cv2.LUT(luma, self._to_full_tables[0], luma)
            cv2.LUT(enhanced[0], self._to_full_tables[1], enhanced[0])
        cv2.split(enhanced[0], chroma)

    def finish(self, item: FrameItem, stabilize_luma: LumaStabilizer | None) -> None:
        """See `FrameEnhancer`."""
        planes = yuv_planes(item.result)
        if stabilize_luma:
            factor = stabilize_luma(self.measure_luma(item.result), item.frame.time)
            neutral = self._levels[0], NEUTRAL_CHROMA, NEUTRAL_CHROMA
            if factor != 1:
                for plane, level in zip(planes, neutral, strict=True):
                    cv2.addWeighted(plane, factor, plane, 0, level * (1 - factor), plane)
        if item.blend_weight < 1:
            weight = item.blend_weight
            for plane, original in zip(planes, yuv_planes(item.frame), strict=True):
                cv2.addWeighted(plane, weight, original, 1 - weight, 0, plane)

    def recycle(self, item: FrameItem) -> None:
        """See `FrameEnhancer`: the writer keeps the result as long as it needs it."""

    def _to_limited(self, plane: np.ndarray, is_chroma: int) -> np.ndarray:
        """Return the bytes that the model takes for those of the video."""
        return cv2.LUT(plane, self._to_limited_tables[is_chroma]) if self._is_full else plane
