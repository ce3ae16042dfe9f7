"""Fusing the videos of two cameras: pairing by time, banners, alignment, live streams."""

import threading
from fractions import Fraction
from types import SimpleNamespace

import av
import numpy as np
import pytest

from lowlight_tf.checks import UsageError
from lowlight_tf.imaging.registration.camera_rig import CameraRig
from lowlight_tf.imaging.registration.pair_preprocessing import PairPreprocessing
from lowlight_tf.imaging.yuv import YuvConverter, YuvFormat
from lowlight_tf.runtime.engine import Engine
from lowlight_tf.runtime.loading import load_model
from lowlight_tf.video import camera_stream, reader
from lowlight_tf.video.frame_conversion import yuv_planes
from lowlight_tf.video.frame_queue import FrameItem
from lowlight_tf.video.fusion_pipeline import BANNER_COLOR, FusionVideoPipeline, draw_banner
from lowlight_tf.video.reader import VideoReader
from lowlight_tf.video.synchronization import approximate_time_sync
from lowlight_tf.video.writer import VideoWriter
from tests.camera_server import SlowCameraServer
from tests.clips import TIME_BASE, make_frame, psnr, read_frames, write_video

INFRARED_LEVEL = 180
INFRARED_SCENE = np.repeat(
    np.add.outer(np.linspace(80, 160, 48), np.linspace(0, 80, 64))[..., None], 3, axis=2
)
"""An infrared frame with structure."""


class FakeSource:
    """A `FrameSource` with frames at given times."""

    def __init__(self, *times):
        self.items = [FrameItem(SimpleNamespace(time=time)) for time in times]

    @property
    def is_finished(self):
        """Whether all frames were removed."""
        return not self.items

    def peek(self):
        """Return the next frame."""
        return self.items[0] if self.items else None

    def pop(self):
        """Remove and return the next frame."""
        return self.items.pop(0)


def synchronize(visible, infrared):
    """Return the pairs of times."""
    pairs = approximate_time_sync(
        FakeSource(*visible), FakeSource(*infrared), tolerance_s=0.05, max_gap_s=0.1
    )
    return [tuple(item and item.frame.time for item in pair) for pair in pairs]


def make_infrared(step=0, size=(48, 64)):
    """Return an infrared frame: gray, and much brighter than that of `make_frame`."""
    return np.full((*size, 3), INFRARED_LEVEL, np.uint8) - make_frame(step, size)[..., :1] // 8


def to_ticks(*times):
    return [round(time / TIME_BASE) for time in times]


def to_seconds(*steps):
    return [Fraction(step, 25) for step in steps]


@pytest.fixture
def fuse_videos(tmp_path):
    """Return a function that writes the videos of both cameras at given times and fuses them."""

    def write_and_fuse(
        visible, infrared, *, size=(48, 64), infrared_size=(48, 64), engine=None, **options
    ):
        visible_path = write_video(
            tmp_path / "visible.mp4",
            [make_frame(step, size) for step in range(len(visible))],
            timestamps=to_ticks(*visible),
            with_audio=True,
        )
        infrared_path = write_video(
            tmp_path / "infrared.mp4",
            [make_infrared(step, infrared_size) for step in range(len(infrared))],
            timestamps=to_ticks(*infrared),
        )
        readers = VideoReader(visible_path), VideoReader(infrared_path)
        out = tmp_path / "out.mp4"
        writer = VideoWriter(out, readers[0], codec="libx264:crf=4", overwrite=True)
        options = {"smoothing_s": 0, **options}
        pipeline = FusionVideoPipeline(engine or load_model("average"), *readers, writer, **options)
        pipeline.run()
        return pipeline, *read_frames(out)

    return write_and_fuse


def test_each_visible_frame_is_paired_with_the_nearest_infrared_one():
    pairs = synchronize([0, 0.04, 0.08, 0.12], [0.01, 0.05, 0.09, 0.13])
    assert pairs == [(0, 0.01), (0.04, 0.05), (0.08, 0.09), (0.12, 0.13)]
    assert synchronize([0, 0.1, 0.2], [0.07, 0.14]) == [(0, None), (0.1, 0.07), (0.2, None)]


