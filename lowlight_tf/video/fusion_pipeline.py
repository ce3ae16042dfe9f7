"""Fuse the videos of a visible and an infrared camera; frames without a partner get a banner."""

import dataclasses
import functools
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import av
import cv2
import numpy as np

from lowlight_tf import checks
from lowlight_tf.checks import UsageError
from lowlight_tf.imaging.dtypes import img_as_float32, img_as_uint8
from lowlight_tf.imaging.registration import infrared as thermal
from lowlight_tf.imaging.registration.pair_preprocessing import (
    SIZE_HINT,
    PairPreprocessing,
    preprocess_pair,
)
from lowlight_tf.imaging.yuv import YuvFormat, level_table
from lowlight_tf.runtime import input_checks
from lowlight_tf.runtime.engine import Engine
from lowlight_tf.runtime.fuse import fuse
from lowlight_tf.video import temporal_smoothing
from lowlight_tf.video.camera_stream import open_camera_streams
from lowlight_tf.video.engine_pool import EnginePool
from lowlight_tf.video.frame_conversion import yuv_planes
from lowlight_tf.video.frame_enhancers import NEUTRAL_CHROMA
from lowlight_tf.video.frame_processor import DEFAULT_SMOOTHING_S
from lowlight_tf.video.frame_queue import (
    POLL_INTERVAL_S,
    FrameItem,
    FrameQueue,
    WriterThread,
)
from lowlight_tf.video.infrared_gain import InfraredGainStabilizer
from lowlight_tf.video.latency import LatencyMeter
from lowlight_tf.video.reader import DEFAULT_FPS, VideoReader
from lowlight_tf.video.registration_monitor import RegistrationMonitor
from lowlight_tf.video.synchronization import SYNC_TOLERANCE_S, approximate_time_sync
from lowlight_tf.video.writer import VideoOutput

GAIN_RETURN_S = 2.0
"""Time constant by which the infrared image follows its camera's automatic gain (seconds)."""

BANNER_HEIGHT_FRACTION, MIN_BANNER_HEIGHT = 1 / 16, 8
"""Height of the banner as a fraction of the frame height, and its minimum (pixels)."""

BANNER_COLOR = (176, 32, 32)
"""RGB, uint8."""


