"""Reading a video, and writing it again unchanged."""

import subprocess
from fractions import Fraction

import av
import imageio_ffmpeg
import numpy as np
import pytest

from lowlight_tf.checks import UsageError
from lowlight_tf.imaging.yuv import YuvConverter, YuvFormat
from lowlight_tf.video.container import describe_counts
from lowlight_tf.video.frame_conversion import yuv_planes
from lowlight_tf.video.reader import CopiedPacket, VideoReader
from lowlight_tf.video.writer import VideoWriter
from tests.clips import SIZE, encode_video, make_frame, psnr, read_frames, write_video

VARIABLE_TIMESTAMPS = [0, 512, 1024, 3000, 3100, 5120, 9000, 9512]  # ticks of 1 / 12800 s


def copy_video(source, target, **options):
    """Read a video and write it unchanged; return the reader."""
    reader = VideoReader(source)
    writer = VideoWriter(target, reader, **options)
    for item in reader:
        if isinstance(item, CopiedPacket):
            writer.write_packet(item)
        else:
            writer.write(item)
    writer.close()
    return reader


def read_first_frame(path):
    """Return the first frame and the video track of a file."""
    with av.open(str(path)) as container:
        return next(container.decode(video=0)), container.streams.video[0]


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".ts"])
@pytest.mark.parametrize("start", [0, 6400])
def test_timestamps_and_time_base_are_kept(tmp_path, suffix, start):
    timestamps = [start + timestamp for timestamp in VARIABLE_TIMESTAMPS]
    source = write_video(
        tmp_path / f"in{suffix}", [make_frame(step) for step in range(8)], timestamps=timestamps
    )
    copy_video(source, tmp_path / f"out{suffix}")
    (_, before), (_, after) = read_frames(source), read_frames(tmp_path / f"out{suffix}")
    assert len(after) == 8
    assert after == before
    assert (
        read_first_frame(tmp_path / f"out{suffix}")[1].time_base
        == read_first_frame(source)[1].time_base
    )


def test_an_uncommon_time_base_is_kept(tmp_path):
    source = write_video(
        tmp_path / "in.mp4",
        time_base=Fraction(1, 25),
        timestamps=range(10),
        container_options={"video_track_timescale": "25"},
    )
    copy_video(source, tmp_path / "out.mp4")
    assert read_first_frame(tmp_path / "out.mp4")[1].time_base == Fraction(1, 25)
    assert read_frames(tmp_path / "out.mp4")[1] == [Fraction(step, 25) for step in range(10)]


@pytest.mark.parametrize("rotation", [90, 180, 270])
def test_rotation_is_kept(tmp_path, rotation):
    source = write_video(tmp_path / "in.mp4", rotation=rotation)
    copy_video(source, tmp_path / "out.mp4")
    assert read_first_frame(source)[0].rotation in (rotation, rotation - 360)
    assert (
        read_first_frame(tmp_path / "out.mp4")[0].rotation == read_first_frame(source)[0].rotation
    )


def test_audio_packets_are_copied(tmp_path):
    source = write_video(tmp_path / "in.mp4", with_audio=True)
    copy_video(source, tmp_path / "out.mp4")

    def read_packets(path):
        with av.open(str(path)) as container:
            return [
                (packet.pts * packet.time_base, bytes(packet))
                for packet in container.demux(audio=0)
                if packet.dts is not None
            ]

    assert len(read_packets(source)) > 3
    assert read_packets(tmp_path / "out.mp4") == read_packets(source)


