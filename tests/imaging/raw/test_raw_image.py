"""RAW files of every CFA pattern are read as written, and other files are refused."""

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
def raw_values(rng):
    """A mosaic of 14-bit raw values."""
    return rng.integers(600, 2**14, (26, 30), dtype=np.uint16)


@pytest.fixture
def read_dng(tmp_path):
    """Return a function: arguments of dng.encode -> the RAW image read from that DNG file."""

    def write_and_read(*args, **metadata):
        path = tmp_path / "image.dng"
        dng.write(path, *args, **{"bit_depth": 14, "black_level": (512,)} | metadata)
        return raw_image.read_raw(path)

    return write_and_read


@pytest.mark.parametrize("pattern", [*cfa.BAYER_PATTERNS, cfa.XTRANS])
@pytest.mark.parametrize("bits", [12, 14, 16])
def test_raw_values_survive_a_round_trip(read_dng, rng, pattern, bits):
    raw_values = rng.integers(0, 2**bits, (26, 30), dtype=np.uint16)
    image = read_dng(raw_values, pattern, bit_depth=bits, black_level=(64,))
    assert (image.metadata.cfa_pattern, image.metadata.size) == (pattern, (26, 30))
    np.testing.assert_array_equal(cfa.unpack(image.raw_values, pattern, (26, 30)), raw_values)
    assert image.raw_values.dtype == np.uint16
    side = cfa.packing_factor(pattern)
    assert image.metadata.black_level == (64.0,) * side**2
    assert image.metadata.white_level == (2.0**bits - 1,) * side**2


@pytest.mark.parametrize("pattern", cfa.BAYER_PATTERNS)
def test_black_levels_are_per_channel(read_dng, pattern):
    # In the order of the pattern: 100 for red, 110 and 120 for the greens, 130 for blue.
    red_and_blue = {"R": 100, "B": 130}
    greens = {True: 110, False: 120}  # in the rows of red, in those of blue
    black = [
        red_and_blue.get(color, greens["R" in row])
        for row in (pattern[:2], pattern[2:])
        for color in row
    ]
    raw_values = np.tile(np.array(black, np.uint16).reshape(2, 2), (12, 15))
    image = read_dng(raw_values, pattern, black_level=black)
    assert image.metadata.black_level == (100, 110, 120, 130)
    assert (image.packed == 0).all()
    assert (read_dng(raw_values + 1, pattern, black_level=black).packed > 0).all()


def test_light_is_normalized_between_black_and_white(read_dng):
    raw_values = np.array([[512, 511], [2512, 4512]], np.uint16)
    image = read_dng(np.tile(raw_values, (12, 12)), "RGGB", white_level=4512)
    assert image.packed.dtype == np.float32
    np.testing.assert_array_equal(image.packed[0, 0], np.float32([0, 0, 0.5, 1]))


def test_white_levels_of_the_camera_take_precedence():
    assert raw_image.channel_white_levels(None, 16300) == [16300] * 4
    assert raw_image.channel_white_levels([15360, 15361, 0, 15363], 16300) == [
        15360,
        15361,
        16300,
        15363,
    ]


def test_metadata_are_read(read_dng, raw_values):
    metadata = read_dng(
        raw_values,
        "RGGB",
        camera_wb=(2, 1, 1.5),
        xyz_to_camera=FROM_XYZ,
        exposure_time=0.1,
        iso=1600,
        orientation=6,
    ).metadata
    np.testing.assert_allclose(metadata.camera_wb, (2, 1, 1.5), rtol=1e-5)
    np.testing.assert_allclose(
        metadata.color_matrix, raw_image.compute_color_matrix(FROM_XYZ), atol=1e-4
    )
    np.testing.assert_allclose(np.sum(metadata.color_matrix, axis=1), 1, atol=1e-5)
    assert (round(metadata.exposure_time, 6), metadata.iso, metadata.orientation) == (0.1, 1600, 6)
    assert raw_image.RawMetadata.from_dict(json.loads(json.dumps(metadata.__dict__))) == metadata


def test_metadata_written_by_version_0_1_0_are_read():
    old = {"phase": "GRBG", "size": [4, 6], "black": [64] * 4, "white": [4095] * 4}
    old |= {"wb": [2, 1, 1.5], "matrix": np.eye(3).tolist(), "exposure": 0.1, "iso": 200}
    assert raw_image.RawMetadata.from_dict(old) == raw_image.RawMetadata(
        "GRBG", (4, 6), (64,) * 4, (4095,) * 4, (2, 1, 1.5), exposure_time=0.1, iso=200
    )


def test_missing_metadata_have_defaults(read_dng, raw_values):
    metadata = read_dng(raw_values, "RGGB").metadata
    assert (metadata.exposure_time, metadata.iso, metadata.orientation) == (None, None, 1)
    assert metadata.camera_wb == (1, 1, 1)
    np.testing.assert_array_equal(metadata.color_matrix, np.eye(3))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("pattern", ["RGGB", "BGGR"])
