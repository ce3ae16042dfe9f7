"""What a result keeps of a video file beside its frames, and what it says of the rest."""

from fractions import Fraction

import av
import cv2
import pytest

from lowlight_tf.checks import UsageError
from lowlight_tf.video.container import describe_counts
from lowlight_tf.video.reader import VideoReader
from lowlight_tf.video.writer import VideoWriter
from tests.clips import SIZE, make_frame, read_frames, write_video
from tests.video.test_reader import copy_video, write_two_videos

MILLISECOND = Fraction(1, 1000)
SUBTITLES = {".mkv": ("subrip", b"48.1 N"), ".mp4": ("mov_text", b"\0\x0648.1 N")}
COVER = cv2.imencode(".png", make_frame(0))[1].tobytes()


def write_rich_video(path, *, with_data=False):
    """Write a video with subtitles, two chapters, a title and, in an .mkv, a font and a cover."""
    codec, text = SUBTITLES[path.suffix]
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", 25)
        video.height, video.width = SIZE
        video.codec_context.max_b_frames = 0
        tracks = [(container.add_mux_stream(codec, time_base=MILLISECOND), text)]
        tracks[0][0].metadata["language"] = "deu"
        if with_data:
            tracks.append((container.add_data_stream("bin_data"), b"DEVC 48.1 N"))
            tracks[1][0].time_base = MILLISECOND
        if path.suffix == ".mkv":
            container.add_attachment("font.ttf", "font/ttf", b"font" * 9)
            container.add_attachment("cover.png", "image/png", COVER)
        container.set_chapters(
            [
                {
                    "id": number,
                    "start": start,
                    "end": start + 200,
                    "time_base": MILLISECOND,
                    "metadata": {"title": f"part {number}"},
                }
                for number, start in ((1, 0), (2, 200))
            ]
        )
        container.metadata["title"] = "Night drive"
        for step in range(10):
            frame = av.VideoFrame.from_ndarray(make_frame(step), "rgb24")
            frame.pts, frame.time_base = step, Fraction(1, 25)
            container.mux(video.encode(frame))
            for track, payload in tracks if step in (0, 5) else ():
                packet = av.Packet(payload)
                packet.stream, packet.time_base = track, MILLISECOND
                packet.pts = packet.dts = 40 * step
                packet.duration = 200
                container.mux(packet)
        container.mux(video.encode())
    return path


def read_packets(path, kind):
    """Return (time in seconds, content) of the packets of a kind of track that are not empty."""
    with av.open(str(path)) as container:
        return [
            (round(float(packet.pts * packet.time_base), 2), bytes(packet))
            for packet in container.demux()
            if packet.stream.type == kind and packet.size > 2
        ]


def left_out_of(source, target):
    """Return what a copy of a video leaves out, as text."""
    reader = VideoReader(source)
    writer = VideoWriter(target, reader)
    writer.close()
    return describe_counts(writer.left_out)


@pytest.mark.parametrize("suffix", [".mkv", ".mp4"])
def test_subtitles_and_chapters_are_kept(tmp_path, suffix):
    source = write_rich_video(tmp_path / f"in{suffix}")
    copy_video(source, tmp_path / f"out{suffix}")
    text = SUBTITLES[suffix][1]
    assert read_packets(tmp_path / f"out{suffix}", "subtitle") == [(0.0, text), (0.2, text)]
    with av.open(str(tmp_path / f"out{suffix}")) as container:
        chapters = [
            (each["metadata"]["title"], each["start"] * each["time_base"])
            for each in container.chapters()
        ]
        assert chapters == [("part 1", 0), ("part 2", Fraction(1, 5))]
        assert container.metadata["title"] == "Night drive"
        assert container.streams.subtitles[0].metadata["language"] == "deu"
    assert left_out_of(source, tmp_path / f"again{suffix}") == ""


def test_data_tracks_are_kept(tmp_path):
    source = write_rich_video(tmp_path / "in.mp4", with_data=True)
    copy_video(source, tmp_path / "out.mp4")
    data = [(0.0, b"DEVC 48.1 N"), (0.2, b"DEVC 48.1 N")]
    assert read_packets(tmp_path / "out.mp4", "data") == data
    assert left_out_of(source, tmp_path / "again.mkv") == "1 subtitle track, 1 data track"


def test_attached_files_and_cover_images_are_kept(tmp_path):
    source = write_rich_video(tmp_path / "in.mkv")
    copy_video(source, tmp_path / "out.mkv")
    with av.open(str(tmp_path / "out.mkv")) as container:
        attachments = [
            (each.name, each.data) for each in container.streams if each.type == "attachment"
        ]
        assert attachments == [("font.ttf", b"font" * 9)]
        cover = container.streams.video[1]
        assert cover.disposition & av.stream.Disposition.attached_pic
        assert [bytes(packet) for packet in container.demux(cover) if packet.size] == [COVER]


def test_a_cover_image_goes_into_an_mp4_too(tmp_path):
    source = write_rich_video(tmp_path / "in.mkv")
    copy_video(source, tmp_path / "cover.mp4")
    copy_video(tmp_path / "cover.mp4", tmp_path / "out.mp4")
    reader = VideoReader(tmp_path / "out.mp4")
    assert [bytes(packet) for packet in reader.cover_images] == [COVER]
    assert len(read_frames(tmp_path / "out.mp4")[0]) == 10


