"""The videos of two cameras through a net that fuses: frames of one time; lost ones are marked."""

import dataclasses
import threading
from collections.abc import Callable
from pathlib import Path

import av
import cv2
import numpy as np

from lowlight_tf import checks
from lowlight_tf.checks import UsageError
from lowlight_tf.imaging import dtypes
from lowlight_tf.imaging.registration.pair_preprocessing import PairPreprocessing, preprocess_pair
from lowlight_tf.runtime import input_checks
from lowlight_tf.runtime.engine import Engine
from lowlight_tf.runtime.fuse import fuse
from lowlight_tf.video import temporal_smoothing
from lowlight_tf.video.frame_queue import POLL_INTERVAL_S, FrameQueue, FrameTask, Worker, Writer
from lowlight_tf.video.pipeline import DEFAULT_SMOOTHING_S
from lowlight_tf.video.reader import AudioPacket, VideoReader, yuv_planes
from lowlight_tf.video.synchronization import SYNC_TOLERANCE_S, approximate_time_sync
from lowlight_tf.video.writer import VideoWriter
from lowlight_tf.video.yuv import YuvConverter

STALL_TIMEOUT_S = 0.5  # seconds that a live stream may be silent before the other goes on alone
MAX_CHROMA = 0.1  # mean difference of channels, in [0, 1], that no coded gray has
BANNER_HEIGHT, BANNER_COLOR, TEXT_COLOR = (
    1 / 16,
    (176, 32, 32),
    (255, 255, 255),
)  # height of a mark in frames, its colors