def test_outputs_are_cropped_and_oriented(read_dng, rng, tmp_path, orientation, pattern):
    metadata = read_dng(
        np.full((24, 26), 600, np.uint16), pattern, orientation=orientation
    ).metadata
    image = rng.random((24, 26, 3), dtype=np.float32)
    top, left = cfa.pattern_offset(pattern)
    padded = np.pad(image, ((top, top), (left, left), (0, 0)), constant_values=9)
    # tests/imaging/test_image_io.py compares these transforms to Pillow's.
    transform = image_io.EXIF_TRANSFORMS.get(orientation, lambda image: image)
    np.testing.assert_array_equal(metadata.crop_and_orient(padded), transform(image))


def test_libraw_develops_gray_by_the_formula(tmp_path):
    # Flat gray: no demosaicing is involved. (d - black) / (white - black) x gain, through sRGB.
    path = tmp_path / "gray.dng"
    light = 0.1
    raw_values = np.full((32, 32), round(512 + light * (16383 - 512)), np.uint16)
    dng.write(path, raw_values, "RGGB", bit_depth=14, black_level=(512,), orientation=6)
    for ratio in (1.0, 4.0):
        image = raw_image.develop_with_libraw(path, ratio=ratio, curve="srgb") / 65535
        assert image.shape == (32, 32, 3)
        expected = 1.055 * (ratio * light) ** (1 / 2.4) - 0.055
        np.testing.assert_allclose(image[8:-8, 8:-8], expected, atol=1e-3)
    bt709 = 1.099 * light**0.45 - 0.099
    np.testing.assert_allclose(
        raw_image.develop_with_libraw(path)[8:-8, 8:-8] / 65535, bt709, atol=1e-3
    )


def test_the_exposure_ratio_is_that_of_time_and_iso():
    dark = raw_image.RawMetadata("RGGB", (4, 4), (0,) * 4, (1,) * 4, exposure_time=0.1, iso=200)
    bright = raw_image.RawMetadata("RGGB", (4, 4), (0,) * 4, (1,) * 4, exposure_time=10, iso=400)
    unknown = raw_image.RawMetadata("RGGB", (4, 4), (0,) * 4, (1,) * 4, exposure_time=10)
    assert raw_image.exposure_ratio(dark, bright) == pytest.approx(200)
    assert raw_image.exposure_ratio(dark, unknown) == pytest.approx(100)
    assert raw_image.exposure_ratio(unknown, dark) == pytest.approx(0.01)


def test_the_ratio_is_capped_by_default():
    assert raw_image.cap_ratio(303.03) == 300
    assert raw_image.cap_ratio(303.03, None) == 303.03
    for wrong in (0, -1, float("nan"), float("inf")):
        with pytest.raises(UsageError, match=r"`ratio` must be a positive number"):
            raw_image.cap_ratio(wrong)


def test_an_unknown_exposure_time_is_refused():
    metadata = raw_image.RawMetadata("RGGB", (4, 4), (0,) * 4, (1,) * 4)
    with pytest.raises(UsageError, match=r"exposure time .* unknown. Pass --exposure-ratio"):
        raw_image.exposure_ratio(metadata, metadata)


def test_amplified_light_is_white_balanced_and_clipped_at_white():
    metadata = raw_image.RawMetadata("RGGB", (2, 2), (0,) * 4, (1,) * 4, camera_wb=(2, 1, 1.5))
    light = np.float32([[0.002, 0.001, 0.001, 0.002], [1, 1, 1, 1]])
    amplified = raw_image.amplify(light, metadata, 100)
    np.testing.assert_allclose(amplified, [[0.4, 0.1, 0.1, 0.3], [1, 1, 1, 1]], rtol=1e-6)
    assert amplified.dtype == np.float32


def test_clipped_light_stays_white_with_a_gain_below_one(tmp_path):
    gains = (0.8, 1, 1.2)
    path = tmp_path / "white.dng"
    for light, expected in ((0.1, [0.1, 0.125, 0.125, 0.15]), (1.0, [1, 1, 1, 1])):
        raw_values = np.full((32, 32), round(light * 16383), np.uint16)
        dng.write(path, raw_values, "RGGB", bit_depth=14, camera_wb=gains, black_level=(0,))
        image = raw_image.read_raw(path, black_level=0)
        amplified = raw_image.amplify(image.packed, image.metadata, 1)
        np.testing.assert_allclose(amplified[4, 4], expected, atol=1e-3)
        developed = raw_image.develop_with_libraw(path, curve="srgb")[16, 16] / 65535
        np.testing.assert_allclose(color.to_linear(developed.max()), max(expected), atol=2e-3)


def test_a_file_without_black_level_is_refused_unless_one_is_given(tmp_path, raw_values):
    path = tmp_path / "image.dng"
    dng.write(path, raw_values, "RGGB", bit_depth=14)
    with pytest.raises(UsageError, match=r"image\.dng contains no black level.*--black-level"):
        raw_image.read_raw(path)
    assert raw_image.read_raw(path, black_level=512).metadata.black_level == (512,) * 4
    assert raw_image.read_raw(path, black_level=0).metadata.black_level == (0,) * 4
    with pytest.raises(UsageError, match=r"black must be below white. Received: black .*20000"):
        raw_image.read_raw(path, black_level=20000)