@pytest.mark.parametrize("matrix", [1, 6])
@pytest.mark.parametrize("color_range", [1, 2])
def test_color_tags_are_kept_and_match_the_pixels(tmp_path, matrix, color_range):
    images = [np.full((*SIZE, 3), (40, 25, 60), np.uint8)] * 4
    yuv_format = YuvFormat(matrix, color_range == 2)
    planes = [np.full((48, 64), 0, np.uint8), *(np.zeros((24, 32), np.uint8) for _ in range(2))]
    YuvConverter(yuv_format).to_yuv(images[0], planes)
    source = write_video(
        tmp_path / "in.mp4", [tuple(planes)] * 4, matrix=matrix, color_range=color_range
    )
    reader = copy_video(source, tmp_path / "out.mp4")
    assert reader.yuv_format == yuv_format
    frame = read_first_frame(tmp_path / "out.mp4")[0]
    assert (frame.colorspace, frame.color_range) == (matrix, color_range)
    np.testing.assert_allclose(
        read_frames(tmp_path / "out.mp4")[0][0][24, 32], (40, 25, 60), atol=3
    )


@pytest.mark.parametrize(("height", "matrix"), [(720, 1), (718, 6)])
def test_the_matrix_of_an_untagged_video_is_guessed_from_its_height_and_not_tagged(
    tmp_path, height, matrix
):
    source = write_video(tmp_path / "in.mp4", [make_frame(0, (height, 16))] * 2)
    reader = copy_video(source, tmp_path / "out.mp4")
    assert reader.yuv_format.matrix == matrix
    assert not reader.yuv_format.full_range
    frame = read_first_frame(tmp_path / "out.mp4")[0]
    assert (frame.colorspace, frame.color_range) == (2, 0)


def test_an_image_that_replaces_a_frame_gets_the_timestamp_of_the_frame(tmp_path):
    source = write_video(
        tmp_path / "in.mp4", timestamps=VARIABLE_TIMESTAMPS, images=[make_frame(0)] * 8
    )
    reader = VideoReader(source)
    writer = VideoWriter(tmp_path / "out.mp4", reader, codec="libx264:crf=4")
    for step, frame in enumerate(reader):
        writer.write(frame, make_frame(step, level=120))
    writer.close()
    images, timestamps = read_frames(tmp_path / "out.mp4")
    assert timestamps == read_frames(source)[1]
    for step, image in enumerate(images):
        assert psnr(image, make_frame(step, level=120)) > 38


@pytest.mark.parametrize(
    ("pixel_format", "codec", "size", "expected"),
    [
        ("yuvj422p", "mjpeg", SIZE, "yuv420p"),
        ("yuv420p10le", "libx264", SIZE, "yuv420p"),
        ("gray", "ffv1", SIZE, "yuv420p"),
        ("bgr0", "ffv1", SIZE, "yuv420p"),
        ("yuv420p", "ffv1", (47, 63), "yuv444p"),
    ],
)
def test_other_pixel_formats_are_converted_without_visible_loss(
    tmp_path, pixel_format, codec, size, expected
):
    images = [make_frame(step, size) for step in range(3)]
    if pixel_format == "gray":
        images = [image[..., :1].repeat(3, 2) for image in images]
    source = write_video(tmp_path / "in.mkv", images, pixel_format=pixel_format, codec=codec)
    reader = copy_video(source, tmp_path / "out.mkv", codec="libx264:crf=4")
    assert reader.pixel_format == expected
    assert read_first_frame(tmp_path / "out.mkv")[0].format.name.replace("yuvj", "yuv") == expected
    for before, after in zip(
        read_frames(source)[0], read_frames(tmp_path / "out.mkv")[0], strict=True
    ):
        assert after.shape == before.shape
        assert psnr(before, after) > 34


def test_webm_gets_its_default_encoder(tmp_path):
    copy_video(write_video(tmp_path / "in.mkv"), tmp_path / "out.webm")
    assert read_first_frame(tmp_path / "out.webm")[1].codec_context.name == "vp9"
    assert len(read_frames(tmp_path / "out.webm")[0]) == 10


