"""Enhance a video or a live stream: reading, inference and writing run at the same time."""

import functools
import threading
from collections.abc import Callable, Sequence

import av

from lowlight_tf.runtime.engine import Engine
from lowlight_tf.video import temporal_smoothing
from lowlight_tf.video.engine_pool import EnginePool
from lowlight_tf.video.frame_processor import DEFAULT_SMOOTHING_S, FrameProcessor
from lowlight_tf.video.frame_queue import (
    POLL_INTERVAL_S,
    FrameItem,
    FrameQueue,
    WorkerThread,
    WriterThread,
)
from lowlight_tf.video.latency import LatencyMeter
from lowlight_tf.video.reader import CopiedPacket, VideoReader
from lowlight_tf.video.writer import VideoOutput


class VideoPipeline:
    """Enhances one video: one thread reads, one per engine runs the model, one writes.

    Each frame is processed by `FrameProcessor`.

    All frames of a file are enhanced. Of a live stream the oldest waiting frames are dropped if
    inference is slower than the camera. Frame buffers are reused.

    Several engines of the same model enhance several frames at the same time, see `EnginePool`.

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
        writer: VideoOutput,
        *,
        smoothing_s: float = DEFAULT_SMOOTHING_S,
        day_night_switch: temporal_smoothing.DayNightSwitch | None = None,
        brightness_ev: float = 0.0,
        stop_event: threading.Event | None = None,
    ) -> None:
        self._engines = engines = list(engine) if isinstance(engine, Sequence) else [engine]
        self._reader, self._stop_event = reader, stop_event or threading.Event()
        self._processor = FrameProcessor(
            engines[0],
            reader,
            smoothing_s=smoothing_s,
            day_night_switch=day_night_switch,
            brightness_ev=brightness_ev,
        )
        self._input_queue = FrameQueue(
            stop_event=self._stop_event,
            drop_oldest=reader.is_live,
            on_drop=self._processor.recycle,
        )
        self._output_queue = FrameQueue(
            drop_oldest=reader.is_live and writer.drops_late_frames, on_drop=self._processor.recycle
        )
        self._writing = WriterThread(self._output_queue, writer, self._processor.recycle)

    @property
    def dropped_frames(self) -> int:
        """Number of frames dropped so far; always 0 for a file."""
        return self._input_queue.dropped_frames + self._output_queue.dropped_frames

    @property
    def latency(self) -> LatencyMeter:
        """From the arrival of each frame to its output."""
        return self._writing.latency

    def run(self, progress: Callable[[int], None] = lambda frames: None) -> None:
        """Enhance until the video ends or is stopped; the output file is finished in any case.

        Args:
            progress: Called with the number of frames so far.

        Raises:
            UsageError: If reading or writing fails, after the output file was finished.
        """
        reading = WorkerThread(self._read_all)
        writing = self._writing
        reading.start()
        writing.start()
        frames = 0

        def pass_on(item: FrameItem | CopiedPacket) -> bool:
            nonlocal frames
            if isinstance(item, FrameItem):
                if item.is_enhanced:
                    self._processor.finish(item)
                frames += 1
                progress(frames)
            return self._output_queue.put(item)

        pool = EnginePool(self._engines, pass_on)
        try:
            for item in self._input_queue:
                is_enhanced = isinstance(item, FrameItem) and item.is_enhanced
                work = functools.partial(self._processor.enhance, item=item)
                # Waiting for the next live frame must not delay the last one.
                is_waiting = self._reader.is_live and self._input_queue.is_empty
                if not pool.put(item, work if is_enhanced else None, wait=is_waiting):
                    break
            pool.flush()
        finally:
            pool.close()
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
                    item = self._processor.prepare(item)
                if self._stop_event.is_set() or not self._input_queue.put(item):
                    return
        finally:
            self._input_queue.close()