class FusionVideoPipeline:
    """The videos of two cameras through a net, on four threads: two read, the caller's fuses.

    Frames are joined by `together`; what stands alone bears a bar that says what is lost. The
    result has the size, the sound and the tags of the visible video. Time stamps are those that the
    files have; of two live streams, both times begin with the first one's first frame.

    Args:
        engine: What fuses.
        visible: Where frames and sound come from.
        infrared: Where the other frames come from.
        recorder: Where all goes, made like `visible`.
        tolerance: How far apart in time frames may be that are fused (seconds).
        seconds: Time constant by which the mean luma of the results is held; 0 does not.
        preprocessing: What is done to frames before; None takes the engine's own, if it has any.
        stop: Once set, no more is read; what was read is finished.
        say: Called with a line when a camera is lost, and when it is back.

    Attributes:
        alone: Camera -> frames for which the other one's was lost.

    Raises:
        UsageError: If the engine's ports do not fit, the sizes of the videos differ and nothing
            says how one lies over the other, or a number is none.
    """

    def __init__(
        self,
        engine: Engine,
        visible: VideoReader,
        infrared: VideoReader,
        recorder: VideoWriter,
        *,
        tolerance: float = SYNC_TOLERANCE_S,
        seconds: float = DEFAULT_SMOOTHING_S,
        preprocessing: PairPreprocessing | None = None,
        stop: threading.Event | None = None,
        say: Callable[[str], None] = lambda line: None,
    ) -> None:
        input_checks.check_fusion_model(engine.contract)
        checks.check_min("tolerance", tolerance, 0)
        self._engine, self._recorder, self._say = engine, recorder, say
        self._readers = {"visible": visible, "infrared": infrared}
        self._preparation = _video_preprocessing(
            preprocessing or getattr(engine, "preparation", None), visible, infrared
        )
        self._gain = temporal_smoothing.LumaStabilizer(seconds) if seconds else None
        self._tolerance, self._stop = tolerance, stop or threading.Event()
        self._gap = max(tolerance, 1.5 / float(visible.rate or 25))
        self._done = FrameQueue()
        self._visible = _CameraStream(visible, _rgb, self._stop, sound=self._done.put)
        late = infrared.begun - visible.begun if visible.live and infrared.live else 0.0
        self._infrared = _CameraStream(
            infrared, _gray, self._stop, time_base=visible.time_base, late=late
        )
        self._lost, self._last = "", None
        self.alone = {"visible": 0, "infrared": 0}

    @property
    def dropped(self) -> int:
        """Frames that were dropped so far: always 0 for files."""
        return self._visible.belt.dropped

    def run(self, progress: Callable[[int], None] = lambda frames: None) -> None:
        """Fuse until both videos end or are stopped, and finish the file, whatever happens.

        Args:
            progress: Called with the number of frames so far.

        Raises:
            UsageError: If reading or writing fails, once what was written is finished.
        """
        reading = [self._visible.thread, self._infrared.thread]
        writing = Writer(self._done, self._recorder)
        for thread in (*reading, writing):
            thread.start()
        try:
            self._infrared.peek()
            if self._infrared.thread.error is None:
                self._fuse_all(progress)
        finally:
            self._visible.belt.close()
            self._infrared.belt.close()
            self._done.close()
            writing.join()
            for thread in reading:
                thread.join(
                    POLL_INTERVAL_S
                )  # it may hang in a silent connection; then it dies with us
            writing.finish()
        for thread in (writing, *reading):
            if thread.error:
                raise thread.error

    def _fuse_all(self, progress: Callable[[int], None]) -> None:
        pairs = approximate_time_sync(
            self._visible, self._infrared, tolerance=self._tolerance, gap=self._gap
        )
        for count, (visible, infrared) in enumerate(pairs, start=1):
            if self._stop.is_set() and not (visible and infrared):  # who stops has lost nothing
                return
            if not self._done.put(self._fuse_frames(visible, infrared)):
                return
            progress(count)

    def _fuse_frames(self, visible: FrameTask | None, infrared: FrameTask | None) -> FrameTask:
        frame = (visible or infrared).frame
        self._report_lost(
            "" if visible and infrared else "infrared" if visible else "visible", frame
        )
        if visible and infrared:
            image = fuse(
                self._engine, visible.image, infrared.image, preprocessing=self._preparation
            )
            if self._gain:
                self._gain(image, frame.time)
        else:
            image = visible.image if visible else self._emit_unpaired(infrared.image)
            draw_banner(image, f"{self._lost} lost")
        if self._last is not None:  # what does not rise cannot be written
            frame.pts = max(frame.pts, self._last + 1)
        self._last = frame.pts
        return FrameTask(frame, image)

    def _report_lost(self, lost: str, frame: av.VideoFrame) -> None:
        """Count what stands alone, and say it when that begins or ends."""
        if lost:
            self.alone[_other_source(lost)] += 1
        if lost == self._lost:
            return
        if self._lost:
            self._say(f"{self._readers[self._lost].name} is back at {frame.time:.1f} s")
        if lost:
            reader, other = self._readers[lost], self._readers[_other_source(lost)]
            self._say(
                f"{reader.name} has no frame within {self._tolerance:g} s at {frame.time:.1f} s: "
                f"{other.name} stands alone"
            )
        self._lost = lost

    def _emit_unpaired(self, infrared: np.ndarray) -> np.ndarray:
        """Return an infrared frame as it would lie over a visible one, as RGB."""
        size = self._readers["visible"].size
        if self._preparation:
            dark = np.zeros((*size, 1), np.float32)
            image = preprocess_pair(dark, dtypes.img_as_float32(infrared), self._preparation)[1]
            infrared = dtypes.convert_dtype(image, np.uint8)
        return cv2.cvtColor(infrared, cv2.COLOR_GRAY2RGB)


