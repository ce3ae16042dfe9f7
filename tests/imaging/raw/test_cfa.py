"""Every pattern is packed into the same channel order, and unpacked without loss."""

import numpy as np
import pytest

from lowlight_tf.checks import UsageError
from lowlight_tf.imaging.raw import cfa

XTRANS_PATTERNS = [
    "".join(np.roll(np.array(list(cfa.XTRANS)).reshape(6, 6), shift, (0, 1)).ravel())
    for shift in [(0, 0), (1, 0), (0, 1), (3, 0), (2, 4), (5, 5)]
]

# A mosaic of 4x4, whose values are row and column from 1, and its packed pixels.
MOSAIC = np.array([[11, 12, 13, 14], [21, 22, 23, 24], [31, 32, 33, 34], [41, 42, 43, 44]])
PACKED = {  # the first pixel (R, G1, G2, B), the last, and height and width
    # R G      complete cells from the corner
    # G B
    "RGGB": ([11, 12, 21, 22], [33, 34, 43, 44], (2, 2)),
    # G R      a column before the first (column 2 again), and one after the last (column 3 again)
    # B G
    "GRBG": ([12, 11, 22, 21], [14, 13, 24, 23], (2, 3)),
    # G B      a row before the first, and one after the last
    # R G
    "GBRG": ([21, 22, 11, 12], [43, 44, 33, 34], (3, 2)),
    # B G      both
    # G R
    "BGGR": ([22, 21, 12, 11], [44, 43, 34, 33], (3, 3)),
}


@pytest.mark.parametrize("pattern", cfa.BAYER_PATTERNS)
def test_bayer_is_packed_as_computed_by_hand(pattern):
    packed = cfa.pack(MOSAIC, pattern)
    first, last, size = PACKED[pattern]
    assert packed.shape == (*size, 4)
    assert packed[0, 0].tolist() == first
    if pattern == "GRBG":
        assert packed[0, 1].tolist() == [12, 13, 22, 23]  # a complete cell
        assert packed[0, 2].tolist() == last
    else:
        assert packed[-1, -1].tolist() == last


def test_each_channel_of_every_bayer_pattern_has_one_color():
    colors = np.zeros((4, 4, 3), np.uint8)
    colors[:] = [1, 2, 3]
    for pattern in cfa.BAYER_PATTERNS:
        packed = cfa.pack(cfa.mosaic(colors, pattern), pattern)
        assert (packed == [1, 2, 2, 3]).all()


def test_the_greens_are_ordered_by_the_rows_of_red_and_of_blue():
    assert cfa.pack_period(np.array([["B", "Gb"], ["Gr", "R"]]), "BGGR").tolist() == [
        *("R", "Gr", "Gb", "B")
    ]
    assert cfa.pack_period(np.array([["Gb", "B"], ["R", "Gr"]]), "GBRG").tolist() == [
        *("R", "Gr", "Gb", "B")
    ]


def test_x_trans_is_packed_as_computed_by_hand():
    # Values are row and column. Of the first cell (rows and columns 0 to 2) of
    #   R B G    the channels are the top row's R, G, B, the last column's R and B below it,
    #   G G R    and the remaining four greens.
    #   G G B
    raw_values = 10 * np.arange(6)[:, None] + np.arange(6)
    packed = cfa.pack(raw_values, cfa.XTRANS)
    assert packed.shape == (2, 2, 9)
    assert packed[0, 0].tolist() == [0, 2, 1, 12, 22, 10, 11, 20, 21]
    assert packed[0, 1].tolist() == [4, 5, 3, 25, 15, 13, 14, 23, 24]
    assert packed[1, 0].tolist() == [31, 32, 30, 52, 42, 40, 41, 50, 51]
    assert packed[1, 1].tolist() == [33, 35, 34, 45, 55, 43, 44, 53, 54]


@pytest.mark.parametrize("pattern", XTRANS_PATTERNS)
def test_each_channel_of_every_x_trans_pattern_has_one_color(pattern):
    colors = np.zeros((14, 13, 3), np.uint8)
    colors[:] = [1, 2, 3]
    packed = cfa.pack(cfa.mosaic(colors, pattern), pattern)
    assert (packed == [1, 2, 3, 1, 3, 2, 2, 2, 2]).all()
    assert "".join("?RGB"[value] for value in packed[0, 0]) == cfa.CHANNEL_COLORS[9]


@pytest.mark.parametrize("pattern", [*cfa.BAYER_PATTERNS, *XTRANS_PATTERNS])
@pytest.mark.parametrize("size", [(12, 18), (13, 17), (7, 6)])
def test_unpack_is_the_inverse_of_pack(rng, pattern, size):
    raw_values = rng.integers(0, 2**14, size, dtype=np.uint16)
    packed = cfa.pack(raw_values, pattern)
    assert packed.dtype == np.uint16
    np.testing.assert_array_equal(cfa.unpack(packed, pattern, size), raw_values)


@pytest.mark.parametrize("pattern", cfa.BAYER_PATTERNS)
def test_depth_to_space_restores_the_mosaic(rng, pattern):
    raw_values = rng.integers(0, 2**14, (9, 11), dtype=np.uint16)
    packed = cfa.pack(raw_values, pattern)
    height, width, _ = packed.shape
    large = packed.reshape(height, width, 2, 2).swapaxes(1, 2).reshape(2 * height, 2 * width)
    np.testing.assert_array_equal(large[cfa.crop_slices(raw_values.shape, pattern)], raw_values)


def test_gains_multiply_their_colors():
    packed = np.ones((1, 1, 4), np.float32)
    assert cfa.apply_white_balance(packed, (2, 1, 3)).tolist() == [[[2, 1, 1, 3]]]
    nine = cfa.apply_white_balance(np.ones((1, 1, 9), np.float32), (2, 1, 3))
    assert nine.tolist() == [[[2, 1, 3, 2, 3, 1, 1, 1, 1]]]
    assert nine.dtype == np.float32


@pytest.mark.parametrize("pattern", ["RGBG", "RRGB", "CMYG", "", "G" * 36])
def test_other_patterns_are_refused(pattern):
    for refused in (
        lambda: cfa.pack(MOSAIC, pattern),
        lambda: cfa.pattern_offset(pattern),
        lambda: cfa.mosaic(np.zeros((6, 6, 3)), pattern),
    ):
        with pytest.raises(UsageError, match=r"must be Bayer's \(RGGB, .*\) or X-Trans's"):
            refused()


def test_small_mosaics_and_wrong_channels_are_refused():
    with pytest.raises(UsageError, match=r"at least 6x6 pixels. Received: 4x4"):
        cfa.pack(MOSAIC, cfa.XTRANS)
    with pytest.raises(UsageError, match=r"packed into 9 channels. Received: 4"):
        cfa.unpack(np.zeros((2, 2, 4)), cfa.XTRANS, (6, 6))
