"""Enhancing videos: order, timing, exposure, dropped frames, errors."""

import threading
import time

import numpy as np
import pytest

from lowlight_tf.checks import UsageError
from lowlight_tf.contract import ENHANCE, ENHANCE_WITH_THUMBNAIL
from lowlight_tf.metrics.temporal import luma_flicker
from lowlight_tf.runtime.loading import load_model
from lowlight_tf.video.frame_queue import FrameItem, FrameQueue, split_threads
from lowlight_tf.video.pipeline import VideoPipeline
from lowlight_tf.video.reader import CopiedPacket, VideoReader
from lowlight_tf.video.temporal_smoothing import DayNightSwitch
from lowlight_tf.video.writer import VideoWriter
from tests.clips import LookupTableEngine, make_frame, psnr, read_frames, write_video

VARIABLE_TIMESTAMPS = [0, 512, 1024, 3000, 3100, 5120, 9000, 9512]


def enhance_video(source, target, engine, **options):
    """Enhance a video and return its frames and time stamps."""
    reader = VideoReader(source)
    writer = VideoWriter(target, reader, codec="libx264:crf=4")
    VideoPipeline(engine, reader, writer, **options).run()
    return read_frames(target)


@pytest.mark.parametrize("matrix", [1, 6])
@pytest.mark.parametrize("color_range", [1, 2])
def test_each_frame_is_enhanced_with_its_timestamp_and_color_format(tmp_path, matrix, color_range):
    source = write_video(
        tmp_path / "in.mp4",
        [make_frame(step) for step in range(8)],
        timestamps=VARIABLE_TIMESTAMPS,
        matrix=matrix,
        color_range=color_range,
        with_audio=True,
    )
    engine = LookupTableEngine()
    after, timestamps = enhance_video(source, tmp_path / "out.mp4", engine, smoothing_s=0)
    before, expected = read_frames(source)
    assert timestamps == expected
    assert engine.runs == 8
    for dark, bright in zip(before, after, strict=True):
        assert psnr(engine.table[dark], bright) > 33


def test_two_engines_enhance_two_frames_at_once_and_in_order(tmp_path):
    barrier = threading.Barrier(2)

    class BarrierEngine(LookupTableEngine):
        def __call__(self, images):
            barrier.wait(timeout=10)  # fails if only one engine runs
            return super().__call__(images)

    source = write_video(
        tmp_path / "in.mp4",
        [make_frame(step) for step in range(6)],
        timestamps=VARIABLE_TIMESTAMPS[:6],
    )
    engines = [BarrierEngine(), BarrierEngine()]
    frames, timestamps = enhance_video(source, tmp_path / "two.mp4", engines)
    expected_frames, expected = enhance_video(source, tmp_path / "one.mp4", LookupTableEngine())
    assert timestamps == expected
    assert [engine.runs for engine in engines] == [3, 3]
    np.testing.assert_array_equal(frames, expected_frames)


def test_threads_are_split_between_two_engines_of_a_file():
    engine = load_model("nano", threads=2)
    engines = split_threads(engine, 2)
    assert [one.path for one in engines] == [engine.path] * 2
    assert split_threads(engine, 1) == [engine]
    engine = LookupTableEngine()
    assert split_threads(engine, 2) == [engine]


def test_frames_of_another_size_than_the_engine_takes_are_padded_and_cropped(tmp_path):
    source = write_video(tmp_path / "in.mp4", [make_frame(step, (34, 50)) for step in range(3)])
    engine = LookupTableEngine()
    engine.size = (48, 64)
    frames, _ = enhance_video(source, tmp_path / "out.mp4", engine, smoothing_s=0)
    assert [frame.shape for frame in frames] == [(34, 50, 3)] * 3
    assert engine.inputs[0]["low"].shape == (1, 48, 64, 3)
    assert psnr(frames[1], engine.table[read_frames(source)[0][1]]) > 33


def test_thumbnails_are_made_of_the_frames_and_averaged_over_time(tmp_path):
    levels = [100, 100, 110, 110]
    frames = [np.full((192, 256, 3), level, np.uint8) for level in levels]
    source = write_video(tmp_path / "in.mp4", frames)
    engine = LookupTableEngine(contract=ENHANCE_WITH_THUMBNAIL)
    enhance_video(source, tmp_path / "out.mp4", engine, smoothing_s=1.0)
    thumbnails = [images["thumbnail"] for images in engine.inputs]
    assert {thumbnail.shape for thumbnail in thumbnails} == {(1, 128, 192, 3)}
    means = [float(thumbnail.mean() * 255) for thumbnail in thumbnails]
    assert means[0] == pytest.approx(100, abs=1.5)
    steps = np.diff(means)
    assert abs(steps[0]) < 0.2
    assert 0 < steps[1] < 2
    assert 0 < steps[2] < 2


@pytest.mark.parametrize("contract", [ENHANCE, ENHANCE_WITH_THUMBNAIL])
def test_the_exposure_flickers_less_than_frame_by_frame(tmp_path, contract):
    # The engine scales each frame, or its thumbnail, to middle gray.
    frames = [make_frame(0, level=level) for level in (60, 66, 58, 64, 60, 67, 59, 62)]

    class ExposingEngine(LookupTableEngine):
        def __call__(self, images):
            low = images["low"][0]
            probe = images["thumbnail"] if "thumbnail" in images else low / 255
            target = 0.42 + 0.2 * (float(probe.mean()) - 0.24)
            return {"enhanced": np.uint8(np.clip(low * (target / 0.24), 0, 255))[None]}

    def flicker(name, **options):
        engine = ExposingEngine(contract=contract)
        frames, _ = enhance_video(source, tmp_path / name, engine, **options)
        return luma_flicker(frames)

    source = write_video(tmp_path / "in.mp4", frames)
    assert flicker("smooth.mp4", smoothing_s=1.0) < 0.5 * flicker("single.mp4", smoothing_s=0)