def test_metadata_is_kept(tmp_path):
    with av.open(str(tmp_path / "in.mp4"), "w") as container:
        container.metadata["title"] = "Night drive"
        encode_video(container)
    copy_video(tmp_path / "in.mp4", tmp_path / "out.mp4")
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert container.metadata["title"] == "Night drive"


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_truncated_file_is_read_up_to_its_end_and_reported(tmp_path, suffix):
    images = [make_frame(step) for step in range(40)]
    source = write_video(
        tmp_path / f"in{suffix}", images, container_options={"movflags": "faststart"}
    )
    truncated = tmp_path / f"truncated{suffix}"
    data = source.read_bytes()
    truncated.write_bytes(data[: int(len(data) * 0.6)])
    reader = copy_video(truncated, tmp_path / f"out{suffix}")
    assert "ends early" in reader.error
    frames = read_frames(tmp_path / f"out{suffix}")[0]
    assert 10 < len(frames) < 35
    assert psnr(frames[9], images[9]) > 30


def test_corrupt_packets_are_skipped_and_counted(tmp_path):
    source = write_video(tmp_path / "in.mp4", [make_frame(step) for step in range(40)])
    with av.open(str(source)) as container:
        packet = list(container.demux(video=0))[20]
        start, size = packet.pos, packet.size
    data = bytearray(source.read_bytes())
    data[start : start + size] = bytes(size)
    source.write_bytes(data)
    reader = copy_video(source, tmp_path / "out.mp4")
    assert reader.corrupt_packets > 0
    assert reader.error is None
    assert len(read_frames(tmp_path / "out.mp4")[0]) >= 36


def test_a_complete_file_has_no_error(tmp_path):
    reader = copy_video(write_video(tmp_path / "in.mp4", with_audio=True), tmp_path / "out.mp4")
    assert (reader.error, reader.corrupt_packets, reader.is_live) == (None, 0, False)
    assert reader.frame_count == 10


def test_a_file_that_states_no_length_of_its_frames_has_no_error(tmp_path):
    lavfi = "-f", "lavfi", "-i"
    words = ["-v", "error", *lavfi, "testsrc2=duration=1", *lavfi, "sine=duration=1"]
    source = tmp_path / "in.wmv"
    subprocess.run([imageio_ffmpeg.get_ffmpeg_exe(), *words, source], check=True)
    with av.open(str(source)) as container:
        packets = [packet for packet in container.demux() if packet.size]
        assert not any(packet.duration for packet in packets if packet.stream.type == "video")
    reader = copy_video(source, tmp_path / "out.wmv")
    assert reader.error is None
    assert len(read_frames(tmp_path / "out.wmv")[0]) == 25


@pytest.mark.parametrize(
    ("suffix", "container"), [(".LRV", "mp4"), (".insv", "mp4"), (".divx", "avi")]
)
def test_a_suffix_of_a_camera_stands_for_a_container(tmp_path, suffix, container):
    copy_video(write_video(tmp_path / "in.mp4"), tmp_path / f"out{suffix}")
    with av.open(str(tmp_path / f"out{suffix}")) as result:
        assert container in result.format.name.split(",")


def write_unknown_codec(path):
    write_video(path)
    path.write_bytes(path.read_bytes().replace(b"avc1", b"zzzz"))


def write_without_index(path):
    """Write what is left of a recording that was cut off: the index comes last."""
    content = write_video(path).read_bytes()
    path.write_bytes(content[: content.index(b"moov") - 4])


def write_two_videos(path, first, *, codec):
    """Write a file of two video tracks: images, and ten frames."""
    with av.open(str(path), "w") as container:
        tracks = [(container.add_stream(codec, 25), first)]
        tracks.append((container.add_stream("libx264", 25), [make_frame(n) for n in range(10)]))
        for track, images in tracks:
            track.height, track.width = images[0].shape[:2]
            track.pix_fmt = "yuvj420p" if track.codec.name == "mjpeg" else "yuv420p"
        for track, images in tracks:
            for image in images:
                container.mux(track.encode(av.VideoFrame.from_ndarray(image, "rgb24")))
            container.mux(track.encode())
    return path


