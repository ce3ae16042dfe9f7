"""TIFF files are read as tifffile and Pillow read them, whatever their layout, or refused."""

import io
import itertools

import numpy as np
import pytest
import tifffile
from PIL import Image

from lowlight_tf.checks import UsageError
from lowlight_tf.imaging import image_io
from tests.tiffs import encode_tiff, join_pages

SIZE = 13, 21  # odd, so that rows of bits end inside bytes
COMPRESSIONS = (1, 5, 8, 32946, 34925, 32773)


def draw(rng, channels, dtype=np.uint8, bits=None):
    """Return random samples, (13, 21, channels), with black and white among them."""
    white = 2 ** (bits or 8 * np.dtype(dtype).itemsize) - 1
    samples = rng.integers(0, white, (*SIZE, channels), dtype, endpoint=True)
    samples[0, :2] = [[0], [white]]
    return samples


def load(tmp_path, content):
    """Return the file's pixels as one array: (H, W), (H, W, 2), (H, W, 3) or (H, W, 4)."""
    (tmp_path / "x.tif").write_bytes(content)
    loaded = image_io.load_image(tmp_path / "x.tif")
    pixels = loaded.pixels[..., :1] if loaded.gray else loaded.pixels
    if loaded.gray:
        assert (loaded.pixels == pixels).all()
    return pixels if loaded.alpha is None else np.dstack([pixels, loaded.alpha])


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("compression", COMPRESSIONS)
@pytest.mark.parametrize("order", "<>")
def test_every_layout_is_read_as_it_was_written(tmp_path, rng, channels, dtype, compression, order):
    samples = draw(rng, channels, dtype)
    predictors = (1, 2) if compression not in (1, 32773) else (1,)
    layouts = itertools.product(predictors, (False, True), (None, (16, 16)), (False, True))
    for predictor, planar, tile, reverse in layouts:
        content = encode_tiff(
            samples,
            extra=(2,) if channels in (2, 4) else (),
            compression=compression,
            predictor=predictor,
            planar=planar and channels > 1,
            tile=tile,
            order=order,
            reverse=reverse,
        )
        # tifffile reads LZW only with another package, and 16 reversed bits in another order.
        if compression != 5 and not (reverse and (dtype == np.uint16 or predictor == 2)):
            stored = (
                tifffile.imread(io.BytesIO(content)).reshape(channels, *SIZE)
                if (planar and channels > 1)
                else tifffile.imread(io.BytesIO(content)).reshape(samples.shape)
            )
            stored = stored.transpose(1, 2, 0) if planar and channels > 1 else stored
            np.testing.assert_array_equal(stored, samples)
        read = load(tmp_path, content)
        assert read.dtype == dtype
        np.testing.assert_array_equal(read, samples, f"{predictor=} {planar=} {tile=} {reverse=}")