def test_bright_scenes_are_not_enhanced_and_dark_ones_fade_in(tmp_path):
    levels = [160] * 6 + [30] * 18
    source = write_video(tmp_path / "in.mp4", [make_frame(0, level=level) for level in levels])
    engine = LookupTableEngine()
    switch = DayNightSwitch(night_threshold=0.25, day_threshold=0.4, smoothing_s=0, fade_s=0.2)
    after, _ = enhance_video(
        source, tmp_path / "out.mp4", engine, smoothing_s=0, day_night_switch=switch
    )
    assert engine.runs == 18
    before, _ = read_frames(source)
    for step in range(6):
        assert psnr(before[step], after[step]) > 38
    means = [frame.mean() for frame in after]
    assert means[6] < means[8] < means[10] < means[12]
    assert psnr(after[-1], engine.table[before[-1]]) > 33
    low, high = before[6].mean(), engine.table[before[6]].mean()
    assert (means[6] - low) / (high - low) == pytest.approx(0.2, abs=0.06)


def make_item():
    return FrameItem(frame=None)


def test_a_live_queue_drops_the_oldest_frames_and_no_audio():
    dropped = []
    queue = FrameQueue(2, drop_oldest=True, on_drop=dropped.append)
    first, second, third, fourth = (make_item() for _ in range(4))
    audio = CopiedPacket(0, None)
    for item in (first, audio, second, third, fourth):
        assert queue.put(item)
    queue.close()
    assert list(queue) == [audio, third, fourth]
    assert dropped == [first, second]
    assert queue.dropped_frames == 2


def test_a_full_queue_of_a_file_waits_and_drops_nothing():
    queue = FrameQueue(2)
    items = [make_item() for _ in range(20)]
    done = []

    def produce():
        for item in items:
            queue.put(item)
            done.append(item)
        queue.close()

    thread = threading.Thread(target=produce)
    thread.start()
    deadline = time.monotonic() + 5
    while len(done) < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.05)
    assert len(done) == 2  # the third waits for space
    assert list(queue) == items
    thread.join()
    assert queue.dropped_frames == 0


def test_a_closed_queue_accepts_nothing_and_a_stopped_one_ends():
    stop_event = threading.Event()
    queue = FrameQueue(2, stop_event=stop_event)
    item = make_item()
    queue.put(item)
    stop_event.set()
    assert list(queue) == [item]  # although it was never closed
    queue.close()
    assert not queue.put(item)
    assert list(queue) == []


def test_after_a_stop_the_file_can_be_played(tmp_path):
    source = write_video(
        tmp_path / "in.mp4", [make_frame(step) for step in range(60)], with_audio=True
    )
    reader, stop_event = VideoReader(source), threading.Event()
    writer = VideoWriter(tmp_path / "out.mp4", reader)
    pipeline = VideoPipeline(LookupTableEngine(), reader, writer, stop_event=stop_event)
    pipeline.run(lambda count: stop_event.set() if count == 20 else None)
    frames, timestamps = read_frames(tmp_path / "out.mp4")
    assert 20 <= len(frames) < 40
    assert timestamps == read_frames(source)[1][: len(frames)]


class FailingEngine(LookupTableEngine):
    """An engine that fails at its 11th frame."""

    def __call__(self, images):
        if self.runs == 10:
            raise UsageError("no more")
        return super().__call__(images)


def test_if_the_engine_fails_the_frames_before_can_be_played(tmp_path):
    source = write_video(tmp_path / "in.mp4", [make_frame(step) for step in range(40)])
    with pytest.raises(UsageError, match="no more"):
        enhance_video(source, tmp_path / "out.mp4", FailingEngine())
    assert len(read_frames(tmp_path / "out.mp4")[0]) == 10


def test_if_writing_fails_reading_ends_too(tmp_path):
    reader = VideoReader(write_video(tmp_path / "in.mp4", [make_frame(step) for step in range(40)]))
    writer = VideoWriter(tmp_path / "out.mp4", reader, codec="libx264:preset=nonsense")
    threads = threading.active_count()
    with pytest.raises(UsageError, match=r"out\.mp4 cannot be written"):
        VideoPipeline(LookupTableEngine(), reader, writer).run()
    deadline = time.monotonic() + 5
    while threading.active_count() > threads and time.monotonic() < deadline:
        time.sleep(0.01)
    assert threading.active_count() == threads
    assert [path.name for path in tmp_path.iterdir()] == ["in.mp4"]


def test_frame_buffers_are_reused(tmp_path):
    reader = VideoReader(write_video(tmp_path / "in.mp4", [make_frame(step) for step in range(40)]))
    addresses = set()

    class RecordingEngine(LookupTableEngine):
        def __call__(self, images):
            addresses.add(images["low"].ctypes.data)
            return super().__call__(images)

    VideoPipeline(RecordingEngine(), reader, VideoWriter(tmp_path / "out.mp4", reader)).run()
    assert len(addresses) <= 12  # two queues of four, and the frames that are worked on
