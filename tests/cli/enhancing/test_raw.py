"""`lowlight-tf enhance` of RAW files: images, folders and bursts."""

import cv2
import numpy as np
import pytest

from lowlight_tf.cli.main import main
from lowlight_tf.imaging import image_io
from lowlight_tf.imaging.formats import dng, tiff
from lowlight_tf.imaging.raw import raw_image
from lowlight_tf.runtime.develop import develop
from lowlight_tf.runtime.loading import load_model
from tests.imaging.raw.linear_dng import write_linear_dng

pytest.importorskip("rawpy", reason="rawpy is not installed ([raw] extra)")

SIZE = (32, 48)


def write_raw(path, *, light=0.001, size=SIZE, phase="RGGB", **metadata):
    """Write a RAW file of a flat gray image."""
    path.parent.mkdir(parents=True, exist_ok=True)
    raw_values = np.full(size, round(512 + light * (16383 - 512)), np.uint16)
    dng.write(path, raw_values, phase, **{"bit_depth": 14, "black_level": (512,)} | metadata)
    return path


def read_pixels(path):
    image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    assert image is not None, f"{path} is not there"
    return image


@pytest.fixture
def enhance(tmp_path):
    """Run the command with the LibRaw baseline, into tmp_path/out by default."""

    def run(*words, model="libraw", output=tmp_path / "out"):
        return main(["enhance", *map(str, words), "--model", model, "--output", str(output)])

    return run


def test_one_raw_file_is_developed_to_one_16_bit_image(enhance, tmp_path, capsys):
    source = write_raw(tmp_path / "IMG.ARW", orientation=6)
    assert enhance(source, "--ratio", 100, output=tmp_path / "IMG.png") == 0
    assert "1 of 1 images developed by libraw" in capsys.readouterr().out
    result = read_pixels(tmp_path / "IMG.png")
    assert (result.shape, result.dtype) == ((48, 32, 3), np.uint16)
    expected = develop(load_model("libraw"), raw_image.read_raw(source), ratio=100)
    np.testing.assert_array_equal(result[..., ::-1], expected)


def test_without_a_model_the_shipped_raw_model_is_used(tmp_path, capsys):
    source = write_raw(tmp_path / "IMG.ARW", size=(70, 90))
    out = tmp_path / "IMG.png"
    assert main(["enhance", str(source), "--ratio", "200", "--output", str(out)]) == 0
    assert "1 of 1 images developed by attention_unet" in capsys.readouterr().out
    expected = develop(load_model("attention_unet"), raw_image.read_raw(source), ratio=200)
    np.testing.assert_array_equal(read_pixels(out)[..., ::-1], expected)
    assert expected.shape == (70, 90, 3)


@pytest.mark.parametrize(("name", "dtype"), [("a.jpg", np.uint8), ("a.tif", np.uint16)])
def test_the_suffix_determines_the_bit_depth(enhance, tmp_path, name, dtype):
    assert enhance(write_raw(tmp_path / "a.dng"), "--ratio", 100, output=tmp_path / name) == 0
    assert read_pixels(tmp_path / name).dtype == dtype


def test_the_raw_files_of_a_folder_are_developed_and_bad_ones_named(enhance, tmp_path, capfd):
    folder = tmp_path / "in"
    write_raw(folder / "deep/good.dng")
    write_raw(folder / "quiet.nef", black_level=())
    content = write_raw(folder / "broken.arw").read_bytes()
    (folder / "broken.arw").write_bytes(content[: len(content) // 2])
    (folder / "text.cr2").write_text("no image " * 1000)
    write_raw(folder / "strange.dng", phase="RGBW")
    image_io.write_float_rgb(folder / "image.jpg", np.zeros((*SIZE, 3), np.float32))
    assert enhance(folder, "--ratio", 100) == 1
    output = capfd.readouterr()
    lines = output.err.strip().splitlines()
    assert "1 of 5 images developed" in output.out
    assert len(lines) == 4
    for name, words in (
        ("quiet.nef", "contains no black level"),
        ("broken.arw", "truncated or damaged"),
        ("text.cr2", "not a RAW file that LibRaw supports"),
        ("strange.dng", "color filters"),
    ):
        assert any(name in line and words in line for line in lines), (name, lines)
    assert [path.name for path in (tmp_path / "out").rglob("*.*")] == ["good.png"]


def test_the_black_level_can_be_set(enhance, tmp_path):
    source = write_raw(tmp_path / "quiet.dng", black_level=(), light=0.002)
    assert enhance(source, "--ratio", 100, "--black", 512) == 0
    level = read_pixels(tmp_path / "out/quiet.png")[16, 24] / 65535
    np.testing.assert_allclose(level, 1.055 * 0.2 ** (1 / 2.4) - 0.055, atol=0.01)


def test_without_a_ratio_the_mean_becomes_gray_and_the_ratio_is_reported(enhance, tmp_path, capsys):
    assert enhance(write_raw(tmp_path / "a.dng", light=0.004)) == 0
    assert "a.dng: amplified 45" in capsys.readouterr().err
    light = ((read_pixels(tmp_path / "out/a.png")[16, 24] / 65535 + 0.055) / 1.055) ** 2.4
    np.testing.assert_allclose(light, 0.18, atol=0.01)


def test_a_ratio_is_capped_unless_disabled(enhance, tmp_path, capsys):
    source = write_raw(tmp_path / "a.dng", light=0.0005)
    assert enhance(source, "--ratio", 600, output=tmp_path / "capped.png") == 0
    assert (
        "--exposure-ratio 600 is above the limit of See-in-the-Dark, 300" in capsys.readouterr().err
    )
    assert enhance(source, "--ratio", 600, "--uncapped", output=tmp_path / "uncapped.png") == 0
    assert capsys.readouterr().err == ""
    assert enhance(source, "--ratio", 300, output=tmp_path / "three.png") == 0
    capped, uncapped, three = (
        read_pixels(tmp_path / f"{n}.png") for n in ("capped", "uncapped", "three")
    )
    np.testing.assert_array_equal(capped, three)
    assert uncapped.mean() > 1.2 * capped.mean()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["--ratio", "0"],
            "`exposure_ratio` must be a positive number. Received: exposure_ratio=0",
        ),
        (["--fps", "-1"], "`fps` must be a positive number"),
        (["--infrared", "b.png"], "takes the images of one camera"),
        (["--explain"], "libraw has no outputs that explain"),
    ],
)
def test_flags_without_effect_are_refused(enhance, tmp_path, capsys, words, message):
    assert enhance(write_raw(tmp_path / "a.dng"), *words) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_an_image_is_refused_as_raw_file(enhance, tmp_path, capsys):
    image_io.write_float_rgb(tmp_path / "a.png", np.zeros((*SIZE, 3), np.float32))
    assert enhance(tmp_path / "a.png", write_raw(tmp_path / "b.dng"), "--ratio", 9) == 1
    output = capsys.readouterr()
    assert "a.png is no RAW file. Name a --model of images" in output.err
    assert "1 of 2 images" in output.out