def draw_banner(image: np.ndarray, words: str) -> None:
    """Write a few words into a frame, (H, W, 3) uint8, on a bar over its upper side."""
    height, width = image.shape[:2]
    bar = max(round(BANNER_HEIGHT * height), 8)
    image[:bar] = BANNER_COLOR
    font = cv2.FONT_HERSHEY_SIMPLEX
    (wide, tall), _ = cv2.getTextSize(words, font, 1, 1)
    scale = min(0.6 * bar / tall, 0.9 * width / wide)
    place = round(0.05 * width), round(0.8 * bar)
    cv2.putText(image, words, place, font, scale, TEXT_COLOR, max(bar // 16, 1), cv2.LINE_AA)


class _CameraStream:
    """One of two cameras: a thread that reads, and what comes next of it.

    Args:
        reader: Its video.
        convert: RGB (H, W, 3) -> what the net is shown.
        stop: Once set, no more is read.
        sound: Called with its sound; None leaves that out.
        time_base: What its time stamps are brought to; None leaves them.
        late: Added to its times (seconds).
    """

    def __init__(
        self,
        reader: VideoReader,
        convert: Callable[[np.ndarray], np.ndarray],
        stop: threading.Event,
        *,
        sound: Callable[[AudioPacket], object] | None = None,
        time_base=None,
        late: float = 0.0,
    ) -> None:
        self._reader, self._convert, self._sound = reader, convert, sound
        self._time_base, self._late = time_base, late
        self._converter = YuvConverter(reader.colors)
        self._next: FrameTask | None = None
        self._silent = False
        self._stop = stop
        self.belt = FrameQueue(stop=stop, drop_oldest=reader.live)
        self.thread = Worker(self._reading)

    @property
    def ended(self) -> bool:
        return self._next is None and self.belt.ended

    def peek(self) -> FrameTask | None:
        """See `Coming`. What is live is not waited for again until something has come."""
        while self._next is None:
            patience = 0.0 if self._silent else STALL_TIMEOUT_S
            item = self.belt.take(patience) if self._reader.live else self.belt.take()
            self._silent = item is None
            if item is None:
                return None
            if isinstance(item, AudioPacket):
                self._sound(item)
            else:
                self._next = item
        return self._next

    def pop(self) -> FrameTask:
        shot, self._next = self._next, None
        return shot

    def _reading(self) -> None:
        try:
            for item in self._reader:
                if isinstance(item, AudioPacket):
                    wanted = self._sound is not None
                else:
                    wanted, item = True, self._shot(item)
                if self._stop.is_set() or (wanted and not self.belt.put(item)):
                    return
        finally:
            self.belt.close()

    def _shot(self, frame: av.VideoFrame) -> FrameTask:
        image = np.empty((*self._reader.size, 3), np.uint8)
        self._converter.to_rgb(yuv_planes(frame), image)
        if self._time_base:
            old, new = frame.time_base, self._time_base
            frame.pts = round((frame.pts * old + self._late) / new)
            frame.time_base, frame.duration = new, round((frame.duration or 0) * old / new)
        return FrameTask(frame, self._convert(image))


def _rgb(image: np.ndarray) -> np.ndarray:
    return image


def _gray(image: np.ndarray) -> np.ndarray:
    """Return the luma of an infrared frame, (H, W, 1); refuse what was painted."""
    small = np.int16(image[::8, ::8])
    if np.mean(small.max(axis=2) - small.min(axis=2)) > 255 * MAX_CHROMA:
        raise UsageError(
            "The infrared video must be gray. Received: one in false colors. Record it as gray "
            "(white hot)."
        )
    return cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)[..., None]


def _other_source(camera: str) -> str:
    return "infrared" if camera == "visible" else "visible"


def _video_preprocessing(
    preparation: PairPreprocessing | None, visible: VideoReader, infrared: VideoReader
) -> PairPreprocessing | None:
    """Return what is done to each frame; refuse what cannot be, or not to each."""
    by_rig = preparation is not None and Path(preparation.align).suffix == ".json"
    if preparation and preparation.align != "none" and not by_rig:
        raise UsageError(
            f"Videos are not aligned frame by frame, as by {preparation.align}. Measure the rig "
            "once with `lowlight-tf calibrate`, and pass what it writes: --align RIG.json."
        )
    stretched = preparation is not None and preparation.size != "same"
    if visible.size != infrared.size and not by_rig and not stretched:
        (height, width), (rows, columns) = visible.size, infrared.size
        raise UsageError(
            f"The two videos must be of one size. Received: {visible.name} {height}x{width}, "
            f"{infrared.name} {rows}x{columns} (height x width). Pass --align with what "
            "`lowlight-tf calibrate` wrote of the rig."
        )
    return dataclasses.replace(preparation, size="visible") if stretched else preparation
