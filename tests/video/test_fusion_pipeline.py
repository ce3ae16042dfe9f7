"""The videos of two cameras through an engine that fuses."""

import threading
import time
from fractions import Fraction
from types import SimpleNamespace

import numpy as np
import pytest

from lowlight_tf.checks import UsageError
from lowlight_tf.imaging.registration.camera_rig import CameraRig
from lowlight_tf.imaging.registration.pair_preprocessing import PairPreprocessing
from lowlight_tf.runtime.engine import Engine
from lowlight_tf.runtime.loading import load_model
from lowlight_tf.video import fusion_pipeline, reader
from lowlight_tf.video.frame_queue import FrameTask
from lowlight_tf.video.fusion_pipeline import BANNER_COLOR, FusionVideoPipeline, draw_banner
from lowlight_tf.video.reader import VideoReader
from lowlight_tf.video.synchronization import approximate_time_sync
from lowlight_tf.video.writer import VideoWriter
from tests.clips import TICK, clip, frames, picture, psnr
from tests.video.test_reader import Camera

HEAT = 180  # level of the infrared pictures


class Times:
    """Frames at some times, as one camera gives them."""

    def __init__(self, *times):
        self.shots = [FrameTask(SimpleNamespace(time=time)) for time in times]

    @property
    def ended(self):
        """Whether all were taken."""
        return not self.shots

    def peek(self):
        """Return the next."""
        return self.shots[0] if self.shots else None

    def pop(self):
        """Take it."""
        return self.shots.pop(0)


def joined(visible, infrared, tolerance=0.05, gap=0.1):
    """Return the times that are joined."""
    pairs = approximate_time_sync(Times(*visible), Times(*infrared), tolerance=tolerance, gap=gap)
    return [tuple(shot and shot.frame.time for shot in pair) for pair in pairs]


def heat(step=0, size=(48, 64)):
    """Return an infrared picture: gray, and much brighter than `picture`."""
    return np.full((*size, 3), HEAT, np.uint8) - picture(step, size)[..., :1] // 8


def stamps(*seconds):
    return [round(second / TICK) for second in seconds]


def at(*steps):
    return [Fraction(step, 25) for step in steps]


class Slow(Camera):
    """Gives a video as a camera would, a little at a time."""

    def serve(self):
        """Answer one call."""
        caller, _ = self.server.accept()
        (content,) = self.videos
        with caller:
            for begin in range(0, len(content), 1500):
                caller.sendall(content[begin : begin + 1500])
                time.sleep(0.02)
        self.server.close()


@pytest.fixture
def films(tmp_path):
    """Return what writes the videos of both cameras at some times and fuses them."""

    def fused(visible, infrared, *, size=(48, 64), infrared_size=(48, 64), engine=None, **options):
        one = clip(
            tmp_path / "visible.mp4",
            [picture(step, size) for step in range(len(visible))],
            stamps=stamps(*visible),
            sound=True,
        )
        other = clip(
            tmp_path / "infrared.mp4",
            [heat(step, infrared_size) for step in range(len(infrared))],
            stamps=stamps(*infrared),
        )
        readers = VideoReader(one), VideoReader(other)
        out = tmp_path / "out.mp4"
        recorder = VideoWriter(out, readers[0], codec="libx264:crf=4", overwrite=True)
        options = {"seconds": 0, **options}
        both = FusionVideoPipeline(engine or load_model("average"), *readers, recorder, **options)
        both.run()
        return both, *frames(out)

    return fused


def test_each_visible_frame_comes_with_the_nearest_infrared_one():
    pairs = joined([0, 0.04, 0.08, 0.12], [0.01, 0.05, 0.09, 0.13])
    assert pairs == [(0, 0.01), (0.04, 0.05), (0.08, 0.09), (0.12, 0.13)]
    assert joined([0, 0.1, 0.2], [0.07, 0.14]) == [(0, None), (0.1, 0.07), (0.2, None)]


def test_a_slower_infrared_camera_is_shown_again_and_a_faster_one_skipped():
    slow = joined([0, 0.03, 0.06, 0.09, 0.12], [0, 0.1])
    assert slow == [(0, 0), (0.03, 0), (0.06, 0.1), (0.09, 0.1), (0.12, 0.1)]
    fast = joined([0, 0.1, 0.2], [0, 0.03, 0.06, 0.09, 0.12, 0.15, 0.18, 0.21])
    assert fast == [(0, 0), (0.1, 0.09), (0.2, 0.21)]


