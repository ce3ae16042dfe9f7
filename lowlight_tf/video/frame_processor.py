"""Enhancing the frames of one video, as a reader or the callback of a camera gives them."""

import dataclasses
from fractions import Fraction
from pathlib import Path

import av

from lowlight_tf.checks import UsageError
from lowlight_tf.imaging.yuv import UNKNOWN_MATRIX, Planes, YuvConverter, YuvFormat
from lowlight_tf.runtime import input_checks
from lowlight_tf.runtime.engine import Engine
from lowlight_tf.runtime.loading import load_model
from lowlight_tf.runtime.pretrained import default_model
from lowlight_tf.video import temporal_smoothing
from lowlight_tf.video.cut_detection import CutDetector
from lowlight_tf.video.frame_conversion import yuv_pixel_format, yuv_planes
from lowlight_tf.video.frame_enhancers import make_frame_enhancer
from lowlight_tf.video.frame_queue import FrameItem
from lowlight_tf.video.reader import VideoReader

DEFAULT_SMOOTHING_S = 1.0
"""Time constant of the averages that keep the exposure stable (seconds)."""

TIME_BASE = Fraction(1, 90_000)
"""Unit of time stamps of frames that have none (seconds)."""


@dataclasses.dataclass(frozen=True)
class PlaneFormat:
    """What `FrameProcessor` must know of a video.

    Attributes:
        size: Height and width (pixels).
        yuv_format: How luma and chroma are coded.
    """

    size: tuple[int, int]
    yuv_format: YuvFormat

    @property
    def pixel_format(self) -> str:
        """See `VideoReader`."""
        return yuv_pixel_format(self.size)


class FrameProcessor:
    """What is done to each frame of one video, in three steps of which the middle one is the model.

    The exposure is kept stable in two ways. A model with thumbnail inputs gets their moving
    average, so that its tone and color do not change with each frame, and the results are scaled to
    the moving average of their mean luma (see `temporal_smoothing`). Both are needed: with averaged
    thumbnails the model no longer compensates flicker of the input.

    A model with states gets those of the frame before, but for the first of a scene. It must be
    called with one frame after another.

    Args:
        engine: A model from one color image to one.
        video: The video.
        smoothing_s: Time constant of the averages (seconds); 0 enhances each frame independently,
            without states.
        day_night_switch: Selects the frames that are enhanced; None enhances all.
        brightness_ev: Setting of the brightness control (EV), see `runtime.enhance`.

    Raises:
        UsageError: If the engine's ports do not fit, or `smoothing_s` is negative.
    """

    def __init__(
        self,
        engine: Engine,
        video: VideoReader | PlaneFormat,
        *,
        smoothing_s: float = DEFAULT_SMOOTHING_S,
        day_night_switch: temporal_smoothing.DayNightSwitch | None = None,
        brightness_ev: float = 0.0,
    ) -> None:
        input_checks.check_enhancement_model(engine.contract)
        self._enhancer = make_frame_enhancer(engine, video, brightness_ev=brightness_ev)
        self.enhance, self.recycle = self._enhancer.enhance, self._enhancer.recycle
        self._day_night_switch = day_night_switch
        has_memory = self._enhancer.contract.states and smoothing_s
        self._cut_detector = CutDetector() if has_memory else None
        self._thumbnail_smoother = temporal_smoothing.ThumbnailSmoother(
            self._enhancer.contract.thumbnail_inputs, smoothing_s
        )
        self._luma_stabilizer = (
            temporal_smoothing.LumaStabilizer(smoothing_s) if smoothing_s else None
        )

    def prepare(self, frame: av.VideoFrame) -> FrameItem:
        """Return a frame with what is needed to enhance it, if it is to be enhanced.

        Called in the order of the frames; then `enhance`, with an engine and the item, on any
        thread; and `finish`, in the order of the frames, of items that are enhanced.
        """
        item = FrameItem(frame)
        if self._day_night_switch:
            luma = self._enhancer.measure_luma(frame)
            item.blend_weight = self._day_night_switch(luma, frame.time)
        if item.is_enhanced:
            thumbnails = self._enhancer.make_thumbnails(frame)
            if self._cut_detector:
                (thumbnail,) = thumbnails.values()
                item.is_first = self._cut_detector(thumbnail[0, ..., 0], frame.time)
            item.thumbnails = self._thumbnail_smoother(thumbnails, frame.time)
            self._enhancer.prepare(item)
        return item

    def finish(self, item: FrameItem) -> None:
        """Stabilize the exposure of a result and fade it in."""
        self._enhancer.finish(item, self._luma_stabilizer)


class LiveEnhancer:
    """Enhances frames that come one by one, as in the callback of a camera or of a pipeline.

    Args:
        size: Height and width of the frames (pixels).
        model: Engine, pretrained name or path of a .tflite file; None for the default of videos.
        yuv_format: How luma and chroma are coded; None for limited range and the matrix that is
            usual for the height.
        threads: Processor threads.
        smoothing_s: See `FrameProcessor`.
        day_night_switch: See `FrameProcessor`.
        brightness_ev: See `FrameProcessor`.

    Raises:
        UsageError: If the model does not fit, or a number is out of range.
    """

    def __init__(
        self,
        size: tuple[int, int],
        model: Engine | str | Path | None = None,
        *,
        yuv_format: YuvFormat | None = None,
        threads: int = 2,
        smoothing_s: float = DEFAULT_SMOOTHING_S,
        day_night_switch: temporal_smoothing.DayNightSwitch | None = None,
        brightness_ev: float = 0.0,
    ) -> None:
        if not isinstance(model, Engine):
            model = load_model(model or default_model(videos=True), threads=threads)
        if yuv_format is None:
            yuv_format = YuvFormat.from_tags(UNKNOWN_MATRIX, full_range=False, height=size[0])
        self._format = PlaneFormat(size, yuv_format)
        self._engine = model
        self._processor = FrameProcessor(
            model,
            self._format,
            smoothing_s=smoothing_s,
            day_night_switch=day_night_switch,
            brightness_ev=brightness_ev,
        )
        self._converter = YuvConverter(self._format.yuv_format)

    def __call__(self, planes: Planes, time_s: float) -> Planes:
        """Return the planes of the enhanced frame.

        Args:
            planes: Y, Cb and Cr, uint8: (H, W), and of the half size, or of that size if a side is
                odd. They are not changed.
            time_s: When the frame was taken (seconds, from any start).

        Raises:
            UsageError: If the planes have other sizes.
        """
        height, width = self._format.size
        frame = av.VideoFrame(width, height, self._format.pixel_format)
        frame.pts, frame.time_base = round(time_s / TIME_BASE), TIME_BASE
        targets = yuv_planes(frame)
        if [plane.shape for plane in planes] != [plane.shape for plane in targets]:
            raise UsageError(
                f"The planes of a frame must be {[plane.shape for plane in targets]}. "
                f"Received: {[plane.shape for plane in planes]}."
            )
        for target, plane in zip(targets, planes, strict=True):
            target[...] = plane
        item = self._processor.prepare(frame)
        if not item.is_enhanced:
            return targets
        self._processor.enhance(self._engine, item)
        self._processor.finish(item)
        if item.image is not None:
            self._converter.to_yuv(item.image, targets)
        result = targets if item.result is None else yuv_planes(item.result)
        self._processor.recycle(item)
        return result
