"""Enhance a video or a live stream: reading, inference and writing run at the same time."""

import collections
import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import av
import cv2
import numpy as np

from lowlight_tf.runtime import input_checks, input_geometry
from lowlight_tf.runtime.engine import Engine
from lowlight_tf.runtime.enhance import enhance
from lowlight_tf.video import temporal_smoothing
from lowlight_tf.video.frame_conversion import yuv_planes
from lowlight_tf.video.frame_queue import (
    POLL_INTERVAL_S,
    FrameItem,
    FrameQueue,
    WorkerThread,
    WriterThread,
)
from lowlight_tf.video.reader import CopiedPacket, VideoReader
from lowlight_tf.video.writer import VideoWriter
from lowlight_tf.video.yuv import YuvConverter

DEFAULT_SMOOTHING_S = 1.0
"""Time constant of the averages that keep the exposure stable (seconds)."""

LUMA_PROBE_SIZE = (64, 96)
"""Smallest height and width at which the mean luma of a frame is measured (pixels)."""


class VideoPipeline:
    """Enhances one video: one thread reads, one per engine runs the model, one writes.

    The exposure is kept stable in two ways. A model with thumbnail inputs gets their moving
    average, so that its tone and color do not change with each frame, and the results are scaled to
    the moving average of their mean luma (see `temporal_smoothing`). Both are needed: with averaged
    thumbnails the model no longer compensates flicker of the input.

    All frames of a file are enhanced. Of a live stream the oldest waiting frames are dropped if
    inference is slower than the camera. Frame buffers are reused.

    Several engines of the same model enhance several frames at the same time; the order is kept.
    Two engines of one thread each are faster than one of two threads while decoding and encoding
    use the same cores: threads that share one inference wait for the one whose core is busy.

    Args:
        engine: A model from one color image to one, or several engines of the same model.
        reader: Source of frames and audio.
        writer: Destination of the results.
        smoothing_s: Time constant of the averages (seconds); 0 enhances each frame independently.
        day_night_switch: Selects the frames that are enhanced; others are written unchanged,
            without a conversion to RGB. None enhances all frames.
        brightness_ev: Setting of the brightness control (EV), see `runtime.enhance`.
        stop_event: Once set, reading stops; frames that were read are finished.

    Raises:
        UsageError: If the engine's ports do not fit, or `smoothing_s` is negative.
    """

    def __init__(
        self,
        engine: Engine | Sequence[Engine],
        reader: VideoReader,
        writer: VideoWriter,
        *,
        smoothing_s: float = DEFAULT_SMOOTHING_S,
        day_night_switch: temporal_smoothing.DayNightSwitch | None = None,
        brightness_ev: float = 0.0,
        stop_event: threading.Event | None = None,
    ) -> None:
        engines = list(engine) if isinstance(engine, Sequence) else [engine]
        self._contract = engines[0].contract
        input_checks.check_enhancement_model(self._contract)
        self._reader, self._writer = reader, writer
        self._engine_count, self._idle_engines = len(engines), queue.SimpleQueue()
        for idle_engine in engines:
            self._idle_engines.put(idle_engine)
        self._day_night_switch, self._brightness_ev = day_night_switch, brightness_ev
        self._stop_event = stop_event or threading.Event()
        self._thumbnail_smoother = temporal_smoothing.ThumbnailSmoother(smoothing_s)
        self._luma_stabilizer = (
            temporal_smoothing.LumaStabilizer(smoothing_s) if smoothing_s else None
        )
        probe_sizes = [port.size for port in self._contract.thumbnail_inputs] or [LUMA_PROBE_SIZE]
        # An integer; the downscaled frame is still at least twice as large as the thumbnails.
        self._downscale_factor = max(
            min(reader.size[axis] // (2 * size[axis]) for size in probe_sizes for axis in (0, 1)), 1
        )
        self._converter = YuvConverter(reader.yuv_format)
        self._free_buffers: list[np.ndarray] = []
        self._input_queue = FrameQueue(
            stop_event=self._stop_event,
            drop_oldest=reader.is_live,
            on_drop=self._recycle,
        )
        self._output_queue = FrameQueue()

    @property
    def dropped_frames(self) -> int:
        """Number of frames dropped so far; always 0 for a file."""
        return self._input_queue.dropped_frames

    def run(self, progress: Callable[[int], None] = lambda frames: None) -> None:
        """Enhance until the video ends or is stopped; the output file is finished in any case.

        Args:
            progress: Called with the number of frames so far.

        Raises:
            UsageError: If reading or writing fails, after the output file was finished.
        """
        reading = WorkerThread(self._read_all)
        writing = WriterThread(self._output_queue, self._writer, self._recycle)
        reading.start()
        writing.start()
        frames = 0
        pending: collections.deque[Future[FrameItem] | CopiedPacket] = collections.deque()

        def emit(max_pending: int) -> bool:
            """Pass on the oldest items until at most `max_pending` remain; False if closed."""
            nonlocal frames
            while len(pending) > max_pending:
                item = pending.popleft()
                if isinstance(item, Future):
                    item = item.result()
                    self._stabilize(item)
                    frames += 1
                    progress(frames)
                if not self._output_queue.put(item):
                    return False
            return True

        pool = ThreadPoolExecutor(self._engine_count)
        try:
            for item in self._input_queue:
                pending.append(
                    pool.submit(self._enhance, item) if isinstance(item, FrameItem) else item
                )
                # Waiting for the next live frame must not delay the last one.
                is_waiting = self._reader.is_live and self._input_queue.is_empty
                if not emit(0 if is_waiting else self._engine_count):
                    break
            emit(0)
        finally:
            pool.shutdown(cancel_futures=True)
            self._input_queue.close()
            self._output_queue.close()
            writing.join()
            # May be blocked by a silent connection; as a daemon thread it ends with the process.
            reading.join(POLL_INTERVAL_S)
            writing.finish()
        for thread in (writing, reading):
            if thread.error:
                raise thread.error

    def _read_all(self) -> None:
        try:
            for item in self._reader:
                if isinstance(item, av.VideoFrame):
                    item = self._make_item(item)
                if self._stop_event.is_set() or not self._input_queue.put(item):
                    return
        finally:
            self._input_queue.close()

    def _make_item(self, frame: av.VideoFrame) -> FrameItem:
        """Return a frame with its RGB image, thumbnails and blend weight."""
        planes, blend_weight = yuv_planes(frame), 1.0
        if self._day_night_switch or self._contract.thumbnail_inputs:
            small = self._converter.to_rgb_downscaled(planes, self._downscale_factor)
        if self._day_night_switch:
            blend_weight = self._day_night_switch(temporal_smoothing.mean_luma(small), frame.time)
        if not blend_weight:
            return FrameItem(frame)
        thumbnails = None
        if self._contract.thumbnail_inputs:
            thumbnails = input_geometry.make_thumbnails(self._contract, small)
            thumbnails = self._thumbnail_smoother(thumbnails, frame.time)
        if self._free_buffers:
            image = self._free_buffers.pop()
        else:
            image = np.empty((*self._reader.size, 3), np.uint8)
        self._converter.to_rgb(planes, image)
        return FrameItem(frame, image, thumbnails, blend_weight)

    def _enhance(self, item: FrameItem) -> FrameItem:
        image = item.image
        if image is not None:
            item.original = image.copy() if item.blend_weight < 1 else None
            engine = self._idle_engines.get()
            try:
                enhance(
                    engine,
                    image,
                    out=image,
                    thumbnails=item.thumbnails,
                    brightness_ev=self._brightness_ev,
                )
            finally:
                self._idle_engines.put(engine)
        return item

    def _stabilize(self, item: FrameItem) -> None:
        """Apply what depends on earlier frames, in order: luma stabilization and the fade."""
        image = item.image
        if image is None:
            return
        if self._luma_stabilizer:
            self._luma_stabilizer(image, item.frame.time)
        if item.original is not None:
            weight = item.blend_weight
            cv2.addWeighted(image, weight, item.original, 1 - weight, 0, image)

    def _recycle(self, item: FrameItem) -> None:
        if item.image is not None:
            self._free_buffers.append(item.image)
