"""Interlaced, high dynamic range and 10-bit video becomes what the models and players expect."""

from fractions import Fraction

import av
import numpy as np
import pytest

from lowlight_tf.video.deinterlacing import Deinterlacer
from lowlight_tf.video.reader import VideoReader
from lowlight_tf.video.tone_mapping import (
    HLG,
    PEAK_NITS,
    PQ,
    REFERENCE_WHITE_NITS,
    compress_highlights,
    hlg_to_scene,
    pq_to_nits,
)
from tests.clips import SIZE, make_frame, psnr, read_frames, write_video
from tests.video.test_reader import copy_video, read_first_frame

HEIGHT, WIDTH = SIZE


def make_bar(position, size):
    """Return a bright bar on black, (H, W, 3) uint8."""
    image = np.full((*size, 3), 20, np.uint8)
    image[:, position : position + 12] = 200
    return image


def write_interlaced(path, count=6, size=SIZE):
    """Write frames whose lower field shows a bar 3 pixels on, as the next half frame would."""
    images = []
    for step in range(count):
        image = make_bar(6 * step, size)
        image[1::2] = make_bar(6 * step + 3, size)[1::2]
        images.append(image)
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", 25)
        video.height, video.width = size
        video.options = {"crf": "4", "x264-params": "tff=1", "bf": "0"}
        for step, image in enumerate(images):
            frame = av.VideoFrame.from_ndarray(image, "rgb24")
            frame.pts, frame.time_base = step, Fraction(1, 25)
            container.mux(video.encode(frame))
        container.mux(video.encode())
    return path


def combing(image):
    """Return the mean difference of neighboring lines (levels)."""
    return np.abs(np.diff(np.int16(image[8:-8]), axis=0)).mean()


def test_interlaced_frames_are_deinterlaced_and_reported(tmp_path):
    source = write_interlaced(tmp_path / "in.mp4")
    reader = copy_video(source, tmp_path / "out.mp4", codec="libx264:crf=4")
    assert reader.notes == ["6 interlaced frames were deinterlaced"]
    (before, expected), (after, timestamps) = read_frames(source), read_frames(tmp_path / "out.mp4")
    assert timestamps == expected
    assert not read_first_frame(tmp_path / "out.mp4")[0].interlaced_frame
    for old, new in zip(before[1:-1], after[1:-1], strict=True):
        assert combing(new) < 0.4 * combing(old)


def test_progressive_frames_are_not_touched():
    deinterlacer = Deinterlacer()
    frame = av.VideoFrame.from_ndarray(make_frame(0), "rgb24")
    assert deinterlacer.push(frame) == [frame]
    assert deinterlacer.flush() == []
    assert deinterlacer.frame_count == 0


def test_frames_that_change_their_size_are_deinterlaced_too(tmp_path):
    deinterlacer, frames = Deinterlacer(), []
    for size in (SIZE, (32, 48)):
        with av.open(str(write_interlaced(tmp_path / f"{size[0]}.mp4", 3, size))) as container:
            for frame in container.decode(video=0):
                frames += deinterlacer.push(frame)
    frames += deinterlacer.flush()
    assert [frame.height for frame in frames] == [48] * 3 + [32] * 3
    assert [frame.pts * frame.time_base * 25 for frame in frames] == [0, 1, 2, 0, 1, 2]
    assert not any(frame.interlaced_frame for frame in frames)


def test_transfer_functions_have_the_published_values():
    np.testing.assert_allclose(pq_to_nits(np.array([0, 0.508078, 1])), [0, 100, 10000], rtol=1e-4)
    np.testing.assert_allclose(hlg_to_scene(np.array([0, 0.5, 1])), [0, 1 / 12, 1], atol=1e-6)
    white = PEAK_NITS * hlg_to_scene(np.array(0.75)) ** 1.2  # ITU-R BT.2408: 203 cd/m2
    assert white == pytest.approx(REFERENCE_WHITE_NITS, rel=0.01)


def test_highlights_are_compressed_and_the_rest_is_kept():
    light = np.linspace(0, PEAK_NITS / REFERENCE_WHITE_NITS, 500)
    result = compress_highlights(light)
    np.testing.assert_array_equal(result[light < 0.5], np.float32(light[light < 0.5]))
    assert (np.diff(result) > 0).all()
    assert result[-1] == pytest.approx(1)
    slopes = np.diff(result) / np.diff(light)
    knee = np.searchsorted(light, 0.5)
    assert slopes[knee + 1] == pytest.approx(slopes[knee - 2], rel=0.1)


