"""The frames of two cameras, each read on a thread of its own."""

import math
import threading
from collections.abc import Callable
from fractions import Fraction

import av
import cv2
import numpy as np

from lowlight_tf.checks import UsageError
from lowlight_tf.imaging.yuv import YuvConverter, level_table
from lowlight_tf.video.frame_conversion import yuv_planes
from lowlight_tf.video.frame_queue import QUEUE_SIZE, FrameItem, FrameQueue, WorkerThread
from lowlight_tf.video.reader import DEFAULT_FPS, CopiedPacket, VideoReader

STALL_TIMEOUT_S = 0.5
"""Time without a frame of one live stream after which the other is written alone (seconds)."""

MAX_CLOCK_DRIFT = 1e-3
"""Largest relative error of a camera's clock."""

MAX_CHROMA = 0.1
"""Largest mean difference of the color channels, in [0, 1], of a video that counts as gray."""

GRAY_CHECK_FACTOR = 8
"""By which frames are downscaled for this."""


def open_camera_streams(
    visible: VideoReader,
    infrared: VideoReader,
    stop_event: threading.Event,
    *,
    on_audio: Callable[[CopiedPacket], object] | None = None,
) -> tuple["CameraStream", "CameraStream"]:
    """Return the streams of both cameras, with time stamps that can be compared.

    Those of files are kept; those of two live streams are converted by an `ArrivalClock`, and start
    with the first frame of the visible one.

    Args:
        visible: Video of the visible camera.
        infrared: Video of the infrared camera.
        stop_event: Once set, reading stops.
        on_audio: Called with the audio packets of the visible video; None drops them.
    """
    clocks = None, None
    if visible.is_live and infrared.is_live:
        clocks = tuple(ArrivalClock(visible.first_frame_time) for _ in range(2))
    return (
        CameraStream(visible, stop_event, on_audio=on_audio, clock=clocks[0]),
        CameraStream(
            infrared, stop_event, is_gray=True, time_base=visible.time_base, clock=clocks[1]
        ),
    )


class ArrivalClock:
    """Converts time stamps of a live camera, which start anywhere, to the clock of this machine.

    What arrives earliest after its time stamp was delayed least: frames that were buffered while a
    stream was opened arrive late. The smallest difference of arrival and time stamp so far is what
    all time stamps are shifted by. It grows by `MAX_CLOCK_DRIFT`, in case the camera's clock is
    slow.

    Args:
        start_s: When the time of all cameras is 0 (seconds, of `time.monotonic`).
    """

    def __init__(self, start_s: float) -> None:
        self._start_s, self._shift_s, self._arrival_s = start_s, math.inf, 0.0

    def restart(self) -> None:
        """Forget the camera's time stamps, which start anew."""
        self._shift_s = math.inf

    def __call__(self, stamp_s: float, arrival_s: float) -> float:
        """Return the time of a frame (seconds); it increases from one to the next.

        Args:
            stamp_s: Its time stamp (seconds).
            arrival_s: When it arrived (seconds, of `time.monotonic`).
        """
        grown_s = self._shift_s + MAX_CLOCK_DRIFT * (arrival_s - self._arrival_s)
        self._shift_s, self._arrival_s = min(grown_s, arrival_s - stamp_s), arrival_s
        return stamp_s + self._shift_s - self._start_s


class CameraStream:
    """The frames of one of two cameras with their lumas, read by a thread; a `FrameSource`.

    Args:
        reader: The camera's video.
        stop_event: Once set, reading stops.
        is_gray: Refuse frames in colors.
        on_audio: Called with its audio packets; None drops them.
        time_base: Time base that its time stamps are converted to; None keeps it.
        clock: Converts its time stamps; None keeps them.
    """

    def __init__(
        self,
        reader: VideoReader,
        stop_event: threading.Event,
        *,
        is_gray: bool = False,
        on_audio: Callable[[CopiedPacket], object] | None = None,
        time_base: Fraction | None = None,
        clock: ArrivalClock | None = None,
    ) -> None:
        self._reader, self._on_audio, self._is_gray = reader, on_audio, is_gray
        self._time_base, self._clock = time_base or reader.time_base, clock
        self._reconnects = 0
        self._converter = YuvConverter(reader.yuv_format)
        self._to_full_table = level_table(reader.yuv_format.luma_levels, (0, 255))
        self._next: FrameItem | None = None
        self._is_stalled = False
        self._stop_event = stop_event
        # A live stream is not dropped while the other one is waited for.
        size = QUEUE_SIZE + reader.is_live * round(STALL_TIMEOUT_S * (reader.fps or DEFAULT_FPS))
        self.queue = FrameQueue(size, stop_event=stop_event, drop_oldest=reader.is_live)
        self.thread = WorkerThread(self._read_all)

    @property
    def is_finished(self) -> bool:
        """See `FrameSource`."""
        return self._next is None and self.queue.is_finished

    @property
    def is_waiting(self) -> bool:
        """Whether the next frame of a live stream has not arrived."""
        return self._reader.is_live and self._next is None and self.queue.is_empty

    def peek(self) -> FrameItem | None:
        """See `FrameSource`. A stalled live stream is not waited for until it has a frame again."""
        while self._next is None:
            if self._reader.is_live:
                item = self.queue.get(0.0 if self._is_stalled else STALL_TIMEOUT_S)
            else:
                item = self.queue.get()
            self._is_stalled = item is None
            if item is None:
                return None
            if isinstance(item, CopiedPacket):
                self._on_audio(item)
            else:
                self._next = item
        return self._next

    def pop(self) -> FrameItem:
        """See `FrameSource`."""
        item, self._next = self._next, None
        return item

    def _read_all(self) -> None:
        try:
            for item in self._reader:
                if isinstance(item, CopiedPacket):
                    is_needed = self._on_audio is not None
                else:
                    is_needed, item = True, self._make_item(item)
                if self._stop_event.is_set() or (is_needed and not self.queue.put(item)):
                    return
        finally:
            self.queue.close()

    def _make_item(self, frame: av.VideoFrame) -> FrameItem:
        planes = yuv_planes(frame)
        if self._is_gray:
            _check_gray(self._converter.to_rgb_downscaled(planes, GRAY_CHECK_FACTOR))
        luma = cv2.LUT(planes[0], self._to_full_table)[..., np.newaxis]
        old, new, time_s = frame.time_base, self._time_base, frame.pts * frame.time_base
        if self._clock:
            if self._reader.reconnects != self._reconnects:
                self._clock.restart()
            self._reconnects = self._reader.reconnects
            time_s = self._clock(float(time_s), self._reader.last_frame_time)
        frame.pts, frame.time_base = round(time_s / new), new
        frame.duration = round((frame.duration or 0) * old / new)
        return FrameItem(frame, luma)


def _check_gray(image: np.ndarray) -> None:
    """Raise UsageError for an image in false colors, (H, W, 3) uint8."""
    chroma = np.mean(np.subtract(image.max(axis=2), image.min(axis=2)))
    if chroma > 255 * MAX_CHROMA:
        raise UsageError(
            "The infrared video must be gray. Received: one in false colors. Record it as gray "
            "(white hot)."
        )