def test_frames_of_a_slower_infrared_camera_are_repeated_and_of_a_faster_one_skipped():
    slow = synchronize([0, 0.03, 0.06, 0.09, 0.12], [0, 0.1])
    assert slow == [(0, 0), (0.03, 0), (0.06, 0.1), (0.09, 0.1), (0.12, 0.1)]
    fast = synchronize([0, 0.1, 0.2], [0, 0.03, 0.06, 0.09, 0.12, 0.15, 0.18, 0.21])
    assert fast == [(0, 0), (0.1, 0.09), (0.2, 0.21)]


def test_frames_without_a_partner_are_returned_alone():
    assert synchronize([0, 0.04], [5, 5.04]) == [(0, None), (0.04, None), (None, 5), (None, 5.04)]
    assert synchronize([5], [0, 4.95]) == [(None, 0), (5, 4.95)]
    lost = synchronize([0, 0.04, 0.5, 0.54], [step / 25 for step in range(14)])
    assert lost[:2] == [(0, 0), (0.04, 0.04)]
    assert lost[2:-2] == [(None, step / 25) for step in range(4, 10)]
    assert lost[-2:] == [(0.5, 0.52), (0.54, 0.52)] or lost[-2:] == [(0.5, 0.48), (0.54, 0.52)]


def test_frames_of_equal_time_are_fused_and_audio_is_kept(fuse_videos, tmp_path):
    times = [step / 25 for step in range(8)]
    pipeline, images, timestamps = fuse_videos(times, times)
    assert timestamps == to_seconds(*range(8))
    assert pipeline.unpaired == {"visible": 0, "infrared": 0}
    for step, result in enumerate(images):
        expected = (make_frame(step).mean() + make_infrared(step).mean()) / 2
        assert result.mean() == pytest.approx(expected, abs=2)
    assert len(VideoReader(tmp_path / "out.mp4").copied_tracks) == 1


def test_after_the_end_of_the_infrared_video_the_visible_one_continues_with_a_banner(fuse_videos):
    messages = []
    times = [step / 25 for step in range(12)]
    pipeline, images, timestamps = fuse_videos(
        times, times[:5], tolerance_s=0.05, report=messages.append
    )
    assert timestamps == to_seconds(*range(12))
    # The first visible frame after the last infrared one is within the tolerance.
    assert pipeline.unpaired == {"visible": 6, "infrared": 0}
    assert len(messages) == 1
    assert "infrared.mp4 has no frame within 0.05 s at 0.2 s" in messages[0]
    assert has_banner(images[9])
    assert not has_banner(images[4])
    assert psnr(images[9][8:], make_frame(9)[8:]) > 33


def test_after_the_end_of_the_visible_video_the_infrared_one_continues_with_a_banner(fuse_videos):
    messages = []
    times = [step / 25 for step in range(12)]
    pipeline, images, timestamps = fuse_videos(
        times[:4], times, tolerance_s=0.05, report=messages.append
    )
    assert timestamps == to_seconds(*range(4), *range(5, 12))
    assert pipeline.unpaired == {"visible": 0, "infrared": 7}
    assert has_banner(images[-1])
    assert psnr(images[-1][8:], make_infrared(11)[8:]) > 33
    assert "visible.mp4 has no frame" in messages[0]


def test_the_loss_and_the_return_of_a_camera_are_reported(fuse_videos):
    messages = []
    times = [step / 25 for step in range(10)]
    delayed = [time + 0.2 for time in times]
    pipeline, images, timestamps = fuse_videos(
        times, delayed, tolerance_s=0.02, report=messages.append
    )
    assert timestamps == to_seconds(*range(10), *range(11, 15))
    assert pipeline.unpaired == {"visible": 5, "infrared": 4}
    assert [has_banner(image) for image in images] == [True] * 5 + [False] * 5 + [True] * 4
    assert "back at 0.2 s" in messages[1]
    assert len(messages) == 3


