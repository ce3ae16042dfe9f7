"""The frames of two cameras, each read on a thread of its own."""

import threading
from collections.abc import Callable
from fractions import Fraction

import av
import cv2
import numpy as np

from lowlight_tf.checks import UsageError
from lowlight_tf.imaging.yuv import YuvConverter
from lowlight_tf.video.frame_conversion import yuv_planes
from lowlight_tf.video.frame_queue import FrameItem, FrameQueue, WorkerThread
from lowlight_tf.video.reader import CopiedPacket, VideoReader

STALL_TIMEOUT_S = 0.5
"""Time without a frame of one live stream after which the other is written alone (seconds)."""

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

    Those of files are kept; those of two live streams both start with the first frame of the
    visible one. Frames of the visible camera are (H, W, 3), of the infrared one (h, w, 1), uint8.

    Args:
        visible: Video of the visible camera.
        infrared: Video of the infrared camera.
        stop_event: Once set, reading stops.
        on_audio: Called with the audio packets of the visible video; None drops them.
    """
    delay_s = 0.0
    if visible.is_live and infrared.is_live:
        delay_s = infrared.first_frame_time - visible.first_frame_time
    return (
        CameraStream(visible, lambda image: image, stop_event, on_audio=on_audio),
        CameraStream(infrared, _to_gray, stop_event, time_base=visible.time_base, delay_s=delay_s),
    )


class CameraStream:
    """The frames of one of two cameras, read by a thread; a `FrameSource`.

    Args:
        reader: The camera's video.
        convert: RGB image (H, W, 3) -> model input, both uint8.
        stop_event: Once set, reading stops.
        on_audio: Called with its audio packets; None drops them.
        time_base: Time base that its time stamps are converted to; None keeps them.
        delay_s: Added to its time stamps (seconds), if `time_base` is given.
    """

    def __init__(
        self,
        reader: VideoReader,
        convert: Callable[[np.ndarray], np.ndarray],
        stop_event: threading.Event,
        *,
        on_audio: Callable[[CopiedPacket], object] | None = None,
        time_base: Fraction | None = None,
        delay_s: float = 0.0,
    ) -> None:
        self._reader, self._convert, self._on_audio = reader, convert, on_audio
        self._time_base, self._delay_s = time_base, delay_s
        self._converter = YuvConverter(reader.yuv_format)
        self._next: FrameItem | None = None
        self._is_stalled = False
        self._stop_event = stop_event
        self.queue = FrameQueue(stop_event=stop_event, drop_oldest=reader.is_live)
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
        if self._time_base:
            old, new = frame.time_base, self._time_base
            frame.pts = round((frame.pts * old + self._delay_s) / new)
            frame.time_base, frame.duration = new, round((frame.duration or 0) * old / new)
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
