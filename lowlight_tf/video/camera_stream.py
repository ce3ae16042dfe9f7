"""The frames of two cameras, each read on a thread of its own."""

import math
import threading
from collections.abc import Callable
from fractions import Fraction

import av
import cv2
import numpy as np

from lowlight_tf.checks import UsageError
from lowlight_tf.imaging.yuv import YuvConverter
from lowlight_tf.video.frame_conversion import yuv_planes
from lowlight_tf.video.frame_queue import QUEUE_SIZE, FrameItem, FrameQueue, WorkerThread
from lowlight_tf.video.reader import DEFAULT_FPS, CopiedPacket, VideoReader

STALL_TIMEOUT_S = 0.5
"""Time without a frame of one live stream after which the other is written alone (seconds)."""

MAX_CLOCK_DRIFT = 1e-3
"""Largest relative error of a camera's clock."""

MAX_CHROMA = 0.1
"""Largest mean difference of the color channels, in [0, 1], of a video that counts as gray."""


def open_camera_streams(
    visible: VideoReader,
    infrared: VideoReader,
    stop_event: threading.Event,
    *,
    on_audio: Callable[[CopiedPacket], object] | None = None,
) -> tuple["CameraStream", "CameraStream"]:
    """Return the streams of both cameras, with time stamps that can be compared.

    Those of files are kept; those of two live streams are converted by an `ArrivalClock`, and start
    with the first frame of the visible one. Frames of the visible camera are (H, W, 3), of the
    infrared one (h, w, 1), uint8.

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
        CameraStream(visible, lambda image: image, stop_event, on_audio=on_audio, clock=clocks[0]),
        CameraStream(infrared, _to_gray, stop_event, time_base=visible.time_base, clock=clocks[1]),
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
    """The frames of one of two cameras, read by a thread; a `FrameSource`.

    Args:
        reader: The camera's video.
        convert: RGB image (H, W, 3) -> model input, both uint8.
        stop_event: Once set, reading stops.
        on_audio: Called with its audio packets; None drops them.
        time_base: Time base that its time stamps are converted to; None keeps it.
        clock: Converts its time stamps; None keeps them.
    """

    def __init__(
        self,
        reader: VideoReader,
        convert: Callable[[np.ndarray], np.ndarray],
        stop_event: threading.Event,
        *,
        on_audio: Callable[[CopiedPacket], object] | None = None,
        time_base: Fraction | None = None,
        clock: ArrivalClock | None = None,
    ) -> None:
        self._reader, self._convert, self._on_audio = reader, convert, on_audio
        self._time_base, self._clock = time_base or reader.time_base, clock
        self._reconnects = 0
        self._converter = YuvConverter(reader.yuv_format)
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
        image = np.empty((*self._reader.size, 3), np.uint8)
        self._converter.to_rgb(yuv_planes(frame), image)
        old, new, time_s = frame.time_base, self._time_base, frame.pts * frame.time_base
        if self._clock:
            if self._reader.reconnects != self._reconnects:
                self._clock.restart()
            self._reconnects = self._reader.reconnects
            time_s = self._clock(float(time_s), self._reader.last_frame_time)
        frame.pts, frame.time_base = round(time_s / new), new
        frame.duration = round((frame.duration or 0) * old / new)
        return FrameItem(frame, self._convert(image))


def _to_gray(image: np.ndarray) -> np.ndarray:
    """Return the luma of an infrared frame, (H, W, 1); raise UsageError for false colors."""
    small = np.int16(image[::8, ::8])
    if np.mean(small.max(axis=2) - small.min(axis=2)) > 255 * MAX_CHROMA:
        raise UsageError(
            "The infrared video must be gray. Received: one in false colors. Record it as gray "
            "(white hot)."
        )
    return cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)[..., None]
