"""Planes of video frames go through a model of planes as they are."""

import av
import numpy as np
import pytest

from lowlight_tf.contract import ENHANCE_PLANES
from lowlight_tf.runtime.engine import Engine
from lowlight_tf.runtime.rgb_engine import RgbEngine
from lowlight_tf.video.frame_conversion import yuv_planes
from lowlight_tf.video.pipeline import VideoPipeline
from lowlight_tf.video.reader import VideoReader
from lowlight_tf.video.temporal_smoothing import DayNightSwitch
from tests.clips import make_frame, write_video

SIZE = (34, 50)


class PlaneEngine(Engine):
    """Adds a number to luma, and keeps the inputs of its calls."""

    name, contract = "planes", ENHANCE_PLANES

    def __init__(self, added=0):
        self.added, self.inputs = added, []

    def __call__(self, images):
        self.inputs.append(images)
        return {"enhanced_luma": images["luma"] + self.added, "enhanced_chroma": images["chroma"]}


class FrameList:
    """A writer that keeps the planes of frames."""

    drops_late_frames, delayed_frames = False, 0

    def __init__(self):
        self.frames, self.times = [], []

    def write(self, frame, image=None):
        assert image is None
        self.frames.append([plane.copy() for plane in yuv_planes(frame)])
        self.times.append(frame.time)

    def write_packet(self, packet):
        pass

    def close(self):
        pass


def run(source, engine, **options):
    written = FrameList()
    VideoPipeline(RgbEngine(engine), VideoReader(source), written, **options).run()
    return written


@pytest.fixture(params=[1, 2])  # limited and full range
def source(request, tmp_path):
    images = [make_frame(step, SIZE) for step in range(4)]
    return write_video(tmp_path / "in.mp4", images, color_range=request.param)


def test_planes_that_a_model_keeps_are_written_bit_for_bit(tmp_path):
    source = write_video(tmp_path / "in.mp4", [make_frame(step, SIZE) for step in range(4)])
    with av.open(str(source)) as container:
        decoded = list(container.decode(video=0))
    written = run(source, PlaneEngine(), smoothing_s=0)
    assert written.times == [frame.time for frame in decoded]
    for planes, frame in zip(written.frames, decoded, strict=True):
        for plane, expected in zip(planes, yuv_planes(frame), strict=True):
            np.testing.assert_array_equal(plane, expected)


def test_full_range_is_converted_and_back(source):
    with av.open(str(source)) as container:
        decoded = list(container.decode(video=0))
    written = run(source, PlaneEngine(), smoothing_s=0)
    for planes, frame in zip(written.frames, decoded, strict=True):
        for plane, expected in zip(planes, yuv_planes(frame), strict=True):
            assert np.abs(plane.astype(int) - expected).max() <= 1


def test_the_model_gets_padded_planes_of_limited_range_and_a_thumbnail(source):
    engine = PlaneEngine()
    run(source, engine)
    (luma, chroma, thumbnail, brightness) = (
        engine.inputs[0][port.name] for port in ENHANCE_PLANES.inputs
    )
    assert (luma.shape, luma.dtype) == ((1, 48, 64, 1), np.uint8)
    assert (chroma.shape, chroma.dtype) == ((1, 24, 32, 2), np.uint8)
    assert thumbnail.shape == (1, 128, 192, 3)
    expected = (luma[0, : SIZE[0], : SIZE[1]].mean() - 16) / 219
    assert thumbnail[..., 0].mean() == pytest.approx(expected, abs=0.01)
    assert not brightness.any()


def test_the_brightness_control_is_set(source):
    engine = PlaneEngine()
    run(source, engine, brightness_ev=-1.0)
    assert engine.inputs[0]["brightness"].ravel().tolist() == [0, 0.5]


def test_exposure_is_stabilized_around_the_black_of_the_range(tmp_path):
    levels = (60, 66, 58, 64)
    images = [np.full((*SIZE, 3), level, np.uint8) for level in levels]
    source = write_video(tmp_path / "in.mp4", images)
    means = [frame[0].mean() for frame in run(source, PlaneEngine()).frames]
    plain = [frame[0].mean() for frame in run(source, PlaneEngine(), smoothing_s=0).frames]
    assert np.ptp(means) < np.ptp(plain) / 3
    chroma = [frame[1].mean() for frame in run(source, PlaneEngine()).frames]
    assert np.ptp(chroma) <= 1


def test_by_day_frames_are_written_as_they_are(tmp_path):
    images = [np.full((*SIZE, 3), 200, np.uint8) for _ in range(3)]
    source = write_video(tmp_path / "in.mp4", images)
    engine = PlaneEngine(added=20)
    run(source, engine, day_night_switch=DayNightSwitch())
    assert not engine.inputs