def test_what_one_camera_alone_saw_stands_alone():
    assert joined([0, 0.04], [5, 5.04]) == [(0, None), (0.04, None), (None, 5), (None, 5.04)]
    assert joined([5], [0, 4.95]) == [(None, 0), (5, 4.95)]
    lost = joined([0, 0.04, 0.5, 0.54], [step / 25 for step in range(14)])
    assert lost[:2] == [(0, 0), (0.04, 0.04)]
    assert lost[2:-2] == [(None, step / 25) for step in range(4, 10)]
    assert lost[-2:] == [(0.5, 0.52), (0.54, 0.52)] or lost[-2:] == [(0.5, 0.48), (0.54, 0.52)]


def test_frames_of_one_time_are_fused_and_sound_stays(films, tmp_path):
    times = [step / 25 for step in range(8)]
    both, pictures, stamped = films(times, times)
    assert stamped == at(*range(8))
    assert both.alone == {"visible": 0, "infrared": 0}
    for step, result in enumerate(pictures):
        expected = (picture(step).mean() + heat(step).mean()) / 2
        assert result.mean() == pytest.approx(expected, abs=2)
    assert len(VideoReader(tmp_path / "out.mp4").audio) == 1


def test_where_the_infrared_video_ends_the_visible_one_goes_on_with_a_mark(films):
    said = []
    times = [step / 25 for step in range(12)]
    both, pictures, stamped = films(times, times[:5], tolerance=0.05, say=said.append)
    assert stamped == at(*range(12))
    assert both.alone == {"visible": 6, "infrared": 0}  # the one after the last is within tolerance
    assert len(said) == 1
    assert "infrared.mp4 has no frame within 0.05 s at 0.2 s" in said[0]
    assert is_marked(pictures[9])
    assert not is_marked(pictures[4])
    assert psnr(pictures[9][8:], picture(9)[8:]) > 33


def test_where_the_visible_video_ends_the_infrared_one_goes_on_with_a_mark(films):
    said = []
    times = [step / 25 for step in range(12)]
    both, pictures, stamped = films(times[:4], times, tolerance=0.05, say=said.append)
    assert stamped == at(*range(4), *range(5, 12))
    assert both.alone == {"visible": 0, "infrared": 7}
    assert is_marked(pictures[-1])
    assert psnr(pictures[-1][8:], heat(11)[8:]) > 33
    assert "visible.mp4 has no frame" in said[0]


def test_an_offset_in_time_is_seen_and_the_return_is_said(films):
    said = []
    times = [step / 25 for step in range(10)]
    late = [time + 0.2 for time in times]
    both, pictures, stamped = films(times, late, tolerance=0.02, say=said.append)
    assert stamped == at(*range(10), *range(11, 15))
    assert both.alone == {"visible": 5, "infrared": 4}
    assert [is_marked(one) for one in pictures] == [True] * 5 + [False] * 5 + [True] * 4
    assert "back at 0.2 s" in said[1]
    assert len(said) == 3


def test_a_tolerance_that_reaches_takes_what_is_near(films):
    times = [step / 25 for step in range(6)]
    both, pictures, _ = films(times, [time + 0.03 for time in times], tolerance=0.05)
    assert both.alone == {"visible": 0, "infrared": 0}
    assert not any(map(is_marked, pictures))