def test_a_blank_infrared_camera_is_left_out_and_reported(tmp_path):
    infrared = [make_infrared(step) for step in range(9)]
    infrared[3:6] = [np.full((48, 64, 3), 20, np.uint8)] * 3
    paths = (
        write_video(tmp_path / "v.mp4", [make_frame(step) for step in range(9)]),
        write_video(tmp_path / "i.mp4", infrared),
    )
    readers, lines = [VideoReader(path) for path in paths], []
    writer = VideoWriter(tmp_path / "out.mp4", readers[0], codec="libx264:crf=4")
    FusionVideoPipeline(load_model("average"), *readers, writer, report=lines.append).run()
    images, _ = read_frames(tmp_path / "out.mp4")
    assert [has_banner(image) for image in images] == [False] * 3 + [True] * 3 + [False] * 3
    assert len(lines) == 2
    assert "i.mp4 is of one value, 8% of white: is the lens covered?" in lines[0]
    assert "i.mp4 shows the scene again" in lines[1]


@pytest.mark.parametrize("smoothing_s", [0, 1])
def test_a_jump_of_the_infrared_gain_is_gradual(fuse_videos, monkeypatch, smoothing_s):
    monkeypatch.setattr(
        "tests.video.test_fusion_pipeline.make_infrared",
        lambda step, size: np.uint8((0.5 if step >= 5 else 1) * INFRARED_SCENE),
    )
    _, images, _ = fuse_videos(
        to_seconds(*range(10)), to_seconds(*range(10)), smoothing_s=smoothing_s
    )
    steps = np.abs(np.diff([image.mean() for image in images]))
    assert (steps.max() < 4) == bool(smoothing_s)


def test_frames_within_the_tolerance_are_fused(fuse_videos):
    times = [step / 25 for step in range(6)]
    pipeline, images, _ = fuse_videos(times, [time + 0.03 for time in times], tolerance_s=0.05)
    assert pipeline.unpaired == {"visible": 0, "infrared": 0}
    assert not any(map(has_banner, images))


