"""Frames that do not continue the frame before."""

import numpy as np
import pytest

from lowlight_tf.video.cut_detection import CutDetector

SCENE = np.tile(np.uint8([[20, 60, 100, 140]]), (16, 4))


@pytest.mark.parametrize(
    ("second", "time_s", "is_first"),
    [
        (SCENE, 1 / 30, False),
        (np.roll(SCENE, 1, axis=0), 0.2, False),
        (SCENE[:, ::-1], 1 / 30, True),
        (SCENE + np.uint8(10), 1 / 30, False),
        (SCENE // 3, 1 / 30, True),
        (SCENE, 0.3, True),
        (SCENE, -0.1, True),
        (SCENE, 0.0, False),
    ],
    ids=["same", "late", "cut", "drift", "lights out", "gap", "back", "same time"],
)
def test_cuts_gaps_and_jumps_back_are_found(second, time_s, is_first):
    detect = CutDetector()
    assert detect(SCENE, 0.0)
    assert detect(second, time_s) == is_first