class FusionVideoPipeline:
    """Fuses two videos: two threads read, one per engine runs the model, one writes.

    Lumas are fused as they are coded, and the chroma of the visible video is copied.
    Frames are paired by `approximate_time_sync`. A frame without a partner is written with a banner
    that names the missing camera. The output has the size, audio and metadata of the visible video.
    Time stamps of files are kept; those of two live streams both start with the first frame of the
    visible one.

    Args:
        engine: A fusion model, or several engines of the same one, see `EnginePool`.
        visible: Video of the visible camera.
        infrared: Video of the infrared camera.
        writer: Destination of the results, created like `visible`.
        tolerance_s: Largest time difference of two frames that are fused (seconds).
        smoothing_s: Time constant by which the mean luma of the results is averaged (seconds); 0
            disables that, and that the infrared camera's gain is held steady.
        preprocessing: Applied to each pair of frames; None takes the engine's own, if it has any.
        stop_event: Once set, reading stops; frames that were read are finished.
        report: Called with a line of text when a camera is lost, is blank, or has moved, and when
            it is back.

    Attributes:
        unpaired: Camera -> number of its frames without a partner.
        registration: The `RegistrationMonitor` of the cameras.

    Raises:
        UsageError: If the engine's ports do not fit, `tolerance_s` or `smoothing_s` is negative, or
            the videos differ in size and `preprocessing` does not align them.
    """

    def __init__(
        self,
        engine: Engine | Sequence[Engine],
        visible: VideoReader,
        infrared: VideoReader,
        writer: VideoOutput,
        *,
        tolerance_s: float = SYNC_TOLERANCE_S,
        smoothing_s: float = DEFAULT_SMOOTHING_S,
        preprocessing: PairPreprocessing | None = None,
        stop_event: threading.Event | None = None,
        report: Callable[[str], None] = lambda line: None,
    ) -> None:
        self._engines = engines = list(engine) if isinstance(engine, Sequence) else [engine]
        input_checks.check_fusion_model(engines[0].contract)
        checks.check_min("tolerance_s", tolerance_s, 0)
        self._writer, self._report = writer, report
        self._readers = {"visible": visible, "infrared": infrared}
        self._preprocessing = _check_video_preprocessing(
            preprocessing or engines[0].preprocessing, visible, infrared
        )
        self._luma_stabilizer = (
            temporal_smoothing.LumaStabilizer(smoothing_s) if smoothing_s else None
        )
        self._hold_gain = InfraredGainStabilizer(GAIN_RETURN_S) if smoothing_s else None
        self.registration = RegistrationMonitor(self._preprocessing, report)
        self._tolerance_s, self._stop_event = tolerance_s, stop_event or threading.Event()
        self._max_gap_s = max(tolerance_s, 1.5 / float(visible.fps or DEFAULT_FPS))
        self._output_queue = FrameQueue(drop_oldest=visible.is_live and writer.drops_late_frames)
        self._writing = WriterThread(self._output_queue, writer)
        self._visible, self._infrared = open_camera_streams(
            visible, infrared, self._stop_event, on_audio=self._output_queue.put
        )
        self._from_full_table = level_table((0, 255), visible.yuv_format.luma_levels)
        self._missing_camera, self._last_pts = "", None
        self._defect = ""
        self.unpaired = {"visible": 0, "infrared": 0}

    @property
    def dropped_frames(self) -> int:
        """Number of visible frames dropped so far; always 0 for files."""
        return self._visible.queue.dropped_frames + self._output_queue.dropped_frames

    @property
    def latency(self) -> LatencyMeter:
        """From the arrival of each visible frame to its output."""
        return self._writing.latency

    def run(self, progress: Callable[[int], None] = lambda frames: None) -> None:
        """Fuse until both videos end or are stopped; the output file is finished in any case.

        Args:
            progress: Called with the number of frames so far.

        Raises:
            UsageError: If reading or writing fails, after the output file was finished.
        """
        reading = [self._visible.thread, self._infrared.thread]
        writing = self._writing
        for thread in (*reading, writing):
            thread.start()
        try:
            self._infrared.peek()
            if self._infrared.thread.error is None:
                self._fuse_all(progress)
        finally:
            self._visible.queue.close()
            self._infrared.queue.close()
            self._output_queue.close()
            writing.join()
            self.registration.close()
            for thread in reading:
                # May be blocked by a silent connection; as a daemon it ends with the process.
                thread.join(POLL_INTERVAL_S)
            writing.finish()
        for thread in (writing, *reading):
            if thread.error:
                raise thread.error

    def _fuse_all(self, progress: Callable[[int], None]) -> None:
        pairs = approximate_time_sync(
            self._visible,
            self._infrared,
            tolerance_s=self._tolerance_s,
            max_gap_s=self._max_gap_s,
        )
        frames = 0

        def pass_on(item: FrameItem) -> bool:
            nonlocal frames
            frames += 1
            self._finish(item)
            is_wanted = self._output_queue.put(item)
            progress(frames)
            return is_wanted

        pool = EnginePool(self._engines, pass_on)
        try:
            for visible, infrared in pairs:
                # Frames are unpaired after a stop because reading ended, not as one was lost.
                if self._stop_event.is_set() and not (visible and infrared):
                    break
                item, work = self._prepare(visible, infrared)
                # Waiting for the next live frame must not delay the last one.
                if not pool.put(item, work, wait=self._visible.is_waiting):
                    return
            pool.flush()
        finally:
            pool.close()

    def _prepare(
        self, visible: FrameItem | None, infrared: FrameItem | None
    ) -> tuple[FrameItem, Callable[[Engine], None] | None]:
        """Return the frame to write, and what fuses it; a frame of only one camera is complete."""
        only = visible or infrared
        is_pair = visible is not None and infrared is not None
        missing = "infrared" if visible else "visible"
        self._update_missing("" if is_pair else missing, only.frame)
        if not is_pair:
            return self._make_single(only, f"{missing} lost", is_infrared=visible is None), None
        if self._is_blank(infrared.image, visible.frame):
            return self._make_single(visible, "infrared blank"), None
        self.registration(visible.image, infrared.image, visible.frame.time)
        image = infrared.image
        if self._hold_gain:
            image = self._hold_gain(image, visible.frame.time)
        item = dataclasses.replace(visible, image=None)
        return item, functools.partial(self._fuse, item, visible.image, image)

    def _make_single(self, item: FrameItem, text: str, *, is_infrared: bool = False) -> FrameItem:
        """Return the frame of one camera with a banner."""
        luma = self._align_unpaired(item.image) if is_infrared else item.image
        result = self._make_frame(item.frame, luma, with_chroma=not is_infrared)
        draw_banner(result, text, self._readers["visible"].yuv_format)
        return dataclasses.replace(item, image=None, result=result)

    def _fuse(
        self, item: FrameItem, visible: np.ndarray, infrared: np.ndarray, engine: Engine
    ) -> None:
        item.image = fuse(engine, visible, infrared, preprocessing=self._preprocessing)

    def _finish(self, item: FrameItem) -> None:
        """Complete the frame that is to be written, in the order of the frames."""
        if item.result is None:
            factor = 1.0
            if self._luma_stabilizer:
                luma = cv2.mean(item.image[temporal_smoothing.MEASURED_ROWS])[0] / 255
                factor = self._luma_stabilizer(luma, item.frame.time)
            item.result = self._make_frame(item.frame, item.image, factor=factor)
            item.image = None
        if self._last_pts is not None:  # encoders need increasing time stamps
            item.result.pts = max(item.result.pts, self._last_pts + 1)
        self._last_pts = item.result.pts

    def _make_frame(
        self,
        like: av.VideoFrame,
        luma: np.ndarray,
        *,
        factor: float = 1.0,
        with_chroma: bool = True,
    ) -> av.VideoFrame:
        """Return a frame of a luma in full range, and of the chroma of another or of none.

        Args:
            like: The other frame, whose time stamp it has.
            luma: (H, W, 1) uint8.
            factor: Scales the colors.
            with_chroma: Whether `like` has its size and colors.
        """
        reader = self._readers["visible"]
        result = av.VideoFrame(*reader.size[::-1], reader.pixel_format)
        result.pts, result.time_base, result.duration = like.pts, like.time_base, like.duration
        target, *targets = yuv_planes(result)
        scaled = cv2.convertScaleAbs(luma, None, factor) if factor != 1 else luma
        cv2.LUT(scaled, self._from_full_table, target)
        if not with_chroma:
            for plane in targets:
                plane[...] = NEUTRAL_CHROMA
            return result
        for plane, chroma in zip(targets, yuv_planes(like)[1:], strict=True):
            neutral = NEUTRAL_CHROMA * (1 - factor)
            cv2.addWeighted(chroma, factor, chroma, 0, neutral, plane)
        return result

    def _is_blank(self, infrared: np.ndarray, frame: av.VideoFrame) -> bool:
        """Return whether an infrared frame shows nothing; report when a defect begins or ends."""
        line = thermal.describe_defect(infrared)
        is_blank = bool(line) and thermal.is_blank(infrared)
        defect = line and ("blank" if is_blank else "saturated")
        if defect != self._defect:
            name = self._readers["infrared"].name
            self._report(f"at {frame.time:.1f} s {name} {line or 'shows the scene again'}")
        self._defect = defect
        return is_blank

    def _update_missing(self, missing: str, frame: av.VideoFrame) -> None:
        """Count a frame without a partner, and report when a camera is lost or back."""
        if missing:
            self.unpaired[_other_camera(missing)] += 1
        if missing == self._missing_camera:
            return
        if self._missing_camera:
            name = self._readers[self._missing_camera].name
            self._report(f"{name} is back at {frame.time:.1f} s")
        if missing:
            name = self._readers[missing].name
            other_name = self._readers[_other_camera(missing)].name
            self._report(
                f"{name} has no frame within {self._tolerance_s:g} s at {frame.time:.1f} s: "
                f"writing {other_name} alone"
            )
        self._missing_camera = missing

    def _align_unpaired(self, infrared: np.ndarray) -> np.ndarray:
        """Return an infrared frame aligned with the visible camera, (H, W, 1) uint8."""
        if self._preprocessing:
            black = np.zeros((*self._readers["visible"].size, 1), np.float32)
            _, aligned = preprocess_pair(black, img_as_float32(infrared), self._preprocessing)
            infrared = img_as_uint8(aligned)
        return infrared


