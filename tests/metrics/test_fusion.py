"""Entropies, information, contrast and correlation of fused pictures, worked out by hand."""

import math

import numpy as np
import pytest

from lowlight_tf.checks import UsageError
from lowlight_tf.metrics import fusion

BLACK = np.zeros((2, 2), np.uint8)
HALVES = np.uint8([[0, 255], [0, 255]])  # two levels, a half each: 1 bit
ROWS = np.uint8([[0, 0], [255, 255]])  # knows nothing of HALVES
QUARTERS = np.uint8([[0, 1], [2, 3]])  # four levels: 2 bits
ALONE = (
    fusion.entropy,
    fusion.standard_deviation,
    fusion.spatial_frequency,
    fusion.average_gradient,
)
OF_BOTH = (
    fusion.mutual_information,
    fusion.normalized_mutual_information,
    fusion.cross_entropy,
    fusion.source_mse,
    fusion.source_psnr,
    fusion.scd,
)


def noise(rng, count=3, size=(12, 17)):
    return rng.integers(0, 256, (count, *size), dtype=np.uint8)


@pytest.mark.parametrize(("picture", "bits"), [(BLACK, 0), (HALVES, 1), (QUARTERS, 2)])
def test_entropy_counts_bits(picture, bits):
    assert fusion.entropy(picture) == bits


def test_all_levels_once_have_eight_bits():
    assert fusion.entropy(np.arange(256, dtype=np.uint8).reshape(16, 16)) == 8


def test_entropy_of_unequal_shares():
    # A quarter and three quarters: 2/4 + 3/4 log2(4/3).
    assert fusion.entropy(np.uint8([[9, 5], [5, 5]])) == pytest.approx(0.811278, abs=1e-6)


def test_a_picture_tells_of_itself_its_entropy(rng):
    picture, *_ = noise(rng)
    twice = fusion.mutual_information(picture, picture, picture)
    assert twice == pytest.approx(2 * fusion.entropy(picture))


def test_a_copy_of_one_source_tells_nothing_of_an_independent_one():
    assert fusion.mutual_information(HALVES, ROWS, HALVES) == 1
    assert fusion.mutual_information(ROWS, ROWS, HALVES) == 0


def test_what_shows_both_sources_tells_a_bit_of_each():
    assert fusion.mutual_information(HALVES, ROWS, np.uint8([[0, 90], [60, 9]])) == 2


def test_information_needs_no_equal_levels():
    assert fusion.mutual_information(HALVES, ROWS, 255 - HALVES) == 1


def test_normalized_information_is_one_for_each_source_that_is_all_there():
    assert fusion.normalized_mutual_information(HALVES, HALVES, HALVES) == 2
    assert fusion.normalized_mutual_information(HALVES, ROWS, HALVES) == 1
    # One bit each, of entropies 1 and 2: 2 (1/3 + 1/3).
    both = fusion.normalized_mutual_information(HALVES, ROWS, QUARTERS)
    assert both == pytest.approx(4 / 3)


def test_normalized_information_of_flat_pictures_is_none():
    assert math.isnan(fusion.normalized_mutual_information(BLACK, HALVES, BLACK))


def test_cross_entropy_is_the_mean_divergence_of_the_histograms():
    # Shares of the source 3/4 and 1/4, of the fused picture a half each:
    # 3/4 log2(3/2) + 1/4 log2(1/2) = 0.188722; the other source has that picture's histogram.
    visible, infrared = np.uint8([[0, 0], [0, 255]]), ROWS
    found = fusion.cross_entropy(visible, infrared, HALVES)
    assert found == pytest.approx(0.188722 / 2, abs=1e-6)


def test_cross_entropy_leaves_out_levels_that_one_lacks():
    # Only 0 is in both: 1/2 log2((1/2) / 1).
    assert fusion.cross_entropy(HALVES, BLACK, BLACK) == pytest.approx(-0.25)
    assert fusion.cross_entropy(BLACK + 1, BLACK + 2, BLACK) == 0


def test_standard_deviation_is_that_of_all_pixels():
    assert fusion.standard_deviation(HALVES) == 127.5
    assert fusion.standard_deviation(np.uint8([[1, 3], [1, 3]])) == 1  # not 2 / sqrt(3)


def test_spatial_frequency_is_the_root_of_the_mean_squared_steps():
    assert fusion.spatial_frequency(np.uint8([[0, 3], [4, 7]])) == 5  # steps of 3 and of 4
    assert fusion.spatial_frequency(np.uint8([[0, 2, 2], [0, 2, 2]])) == math.sqrt(2)


def test_average_gradient_of_a_slope():
    rows, columns = np.mgrid[:5, :6]
    assert fusion.average_gradient(np.uint8(3 * columns)) == pytest.approx(3 / math.sqrt(2))
    slope = np.uint8(6 * columns + 8 * rows)
    assert fusion.average_gradient(slope) == pytest.approx(10 / math.sqrt(2))