def test_an_image_model_gets_what_libraw_develops(enhance, tmp_path):
    source = write_raw(tmp_path / "a.dng", orientation=6)
    assert enhance(source, "--ratio", 50, model="gamma") == 0
    assert enhance(source, model="gamma", output=tmp_path / "dark.png") == 0
    bright, dark = read_pixels(tmp_path / "out/a.png"), read_pixels(tmp_path / "dark.png")
    assert bright.shape == dark.shape == (48, 32, 3)
    assert bright.dtype == np.uint16
    assert bright.mean() > 2 * dark.mean()


def test_an_image_model_skips_raw_files_next_to_images(enhance, tmp_path, capsys):
    write_raw(tmp_path / "both/a.dng")
    image_io.write_float_rgb(tmp_path / "both/a.jpg", np.full((*SIZE, 3), 0.1, np.float32))
    write_raw(tmp_path / "raws/b.dng")
    assert enhance(tmp_path / "both", tmp_path / "raws", model="gamma") == 0
    found = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert found == ["a.jpg", "b.png"]


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.tif"])
@pytest.mark.parametrize("model", ["libraw", "gamma"])
def test_exposure_and_camera_are_kept(enhance, tmp_path, name, model):
    source = write_raw(tmp_path / "IMG.ARW", orientation=6, exposure_time=0.1, iso=800, model="X1")
    assert enhance(source, "--ratio", 100, model=model, output=tmp_path / name) == 0
    image = image_io.load_image(tmp_path / name)
    assert image.pixels.shape[:2] == SIZE[::-1]
    tags = tiff.read_tags(image.exif)
    assert tags[272].payload == b"X1\0"
    assert tags[34665].value
    exif = tiff.read_tags(image.exif, tags[34665].value)
    assert exif[34855].value == 800


@pytest.fixture
def linear(tmp_path):
    """A linear DNG: dark, red growing to the right and blue downwards."""
    rows, columns = np.mgrid[0:32, 0:48]
    pixels = np.stack([columns * 20, np.full((32, 48), 500), rows * 25], axis=2)
    return write_linear_dng(tmp_path / "linear.dng", pixels.astype(np.uint16), orientation=6)


def test_linear_dng_is_developed_by_libraw(enhance, linear, tmp_path, capsys):
    assert enhance(linear, "--ratio", 30, output=tmp_path / "a.png") == 0
    expected = raw_image.develop_with_libraw(linear, ratio=30, curve="srgb", upright=True)
    assert expected.shape == (48, 32, 3)
    np.testing.assert_array_equal(read_pixels(tmp_path / "a.png")[..., ::-1], expected)
    assert capsys.readouterr().err == ""
    assert enhance(linear, output=tmp_path / "b.png") == 0
    assert "to middle gray" in capsys.readouterr().err
    light = (read_pixels(tmp_path / "b.png") / 65535 + 0.055) / 1.055
    assert (light**2.4).mean() == pytest.approx(0.18, rel=0.15)