@pytest.mark.parametrize(
    ("source", "target", "left_out"),
    [
        ("in.mkv", "out.mp4", "1 subtitle track, 1 attachment"),
        ("in.mp4", "out.mkv", "1 subtitle track"),
        (
            "in.mkv",
            "out.ts",
            "1 subtitle track, 1 cover picture, 1 attachment, 1 metadata field, 2 chapters",
        ),
    ],
)
def test_what_a_container_cannot_hold_is_counted(tmp_path, source, target, left_out):
    write_rich_video(tmp_path / source)
    assert left_out_of(tmp_path / source, tmp_path / target) == left_out


def test_place_and_make_of_a_phone_are_kept(tmp_path):
    metadata = {
        "com.apple.quicktime.location.ISO6709": "+48.1000+011.5000/",
        "com.apple.quicktime.make": "Apple",
        "make": "Other",
        "title": "Night drive",
    }
    with av.open(str(tmp_path / "in.mkv"), "w") as container:
        container.metadata.update(metadata)
        track = container.add_stream("libx264", 25)
        track.height, track.width = SIZE
        container.mux(track.encode(av.VideoFrame.from_ndarray(make_frame(0), "rgb24")))
        container.mux(track.encode())
    for name in ("out.mp4", "out.mov"):
        reader = VideoReader(tmp_path / "in.mkv")
        reader.metadata = metadata
        writer = VideoWriter(tmp_path / name, reader)
        for frame in reader:
            writer.write(frame)
        writer.close()
        copy_video(tmp_path / name, tmp_path / f"again_{name}")
        with av.open(str(tmp_path / f"again_{name}")) as container:
            kept = {key: container.metadata[key] for key in metadata}
        assert kept == metadata


@pytest.mark.parametrize("codec", ["pcm_s16le", "flac"])
def test_sound_that_nothing_would_play_in_a_transport_stream_is_refused(tmp_path, codec):
    with av.open(str(tmp_path / "in.mkv"), "w") as container:
        track = container.add_stream("libx264", 25)
        track.height, track.width = SIZE
        audio = container.add_stream(codec, 48000)
        audio.layout = "stereo"
        for frame in (av.VideoFrame.from_ndarray(make_frame(0), "rgb24"), None):
            container.mux(track.encode(frame))
        sound = av.AudioFrame(format=audio.format.name, layout="stereo", samples=1024)
        sound.sample_rate = 48000
        for plane in sound.planes:
            plane.update(bytes(plane.buffer_size))
        for frame in (sound, None):
            container.mux(audio.encode(frame))
    with pytest.raises(UsageError, match=rf"cannot hold the audio .* \({codec}\)"):
        VideoWriter(tmp_path / "out.ts", VideoReader(tmp_path / "in.mkv"))
    assert [path.name for path in tmp_path.iterdir()] == ["in.mkv"]


@pytest.mark.parametrize("suffix", [".m4v", ".webm", ".avi", ".mov"])
def test_each_container_gets_what_it_can_hold_and_the_rest_is_counted(tmp_path, suffix):
    source = write_rich_video(tmp_path / "in.mkv")
    left_out = left_out_of(source, tmp_path / f"none{suffix}")
    copy_video(source, tmp_path / f"out{suffix}")
    reader = VideoReader(tmp_path / f"out{suffix}")
    kept = {
        "subtitle": any(track.type == "subtitle" for track in reader.copied_tracks),
        "cover": bool(reader.cover_images),
        "attachment": bool(reader.attachments),
        "chapter": bool(reader.chapters),
        "metadata": reader.metadata.get("title") == "Night drive",
    }
    assert [kind for kind, is_kept in kept.items() if is_kept == (kind in left_out)] == []


def test_the_track_that_is_read_can_be_chosen(tmp_path):
    frames = [make_frame(step, (32, 32)) for step in range(10)]
    source = write_two_videos(tmp_path / "in.mp4", frames, codec="libx264")
    assert [VideoReader(source, track=track).size for track in (1, 2)] == [(32, 32), SIZE]
    assert VideoReader(source).other_tracks == [2]
    with pytest.raises(UsageError, match=r"must be 1 to 2.*Received: 3"):
        VideoReader(source, track=3)


def test_a_recording_behind_the_first_is_reported(tmp_path):
    clip = write_video(tmp_path / "clip.mp4")
    (tmp_path / "in.mp4").write_bytes(2 * clip.read_bytes())
    reader = copy_video(tmp_path / "in.mp4", tmp_path / "out.mp4")
    assert "holds another recording behind the first" in reader.error
    assert len(read_frames(tmp_path / "out.mp4")[0]) == 10


@pytest.mark.parametrize(("parent", "large"), [(b"moov", False), (b"free", False), (b"free", True)])
def test_a_gps_log_outside_of_the_tracks_is_named(tmp_path, parent, large):
    data = write_video(tmp_path / "plain.mp4", [make_frame(0)]).read_bytes()
    log = (24).to_bytes(4, "big") + b"gps " + bytes(16)
    if parent == b"moov":  # the last box of the file
        begin = data.index(b"moov") - 4
        size = int.from_bytes(data[begin : begin + 4], "big")
        assert begin + size == len(data)
        data = data[:begin] + (size + 24).to_bytes(4, "big") + data[begin + 4 :] + log
    elif large:  # sizes of 64 bits
        data += (1).to_bytes(4, "big") + b"free" + (16 + 24).to_bytes(8, "big") + log
    else:
        data += (8 + 24).to_bytes(4, "big") + b"free" + log
    (tmp_path / "dashcam.mp4").write_bytes(data)
    assert not VideoReader(tmp_path / "plain.mp4").left_out
    reader = VideoReader(tmp_path / "dashcam.mp4")
    assert describe_counts(reader.left_out) == "1 GPS log outside of its tracks"
    assert sum(isinstance(item, av.VideoFrame) for item in reader) == 1