def test_average_gradient_takes_central_differences():
    # Along the row 0, 8, 0: 8, 0, -8, not 8 and 8.
    found = fusion.average_gradient(np.uint8([[0, 8, 0], [0, 8, 0]]))
    assert found == pytest.approx(16 / 3 / math.sqrt(2))


def test_error_is_the_mean_of_both_in_units_of_white():
    assert fusion.source_mse(BLACK, BLACK + 255, BLACK) == 0.5
    assert fusion.source_mse(BLACK, BLACK + 51, BLACK) == pytest.approx(0.2**2 / 2)


def test_noise_ratio_of_both_has_its_peak_at_255():
    # Errors of 10 and 0 levels: a mean of 50.
    found = fusion.source_psnr(BLACK, BLACK + 10, BLACK + 10)
    assert found == pytest.approx(10 * math.log10(255**2 / 50))
    assert fusion.source_psnr(BLACK, BLACK, BLACK) == math.inf


def test_the_seed_takes_255_for_the_peak_of_levels_in_0_to_1(rng):
    pictures = noise(rng)
    plain, seed = (fusion.source_psnr(*pictures, protocol=p) for p in fusion.PROTOCOLS)
    assert seed - plain == pytest.approx(20 * math.log10(255))
    error = fusion.source_mse(*pictures)
    assert seed == pytest.approx(10 * math.log10(255**2 / error))


def test_the_published_61_8_db_are_that_arithmetic_and_13_7_without_it():
    # An MSE of 0.0428 to both: 52.75 levels; three quarters of the pixels at 53, a quarter at 52.
    fused = np.full((2, 2), 53, np.uint8)
    fused[0, 0] = 52
    sources = (np.zeros_like(fused),) * 2
    assert fusion.source_mse(*sources, fused) == pytest.approx(0.0428, abs=2e-5)
    seed = fusion.source_psnr(*sources, fused, protocol="seed")
    assert seed == pytest.approx(61.865, abs=0.06)
    assert fusion.source_psnr(*sources, fused) == pytest.approx(13.7, abs=0.05)


def test_an_unknown_protocol_is_refused():
    with pytest.raises(UsageError, match=r"plain, seed\. Received: protocol='gt_mean'"):
        fusion.source_psnr(BLACK, BLACK, BLACK, protocol="gt_mean")


def test_a_sum_gives_back_both_sources():
    visible, infrared = np.uint8([[0, 10], [0, 10]]), np.uint8([[0, 0], [20, 20]])
    assert fusion.scd(visible, infrared, visible + infrared) == pytest.approx(2)
    # Around their means the sources are 5 and 10, and independent. For 100 - V - I the differences
    # are -V - 2 I and -I - 2 V: correlations of -5 / sqrt(425) and -10 / sqrt(200).
    against = fusion.scd(visible, infrared, 100 - visible - infrared)
    assert against == pytest.approx(-5 / math.sqrt(425) - 10 / math.sqrt(200))


def test_a_copy_of_one_source_is_judged_by_what_it_lacks_of_the_other():
    # Infrared minus visible with infrared, by hand: (0, -10, 20, 10) with (0, 0, 20, 20).
    visible, infrared = np.uint8([[0, 10], [0, 10]]), np.uint8([[0, 0], [20, 20]])
    expected = 400 / math.sqrt(500 * 400)
    assert fusion.scd(visible, infrared, infrared) == pytest.approx(expected)
    assert fusion.scd(visible, visible, visible) == 0


@pytest.mark.parametrize("metric", [*ALONE, *OF_BOTH])
def test_color_counts_as_its_rounded_luma_and_floats_as_8_bits(metric, rng):
    count = 1 if metric in ALONE else 3
    color = rng.integers(0, 256, (count, 12, 17, 3), dtype=np.uint8)
    gray = np.rint(color @ [0.299, 0.587, 0.114]).astype(np.uint8)
    assert metric(*color) == metric(*gray)
    assert metric(*gray[..., None]) == metric(*gray)
    assert metric(*(gray / np.float32(255))) == metric(*gray)


@pytest.mark.parametrize("metric", OF_BOTH)
def test_sources_may_be_swapped(metric, rng):
    visible, infrared, fused = noise(rng)
    assert metric(visible, infrared, fused) == pytest.approx(metric(infrared, visible, fused))


@pytest.mark.parametrize("metric", OF_BOTH)
@pytest.mark.parametrize(
    ("infrared", "message"),
    [
        (np.zeros((2, 3), np.uint8), "visible 2x2, infrared 2x3, fused 2x2"),
        (np.zeros((2, 2, 4), np.uint8), r"infrared picture must be gray or RGB.*2x2x4"),
        (np.zeros((2, 2), np.uint16), "uint16"),
        (np.full((2, 2), np.nan), "NaN"),
    ],
)
def test_what_cannot_be_compared_is_refused(metric, infrared, message):
    with pytest.raises(UsageError, match=message):
        metric(HALVES, infrared, HALVES)