def test_a_flickering_mean_luma_is_stabilized(fuse_videos):
    times = [step / 25 for step in range(10)]

    class FlickeringEngine(Engine):
        name, contract, size = "flickering", load_model("average").contract, None
        runs = 0

        def __call__(self, images):
            self.runs += 1
            return {"fused": images["infrared"] // 2 + np.uint8(20 * (self.runs % 2))}

    jumps = []
    for smoothing_s in (0, 1.0):
        _, images, _ = fuse_videos(times, times, engine=FlickeringEngine(), smoothing_s=smoothing_s)
        jumps.append(np.abs(np.diff([image.mean() for image in images])).mean())
    assert jumps[1] < jumps[0] / 3


def test_videos_of_two_sizes_need_an_alignment(fuse_videos, tmp_path):
    times = [0, 0.04, 0.08]
    small = {"infrared_size": (24, 32)}
    with pytest.raises(UsageError, match=r"visible.mp4 48x64, .*infrared.mp4 24x32"):
        fuse_videos(times, times, **small)
    with pytest.raises(UsageError, match="not aligned frame by frame, as by ecc"):
        fuse_videos(times, times, preprocessing=PairPreprocessing(align="ecc"))
    assert not (tmp_path / "out.mp4").exists()
    rig = tmp_path / "rig.json"
    CameraRig(np.diag([2.0, 2, 1]), (48, 64), (24, 32), 0.1, 0.5, "ecc", 3).save(rig)
    for preprocessing in (PairPreprocessing(align=str(rig)), PairPreprocessing(size="infrared")):
        _, images, _ = fuse_videos(
            [*times, 0.4], [*times, 0.8], preprocessing=preprocessing, **small
        )
        expected = (make_frame(1).mean() + make_infrared(1).mean()) / 2
        assert images[1][4:-4, 4:-4].mean() == pytest.approx(expected, abs=2.5)
        unpaired, expected = images[-1], make_infrared(3)  # aligned, too
        assert psnr(unpaired[8:-4, 4:-4], expected[8:-4, 4:-4]) > 25


def test_false_colors_are_refused_and_nothing_is_written(tmp_path):
    false_color = [np.broadcast_to(np.uint8([200, 40, 90]), (48, 64, 3))] * 3
    readers = [
        VideoReader(write_video(tmp_path / "v.mp4")),
        VideoReader(write_video(tmp_path / "i.mp4", false_color)),
    ]
    writer = VideoWriter(tmp_path / "out.mp4", readers[0])
    with pytest.raises(UsageError, match="false colors"):
        FusionVideoPipeline(load_model("average"), *readers, writer).run()
    assert not list(tmp_path.glob("out*"))


def test_after_a_stop_the_file_can_be_played(tmp_path):
    stop_event = threading.Event()
    readers = [
        VideoReader(write_video(tmp_path / f"{name}.mp4", [make_infrared()] * 80)) for name in "vi"
    ]
    writer = VideoWriter(tmp_path / "out.mp4", readers[0])
    pipeline = FusionVideoPipeline(load_model("average"), *readers, writer, stop_event=stop_event)
    pipeline.run(lambda count: stop_event.set() if count == 10 else None)
    images, _ = read_frames(tmp_path / "out.mp4")
    assert 10 <= len(images) < 30
    assert not any(map(has_banner, images))


def test_a_stalled_live_camera_is_not_waited_for(tmp_path, monkeypatch):
    monkeypatch.setattr(reader, "BACKOFF_S", 0.05)
    monkeypatch.setattr(camera_stream, "STALL_TIMEOUT_S", 0.1)
    images = [make_frame(step) for step in range(75)]
    long, short = (
        write_video(tmp_path / f"{name}.ts", images[:count]).read_bytes()
        for name, count in (("v", 75), ("i", 4))
    )
    cameras = SlowCameraServer(long, 75 / 25), SlowCameraServer(short, 4 / 25)
    readers = [VideoReader(camera.url, reconnect_timeout_s=0.3) for camera in cameras]
    writer = VideoWriter(tmp_path / "out.mp4", readers[0])
    pipeline = FusionVideoPipeline(load_model("average"), *readers, writer, smoothing_s=0)
    pipeline.run()
    frames, timestamps = read_frames(tmp_path / "out.mp4")
    assert len(frames) + pipeline.dropped_frames == 75 + pipeline.unpaired["infrared"]
    assert pipeline.unpaired["visible"] > 0
    assert has_banner(frames[-1])
    assert timestamps == sorted(set(timestamps))
    assert all("was lost" in reader.error for reader in readers)
    for camera in cameras:
        camera.thread.join()


@pytest.mark.parametrize("full_range", [False, True])
@pytest.mark.parametrize("size", [(48, 64), (720, 1280), (16, 200), (200, 40)])
def test_a_banner_covers_the_top_and_its_text_fits(size, full_range):
    yuv_format = YuvFormat(6, full_range=full_range)
    frame = av.VideoFrame(*size[::-1], "yuv420p")
    for plane in yuv_planes(frame):
        plane[...] = 90
    draw_banner(frame, "infrared lost", yuv_format)
    image, plain = np.empty((*size, 3), np.uint8), np.empty((*size, 3), np.uint8)
    converter = YuvConverter(yuv_format)
    converter.to_rgb(yuv_planes(frame), image)
    converter.to_rgb([np.full_like(plane, 90) for plane in yuv_planes(frame)], plain)
    changed = (image != plain).any(axis=2)
    height = max(2 * round(size[0] / 32), 8)
    assert changed[: height - 1].all()
    assert not changed[height + 1 :].any()  # chroma is interpolated
    assert image[:height].max() > 150
    np.testing.assert_allclose(
        image[: height - 1, -2:], np.broadcast_to(BANNER_COLOR, (height - 1, 2, 3)), atol=2
    )


def has_banner(image):
    """Return whether the first rows have the color of a banner."""
    rows = image[1:6].reshape(-1, 3).astype(int)
    return bool((rows[:, 0] > rows[:, 1] + 60).mean() > 0.4)
