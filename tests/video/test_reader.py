"""Videos read and written again."""

import itertools
import shutil
import socket
import threading
from fractions import Fraction

import av
import numpy as np
import pytest

from lowlight_tf.checks import UsageError
from lowlight_tf.video import reader as reader_module
from lowlight_tf.video import writer
from lowlight_tf.video.reader import AudioPacket, VideoReader, yuv_planes
from lowlight_tf.video.writer import VideoWriter
from lowlight_tf.video.yuv import YuvConverter, YuvFormat
from tests.clips import SIZE, clip, encode, frames, picture, psnr

VARIABLE = [0, 512, 1024, 3000, 3100, 5120, 9000, 9512]  # ticks of 1 / 12800 s


def copied(source, target, **options):
    """Read a video and write it as it is; return the reader."""
    reader = VideoReader(source)
    recorder = VideoWriter(target, reader, **options)
    for item in reader:
        recorder.copy(item) if isinstance(item, AudioPacket) else recorder.write(item)
    recorder.close()
    return reader


def first(path):
    """Return the first frame and the video track of a file."""
    with av.open(str(path)) as container:
        return next(container.decode(video=0)), container.streams.video[0]


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".ts"])
@pytest.mark.parametrize("begin", [0, 6400])
def test_time_stamps_and_time_base_stay(tmp_path, suffix, begin):
    stamps = [begin + stamp for stamp in VARIABLE]
    source = clip(tmp_path / f"in{suffix}", [picture(step) for step in range(8)], stamps=stamps)
    copied(source, tmp_path / f"out{suffix}")
    (_, before), (_, after) = frames(source), frames(tmp_path / f"out{suffix}")
    assert len(after) == 8
    assert after == before
    assert first(tmp_path / f"out{suffix}")[1].time_base == first(source)[1].time_base


def test_an_odd_time_base_stays(tmp_path):
    source = clip(
        tmp_path / "in.mp4",
        tick=Fraction(1, 25),
        stamps=range(10),
        container={"video_track_timescale": "25"},
    )
    copied(source, tmp_path / "out.mp4")
    assert first(tmp_path / "out.mp4")[1].time_base == Fraction(1, 25)
    assert frames(tmp_path / "out.mp4")[1] == [Fraction(step, 25) for step in range(10)]


@pytest.mark.parametrize("turned", [90, 180, 270])
def test_rotation_stays(tmp_path, turned):
    source = clip(tmp_path / "in.mp4", turned=turned)
    copied(source, tmp_path / "out.mp4")
    assert first(source)[0].rotation in (turned, turned - 360)
    assert first(tmp_path / "out.mp4")[0].rotation == first(source)[0].rotation


def test_sound_is_copied_packet_by_packet(tmp_path):
    source = clip(tmp_path / "in.mp4", sound=True)
    copied(source, tmp_path / "out.mp4")

    def packets(path):
        with av.open(str(path)) as container:
            return [
                (packet.pts * packet.time_base, bytes(packet))
                for packet in container.demux(audio=0)
                if packet.dts is not None
            ]

    assert len(packets(source)) > 3
    assert packets(tmp_path / "out.mp4") == packets(source)


@pytest.mark.parametrize("matrix", [1, 6])
@pytest.mark.parametrize("span", [1, 2])
def test_color_tags_stay_and_mean_what_they_say(tmp_path, matrix, span):
    pictures = [np.full((*SIZE, 3), (40, 25, 60), np.uint8)] * 4
    level = YuvFormat(matrix, span == 2)
    raw = [np.full((48, 64), 0, np.uint8), *(np.zeros((24, 32), np.uint8) for _ in range(2))]
    YuvConverter(level).to_yuv(pictures[0], raw)
    source = clip(tmp_path / "in.mp4", [tuple(raw)] * 4, matrix=matrix, span=span)
    reader = copied(source, tmp_path / "out.mp4")
    assert reader.colors == level
    frame = first(tmp_path / "out.mp4")[0]
    assert (frame.colorspace, frame.color_range) == (matrix, span)
    np.testing.assert_allclose(frames(tmp_path / "out.mp4")[0][0][24, 32], (40, 25, 60), atol=3)


@pytest.mark.parametrize(("lines", "matrix"), [(720, 1), (718, 6)])
def test_a_video_without_tags_is_taken_for_what_its_lines_say_and_stays_without(
    tmp_path, lines, matrix
):
    source = clip(tmp_path / "in.mp4", [picture(0, (lines, 16))] * 2)
    reader = copied(source, tmp_path / "out.mp4")
    assert reader.colors.matrix == matrix
    assert not reader.colors.full
    frame = first(tmp_path / "out.mp4")[0]
    assert (frame.colorspace, frame.color_range) == (2, 0)


