"""Videos through an engine."""

import threading
import time

import numpy as np
import pytest

from lowlight_tf.checks import UsageError
from lowlight_tf.contract import ENHANCE, ENHANCE_WITH_THUMBNAIL
from lowlight_tf.metrics.temporal import luma_flicker
from lowlight_tf.runtime.loading import load_model
from lowlight_tf.video.frame_queue import FrameQueue, FrameTask, split_threads
from lowlight_tf.video.pipeline import VideoPipeline
from lowlight_tf.video.reader import AudioPacket, VideoReader
from lowlight_tf.video.temporal_smoothing import DayNightSwitch
from lowlight_tf.video.writer import VideoWriter
from tests.clips import Curve, clip, frames, picture, psnr

VARIABLE = [0, 512, 1024, 3000, 3100, 5120, 9000, 9512]


def enhanced(source, target, engine, **options):
    """Enhance a video and return its pictures and time stamps."""
    reader = VideoReader(source)
    recorder = VideoWriter(target, reader, codec="libx264:crf=4")
    VideoPipeline(engine, reader, recorder, **options).run()
    return frames(target)


@pytest.mark.parametrize("matrix", [1, 6])
@pytest.mark.parametrize("span", [1, 2])
def test_each_frame_is_enhanced_at_its_time_and_in_its_colors(tmp_path, matrix, span):
    source = clip(
        tmp_path / "in.mp4",
        [picture(step) for step in range(8)],
        stamps=VARIABLE,
        matrix=matrix,
        span=span,
        sound=True,
    )
    engine = Curve()
    pictures, stamps = enhanced(source, tmp_path / "out.mp4", engine, seconds=0)
    before, expected = frames(source)
    assert stamps == expected
    assert engine.runs == 8
    for dark, bright in zip(before, pictures, strict=True):
        assert psnr(engine.table[dark], bright) > 33


def test_two_engines_enhance_two_frames_at_once_and_in_order(tmp_path):
    both = threading.Barrier(2)

    class Meeting(Curve):
        def __call__(self, images):
            both.wait(timeout=10)  # who is alone waits in vain
            return super().__call__(images)

    source = clip(tmp_path / "in.mp4", [picture(step) for step in range(6)], stamps=VARIABLE[:6])
    engines = [Meeting(), Meeting()]
    pictures, stamps = enhanced(source, tmp_path / "two.mp4", engines)
    alone, expected = enhanced(source, tmp_path / "one.mp4", Curve())
    assert stamps == expected
    assert [engine.runs for engine in engines] == [3, 3]
    np.testing.assert_array_equal(pictures, alone)


def test_threads_are_shared_by_two_engines_of_a_file():
    engine = load_model("nano", threads=2)
    engines = split_threads(engine, 2)
    assert [one.path for one in engines] == [engine.path] * 2
    assert split_threads(engine, 1) == [engine]
    curve = Curve()
    assert split_threads(curve, 2) == [curve]


def test_a_frame_size_that_the_engine_does_not_take_is_padded_and_cropped_back(tmp_path):
    source = clip(tmp_path / "in.mp4", [picture(step, (34, 50)) for step in range(3)])
    engine = Curve()
    engine.size = (48, 64)
    pictures, _ = enhanced(source, tmp_path / "out.mp4", engine, seconds=0)
    assert [shot.shape for shot in pictures] == [(34, 50, 3)] * 3
    assert engine.seen[0]["low"].shape == (1, 48, 64, 3)
    assert psnr(pictures[1], engine.table[frames(source)[0][1]]) > 33


def test_thumbnails_are_those_of_the_picture_and_are_averaged_over_time(tmp_path):
    levels = [100, 100, 110, 110]
    shots = [np.full((192, 256, 3), level, np.uint8) for level in levels]
    source = clip(tmp_path / "in.mp4", shots)
    engine = Curve(contract=ENHANCE_WITH_THUMBNAIL)
    enhanced(source, tmp_path / "out.mp4", engine, seconds=1.0)
    seen = [images["thumbnail"] for images in engine.seen]
    assert {thumbnail.shape for thumbnail in seen} == {(1, 128, 192, 3)}
    means = [float(thumbnail.mean() * 255) for thumbnail in seen]
    assert means[0] == pytest.approx(100, abs=1.5)
    steps = np.diff(means)
    assert abs(steps[0]) < 0.2
    assert 0 < steps[1] < 2
    assert 0 < steps[2] < 2


@pytest.mark.parametrize("contract", [ENHANCE, ENHANCE_WITH_THUMBNAIL])
def test_exposure_is_steadier_than_frame_by_frame(tmp_path, contract):
    # An engine that brings each frame to its own or its thumbnail's middle grey.
    shots = [picture(0, level=level) for level in (60, 66, 58, 64, 60, 67, 59, 62)]

    class Exposing(Curve):
        def __call__(self, images):
            low = images["low"][0]
            shown = images["thumbnail"] if "thumbnail" in images else low / 255
            wobble = 0.42 + 0.2 * (float(shown.mean()) - 0.24)
            return {"enhanced": np.uint8(np.clip(low * (wobble / 0.24), 0, 255))[None]}

    def jitter(name, **options):
        engine = Exposing(contract=contract)
        pictures, _ = enhanced(source, tmp_path / name, engine, **options)
        return luma_flicker(pictures)

    source = clip(tmp_path / "in.mp4", shots)
    assert jitter("steady.mp4", seconds=1.0) < 0.5 * jitter("each.mp4", seconds=0)