def test_linear_dng_takes_libraw_where_no_model_is_named(linear, tmp_path, capsys):
    out = tmp_path / "a.png"
    assert main(["enhance", str(linear), "--output", str(out)]) == 0
    assert "no mosaic: developed by LibRaw, not attention_unet" in capsys.readouterr().err
    assert read_pixels(out).dtype == np.uint16


@pytest.mark.parametrize(
    ("words", "model", "reason"),
    [
        ([], "attention_unet", "Pass --model libraw, or a model of images, such as tiny."),
        (["--black", 512], "libraw", "no mosaic of color filters. Leave out --black-level"),
    ],
)
def test_what_linear_dng_cannot_do_is_said_in_one_line(
    words, model, reason, enhance, linear, capsys
):
    assert enhance(linear, *words, model=model) == 2
    error = capsys.readouterr().err
    assert reason in error
    assert error.count("lowlight-tf enhance: ") == 1


def test_linear_dng_files_become_a_video(enhance, linear, tmp_path, capsys):
    pytest.importorskip("av", reason="PyAV is not installed ([video] extra)")
    second = tmp_path / "second.dng"
    second.write_bytes(linear.read_bytes())
    assert enhance(linear, second, output=tmp_path / "out.mp4") == 0
    output = capsys.readouterr()
    assert output.err.count("amplified") == 1
    assert "2 of 2 RAW files developed by libraw" in output.out


def test_the_black_level_is_refused_for_an_image_model(enhance, tmp_path, capsys):
    assert enhance(write_raw(tmp_path / "a.dng"), "--black", 512, model="gamma") == 2
    assert "Leave out --black-level" in capsys.readouterr().err


def test_numbered_files_become_a_video_in_order(enhance, tmp_path, capsys):
    av = pytest.importorskip("av", reason="PyAV is not installed ([video] extra)")
    for number, light in ((9, 0.001), (10, 0.002), (2, 0.0005)):
        write_raw(tmp_path / "burst" / f"IMG_{number}.dng", light=light)
    (tmp_path / "burst" / "IMG_11.dng").write_text("no image " * 1000)
    out = tmp_path / "out.mp4"
    words = ("--ratio", 100, "--fps", 12)
    assert enhance(tmp_path / "burst", *words, output=out) == 1
    output = capsys.readouterr()
    assert "3 of 4 RAW files developed by libraw" in output.out
    assert "IMG_11.dng is not a RAW file" in output.err
    with av.open(str(out)) as video:
        frames = [frame.to_ndarray(format="rgb24") for frame in video.decode(video=0)]
        assert video.streams.video[0].average_rate == 12
    assert frames[0].shape == (*SIZE, 3)
    light = [((frame[16, 24].mean() / 255 + 0.055) / 1.055) ** 2.4 for frame in frames]
    np.testing.assert_allclose(light, [0.05, 0.1, 0.2], rtol=0.15)
    assert enhance(tmp_path / "burst/IMG_?.dng", *words, output=tmp_path / "two.mp4") == 0
    assert "2 of 2 RAW files" in capsys.readouterr().out


def test_a_burst_is_amplified_by_one_ratio_without_flicker(enhance, tmp_path, capsys):
    pytest.importorskip("av", reason="PyAV is not installed ([video] extra)")
    sources = [
        write_raw(tmp_path / f"{n}.dng", light=light) for n, light in ((1, 0.004), (2, 0.001))
    ]
    assert enhance(*sources, output=tmp_path / "out.mp4") == 0
    assert capsys.readouterr().err.count("amplified") == 1


def test_a_frame_of_another_size_is_skipped_in_a_burst(enhance, tmp_path, capsys):
    pytest.importorskip("av", reason="PyAV is not installed ([video] extra)")
    sources = [write_raw(tmp_path / "1.dng"), write_raw(tmp_path / "2.dng", size=(32, 32))]
    assert enhance(*sources, "--ratio", 9, output=tmp_path / "out.mp4") == 1
    output = capsys.readouterr()
    assert "one size. Received" in output.err
    assert "1 of 2 RAW files" in output.out
    assert [path.name for path in tmp_path.glob("*.mp4")] == ["out.mp4"]


def test_a_burst_without_readable_frames_writes_no_file(enhance, tmp_path, capsys):
    pytest.importorskip("av", reason="PyAV is not installed ([video] extra)")
    (tmp_path / "1.dng").write_text("no image " * 1000)
    assert enhance(tmp_path / "1.dng", output=tmp_path / "out.mp4") == 2
    assert "None of 1 RAW files could be developed" in capsys.readouterr().err
    assert not list(tmp_path.glob("*.mp4"))


@pytest.mark.slow
def test_an_explanation_is_written_for_a_raw_model(enhance, developing_run, tmp_path):
    model, source = str(developing_run), write_raw(tmp_path / "a.dng", size=(40, 56))
    out = tmp_path / "a.png"
    assert enhance(source, "--ratio", 100, "--explain", model=model, output=out) == 0
    assert read_pixels(out).shape == (40, 56, 3)
    explained = read_pixels(tmp_path / "a_attention.png")
    assert (explained.shape, explained.dtype) == ((40, 56, 3), np.uint8)
    assert enhance(source, "--explain", model=model, output=tmp_path / "again") == 0