def test_a_picture_in_place_of_a_frame_has_the_frames_time_and_its_own_colors(tmp_path):
    source = clip(tmp_path / "in.mp4", stamps=VARIABLE, pictures=[picture(0)] * 8)
    reader = VideoReader(source)
    recorder = VideoWriter(tmp_path / "out.mp4", reader, codec="libx264:crf=4")
    for step, frame in enumerate(reader):
        recorder.write(frame, picture(step, level=120))
    recorder.close()
    pictures, stamps = frames(tmp_path / "out.mp4")
    assert stamps == frames(source)[1]
    for step, found in enumerate(pictures):
        assert psnr(found, picture(step, level=120)) > 38


@pytest.mark.parametrize(
    ("fmt", "codec", "size", "expected"),
    [
        ("yuvj422p", "mjpeg", SIZE, "yuv420p"),
        ("yuv420p10le", "libx264", SIZE, "yuv420p"),
        ("gray", "ffv1", SIZE, "yuv420p"),
        ("bgr0", "ffv1", SIZE, "yuv420p"),
        ("yuv420p", "ffv1", (47, 63), "yuv444p"),
    ],
)
def test_what_is_packed_otherwise_keeps_its_look(tmp_path, fmt, codec, size, expected):
    pictures = [picture(step, size) for step in range(3)]
    if fmt == "gray":
        pictures = [shot[..., :1].repeat(3, 2) for shot in pictures]
    source = clip(tmp_path / "in.mkv", pictures, fmt=fmt, codec=codec)
    reader = copied(source, tmp_path / "out.mkv", codec="libx264:crf=4")
    assert reader.format == expected
    assert first(tmp_path / "out.mkv")[0].format.name.replace("yuvj", "yuv") == expected
    for before, after in zip(frames(source)[0], frames(tmp_path / "out.mkv")[0], strict=True):
        assert after.shape == before.shape
        assert psnr(before, after) > 34


def test_webm_gets_what_it_is_made_for(tmp_path):
    copied(clip(tmp_path / "in.mkv"), tmp_path / "out.webm")
    assert first(tmp_path / "out.webm")[1].codec_context.name == "vp9"
    assert len(frames(tmp_path / "out.webm")[0]) == 10


def test_metadata_stays(tmp_path):
    with av.open(str(tmp_path / "in.mp4"), "w") as container:
        container.metadata["title"] = "Night drive"
        encode(container)
    copied(tmp_path / "in.mp4", tmp_path / "out.mp4")
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert container.metadata["title"] == "Night drive"


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_file_that_ends_mid_frame_gives_what_it_has_and_says_so(tmp_path, suffix):
    pictures = [picture(step) for step in range(40)]
    source = clip(tmp_path / f"in{suffix}", pictures, container={"movflags": "faststart"})
    cut = tmp_path / f"cut{suffix}"
    data = source.read_bytes()
    cut.write_bytes(data[: int(len(data) * 0.6)])
    reader = copied(cut, tmp_path / f"out{suffix}")
    assert "ends early" in reader.error
    found = frames(tmp_path / f"out{suffix}")[0]
    assert 10 < len(found) < 35
    assert psnr(found[9], pictures[9]) > 30


def test_damaged_packets_are_left_out_and_counted(tmp_path):
    source = clip(tmp_path / "in.mp4", [picture(step) for step in range(40)])
    with av.open(str(source)) as container:
        packet = list(container.demux(video=0))[20]
        start, size = packet.pos, packet.size
    data = bytearray(source.read_bytes())
    data[start : start + size] = bytes(size)
    source.write_bytes(data)
    reader = copied(source, tmp_path / "out.mp4")
    assert reader.corrupt_packets > 0
    assert reader.error is None
    assert len(frames(tmp_path / "out.mp4")[0]) >= 36


def test_a_whole_file_has_no_problem(tmp_path):
    reader = copied(clip(tmp_path / "in.mp4", sound=True), tmp_path / "out.mp4")
    assert (reader.error, reader.corrupt_packets, reader.live) == (None, 0, False)
    assert reader.frames == 10


def broken_codec(path):
    clip(path)
    path.write_bytes(path.read_bytes().replace(b"avc1", b"zzzz"))


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda path: None, "cannot be opened: No such file"),
        (lambda path: path.write_text("no video"), "cannot be opened: Invalid data"),
        (lambda path: path.touch(), "cannot be opened"),
        (broken_codec, "codec that this FFmpeg cannot decode"),
    ],
)
def test_what_cannot_be_read_is_named_in_one_line(tmp_path, make, said):
    make(tmp_path / "in.mp4")
    with pytest.raises(UsageError, match=said) as raised:
        VideoReader(tmp_path / "in.mp4")
    assert "\n" not in str(raised.value)
    assert "in.mp4" in str(raised.value)


