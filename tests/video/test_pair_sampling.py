"""Pairs of frames are sampled from two cameras, and one that shows nothing is given up."""

import numpy as np

from lowlight_tf.video import pair_sampling
from lowlight_tf.video.reader import VideoReader
from tests.clips import make_frame


def test_live_streams_are_sampled_until_there_are_enough_or_for_a_limited_time(serve, monkeypatch):
    monkeypatch.setattr(pair_sampling, "LIVE_INTERVAL_S", 0.1)
    frames = [make_frame(step) for step in range(5)]
    gray = [np.repeat(frame[..., :1], 3, axis=2) for frame in frames]
    blank = [np.zeros_like(frame) for frame in frames]
    visible, infrared, covered = (
        f"http://127.0.0.1:{serve(images).port}/" for images in (frames, gray, blank)
    )
    pairs = pair_sampling.sample_pairs(VideoReader(visible), VideoReader(infrared), count=3)
    assert [image.shape for image in pairs[0]] == 2 * [(*frames[0].shape[:2], 1)]
    assert len(pairs) == 3
    assert not pair_sampling.sample_pairs(VideoReader(visible), VideoReader(covered), count=3)
