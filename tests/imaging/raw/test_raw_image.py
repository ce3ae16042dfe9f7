"""RAW files of every phase are read as they were written, and what is none is refused."""

import json
import struct

import numpy as np
import pytest

from lowlight_tf.checks import UsageError
from lowlight_tf.imaging import color, image_io
from lowlight_tf.imaging.formats import dng
from lowlight_tf.imaging.raw import cfa, raw_image

pytest.importorskip("rawpy", reason="rawpy is not installed ([raw] extra)")

FROM_XYZ = np.array(
    [[0.5838, -0.143, -0.0246], [-0.3497, 1.1477, 0.2297], [-0.0748, 0.1885, 0.5778]]
)


@pytest.fixture
def digits(rng):
    """A mosaic of 14 bits."""
    return rng.integers(600, 2**14, (26, 30), dtype=np.uint16)


@pytest.fixture
def shown(tmp_path):
    """Return a function: mosaic, phase, what else -> the RAW picture of a DNG file."""

    def show(*args, **said):
        path = tmp_path / "shot.dng"
        dng.write(path, *args, **{"bit_depth": 14, "black_level": (512,)} | said)
        return raw_image.read_raw(path)

    return show


@pytest.mark.parametrize("phase", [*cfa.BAYER_PATTERNS, cfa.XTRANS])
@pytest.mark.parametrize("bits", [12, 14, 16])
def test_the_digits_of_a_file_are_read_as_they_were_written(shown, rng, phase, bits):
    digits = rng.integers(0, 2**bits, (26, 30), dtype=np.uint16)
    picture = shown(digits, phase, bit_depth=bits, black_level=(64,))
    assert (picture.metadata.cfa_pattern, picture.metadata.size) == (phase, (26, 30))
    np.testing.assert_array_equal(cfa.unpack(picture.raw_values, phase, (26, 30)), digits)
    assert picture.raw_values.dtype == np.uint16
    side = cfa.packing_factor(phase)
    assert picture.metadata.black_level == (64.0,) * side**2
    assert picture.metadata.white_level == (2.0**bits - 1,) * side**2