def test_sound_alone_is_no_video(tmp_path):
    with av.open(str(tmp_path / "in.mp4"), "w") as container:
        audio = container.add_stream("aac", 8000)
        audio.layout = "mono"
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 4000), np.float32), "fltp", "mono")
        frame.sample_rate = 8000
        container.mux([*audio.encode(frame), *audio.encode()])
    with pytest.raises(UsageError, match="has no video"):
        VideoReader(tmp_path / "in.mp4")


@pytest.mark.parametrize(
    ("name", "codec", "said"),
    [
        ("out.mp4", "nonsense", "no encoder 'nonsense'"),
        ("out.webm", "libx264", "does not support"),
        ("out.nonsense", None, "output format"),
        ("in.mp4", None, "exists"),
        ("file/out.mp4", None, "cannot be written"),
    ],
)
def test_what_cannot_be_written_is_named_and_leaves_nothing(tmp_path, name, codec, said):
    source = clip(tmp_path / "in.mp4")
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match=said):
        VideoWriter(tmp_path / name, VideoReader(source), codec=codec)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "in.mp4"]


def test_sound_that_the_container_cannot_hold_is_refused(tmp_path):
    source = clip(tmp_path / "in.mp4", sound=True)
    with pytest.raises(UsageError, match=r"aac.*Name the output \.mkv"):
        VideoWriter(tmp_path / "out.webm", VideoReader(source))


def test_until_it_is_closed_a_file_has_another_name(tmp_path):
    reader = VideoReader(clip(tmp_path / "in.mp4"))
    recorder = VideoWriter(tmp_path / "new/out.mp4", reader)
    for frame in reader:
        recorder.write(frame)
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["out.part.mp4"]
    recorder.close()
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["out.mp4"]


def test_without_a_frame_nothing_is_left(tmp_path):
    VideoWriter(tmp_path / "out.mp4", VideoReader(clip(tmp_path / "in.mp4"))).close()
    assert [path.name for path in tmp_path.iterdir()] == ["in.mp4"]


class Camera:
    """Gives a video over TCP to one who calls after another, whole or cut, and then hangs up."""

    def __init__(self, *videos):
        self.server = socket.create_server(("127.0.0.1", 0))
        self.url = f"tcp://127.0.0.1:{self.server.getsockname()[1]}"
        self.videos = videos
        self.thread = threading.Thread(target=self.serve)
        self.thread.start()

    def serve(self):
        for content in self.videos:
            caller, _ = self.server.accept()
            with caller:
                caller.sendall(content)
        self.server.close()


@pytest.fixture
def transport(tmp_path):
    return clip(tmp_path / "camera.ts", stamps=[90000 + 512 * step for step in range(10)])


def test_a_lost_stream_is_called_again_and_its_time_goes_on(tmp_path, transport, monkeypatch):
    monkeypatch.setattr(reader_module, "WAIT", 0.05)
    content = transport.read_bytes()
    camera = Camera(content, content[: len(content) // 2], content)
    reader = VideoReader(camera.url, reconnect_timeout=0.5)
    assert reader.live
    stamps = [frame.pts * frame.time_base for frame in reader]
    camera.thread.join()
    assert reader.reopened == 2
    assert "was lost, and gave no frame for 0.5 s" in reader.error
    assert 20 < len(stamps) <= 30
    assert stamps[0] == 0  # whatever the camera's clock says
    assert all(later > earlier for earlier, later in itertools.pairwise(stamps))
    assert float(stamps[9] - stamps[0]) == pytest.approx(9 / 25)


def test_who_stops_is_not_called_again(transport):
    stop = threading.Event()
    camera = Camera(transport.read_bytes())
    reader = VideoReader(camera.url, reconnect_timeout=60, stop=stop)
    stop.set()
    assert len(list(reader)) == 10
    camera.thread.join()
    assert reader.reopened == 0


def test_a_live_recording_plays_even_when_the_power_fails(tmp_path, monkeypatch):
    monkeypatch.setattr(writer, "KEYFRAME_INTERVAL_S", 0.2)
    pictures = [picture(step) for step in range(60)]
    content = clip(tmp_path / "camera.ts", pictures).read_bytes()
    camera = Camera(content)
    reader = VideoReader(camera.url, reconnect_timeout=0)
    recorder = VideoWriter(tmp_path / "out.mp4", reader)
    for frame in reader:
        recorder.write(frame)
    shutil.copy(tmp_path / "out.part.mp4", tmp_path / "failed.mp4")
    recorder.close()
    camera.thread.join()
    failed, stamps = frames(tmp_path / "failed.mp4")
    assert len(failed) > 20
    assert stamps[:3] == [0, Fraction(1, 25), Fraction(2, 25)]
    assert len(frames(tmp_path / "out.mp4")[0]) == 60


def test_planes_are_views():
    frame = av.VideoFrame(64, 48, "yuv420p")
    yuv_planes(frame)[1][3, 5] = 77
    assert bytes(frame.planes[1])[3 * frame.planes[1].line_size + 5] == 77