def draw_banner(frame: av.VideoFrame, text: str, yuv_format: YuvFormat) -> None:
    """Draw an on-screen display (OSD) banner over the top of a planar frame, in place.

    Args:
        frame: The frame.
        text: What the banner says, in white.
        yuv_format: How luma and chroma are coded.
    """
    luma, *chroma = yuv_planes(frame)
    height, width = luma.shape
    rows = 2 * max(round(BANNER_HEIGHT_FRACTION * height / 2), MIN_BANNER_HEIGHT // 2)
    levels = np.rint(yuv_format.rgb_to_yuv_matrix() @ (*BANNER_COLOR, 1))
    luma[:rows] = levels[0]
    for plane, level in zip(chroma, levels[1:], strict=True):
        plane[: rows * len(plane) // height] = level
    font = cv2.FONT_HERSHEY_SIMPLEX
    (text_width, text_height), _ = cv2.getTextSize(text, font, 1, 1)
    scale = min(0.6 * rows / text_height, 0.9 * width / text_width)
    origin = round(0.05 * width), round(0.8 * rows)
    white = yuv_format.luma_levels[1]
    cv2.putText(luma, text, origin, font, scale, white, max(rows // 16, 1), cv2.LINE_AA)


def _other_camera(camera: str) -> str:
    return "infrared" if camera == "visible" else "visible"


def _check_video_preprocessing(
    preprocessing: PairPreprocessing | None, visible: VideoReader, infrared: VideoReader
) -> PairPreprocessing | None:
    """Return the preprocessing of each pair of frames.

    Raises:
        UsageError: If it aligns each pair anew, or the videos differ in size and it does not
            resize them.
    """
    uses_rig = preprocessing is not None and Path(preprocessing.align).suffix == ".json"
    if preprocessing and preprocessing.align != "none" and not uses_rig:
        raise UsageError(
            f"Videos are not aligned frame by frame, as by {preprocessing.align}. Measure the rig "
            "once with `lowlight-tf calibrate`, and pass its result: --align RIG.json."
        )
    resizes = preprocessing is not None and preprocessing.size != "same"
    if visible.size != infrared.size and not uses_rig and not resizes:
        (height, width), (rows, columns) = visible.size, infrared.size
        raise UsageError(
            f"The two videos must be of one size. Received: {visible.name} {height}x{width}, "
            f"{infrared.name} {rows}x{columns} (height x width). {SIZE_HINT}"
        )
    return dataclasses.replace(preprocessing, size="visible") if resizes else preprocessing