def test_the_mean_luma_is_held_where_it_trembles(films):
    times = [step / 25 for step in range(10)]

    class Trembling(Engine):
        name, contract, size = "trembling", load_model("average").contract, None
        turn = 0

        def __call__(self, images):
            self.turn += 1
            return {"fused": images["infrared"] // 2 + np.uint8(20 * (self.turn % 2))}

    jumps = []
    for seconds in (0, 1.0):
        _, pictures, _ = films(times, times, engine=Trembling(), seconds=seconds)
        jumps.append(np.abs(np.diff([one.mean() for one in pictures])).mean())
    assert jumps[1] < jumps[0] / 3


def test_videos_of_two_sizes_need_to_know_how_one_lies_over_the_other(films, tmp_path):
    times = [0, 0.04, 0.08]
    small = {"infrared_size": (24, 32)}
    with pytest.raises(UsageError, match=r"visible.mp4 48x64, .*infrared.mp4 24x32"):
        films(times, times, **small)
    with pytest.raises(UsageError, match="not aligned frame by frame, as by ecc"):
        films(times, times, preparation=PairPreprocessing(align="ecc"))
    assert not (tmp_path / "out.mp4").exists()
    rig = tmp_path / "rig.json"
    CameraRig(np.diag([2.0, 2, 1]), (48, 64), (24, 32), 0.1, 0.5, "ecc", 3).save(rig)
    for preparation in (PairPreprocessing(align=str(rig)), PairPreprocessing(size="infrared")):
        _, pictures, _ = films([*times, 0.4], [*times, 0.8], preparation=preparation, **small)
        expected = (picture(1).mean() + heat(1).mean()) / 2
        assert pictures[1][4:-4, 4:-4].mean() == pytest.approx(expected, abs=2.5)
        assert psnr(pictures[-1][8:-4, 4:-4], heat(3)[8:-4, 4:-4]) > 25  # alone, as it would lie


def test_false_colors_are_refused_and_nothing_is_written(tmp_path):
    painted = [np.broadcast_to(np.uint8([200, 40, 90]), (48, 64, 3))] * 3
    readers = [
        VideoReader(clip(tmp_path / "v.mp4")),
        VideoReader(clip(tmp_path / "i.mp4", painted)),
    ]
    recorder = VideoWriter(tmp_path / "out.mp4", readers[0])
    with pytest.raises(UsageError, match="false colors"):
        FusionVideoPipeline(load_model("average"), *readers, recorder).run()
    assert not list(tmp_path.glob("out*"))


def test_who_stops_gets_a_file_that_plays(tmp_path):
    stop = threading.Event()
    readers = [VideoReader(clip(tmp_path / f"{name}.mp4", [heat()] * 80)) for name in "vi"]
    recorder = VideoWriter(tmp_path / "out.mp4", readers[0])
    both = FusionVideoPipeline(load_model("average"), *readers, recorder, stop=stop)
    both.run(lambda count: stop.set() if count == 10 else None)
    pictures, _ = frames(tmp_path / "out.mp4")
    assert 10 <= len(pictures) < 30
    assert not any(map(is_marked, pictures))


def test_a_live_camera_that_falls_silent_is_not_waited_for(tmp_path, monkeypatch):
    monkeypatch.setattr(reader, "BACKOFF_S", 0.05)
    monkeypatch.setattr(fusion_pipeline, "STALL_TIMEOUT_S", 0.1)
    pictures = [picture(step) for step in range(30)]
    long, short = (
        clip(tmp_path / f"{name}.ts", pictures[:count]).read_bytes()
        for name, count in (("v", 30), ("i", 4))
    )
    cameras = Slow(long), Slow(short)
    readers = [VideoReader(camera.url, reconnect_timeout=0.3) for camera in cameras]
    recorder = VideoWriter(tmp_path / "out.mp4", readers[0])
    both = FusionVideoPipeline(load_model("average"), *readers, recorder, seconds=0)
    both.run()
    found, stamped = frames(tmp_path / "out.mp4")
    assert len(found) + both.dropped == 30 + both.alone["infrared"]
    assert both.alone["visible"] > 0
    assert is_marked(found[-1])
    assert stamped == sorted(set(stamped))
    assert all("was lost" in reader.error for reader in readers)
    for camera in cameras:
        camera.thread.join()


@pytest.mark.parametrize("size", [(48, 64), (720, 1280), (16, 200), (200, 40)])
def test_a_mark_is_a_bar_with_words_that_fit(size):
    image = np.full((*size, 3), 90, np.uint8)
    draw_banner(image, "infrared lost")
    changed = (image != 90).any(axis=2)
    bar = max(round(size[0] / 16), 8)
    assert changed[:bar].all()
    assert not changed[bar:].any()
    assert image[:bar].max() > 150
    np.testing.assert_array_equal(image[:bar, -2:], np.broadcast_to(BANNER_COLOR, (bar, 2, 3)))


def is_marked(image):
    """Tell whether the first rows are of the color of a mark."""
    rows = image[1:6].reshape(-1, 3).astype(int)
    return bool((rows[:, 0] > rows[:, 1] + 60).mean() > 0.4)