def test_a_still_image_before_the_video_is_not_read(tmp_path):
    path = write_two_videos(tmp_path / "in.mp4", [make_frame(0, (32, 32))], codec="mjpeg")
    reader = VideoReader(path)
    assert reader.size == make_frame(0).shape[:2]
    assert describe_counts(reader.left_out) == "1 video track"
    assert sum(isinstance(item, av.VideoFrame) for item in reader) == 10


def test_a_second_camera_is_counted_as_left_out(tmp_path):
    frames = [make_frame(n, (32, 32)) for n in range(10)]
    reader = VideoReader(write_two_videos(tmp_path / "in.mp4", frames, codec="libx264"))
    assert reader.size == (32, 32)
    assert describe_counts(reader.left_out) == "1 video track"


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (lambda path: None, "cannot be opened: No such file"),
        (lambda path: path.write_text("no video"), "cannot be opened: Invalid data"),
        (lambda path: path.touch(), "is empty"),
        (write_without_index, "has no index"),
        (write_unknown_codec, "codec that this FFmpeg cannot decode"),
    ],
)
def test_a_source_that_cannot_be_read_is_reported_in_one_line(tmp_path, write, message):
    write(tmp_path / "in.mp4")
    with pytest.raises(UsageError, match=message) as raised:
        VideoReader(tmp_path / "in.mp4")
    assert "\n" not in str(raised.value)
    assert "in.mp4" in str(raised.value)


def test_a_file_with_audio_alone_is_refused(tmp_path):
    with av.open(str(tmp_path / "in.mp4"), "w") as container:
        audio = container.add_stream("aac", 8000)
        audio.layout = "mono"
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 4000), np.float32), "fltp", "mono")
        frame.sample_rate = 8000
        container.mux([*audio.encode(frame), *audio.encode()])
    with pytest.raises(UsageError, match="has no video"):
        VideoReader(tmp_path / "in.mp4")


@pytest.mark.parametrize(
    ("name", "codec", "message"),
    [
        ("out.mp4", "nonsense", "no encoder 'nonsense'"),
        ("out.webm", "libx264", "does not support"),
        ("out.nonsense", None, "output format"),
        ("in.mp4", None, "exists"),
        ("file/out.mp4", None, "cannot be written"),
    ],
)
def test_a_file_that_cannot_be_written_is_reported_and_not_left(tmp_path, name, codec, message):
    source = write_video(tmp_path / "in.mp4")
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match=message):
        VideoWriter(tmp_path / name, VideoReader(source), codec=codec)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "in.mp4"]


def test_another_container_is_advised_for_a_video_that_one_cannot_hold(tmp_path):
    source = write_video(tmp_path / "in.mp4")
    with pytest.raises(UsageError, match=r"Name the output \.mkv"):
        copy_video(source, tmp_path / "out.ogv")


def test_audio_that_the_container_cannot_hold_is_refused(tmp_path):
    source = write_video(tmp_path / "in.mp4", with_audio=True)
    with pytest.raises(UsageError, match=r"aac.*Name the output \.mkv"):
        VideoWriter(tmp_path / "out.webm", VideoReader(source))


def test_a_file_has_a_temporary_name_until_it_is_closed(tmp_path):
    reader = VideoReader(write_video(tmp_path / "in.mp4"))
    writer = VideoWriter(tmp_path / "new/out.mp4", reader)
    for frame in reader:
        writer.write(frame)
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["out.part.mp4"]
    writer.close()
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["out.mp4"]


def test_a_file_without_frames_is_not_left(tmp_path):
    VideoWriter(tmp_path / "out.mp4", VideoReader(write_video(tmp_path / "in.mp4"))).close()
    assert [path.name for path in tmp_path.iterdir()] == ["in.mp4"]


def test_planes_are_views_of_the_frame():
    frame = av.VideoFrame(64, 48, "yuv420p")
    yuv_planes(frame)[1][3, 5] = 77
    assert bytes(frame.planes[1])[3 * frame.planes[1].line_size + 5] == 77