def write_gray_10_bits(path, signal, *, transfer, primaries=9, matrix=9):
    """Write four frames of one gray in 10 bits; the signal is in [0, 1]."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", 25)
        video.height, video.width = SIZE
        video.pix_fmt = "yuv420p10le"
        video.options = {"crf": "4"}
        context = video.codec_context
        context.color_trc, context.color_primaries = transfer, primaries
        context.colorspace, context.color_range = matrix, 1
        for step in range(4):
            planes = np.full((HEIGHT * 3 // 2, WIDTH), 512, np.uint16)
            planes[:HEIGHT] = round(64 + 876 * signal)
            frame = av.VideoFrame.from_ndarray(planes, "yuv420p10le")
            frame.pts, frame.time_base = step, Fraction(1, 25)
            container.mux(video.encode(frame))
        container.mux(video.encode())
    return path


@pytest.mark.parametrize(
    ("transfer", "signal", "level"),
    [
        # 20.3 cd/m2 is 0.1 of white paper: 255 * 0.1 ** (1 / 2.4)
        (PQ, 0.3583, 97.7),
        # White paper: 255 * compress_highlights(1) ** (1 / 2.4) = 255 * 0.753 ** (1 / 2.4)
        (PQ, 0.5807, 226.6),
        (PQ, 0.7518, 255),  # 1000 cd/m2
        (HLG, 0.75, 226.6),
        (HLG, 1.0, 255),
    ],
)
def test_high_dynamic_range_is_tone_mapped_to_bt709_and_tagged(tmp_path, transfer, signal, level):
    source = write_gray_10_bits(tmp_path / "in.mp4", signal, transfer=transfer)
    reader = copy_video(source, tmp_path / "out.mp4", codec="libx264:crf=4")
    name = {PQ: "PQ", HLG: "HLG"}[transfer]
    assert reader.notes == [
        f"its high dynamic range ({name}) was tone-mapped to BT.709",
        "its 10 bits a sample became 8",
    ]
    frame = read_first_frame(tmp_path / "out.mp4")[0]
    tags = (frame.color_range, frame.colorspace, frame.color_primaries, frame.color_trc)
    assert tags == (1, 1, 1, 1)
    np.testing.assert_allclose(frame.to_ndarray(format="rgb24")[24, 32], level, atol=2.5)
    assert len(read_frames(tmp_path / "out.mp4")[0]) == 4


def test_a_saturated_bright_color_keeps_its_hue():
    from lowlight_tf.video.tone_mapping import ToneMapper

    image = np.zeros((8, 8, 3), np.uint16)
    image[...] = 46000, 30000, 30000
    frame = av.VideoFrame.from_ndarray(image, "rgb48le")
    red, green, blue = ToneMapper(PQ, matrix=9, primaries=1).to_rgb(frame, (8, 8))[4, 4]
    light = pq_to_nits(np.array([46000, 30000]) / 65535)
    assert green == blue
    assert (green / red) ** 2.4 == pytest.approx(light[1] / light[0], rel=0.05)


def test_ten_bits_of_standard_dynamic_range_keep_their_tags_and_are_reported(tmp_path):
    source = write_gray_10_bits(tmp_path / "in.mp4", 0.5, transfer=1, primaries=1, matrix=1)
    reader = copy_video(source, tmp_path / "out.mp4", codec="libx264:crf=4")
    assert reader.notes == ["its 10 bits a sample became 8"]
    frame = read_first_frame(tmp_path / "out.mp4")[0]
    assert (frame.colorspace, frame.color_primaries, frame.color_trc) == (1, 1, 1)
    np.testing.assert_allclose(frame.to_ndarray(format="rgb24")[24, 32], 127.5, atol=2)


def test_frames_of_another_size_are_scaled_and_reported(tmp_path):
    parts = [
        write_video(tmp_path / f"{size[0]}.ts", [make_frame(0, size)] * 5)
        for size in (SIZE, (64, 96))
    ]
    (tmp_path / "in.ts").write_bytes(b"".join(part.read_bytes() for part in parts))
    reader = VideoReader(tmp_path / "in.ts")
    frames = [item for item in reader if isinstance(item, av.VideoFrame)]
    assert {(frame.height, frame.width) for frame in frames} == {SIZE}
    assert len(frames) == 10
    assert reader.notes[-1] == "frames of another size were scaled to 64x48"
    assert psnr(frames[-1].to_ndarray(format="rgb24"), make_frame(0)) > 18


@pytest.mark.parametrize(
    ("pixel_format", "name"), [("yuv422p", "4:2:2"), ("yuv444p", "4:4:4"), ("yuv420p", None)]
)
def test_more_chroma_than_420_is_halved_and_reported(tmp_path, pixel_format, name):
    path = tmp_path / "in.mkv"
    with av.open(str(path), "w") as container:
        video = container.add_stream("ffv1", 25)
        video.height, video.width = SIZE
        video.pix_fmt = pixel_format
        frame = av.VideoFrame.from_ndarray(make_frame(0), "rgb24")
        container.mux(video.encode(frame))
        container.mux(video.encode())
    reader = VideoReader(path)
    assert reader.pixel_format == "yuv420p"
    assert [item.format.name for item in reader] == ["yuv420p"]
    assert reader.notes == ([f"its {name} colors became 4:2:0"] if name else [])