@pytest.mark.parametrize("bigtiff", [False, True])
@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("planar", ["contig", "separate"])
@pytest.mark.parametrize("compression", [None, "zlib", "lzma"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_what_tifffile_writes_is_read(tmp_path, rng, bigtiff, order, planar, compression, dtype):
    samples = draw(rng, 3, dtype)
    for predictor, tile in itertools.product(
        (None, 2) if compression else (None,), (None, (16, 32))
    ):
        stored = samples.transpose(2, 0, 1).copy() if planar == "separate" else samples
        content = io.BytesIO()
        tifffile.imwrite(
            content, stored, bigtiff=bigtiff, byteorder=order, planarconfig=planar,
            photometric="rgb", compression=compression, predictor=predictor, tile=tile,
            metadata=None,
        )  # fmt: skip
        np.testing.assert_array_equal(load(tmp_path, content.getvalue()), samples)


@pytest.mark.parametrize("bits", range(1, 17))
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_bits_are_stretched_to_8_or_16(tmp_path, rng, bits, channels):
    dtype = np.uint8 if bits <= 8 else np.uint16
    samples = draw(rng, channels, dtype, bits)
    top = np.iinfo(dtype).max
    for planar, tile, compression in itertools.product((False, True), (None, (16, 16)), (1, 5, 8)):
        content = encode_tiff(
            samples, bits=bits, extra=(2,) if channels in (2, 4) else (), tile=tile,
            planar=planar and channels > 1, compression=compression,
        )  # fmt: skip
        expected = np.rint(samples * (top / (2**bits - 1))).astype(dtype)
        np.testing.assert_array_equal(load(tmp_path, content), expected)


@pytest.mark.parametrize("bits", [1, 4, 8, 12, 16])
def test_min_is_white_is_inverted(tmp_path, rng, bits):
    samples = draw(rng, 1, np.uint8 if bits <= 8 else np.uint16, bits)
    inverted = 2**bits - 1 - samples
    np.testing.assert_array_equal(
        load(tmp_path, encode_tiff(inverted, bits=bits, photometric=0)),
        load(tmp_path, encode_tiff(samples, bits=bits, photometric=1)),
    )


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
@pytest.mark.parametrize("scale", [1, 257])
def test_palettes_are_applied(tmp_path, rng, bits, scale):
    indices = draw(rng, 1, np.uint8, bits)
    colors = rng.integers(0, 256, (2**bits, 3))
    tags = [(320, (colors.T * scale).ravel().tolist())]
    for compression in (1, 5):
        content = encode_tiff(indices, bits=bits, photometric=3, tags=tags, compression=compression)
        np.testing.assert_array_equal(load(tmp_path, content), colors[indices[..., 0]])


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [2, 4])
def test_straight_alpha_leaves_colors_and_premultiplied_alpha_is_divided_out(
    tmp_path, rng, dtype, channels
):
    straight, top = draw(rng, channels, dtype), int(np.iinfo(dtype).max)
    straight[..., -1] = rng.choice([1, top // 3, top], SIZE)
    straight[5, 5] = 0
    alpha = straight[..., -1:] / top
    multiplied = straight.copy()
    multiplied[..., :-1] = np.rint(straight[..., :-1] * alpha)
    for kind in (0, 2):
        content = encode_tiff(straight, extra=(kind,))
        np.testing.assert_array_equal(load(tmp_path, content), straight)
    read = load(tmp_path, encode_tiff(multiplied, extra=(1,)))
    np.testing.assert_array_equal(read[..., -1], straight[..., -1])
    np.testing.assert_allclose(
        np.rint(read[..., :-1] * alpha), multiplied[..., :-1], atol=0, err_msg="multiplied again"
    )
    solid = straight[..., -1] == top
    np.testing.assert_array_equal(read[solid], straight[solid])


PLAIN = (None, "tiff_lzw", "tiff_adobe_deflate", "packbits")
PILLOW_MODES = {
    "1": (*PLAIN, "group3", "group4", "tiff_ccitt"),
    **dict.fromkeys(("L", "RGB", "YCbCr"), (*PLAIN, "jpeg")),
    **dict.fromkeys(("LA", "P", "RGBA", "RGBX", "I;16"), PLAIN),
}


@pytest.mark.parametrize(
    ("mode", "compression"), [(mode, each) for mode in PILLOW_MODES for each in PILLOW_MODES[mode]]
)
def test_what_pillow_writes_is_read_as_pillow_reads_it(tmp_path, rng, mode, compression):
    smooth = np.add.outer(np.arange(13) * 9, np.arange(21) * 5)[..., None] + np.array([0, 20, 40])
    image = Image.fromarray(smooth.astype(np.uint8))
    if mode == "I;16":
        image = Image.fromarray(draw(rng, 1, np.uint16)[..., 0])
    elif mode in ("RGBA", "RGBX", "LA"):
        image = image.convert("RGBA")
        image.putalpha(Image.fromarray(draw(rng, 1)[..., 0]))
        image = (
            image.convert(mode)
            if mode == "LA"
            else Image.frombytes(mode, image.size, image.tobytes())
        )
    else:
        image = image.convert(mode)
    content = io.BytesIO()
    image.save(content, "TIFF", compression=compression)
    with Image.open(content) as opened:
        opened.load()
        kinds = {"1": "L", "P": "RGB", "YCbCr": "RGB"}
        expected = np.asarray(opened.convert(kinds.get(opened.mode, opened.mode)))
    if mode == "RGBX":  # Pillow drops what is stored behind the colors; here it counts as alpha
        expected = np.asarray(image)
    read = load(tmp_path, content.getvalue()).squeeze()
    difference = np.abs(read.astype(int) - expected).max()
    assert difference <= (1 if mode == "YCbCr" else 0)  # converted by other constants


@pytest.mark.parametrize(
    ("channels", "dtype", "options", "reason"),
    [
        (1, np.float32, {}, "holds floats of 32 bits"),
        (3, np.float16, {}, "holds floats of 16 bits"),
        (1, np.float64, {"compression": 8}, "holds floats of 64 bits"),
        (3, np.float32, {"compression": 8, "predictor": 3}, "holds floats of 32 bits"),
        (1, np.complex64, {}, "holds complex floats of 64 bits"),
        (1, np.int16, {}, "holds signed integers of 16 bits"),
        (3, np.int8, {}, "holds signed integers of 8 bits"),
        (1, np.uint32, {}, "holds integers of 32 bits"),
        (3, np.uint32, {}, "holds integers of 32 bits"),
        (5, np.uint8, {"extra": (2, 0)}, "has 5 channels"),
        (9, np.uint8, {"photometric": 1, "extra": (0,) * 8}, "has 9 gray channels"),
        (3, np.uint16, {"photometric": 1, "extra": (0, 0), "planar": True}, "has 3 gray channels"),
        (2, np.uint8, {"photometric": 2}, "has 2 channels"),
        (4, np.uint8, {"photometric": 5}, "is CMYK"),
        (3, np.uint8, {"photometric": 8}, "is CIELAB"),
        (3, np.uint8, {"photometric": 9}, "is ICC Lab"),
        (1, np.uint16, {"photometric": 32803}, "is a mosaic of color filters"),
        (1, np.uint8, {"bits": 1, "photometric": 4}, "is a transparency mask"),
        (3, np.uint8, {"photometric": 77}, "is of color model 77"),
        (3, np.uint8, {"predictor": 2}, "is a TIFF of predictor 2"),
        (3, np.uint8, {"tags": [(317, (3,))], "compression": 8}, "is a TIFF of predictor 3"),
        (1, np.uint16, {"bits": 12, "predictor": 2, "compression": 8}, "is a TIFF of predictor 2"),
        (3, np.uint8, {"tags": [(258, (8, 8, 4))]}, "has channels of different bits"),
        (3, np.uint8, {"tags": [(339, (1, 1, 3))]}, "has channels of different formats"),
        (1, np.uint8, {"photometric": 3}, "is damaged: a TIFF palette of a wrong size"),
        (3, np.uint8, {"tags": [(257, (14000,))]}, "is truncated or damaged"),
        (
            3,
            np.uint8,
            {"tags": [(256, (2**20,)), (257, (2**20,)), (278, (2**20,))]},
            "Expected 1 to 2\\^30",
        ),
        (3, np.uint16, {"photometric": 6}, "is a TIFF of YCbCr of 16 bits"),
    ],
)
@pytest.mark.parametrize("order", "<>")
def test_what_is_not_read_is_refused_by_its_reason(
    tmp_path, rng, channels, dtype, options, reason, order
):
    if np.dtype(dtype).kind == "u":
        samples = draw(rng, channels, dtype, options.get("bits"))
    else:
        samples = (100 * rng.random((*SIZE, channels))).astype(dtype)
    with pytest.raises(UsageError, match=reason):
        load(tmp_path, encode_tiff(samples, order=order, **options))


@pytest.mark.parametrize("old", [False, True])
def test_a_thumbnail_before_the_image_is_skipped(tmp_path, rng, old):
    samples, small = draw(rng, 3), draw(rng, 3)[:4, :5]
    reduced = encode_tiff(small, tags=[(255, [2])] if old else [(254, [1])])
    mask = encode_tiff(draw(rng, 1, np.uint8, 1), bits=1, photometric=4, tags=[(254, [4])])
    for compression in (1, 8):  # as decoded here, and by OpenCV
        full = encode_tiff(samples, compression=compression)
        np.testing.assert_array_equal(load(tmp_path, join_pages([reduced, mask, full])), samples)
        np.testing.assert_array_equal(load(tmp_path, join_pages([full, reduced])), samples)


def test_tiles_that_a_sparse_file_leaves_out_are_black(tmp_path, rng):
    samples = draw(rng, 3)
    content = encode_tiff(samples, tile=(16, 16), tags=[])
    length = 16 * 16 * 3
    content = content.replace(
        length.to_bytes(4, "little") * 2, length.to_bytes(4, "little") + bytes(4)
    )
    expected = samples.copy()
    expected[:, 16:] = 0
    np.testing.assert_array_equal(load(tmp_path, content), expected)


@pytest.mark.parametrize("compression", COMPRESSIONS)
@pytest.mark.parametrize("planar", [False, True])
def test_a_strip_that_is_too_short_is_refused(tmp_path, rng, compression, planar):
    content = encode_tiff(draw(rng, 3, np.uint16), compression=compression, planar=planar)
    with pytest.raises(UsageError, match="damaged"):
        load(tmp_path, content[:-40])


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.int16, np.uint32])
@pytest.mark.parametrize("order", "<>")
def test_measurements_are_read_as_stored(tmp_path, rng, dtype, order):
    values = (400 * rng.random((*SIZE, 1))).astype(dtype)
    predictors = (1, 2, 3) if np.dtype(dtype).kind == "f" else (1, 2)
    for predictor, tile in itertools.product(predictors, (None, (16, 16))):
        for compression in (5, 8) if predictor > 1 else COMPRESSIONS:
            content = encode_tiff(
                values, compression=compression, predictor=predictor, tile=tile, order=order
            )
            (tmp_path / "x.tif").write_bytes(content)
            read = image_io.load_measurements(tmp_path / "x.tif")
            np.testing.assert_array_equal(read, values.astype(np.float32))


def test_measurements_are_turned_upright_and_images_are_none(tmp_path, rng):
    values = rng.random((*SIZE, 1)).astype(np.float32)
    (tmp_path / "x.tif").write_bytes(encode_tiff(values, tags=[(274, [6])]))
    read = image_io.load_measurements(tmp_path / "x.tif")
    np.testing.assert_array_equal(read, np.rot90(values, -1))
    (tmp_path / "x.tif").write_bytes(encode_tiff(draw(rng, 1, np.uint16)))
    assert image_io.load_measurements(tmp_path / "x.tif") is None
