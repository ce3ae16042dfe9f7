"""Sampling pairs of frames from the videos of two cameras."""

import threading

import numpy as np

from lowlight_tf.imaging.registration import infrared as thermal
from lowlight_tf.video.camera_stream import open_camera_streams
from lowlight_tf.video.frame_queue import POLL_INTERVAL_S
from lowlight_tf.video.reader import VideoReader
from lowlight_tf.video.synchronization import SYNC_TOLERANCE_S, approximate_time_sync

LIVE_INTERVAL_S = 2.0
"""Time between two sampled pairs of live streams, and of pipes (seconds)."""

LIVE_PATIENCE = 4
"""How many times as long as all intervals live streams are waited for."""


def sample_pairs(
    visible: VideoReader, infrared: VideoReader, *, count: int
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return pairs of frames of the same time, evenly spread over files; blank ones are left out.

    Live streams that have too few are given up after `LIVE_PATIENCE` times the time it takes.

    Args:
        visible: Video of the visible camera.
        infrared: Video of the infrared camera.
        count: Maximum number of pairs.

    Returns:
        The lumas of each, (H, W, 1) and (h, w, 1) uint8.

    Raises:
        UsageError: If reading fails.
    """
    interval_s = LIVE_INTERVAL_S
    if visible.frame_count and visible.fps:
        interval_s = float(visible.frame_count / visible.fps) / count
    stop_event, pairs, next_time_s = threading.Event(), [], 0.0
    streams = open_camera_streams(visible, infrared, stop_event)
    for stream in streams:
        stream.thread.start()
    timer = threading.Timer(LIVE_PATIENCE * count * interval_s, stop_event.set)
    if visible.is_live or infrared.is_live:
        timer.start()
    try:
        for first, second in approximate_time_sync(
            *streams, tolerance_s=SYNC_TOLERANCE_S, max_gap_s=SYNC_TOLERANCE_S
        ):
            is_due = first is not None and second is not None and first.frame.time >= next_time_s
            if is_due and not thermal.is_blank(second.image):
                pairs.append((first.image, second.image))
                next_time_s = first.frame.time + interval_s
            if len(pairs) == count:
                break
    finally:
        timer.cancel()
        stop_event.set()
        for stream in streams:
            stream.queue.close()
            stream.thread.join(POLL_INTERVAL_S)  # a silent connection may block it
    for stream in streams:
        if stream.thread.error:
            raise stream.thread.error
    return pairs
