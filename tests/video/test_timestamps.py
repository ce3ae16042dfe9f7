"""Time runs on where the clock of a file jumps; a result in another container begins at 0."""

import subprocess
from fractions import Fraction

import av
import imageio_ffmpeg
import numpy as np
import pytest

from lowlight_tf.video.reader import VideoReader
from tests.clips import make_frame, write_video
from tests.video.test_reader import copy_video

FRAGMENTS = {"movflags": "frag_keyframe+empty_moov+default_base_moof+frag_discont"}
TICKS_33_BITS_S = Fraction(2**33, 90000)


def read_times(path):
    """Return the presentation times of each track's packets, sorted, by its type (seconds)."""
    times = {}
    with av.open(str(path)) as container:
        for packet in container.demux():
            if packet.size:
                time = packet.pts * packet.time_base
                times.setdefault(packet.stream.type, []).append(float(time))
    return {kind: np.sort(values) for kind, values in times.items()}


def write_clip(path, start_s=0, frames=25):
    """Write a clip of sound and video at 25 frames a second that begins at a time."""
    timestamps = [round((start_s + step / 25) * 12800) for step in range(frames)]
    images = [make_frame(step) for step in range(frames)]
    options = FRAGMENTS if path.suffix == ".mp4" else None
    return write_video(
        path, images, timestamps=timestamps, with_audio=True, container_options=options
    )


def write_joined(path, starts, tmp_path):
    """Write clips that are joined as `cat` joins files."""
    parts = [write_clip(tmp_path / f"part{start}{path.suffix}", start) for start in starts]
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    return path


def copy_packets(source, target, edit):
    """Copy the packets of a file; `edit` changes each packet, at its index in its track."""
    counts = {}
    with av.open(str(source)) as before, av.open(str(target), "w") as after:
        tracks = [after.add_stream_from_template(track, opaque=True) for track in before.streams]
        for packet in before.demux():
            if packet.size:
                edit(packet, counts.setdefault(packet.stream.index, 0))
                counts[packet.stream.index] += 1
                packet.stream = tracks[packet.stream.index]
                after.mux(packet)
    return target


@pytest.mark.parametrize("target", [".ts", ".mp4", ".mkv"])
@pytest.mark.parametrize(
    ("suffix", "starts"),
    [
        (".ts", [0, 0]),
        (".ts", [0, 0, 0]),
        (".ts", [4, 1]),
        (".ts", [0, 36000]),
        (".ts", [36000, 0]),
        (".mkv", [0, 0]),
        (".mkv", [5, 1]),
    ],
)
def test_joined_clips_are_played_one_after_the_other(tmp_path, suffix, starts, target):
    source = write_joined(tmp_path / f"in{suffix}", starts, tmp_path)
    reader = copy_video(source, tmp_path / f"out{target}")
    assert reader.error is None
    assert reader.corrupt_packets == 0
    before, after = read_times(source), read_times(tmp_path / f"out{target}")
    assert len(after["video"]) == len(before["video"]) == 25 * len(starts)
    assert len(after["audio"]) == len(before["audio"])
    start = starts[0] if suffix == target else 0
    steps = np.diff(after["video"])
    # A clip has 1 s of video, and its sound is up to one packet (128 ms) longer.
    assert after["video"][0] == pytest.approx(start, abs=0.01)
    assert steps.min() == pytest.approx(0.04, abs=0.002)
    assert steps.max() < 0.04 + 0.3
    np.testing.assert_allclose(after["video"][:25], start + np.arange(25) / 25, atol=0.002)
    assert abs(after["audio"][-1] - after["video"][-1]) < 0.5


def test_joined_fragments_are_read_completely(tmp_path):
    part = write_clip(tmp_path / "part.mp4")
    (tmp_path / "in.mp4").write_bytes(2 * part.read_bytes())
    reader = copy_video(tmp_path / "in.mp4", tmp_path / "out.mp4")
    assert reader.notes == ["its clock jumps once, and time runs on instead"]
    before, after = read_times(tmp_path / "in.mp4"), read_times(tmp_path / "out.mp4")
    np.testing.assert_allclose(after["video"], np.arange(50) / 25, atol=0.002)
    assert len(after["audio"]) == len(before["audio"])


def test_a_gap_in_a_file_whose_clock_does_not_jump_is_kept(tmp_path):
    timestamps = [0, 512, 60 * 12800, 60 * 12800 + 512]
    source = write_video(
        tmp_path / "in.mkv", [make_frame(step) for step in range(4)], timestamps=timestamps
    )
    reader = copy_video(source, tmp_path / "out.mkv")
    assert reader.notes == []
    np.testing.assert_allclose(read_times(tmp_path / "out.mkv")["video"], [0, 0.04, 60, 60.04])


def test_a_long_gap_in_a_transport_stream_is_closed(tmp_path):
    timestamps = [0, 512, 60 * 12800, 60 * 12800 + 512]
    source = write_video(
        tmp_path / "in.ts", [make_frame(step) for step in range(4)], timestamps=timestamps
    )
    copy_video(source, tmp_path / "out.ts")
    np.testing.assert_allclose(
        read_times(tmp_path / "out.ts")["video"], [0, 0.04, 0.08, 0.12], atol=1e-4
    )