@pytest.mark.parametrize("phase", cfa.BAYER_PATTERNS)
def test_each_channel_has_a_black_level_of_its_own(shown, phase):
    # Black lies as the phase does: 100 for red, 110 and 120 for the greens, 130 for blue.
    known = {"R": 100, "B": 130}
    greens = {True: 110, False: 120}  # in the rows of red, in those of blue
    black = [known.get(c, greens["R" in phase[i // 2 * 2 :][:2]]) for i, c in enumerate(phase)]
    digits = np.tile(np.array(black, np.uint16).reshape(2, 2), (12, 15))
    picture = shown(digits, phase, black_level=black)
    assert picture.metadata.black_level == (100, 110, 120, 130)
    assert (picture.packed == 0).all()
    assert (shown(digits + 1, phase, black_level=black).packed > 0).all()


def test_light_is_what_lies_between_black_and_white(shown):
    digits = np.array([[512, 511], [2512, 4512]], np.uint16)
    picture = shown(np.tile(digits, (12, 12)), "RGGB", white_level=4512)
    assert picture.packed.dtype == np.float32
    np.testing.assert_array_equal(picture.packed[0, 0], np.float32([0, 0, 0.5, 1]))


def test_white_is_the_camera_s_own_where_it_is_known():
    assert raw_image.channel_white_levels(None, 16300) == [16300] * 4
    assert raw_image.channel_white_levels([15360, 15361, 0, 15363], 16300) == [
        15360,
        15361,
        16300,
        15363,
    ]


def test_what_the_camera_said_is_kept(shown, digits):
    shot = shown(
        digits,
        "RGGB",
        camera_wb=(2, 1, 1.5),
        xyz_to_camera=FROM_XYZ,
        exposure_time=0.1,
        iso=1600,
        orientation=6,
    ).metadata
    np.testing.assert_allclose(shot.camera_wb, (2, 1, 1.5), rtol=1e-5)
    np.testing.assert_allclose(
        shot.color_matrix, raw_image.compute_color_matrix(FROM_XYZ), atol=1e-4
    )
    np.testing.assert_allclose(np.sum(shot.color_matrix, axis=1), 1, atol=1e-5)
    assert (round(shot.exposure_time, 6), shot.iso, shot.orientation) == (0.1, 1600, 6)
    assert raw_image.RawMetadata.from_dict(json.loads(json.dumps(shot.__dict__))) == shot


def test_metadata_written_by_version_0_1_0_are_read():
    old = {"phase": "GRBG", "size": [4, 6], "black": [64] * 4, "white": [4095] * 4}
    old |= {"wb": [2, 1, 1.5], "matrix": np.eye(3).tolist(), "exposure": 0.1, "iso": 200}
    assert raw_image.RawMetadata.from_dict(old) == raw_image.RawMetadata(
        "GRBG", (4, 6), (64,) * 4, (4095,) * 4, (2, 1, 1.5), exposure_time=0.1, iso=200
    )


def test_what_a_file_does_not_say_is_not_made_up(shown, digits):
    shot = shown(digits, "RGGB").metadata
    assert (shot.exposure_time, shot.iso, shot.orientation) == (None, None, 1)
    assert shot.camera_wb == (1, 1, 1)
    np.testing.assert_array_equal(shot.color_matrix, np.eye(3))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("phase", ["RGGB", "BGGR"])
def test_a_finished_picture_is_cut_out_and_upright(shown, rng, tmp_path, orientation, phase):
    shot = shown(np.full((24, 26), 600, np.uint16), phase, orientation=orientation).metadata
    image = rng.random((24, 26, 3), dtype=np.float32)
    top, left = cfa.pattern_offset(phase)
    padded = np.pad(image, ((top, top), (left, left), (0, 0)), constant_values=9)
    # A TIFF file of this orientation is turned by what has been proven to turn them.
    turn = image_io.EXIF_TRANSFORMS.get(orientation, lambda image: image)
    np.testing.assert_array_equal(shot.crop_and_orient(padded), turn(image))


def test_develop_does_what_the_formula_says(tmp_path):
    # Flat gray: no demosaicing is involved. (d - black) / (white - black) x gain, through sRGB.
    path = tmp_path / "gray.dng"
    light = 0.1
    digits = np.full((32, 32), round(512 + light * (16383 - 512)), np.uint16)
    dng.write(path, digits, "RGGB", bit_depth=14, black_level=(512,), orientation=6)
    for ratio in (1.0, 4.0):
        image = raw_image.develop_with_libraw(path, ratio=ratio, curve="srgb") / 65535
        assert image.shape == (32, 32, 3)
        expected = 1.055 * (ratio * light) ** (1 / 2.4) - 0.055
        np.testing.assert_allclose(image[8:-8, 8:-8], expected, atol=1e-3)
    bt709 = 1.099 * light**0.45 - 0.099
    np.testing.assert_allclose(
        raw_image.develop_with_libraw(path)[8:-8, 8:-8] / 65535, bt709, atol=1e-3
    )


def test_the_ratio_is_that_of_times_and_sensitivities():
    dark = raw_image.RawMetadata("RGGB", (4, 4), (0,) * 4, (1,) * 4, exposure_time=0.1, iso=200)
    bright = raw_image.RawMetadata("RGGB", (4, 4), (0,) * 4, (1,) * 4, exposure_time=10, iso=400)
    unknown = raw_image.RawMetadata("RGGB", (4, 4), (0,) * 4, (1,) * 4, exposure_time=10)
    assert raw_image.exposure_ratio(dark, bright) == pytest.approx(200)
    assert raw_image.exposure_ratio(dark, unknown) == pytest.approx(100)
    assert raw_image.exposure_ratio(unknown, dark) == pytest.approx(0.01)


def test_the_ratio_is_capped_unless_it_is_told_not_to():
    assert raw_image.cap_ratio(303.03) == 300
    assert raw_image.cap_ratio(303.03, None) == 303.03
    for wrong in (0, -1, float("nan"), float("inf")):
        with pytest.raises(UsageError, match=r"`ratio` must be a positive number"):
            raw_image.cap_ratio(wrong)


def test_a_ratio_without_a_time_is_refused():
    shot = raw_image.RawMetadata("RGGB", (4, 4), (0,) * 4, (1,) * 4)
    with pytest.raises(UsageError, match=r"exposure time .* unknown. Give the ratio"):
        raw_image.exposure_ratio(shot, shot)


def test_what_a_net_is_shown_is_balanced_amplified_and_ends_at_white():
    shot = raw_image.RawMetadata("RGGB", (2, 2), (0,) * 4, (1,) * 4, camera_wb=(2, 1, 1.5))
    light = np.float32([[0.002, 0.001, 0.001, 0.002], [1, 1, 1, 1]])
    shown = raw_image.amplify(light, shot, 100)
    np.testing.assert_allclose(shown, [[0.4, 0.1, 0.1, 0.3], [1, 1, 1, 1]], rtol=1e-6)
    assert shown.dtype == np.float32


def test_cut_off_light_is_white_though_a_gain_is_below_one(tmp_path):
    gains = (0.8, 1, 1.2)
    path = tmp_path / "white.dng"
    for light, shown in ((0.1, [0.1, 0.125, 0.125, 0.15]), (1.0, [1, 1, 1, 1])):
        digits = np.full((32, 32), round(light * 16383), np.uint16)
        dng.write(path, digits, "RGGB", bit_depth=14, camera_wb=gains, black_level=(0,))
        picture = raw_image.read_raw(path, black_level=0)
        seen = raw_image.amplify(picture.packed, picture.metadata, 1)
        np.testing.assert_allclose(seen[4, 4], shown, atol=1e-3)
        developed = raw_image.develop_with_libraw(path, curve="srgb")[16, 16] / 65535
        np.testing.assert_allclose(color.to_linear(developed.max()), max(shown), atol=2e-3)


def test_a_file_without_black_level_is_refused_unless_one_is_given(tmp_path, digits):
    path = tmp_path / "shot.dng"
    dng.write(path, digits, "RGGB", bit_depth=14)
    with pytest.raises(UsageError, match=r"shot\.dng contains no black level.*--black"):
        raw_image.read_raw(path)
    assert raw_image.read_raw(path, black_level=512).metadata.black_level == (512,) * 4
    assert raw_image.read_raw(path, black_level=0).metadata.black_level == (0,) * 4
    with pytest.raises(UsageError, match=r"black must be below white. Received: black .*20000"):
        raw_image.read_raw(path, black_level=20000)


def test_other_color_filters_are_refused(tmp_path, digits):
    path = tmp_path / "shot.dng"
    dng.write(path, digits, "GMCY", bit_depth=14, black_level=(512,))
    with pytest.raises(UsageError, match=r"shot\.dng has color filters that are neither"):
        raw_image.read_raw(path)
    mosaic_tag, linear = (struct.pack("<HHIHH", 262, 3, 1, kind, 0) for kind in (dng.CFA, 34892))
    whole = dng.encode(digits, "RGGB", bit_depth=16, black_level=(512,))
    path.write_bytes(whole.replace(mosaic_tag, linear))  # a sensor without color filters
    with pytest.raises(UsageError, match=r"neither Bayer's nor X-Trans's \(1 colors"):
        raw_image.read_raw(path)
    dng.write(path, digits, "RGBG", bit_depth=14, black_level=(512,))
    with pytest.raises(UsageError, match=r"shot\.dng: The color filters must be Bayer's"):
        raw_image.read_raw(path)


@pytest.mark.parametrize("name", ["photo.jpg", "photo.png", "photo.tif"])
def test_a_picture_is_no_raw_file(tmp_path, rng, name):
    image_io.write_float_rgb(tmp_path / name, rng.random((32, 32, 3), dtype=np.float32))
    with pytest.raises(UsageError, match=rf"{name} is not a RAW file that LibRaw supports"):
        raw_image.read_raw(tmp_path / name)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_a_truncated_file_is_refused(tmp_path, rng, share):
    path = tmp_path / "shot.dng"
    whole = dng.encode(
        rng.integers(0, 2**14, (200, 300), dtype=np.uint16), "RGGB", black_level=(512,)
    )
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(UsageError, match=r"shot\.dng is truncated or damaged: .*Copy it again"):
        raw_image.read_raw(path)


def test_what_is_not_there_is_refused(tmp_path):
    with pytest.raises(UsageError, match=r"gone\.arw is no file"):
        raw_image.read_raw(tmp_path / "gone.arw")
    (tmp_path / "empty.arw").touch()
    with pytest.raises(UsageError, match=r"empty\.arw is"):
        raw_image.read_raw(tmp_path / "empty.arw")
    with pytest.raises(UsageError, match="`ratio` must be a positive number"):
        raw_image.develop_with_libraw(tmp_path / "gone.arw", ratio=0)


def test_digits_that_do_not_fit_are_not_written(digits):
    with pytest.raises(UsageError, match=r"below 2\^bit_depth"):
        dng.encode(digits, "RGGB", bit_depth=12)


def test_a_real_camera_s_file_is_read(shared):
    path = shared / "raw" / "kodak_dc50.kdc"
    if not path.is_file():
        pytest.skip("needs the real RAW file of ../shared/data, which is not here")
    with pytest.raises(UsageError, match="contains no black level"):
        raw_image.read_raw(path)
    picture = raw_image.read_raw(path, black_level=0)
    shot = picture.metadata
    assert (shot.cfa_pattern, shot.size, shot.iso) == ("GRBG", (512, 768), 84)
    assert shot.exposure_time == pytest.approx(0.00435)
    assert picture.raw_values.shape == (256, 385, 4)
    # Neighbours of one color are alike, those of two less so: the phase is right.
    light = picture.packed[:, 1:-1]
    greens = np.abs(light[..., 1] - light[..., 2]).mean()
    assert greens < np.abs(light[..., 0] - light[..., 3]).mean()
    assert raw_image.develop_with_libraw(path).shape == (512, 768, 3)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_lying_is_the_inverse_of_upright(rng, orientation):
    shot = raw_image.RawMetadata("RGGB", (4, 6), (0,) * 4, (1,) * 4, orientation=orientation)
    image = rng.random((4, 6, 3))
    np.testing.assert_array_equal(shot.undo_orientation(shot.orient(image)), image)


def test_the_size_is_that_of_the_upright_picture(tmp_path):
    digits = np.full((24, 26), 600, np.uint16)
    for orientation, size in ((1, (24, 26)), (8, (26, 24))):
        dng.write(tmp_path / "a.dng", digits, "RGGB", black_level=(512,), orientation=orientation)
        assert raw_image.read_raw_size(tmp_path / "a.dng") == size


@pytest.mark.parametrize("orientation", range(1, 9))
def test_libraw_turns_upright_as_we_do(rng, tmp_path, orientation):
    digits = rng.integers(600, 2**14, (32, 40), dtype=np.uint16)
    path = tmp_path / "a.dng"
    dng.write(path, digits, "RGGB", bit_depth=14, black_level=(512,), orientation=orientation)
    expected = raw_image.read_raw(path).metadata.orient(raw_image.develop_with_libraw(path))
    np.testing.assert_array_equal(raw_image.develop_with_libraw(path, upright=True), expected)
