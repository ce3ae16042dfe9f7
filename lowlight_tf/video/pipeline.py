"""A video or a live stream through a net: reading, enhancing and writing at the same time."""

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
from lowlight_tf.video.frame_queue import POLL_INTERVAL_S, FrameQueue, FrameTask, Worker, Writer
from lowlight_tf.video.reader import AudioPacket, VideoReader, yuv_planes
from lowlight_tf.video.writer import VideoWriter
from lowlight_tf.video.yuv import YuvConverter

DEFAULT_SMOOTHING_S = 1.0
"""Time constant by which exposure is held (seconds)."""

LUMA_PROBE_SIZE = (64, 96)  # pixels at least that brightness is judged by


class VideoPipeline:
    """One video through a net: a thread reads, one for each engine enhances, one writes.

    The exposure is held steady: a net with thumbnail ports is shown their running average, so that
    its tone and color do not change with each frame, and the results are brought to the running
    average of their mean luma (`runtime.steady`). It takes both: a net that is shown an average no
    longer evens out what trembles in the video itself.
    Frames of a file are all enhanced; of a live stream the oldest are dropped that the net has no
    time for. Their buffers are used again.

    Several engines of the same net enhance as many frames at once, and frames leave in order. Two
    of one thread give more frames than one of two, where the cores decode and encode besides: a net
    that is shared by threads waits for the one whose core is taken.

    Args:
        engine: What brightens, from one color image to one; or several of the same net.
        reader: Where frames and sound come from.
        recorder: Where they go.
        seconds: Time constant of the averages; 0 enhances frame by frame.
        night: Decides which frames are enhanced; the others go through as they are, not even
            converted to RGB. None: all are.
        stop: Once set, no more is read; what was read is finished.

    Raises:
        UsageError: If the engine's ports do not fit, or `seconds` is negative.
    """

    def __init__(
        self,
        engine: Engine | Sequence[Engine],
        reader: VideoReader,
        recorder: VideoWriter,
        *,
        seconds: float = DEFAULT_SMOOTHING_S,
        night: temporal_smoothing.DayNightSwitch | None = None,
        stop: threading.Event | None = None,
    ) -> None:
        engines = list(engine) if isinstance(engine, Sequence) else [engine]
        self._contract = engines[0].contract
        input_checks.check_enhancement_model(self._contract)
        self._reader, self._recorder = reader, recorder
        self._workers, self._free = len(engines), queue.SimpleQueue()
        for one in engines:
            self._free.put(one)
        self._night, self._stop = night, stop or threading.Event()
        self._thumbnails = temporal_smoothing.ThumbnailSmoother(seconds)
        self._gain = temporal_smoothing.LumaStabilizer(seconds) if seconds else None
        glimpses = [port.size for port in self._contract.thumbnail_inputs] or [LUMA_PROBE_SIZE]
        self._shrunk = max(  # by a whole number, and still twice as large as what is made of it
            min(reader.size[side] // (2 * size[side]) for size in glimpses for side in (0, 1)), 1
        )
        self._converter = YuvConverter(reader.colors)
        self._spare: list[np.ndarray] = []
        self._read = FrameQueue(
            stop=self._stop,
            drop_oldest=reader.live,
            on_drop=self._recycle,
        )
        self._done = FrameQueue()

    @property
    def dropped(self) -> int:
        """Frames that were dropped so far: always 0 for a file."""
        return self._read.dropped

    def run(self, progress: Callable[[int], None] = lambda frames: None) -> None:
        """Enhance until the video ends or is stopped, and finish the file, whatever happens.

        Args:
            progress: Called with the number of frames so far.

        Raises:
            UsageError: If reading or writing fails, once what was written is finished.
        """
        reading, writing = Worker(self._reading), Writer(self._done, self._recorder, self._recycle)
        reading.start()
        writing.start()
        frames = 0
        ahead: collections.deque[Future[FrameTask] | AudioPacket] = collections.deque()

        def hand_on(left: int) -> bool:
            """Pass on the oldest until no more than some are left; tell if they are wanted."""
            nonlocal frames
            while len(ahead) > left:
                item = ahead.popleft()
                if isinstance(item, Future):
                    item = item.result()
                    self._stabilize(item)
                    frames += 1
                    progress(frames)
                if not self._done.put(item):
                    return False
            return True

        pool = ThreadPoolExecutor(self._workers)
        try:
            for item in self._read:
                ahead.append(
                    pool.submit(self._enhance, item) if isinstance(item, FrameTask) else item
                )
                # Who waits for a live frame does not hold back the last one.
                waits = self._reader.live and self._read.empty
                if not hand_on(0 if waits else self._workers):
                    break
            hand_on(0)
        finally:
            pool.shutdown(cancel_futures=True)
            self._read.close()
            self._done.close()
            writing.join()
            reading.join(
                POLL_INTERVAL_S
            )  # it may hang in a silent connection; then it dies with us
            writing.finish()
        for thread in (writing, reading):
            if thread.error:
                raise thread.error

    def _reading(self) -> None:
        try:
            for item in self._reader:
                shot = item if isinstance(item, AudioPacket) else self._shot(item)
                if self._stop.is_set() or not self._read.put(shot):
                    return
        finally:
            self._read.close()

    def _shot(self, frame: av.VideoFrame) -> FrameTask:
        """Return a frame with all that is asked before it is enhanced."""
        yuv, share = yuv_planes(frame), 1.0
        if self._night or self._contract.thumbnail_inputs:
            small = self._converter.to_rgb_downscaled(yuv, self._shrunk)
        if self._night:
            share = self._night(temporal_smoothing.luma(small), frame.time)
        if not share:
            return FrameTask(frame)
        thumbnails = None
        if self._contract.thumbnail_inputs:
            thumbnails = input_geometry.make_thumbnails(self._contract, small)
            thumbnails = self._thumbnails(thumbnails, frame.time)
        image = self._spare.pop() if self._spare else np.empty((*self._reader.size, 3), np.uint8)
        self._converter.to_rgb(yuv, image)
        return FrameTask(frame, image, thumbnails, share)

    def _enhance(self, shot: FrameTask) -> FrameTask:
        image = shot.image
        if image is not None:
            shot.low = image.copy() if shot.blend_weight < 1 else None
            engine = self._free.get()
            try:
                enhance(engine, image, out=image, thumbnails=shot.thumbnails)
            finally:
                self._free.put(engine)
        return shot

    def _stabilize(self, shot: FrameTask) -> None:
        """Do what goes by the frames before."""
        image = shot.image
        if image is None:
            return
        if self._gain:
            self._gain(image, shot.frame.time)
        if shot.low is not None:
            cv2.addWeighted(image, shot.blend_weight, shot.low, 1 - shot.blend_weight, 0, image)

    def _recycle(self, shot: FrameTask) -> None:
        if shot.image is not None:
            self._spare.append(shot.image)