def test_a_clock_of_33_bits_that_wraps_runs_on(tmp_path):
    source = write_clip(tmp_path / "in.ts", TICKS_33_BITS_S - Fraction(1, 2))
    reader = copy_video(source, tmp_path / "out.mp4")
    times = read_times(tmp_path / "out.mp4")["video"]
    assert reader.notes == []
    np.testing.assert_allclose(np.diff(times), 0.04, atol=0.002)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts"])
def test_what_begins_at_ten_hours_begins_at_0_in_another_container(tmp_path, suffix):
    source = write_joined(tmp_path / f"in{suffix}", [36000], tmp_path)
    for target in {".mp4", ".mkv", ".ts"} - {suffix}:
        copy_video(source, tmp_path / f"out{target}")
        times = read_times(tmp_path / f"out{target}")
        np.testing.assert_allclose(times["video"], np.arange(25) / 25, atol=0.01)
        assert times["audio"][0] == pytest.approx(0, abs=0.01)


@pytest.mark.parametrize(("suffix", "start"), [(".mp4", 0), (".mkv", 0), (".ts", 36000)])
def test_in_the_same_container_only_a_transport_stream_keeps_ten_hours(tmp_path, suffix, start):
    source = write_joined(tmp_path / f"in{suffix}", [36000], tmp_path)
    copy_video(source, tmp_path / f"out{suffix}")
    times = read_times(tmp_path / f"out{suffix}")["video"]
    np.testing.assert_allclose(times, start + np.arange(25) / 25, atol=0.01)


def test_sound_keeps_its_distance_from_the_video_in_another_container(tmp_path):
    def delay_video(packet, index):
        if packet.stream.type == "video":
            ticks = round(Fraction(3, 4) / packet.time_base)
            packet.dts, packet.pts = packet.dts + ticks, packet.pts + ticks

    source = copy_packets(write_clip(tmp_path / "clip.ts", 2), tmp_path / "in.ts", delay_video)
    copy_video(source, tmp_path / "out.mkv")
    times = read_times(tmp_path / "out.mkv")
    assert times["audio"][0] == pytest.approx(0, abs=0.002)
    assert times["video"][0] == pytest.approx(0.75, abs=0.002)


def test_a_single_wrong_time_stamp_does_not_move_what_follows(tmp_path):
    clip = write_clip(tmp_path / "clip.ts", 5)
    data = bytearray(clip.read_bytes())
    with av.open(str(clip)) as container:
        position = [packet for packet in container.demux(video=0) if packet.size][12].pos
    time_stamp = data.index(b"\x00\x00\x01\xe0", position) + 9
    data[time_stamp + 1] ^= 0x10  # 2**26 / 90000 s
    (tmp_path / "in.ts").write_bytes(data)
    reader = copy_video(tmp_path / "in.ts", tmp_path / "out.ts")
    assert reader.notes
    times = read_times(tmp_path / "out.ts")["video"]
    np.testing.assert_allclose(times, 5 + np.arange(25) / 25, atol=0.002)


def test_the_end_of_a_joined_file_is_no_early_end(tmp_path):
    source = write_joined(tmp_path / "in.ts", [36000, 0], tmp_path)
    reader = VideoReader(source)
    assert sum(isinstance(item, av.VideoFrame) for item in reader) == 50
    assert reader.error is None


@pytest.mark.parametrize("target", [".ts", ".mp4", ".mkv"])
@pytest.mark.parametrize(
    ("suffix", "starts"),
    [
        (".ts", [36000]),
        (".mp4", [36000]),
        (".mkv", [36000]),
        (".ts", [TICKS_33_BITS_S - Fraction(1, 2)]),
        (".ts", [0, 0, 0]),
        (".ts", [4, 1]),
        (".ts", [0, 36000]),
    ],
)
def test_times_from_the_start_are_those_of_ffmpegs_remux(tmp_path, suffix, starts, target):
    source = write_joined(tmp_path / f"in{suffix}", starts, tmp_path)
    copy_video(source, tmp_path / f"out{target}")
    words = ["-v", "error", "-i", source, "-map", "0", "-c", "copy", tmp_path / f"remux{target}"]
    subprocess.run([imageio_ffmpeg.get_ffmpeg_exe(), *words], check=True)
    times, expected = (read_times(tmp_path / f"{name}{target}") for name in ("out", "remux"))
    # FFmpeg begins a clip one frame earlier, over the end of the sound before it.
    joins = len(starts) - 1
    moved = {"video": 0.04 * joins, "audio": 0.128 * joins}  # packet of sound: 128 ms
    for kind, values in expected.items():
        assert len(times[kind]) == len(values)
        np.testing.assert_allclose(
            times[kind] - times[kind][0], values - values[0], atol=0.001 + moved[kind]
        )
