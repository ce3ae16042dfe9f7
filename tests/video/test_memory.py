"""A model with states gets, with each frame of a video, what it returned for the one before."""

import numpy as np
import pytest

from lowlight_tf.contract import ENHANCE_PLANES_OVER_TIME, MEMORY
from lowlight_tf.runtime.engine import Engine
from lowlight_tf.runtime.enhance import enhance
from lowlight_tf.runtime.frame_memory import FrameMemory
from lowlight_tf.runtime.rgb_engine import RgbEngine
from lowlight_tf.video.frame_processor import LiveEnhancer
from lowlight_tf.video.frame_queue import split_threads
from lowlight_tf.video.pipeline import VideoPipeline
from lowlight_tf.video.reader import VideoReader
from tests.clips import make_frame, write_video
from tests.video.test_frame_enhancers import FrameList

SIZE = (34, 50)


class CountingEngine(Engine):
    """Keeps planes, and writes into its states how many frames it remembers."""

    name, contract = "counting", ENHANCE_PLANES_OVER_TIME

    def __init__(self):
        self.remembered, self.brightness = [], []

    def __call__(self, images):
        count = images["past_luma"] + 1 if images[MEMORY].any() else 0 * images["past_luma"]
        self.remembered.append(int(count.max()))
        self.brightness.append(images["brightness"].tolist())
        return {
            "enhanced_luma": images["luma"],
            "enhanced_chroma": images["chroma"],
            "filtered_luma": count,
            "filtered_chroma": 0 * images["past_chroma"],
        }


def remember(tmp_path, images, **options):
    """Return how many frames the model remembers of, with each frame of a video."""
    timestamps = options.pop("timestamps", None)
    source = write_video(tmp_path / "in.mkv", images, timestamps=timestamps)
    engine = CountingEngine()
    engines = split_threads(RgbEngine(engine), 2)
    VideoPipeline(engines, VideoReader(source), FrameList(), **options).run()
    return engine


def test_states_go_from_frame_to_frame(tmp_path):
    engine = remember(tmp_path, [make_frame(0, SIZE)] * 6, brightness_ev=1)
    assert engine.remembered == [0, 1, 2, 3, 4, 5]
    assert engine.brightness == [[[[[0.5, 0]]]]] * 6


def test_nothing_is_remembered_after_a_cut_or_a_gap(tmp_path):
    images = [make_frame(0, SIZE)] * 3 + [make_frame(0, SIZE, level=110)] * 2
    assert remember(tmp_path, images).remembered == [0, 1, 2, 0, 1]
    timestamps = [512 * number for number in (0, 1, 2, 20, 21)]
    engine = remember(tmp_path, [make_frame(0, SIZE)] * 5, timestamps=timestamps)
    assert engine.remembered == [0, 1, 2, 0, 1]


def test_a_cut_in_every_frame_and_a_clip_of_one(tmp_path):
    images = [make_frame(0, SIZE, level=level) for level in (30, 90, 30, 90)]
    assert remember(tmp_path, images).remembered == [0] * 4
    assert remember(tmp_path, images[:1]).remembered == [0]


def test_frames_that_are_enhanced_independently_have_no_memory(tmp_path):
    assert remember(tmp_path, [make_frame(0, SIZE)] * 3, smoothing_s=0).remembered == [0] * 3


def test_a_model_with_states_stays_one_engine():
    engine = RgbEngine(CountingEngine())
    (one,) = split_threads(engine, 2)
    assert one.engine is engine.engine


def test_single_images_get_no_memory():
    engine = CountingEngine()
    RgbEngine(engine)(
        {
            "low": np.zeros((1, 16, 16, 3), np.uint8),
            "thumbnail": np.zeros((1, 128, 192, 3), np.uint8),
            "brightness": np.zeros((1, 1, 1, 2), np.float32),
        }
    )
    assert engine.remembered == [0]


def test_rgb_frames_of_a_loop_on_a_device_are_remembered():
    engine = CountingEngine()
    rgb_engine = RgbEngine(engine)
    rgb_engine.memory = FrameMemory(engine.contract, (20, 30), np.uint8)
    for _ in range(3):
        enhance(rgb_engine, np.zeros((20, 30, 3), np.uint8))
    assert engine.remembered == [0, 1, 2]


@pytest.mark.parametrize("smoothing_s", [1.0, 0.0])
def test_a_callback_remembers_too(smoothing_s):
    engine = CountingEngine()
    enhancer = LiveEnhancer(SIZE, RgbEngine(engine), smoothing_s=smoothing_s)
    half = (SIZE[0] // 2, SIZE[1] // 2)
    planes = [np.full(shape, 60, np.uint8) for shape in (SIZE, half, half)]
    for number in range(3):
        enhancer(planes, number / 30)
    assert engine.remembered == ([0, 1, 2] if smoothing_s else [0, 0, 0])


def test_a_callback_forgets_when_time_jumps():
    engine = CountingEngine()
    enhancer = LiveEnhancer((16, 16), RgbEngine(engine))
    planes = [np.full(shape, 60, np.uint8) for shape in ((16, 16), (8, 8), (8, 8))]
    for seconds in (0, 0.04, 5, 5.04, 5.04, 1, 1.04):
        enhancer(planes, seconds)
    assert engine.remembered == [0, 1, 0, 1, 2, 0, 1]