def test_bright_scenes_pass_untouched_and_dark_ones_fade_in(tmp_path):
    levels = [160] * 6 + [30] * 18
    source = clip(tmp_path / "in.mp4", [picture(0, level=level) for level in levels])
    engine = Curve()
    night = DayNightSwitch(below=0.25, above=0.4, seconds=0, fade=0.2)
    pictures, _ = enhanced(source, tmp_path / "out.mp4", engine, seconds=0, night=night)
    assert engine.runs == 18
    before, _ = frames(source)
    for step in range(6):
        assert psnr(before[step], pictures[step]) > 38
    means = [shot.mean() for shot in pictures]
    assert means[6] < means[8] < means[10] < means[12]
    assert psnr(pictures[-1], engine.table[before[-1]]) > 33
    low, high = before[6].mean(), engine.table[before[6]].mean()
    assert (means[6] - low) / (high - low) == pytest.approx(0.2, abs=0.06)


def shot():
    return FrameTask(frame=None)


def test_a_live_belt_drops_the_oldest_frames_and_no_sound():
    dropped = []
    belt = FrameQueue(2, drop_oldest=True, on_drop=dropped.append)
    one, two, three, four = (shot() for _ in range(4))
    sound = AudioPacket(0, None)
    for item in (one, sound, two, three, four):
        assert belt.put(item)
    belt.close()
    assert list(belt) == [sound, three, four]
    assert dropped == [one, two]
    assert belt.dropped == 2


def test_a_belt_of_a_file_waits_and_drops_nothing():
    belt = FrameQueue(2)
    shots = [shot() for _ in range(20)]
    done = []

    def produce():
        for item in shots:
            belt.put(item)
            done.append(item)
        belt.close()

    thread = threading.Thread(target=produce)
    thread.start()
    deadline = time.monotonic() + 5
    while len(done) < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.05)
    assert len(done) == 2  # the third waits for room
    assert list(belt) == shots
    thread.join()
    assert belt.dropped == 0


def test_a_closed_belt_takes_nothing_and_a_stopped_one_ends():
    stop = threading.Event()
    belt = FrameQueue(2, stop=stop)
    item = shot()
    belt.put(item)
    stop.set()
    assert list(belt) == [item]  # although it was never closed
    belt.close()
    assert not belt.put(item)
    assert list(belt) == []


def test_who_stops_gets_a_file_that_plays(tmp_path):
    source = clip(tmp_path / "in.mp4", [picture(step) for step in range(60)], sound=True)
    reader, stop = VideoReader(source), threading.Event()
    recorder = VideoWriter(tmp_path / "out.mp4", reader)
    stream = VideoPipeline(Curve(), reader, recorder, stop=stop)
    stream.run(lambda done: stop.set() if done == 20 else None)
    found, stamps = frames(tmp_path / "out.mp4")
    assert 20 <= len(found) < 40
    assert stamps == frames(source)[1][: len(found)]


class Failing(Curve):
    """An engine that fails at its eleventh frame."""

    def __call__(self, images):
        if self.runs == 10:
            raise UsageError("no more")
        return super().__call__(images)


def test_when_the_engine_fails_what_was_written_plays(tmp_path):
    source = clip(tmp_path / "in.mp4", [picture(step) for step in range(40)])
    with pytest.raises(UsageError, match="no more"):
        enhanced(source, tmp_path / "out.mp4", Failing())
    assert len(frames(tmp_path / "out.mp4")[0]) == 10


def test_when_writing_fails_reading_ends_too(tmp_path):
    reader = VideoReader(clip(tmp_path / "in.mp4", [picture(step) for step in range(40)]))
    recorder = VideoWriter(tmp_path / "out.mp4", reader, codec="libx264:preset=nonsense")
    threads = threading.active_count()
    with pytest.raises(UsageError, match=r"out\.mp4 cannot be written"):
        VideoPipeline(Curve(), reader, recorder).run()
    deadline = time.monotonic() + 5
    while threading.active_count() > threads and time.monotonic() < deadline:
        time.sleep(0.01)
    assert threading.active_count() == threads
    assert [path.name for path in tmp_path.iterdir()] == ["in.mp4"]


def test_buffers_are_used_again(tmp_path):
    reader = VideoReader(clip(tmp_path / "in.mp4", [picture(step) for step in range(40)]))
    places = set()

    class Watching(Curve):
        def __call__(self, images):
            places.add(images["low"].ctypes.data)
            return super().__call__(images)

    VideoPipeline(Watching(), reader, VideoWriter(tmp_path / "out.mp4", reader)).run()
    assert len(places) <= 12  # two belts of four, and one frame in each of the hands
