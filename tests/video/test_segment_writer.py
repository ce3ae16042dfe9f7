"""A video as segments of some seconds, of which the oldest make room."""

import collections
import os
import shutil

import av
import pytest

from lowlight_tf.checks import UsageError
from lowlight_tf.video import container_writer, segment_writer
from lowlight_tf.video.reader import VideoReader
from lowlight_tf.video.segment_writer import SegmentWriter
from tests.clips import make_frame, read_frames, write_video

STEPS = 30


@pytest.fixture
def reader(tmp_path):
    images = [make_frame(step) for step in range(STEPS)]
    return VideoReader(write_video(tmp_path / "in.mp4", images, with_audio=True))


def write(reader, writer, *, check_room=False):
    """Write all frames and packets, if asked with a look for room before each frame."""
    for item in reader:
        if isinstance(item, av.VideoFrame):
            if check_room:
                writer._next_check_s = 0
            writer.write(item)
        else:
            writer.write_packet(item)


def by_age(folder):
    return sorted(folder.iterdir(), key=lambda path: path.stat().st_mtime_ns)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts"])
def test_each_segment_is_a_video_that_begins_at_0(reader, tmp_path, suffix):
    folder = tmp_path / "loop"
    writer = SegmentWriter(folder, reader, segment_s=0.4, suffix=suffix)
    write(reader, writer)
    writer.close()
    files = by_age(folder)
    assert [len(read_frames(path)[0]) for path in files] == [10, 10, 10]
    assert all(segment_writer.SEGMENT_NAME.fullmatch(path.name) for path in files)
    assert writer.frame_count == STEPS
    for path in files:
        with av.open(str(path)) as container:
            assert len(container.streams.audio) == 1
            start = min(frame.time for frame in container.decode(video=0))
            assert start < (0.1 if suffix != ".ts" or path is not files[0] else 2)


def test_what_is_written_so_far_can_be_played(reader, tmp_path, monkeypatch):
    monkeypatch.setattr(container_writer, "KEYFRAME_INTERVAL_S", 0.2)
    writer = SegmentWriter(tmp_path / "loop", reader, segment_s=60)
    write(reader, writer)
    (part,) = (tmp_path / "loop").iterdir()
    shutil.copy(part, tmp_path / "after_power_cut.mp4")
    assert part.name.endswith(".part.mp4")
    assert len(read_frames(tmp_path / "after_power_cut.mp4")[0]) > STEPS // 2
    writer.close()


def test_the_oldest_segments_are_deleted_and_nothing_else(reader, tmp_path):
    folder = tmp_path / "loop"
    folder.mkdir()
    earlier = folder / "20200101-000000.part.mp4"
    for path in (folder / "notes.txt", folder / "holiday.mp4", earlier):
        path.write_bytes(bytes(50_000))
        os.utime(path, (0, 0))
    writer = SegmentWriter(folder, reader, segment_s=0.2, max_bytes=1)
    write(reader, writer, check_room=True)
    writer.close()
    assert not earlier.exists()
    assert {"notes.txt", "holiday.mp4"} < {path.name for path in folder.iterdir()}
    segments = [path for path in folder.iterdir() if path.name.startswith("2") and path != earlier]
    assert 1 <= len(segments) <= 2
    (note,) = writer.notes
    assert note.endswith("old segments were deleted")


def test_a_full_disk_makes_room_of_the_oldest_segment(reader, tmp_path, monkeypatch):
    usage = collections.namedtuple("usage", "free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(1000))
    folder = tmp_path / "loop"
    folder.mkdir()
    earlier = folder / "20200101-000000.mp4"
    earlier.write_bytes(bytes(100))
    os.utime(earlier, (0, 0))
    writer = SegmentWriter(folder, reader, segment_s=60)
    write(reader, writer, check_room=True)
    writer.close()
    assert not earlier.exists()
    assert len(list(folder.iterdir())) == 1


def test_a_folder_that_cannot_be_made_and_impossible_numbers_are_refused(reader, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="file/loop cannot be made: Not a directory"):
        SegmentWriter(tmp_path / "file" / "loop", reader, segment_s=60)
    with pytest.raises(UsageError, match="segment_s"):
        SegmentWriter(tmp_path / "loop", reader, segment_s=0)
    with pytest.raises(UsageError, match="max_bytes"):
        SegmentWriter(tmp_path / "loop", reader, segment_s=1, max_bytes=0)