def test_other_color_filters_are_refused(tmp_path, raw_values):
    path = tmp_path / "image.dng"
    dng.write(path, raw_values, "GMCY", bit_depth=14, black_level=(512,))
    with pytest.raises(UsageError, match=r"image\.dng has color filters of 4 colors"):
        raw_image.read_raw(path)
    mosaic_tag, linear = (struct.pack("<HHIHH", 262, 3, 1, kind, 0) for kind in (dng.CFA, 34892))
    content = dng.encode(raw_values, "RGGB", bit_depth=16, black_level=(512,))
    path.write_bytes(content.replace(mosaic_tag, linear))  # a sensor without color filters
    with pytest.raises(
        UsageError, match=r"no color filters, not a mosaic of Bayer.*--model of images"
    ):
        raw_image.read_raw(path)
    dng.write(path, raw_values, "RGBG", bit_depth=14, black_level=(512,))
    with pytest.raises(UsageError, match=r"image\.dng: The color filters must be Bayer's"):
        raw_image.read_raw(path)


@pytest.mark.parametrize("name", ["photo.jpg", "photo.png", "photo.tif"])
def test_an_image_file_is_refused(tmp_path, rng, name):
    image_io.write_float_rgb(tmp_path / name, rng.random((32, 32, 3), dtype=np.float32))
    with pytest.raises(UsageError, match=rf"{name} is not a RAW file that LibRaw supports"):
        raw_image.read_raw(tmp_path / name)


@pytest.mark.parametrize("fraction", [0.1, 0.5, 0.99])
def test_a_truncated_file_is_refused(tmp_path, rng, fraction):
    path = tmp_path / "image.dng"
    content = dng.encode(
        rng.integers(0, 2**14, (200, 300), dtype=np.uint16), "RGGB", black_level=(512,)
    )
    path.write_bytes(content[: int(fraction * len(content))])
    with pytest.raises(UsageError, match=r"image\.dng is truncated or damaged: .*Copy it again"):
        raw_image.read_raw(path)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(UsageError, match=r"gone\.arw is no file"):
        raw_image.read_raw(tmp_path / "gone.arw")
    (tmp_path / "empty.arw").touch()
    with pytest.raises(UsageError, match=r"empty\.arw is"):
        raw_image.read_raw(tmp_path / "empty.arw")
    with pytest.raises(UsageError, match="`ratio` must be a positive number"):
        raw_image.develop_with_libraw(tmp_path / "gone.arw", ratio=0)


def test_raw_values_beyond_the_bit_depth_are_refused(raw_values):
    with pytest.raises(UsageError, match=r"below 2\^bit_depth"):
        dng.encode(raw_values, "RGGB", bit_depth=12)


def test_a_real_raw_file_is_read(shared):
    path = shared / "raw" / "kodak_dc50.kdc"
    if not path.is_file():
        pytest.skip("needs the real RAW file of ../shared/data, which is not here")
    with pytest.raises(UsageError, match="contains no black level"):
        raw_image.read_raw(path)
    image = raw_image.read_raw(path, black_level=0)
    metadata = image.metadata
    assert (metadata.cfa_pattern, metadata.size, metadata.iso) == ("GRBG", (512, 768), 84)
    assert metadata.exposure_time == pytest.approx(0.00435)
    assert image.raw_values.shape == (256, 385, 4)
    # Neighbours of one color differ less than those of two: the pattern is right.
    light = image.packed[:, 1:-1]
    greens = np.abs(light[..., 1] - light[..., 2]).mean()
    assert greens < np.abs(light[..., 0] - light[..., 3]).mean()
    assert raw_image.develop_with_libraw(path).shape == (512, 768, 3)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_undo_orientation_is_the_inverse_of_orient(rng, orientation):
    metadata = raw_image.RawMetadata("RGGB", (4, 6), (0,) * 4, (1,) * 4, orientation=orientation)
    image = rng.random((4, 6, 3))
    np.testing.assert_array_equal(metadata.undo_orientation(metadata.orient(image)), image)


def test_the_size_is_that_of_the_upright_image(tmp_path):
    raw_values = np.full((24, 26), 600, np.uint16)
    for orientation, size in ((1, (24, 26)), (8, (26, 24))):
        dng.write(
            tmp_path / "a.dng", raw_values, "RGGB", black_level=(512,), orientation=orientation
        )
        assert raw_image.read_raw_size(tmp_path / "a.dng") == size


@pytest.mark.parametrize("orientation", range(1, 9))
def test_libraw_orients_as_orient_does(rng, tmp_path, orientation):
    raw_values = rng.integers(600, 2**14, (32, 40), dtype=np.uint16)
    path = tmp_path / "a.dng"
    dng.write(path, raw_values, "RGGB", bit_depth=14, black_level=(512,), orientation=orientation)
    expected = raw_image.read_raw(path).metadata.orient(raw_image.develop_with_libraw(path))
    np.testing.assert_array_equal(raw_image.develop_with_libraw(path, upright=True), expected)
