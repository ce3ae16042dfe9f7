"""Entropy, information, contrast and correlation of fused images, computed by hand."""

import math

import numpy as np
import pytest

from lowlight_tf.checks import UsageError
from lowlight_tf.metrics import fusion

BLACK = np.zeros((2, 2), np.uint8)
HALVES = np.uint8([[0, 255], [0, 255]])  # two levels with p = 1/2: 1 bit
ROWS = np.uint8([[0, 0], [255, 255]])  # independent of HALVES
QUARTERS = np.uint8([[0, 1], [2, 3]])  # four levels: 2 bits
FUSED_ONLY = (
    fusion.entropy,
    fusion.standard_deviation,
    fusion.spatial_frequency,
    fusion.average_gradient,
    fusion.edge_intensity,
)
WITH_SOURCES = (
    fusion.mutual_information,
    fusion.normalized_mutual_information,
    fusion.cross_entropy,
    fusion.source_mse,
    fusion.source_psnr,
    fusion.scd,
)


def noise(rng, count=3, size=(12, 17)):
    return rng.integers(0, 256, (count, *size), dtype=np.uint8)


@pytest.mark.parametrize(("image", "bits"), [(BLACK, 0), (HALVES, 1), (QUARTERS, 2)])
def test_entropy_is_in_bits(image, bits):
    assert fusion.entropy(image) == bits


def test_a_uniform_histogram_has_eight_bits():
    assert fusion.entropy(np.arange(256, dtype=np.uint8).reshape(16, 16)) == 8


def test_entropy_of_a_nonuniform_histogram_is_as_computed_by_hand():
    # A quarter and three quarters: 2/4 + 3/4 log2(4/3).
    assert fusion.entropy(np.uint8([[9, 5], [5, 5]])) == pytest.approx(0.811278, abs=1e-6)


def test_the_mutual_information_of_an_image_with_itself_is_its_entropy(rng):
    image, *_ = noise(rng)
    twice = fusion.mutual_information(image, image, image)
    assert twice == pytest.approx(2 * fusion.entropy(image))


def test_a_copy_of_one_source_has_no_information_on_an_independent_one():
    assert fusion.mutual_information(HALVES, ROWS, HALVES) == 1
    assert fusion.mutual_information(ROWS, ROWS, HALVES) == 0


def test_an_image_that_determines_both_sources_has_a_bit_of_each():
    assert fusion.mutual_information(HALVES, ROWS, np.uint8([[0, 90], [60, 9]])) == 2


def test_mutual_information_is_invariant_to_inversion():
    assert fusion.mutual_information(HALVES, ROWS, 255 - HALVES) == 1


def test_normalized_mutual_information_is_one_for_each_equal_source():
    assert fusion.normalized_mutual_information(HALVES, HALVES, HALVES) == 2
    assert fusion.normalized_mutual_information(HALVES, ROWS, HALVES) == 1
    # One bit each, of entropies 1 and 2: 2 (1/3 + 1/3).
    both = fusion.normalized_mutual_information(HALVES, ROWS, QUARTERS)
    assert both == pytest.approx(4 / 3)


def test_normalized_mutual_information_of_flat_images_is_nan():
    assert math.isnan(fusion.normalized_mutual_information(BLACK, HALVES, BLACK))


def test_cross_entropy_is_the_mean_divergence_of_the_histograms():
    # Histogram of the source 3/4 and 1/4, of the fused image 1/2 each:
    # 3/4 log2(3/2) + 1/4 log2(1/2) = 0.188722; the other source has the same histogram.
    visible, infrared = np.uint8([[0, 0], [0, 255]]), ROWS
    value = fusion.cross_entropy(visible, infrared, HALVES)
    assert value == pytest.approx(0.188722 / 2, abs=1e-6)


def test_cross_entropy_ignores_levels_that_one_image_lacks():
    # Only 0 is in both: 1/2 log2((1/2) / 1).
    assert fusion.cross_entropy(HALVES, BLACK, BLACK) == pytest.approx(-0.25)
    assert fusion.cross_entropy(BLACK + 1, BLACK + 2, BLACK) == 0


def test_standard_deviation_is_that_of_all_pixels():
    assert fusion.standard_deviation(HALVES) == 127.5
    assert fusion.standard_deviation(np.uint8([[1, 3], [1, 3]])) == 1  # not 2 / sqrt(3)


def test_spatial_frequency_is_the_rms_of_the_differences():
    assert fusion.spatial_frequency(np.uint8([[0, 3], [4, 7]])) == 5  # differences of 3 and of 4
    assert fusion.spatial_frequency(np.uint8([[0, 2, 2], [0, 2, 2]])) == math.sqrt(2)


def test_average_gradient_of_a_ramp_is_as_computed_by_hand():
    rows, columns = np.mgrid[:5, :6]
    assert fusion.average_gradient(np.uint8(3 * columns)) == pytest.approx(3 / math.sqrt(2))
    ramp = np.uint8(6 * columns + 8 * rows)
    assert fusion.average_gradient(ramp) == pytest.approx(10 / math.sqrt(2))


def test_average_gradient_uses_central_differences():
    # Along the row 0, 8, 0: 8, 0, -8, not 8 and 8.
    value = fusion.average_gradient(np.uint8([[0, 8, 0], [0, 8, 0]]))
    assert value == pytest.approx(16 / 3 / math.sqrt(2))


def test_edge_intensity_of_a_ramp_is_eight_times_its_slope():
    # At the border, where the outermost pixels are repeated, half of that.
    ramp = np.tile(np.uint8(3 * np.arange(6)), (5, 1))
    assert fusion.edge_intensity(ramp) == pytest.approx((4 * 24 + 2 * 12) / 6)


def test_source_mse_is_the_mean_of_both_in_unit_range():
    assert fusion.source_mse(BLACK, BLACK + 255, BLACK) == 0.5
    assert fusion.source_mse(BLACK, BLACK + 51, BLACK) == pytest.approx(0.2**2 / 2)


def test_source_psnr_has_a_peak_of_255():
    # Errors of 10 and 0 levels: a mean of 50.
    value = fusion.source_psnr(BLACK, BLACK + 10, BLACK + 10)
    assert value == pytest.approx(10 * math.log10(255**2 / 50))
    assert fusion.source_psnr(BLACK, BLACK, BLACK) == math.inf


def test_unit_range_has_a_peak_of_255_for_levels_in_0_to_1(rng):
    images = noise(rng)
    plain, unit_range = (fusion.source_psnr(*images, protocol=p) for p in fusion.PROTOCOLS)
    assert unit_range - plain == pytest.approx(20 * math.log10(255))
    error = fusion.source_mse(*images)
    assert unit_range == pytest.approx(10 * math.log10(255**2 / error))


def test_the_published_61_8_db_are_unit_range_and_13_7_db_are_plain():
    # An MSE of 0.0428 to both: 52.75 levels; three quarters of the pixels at 53, a quarter at 52.
    fused = np.full((2, 2), 53, np.uint8)
    fused[0, 0] = 52
    sources = (np.zeros_like(fused),) * 2
    assert fusion.source_mse(*sources, fused) == pytest.approx(0.0428, abs=2e-5)
    unit_range = fusion.source_psnr(*sources, fused, protocol="unit_range")
    assert unit_range == pytest.approx(61.865, abs=0.06)
    assert fusion.source_psnr(*sources, fused) == pytest.approx(13.7, abs=0.05)


def test_an_unknown_protocol_is_rejected():
    with pytest.raises(UsageError, match=r"plain, unit_range\. Received: protocol='gt_mean'"):
        fusion.source_psnr(BLACK, BLACK, BLACK, protocol="gt_mean")


def test_scd_of_a_sum_and_of_a_negative_are_as_computed_by_hand():
    visible, infrared = np.uint8([[0, 10], [0, 10]]), np.uint8([[0, 0], [20, 20]])
    assert fusion.scd(visible, infrared, visible + infrared) == pytest.approx(2)
    # Around their means the sources are 5 and 10, and independent. For 100 - V - I the differences
    # are -V - 2 I and -I - 2 V: correlations of -5 / sqrt(425) and -10 / sqrt(200).
    negative = fusion.scd(visible, infrared, 100 - visible - infrared)
    assert negative == pytest.approx(-5 / math.sqrt(425) - 10 / math.sqrt(200))


def test_scd_of_a_copy_of_one_source_is_its_correlation_with_the_other():
    # Infrared minus visible with infrared, by hand: (0, -10, 20, 10) with (0, 0, 20, 20).
    visible, infrared = np.uint8([[0, 10], [0, 10]]), np.uint8([[0, 0], [20, 20]])
    expected = 400 / math.sqrt(500 * 400)
    assert fusion.scd(visible, infrared, infrared) == pytest.approx(expected)
    assert fusion.scd(visible, visible, visible) == 0


@pytest.mark.parametrize("metric", [*FUSED_ONLY, *WITH_SOURCES])
def test_color_is_converted_to_rounded_luma_and_floats_to_8_bits(metric, rng):
    count = 1 if metric in FUSED_ONLY else 3
    color = rng.integers(0, 256, (count, 12, 17, 3), dtype=np.uint8)
    gray = np.rint(color @ [0.299, 0.587, 0.114]).astype(np.uint8)
    assert metric(*color) == metric(*gray)
    assert metric(*gray[..., None]) == metric(*gray)
    assert metric(*(gray / np.float32(255))) == metric(*gray)


@pytest.mark.parametrize("metric", WITH_SOURCES)
def test_metrics_are_symmetric_in_the_sources(metric, rng):
    visible, infrared, fused = noise(rng)
    assert metric(visible, infrared, fused) == pytest.approx(metric(infrared, visible, fused))


@pytest.mark.parametrize("metric", WITH_SOURCES)
@pytest.mark.parametrize(
    ("infrared", "message"),
    [
        (np.zeros((2, 3), np.uint8), "visible 2x2, infrared 2x3, fused 2x2"),
        (np.zeros((2, 2, 4), np.uint8), r"infrared image must be gray or RGB.*2x2x4"),
        (np.zeros((2, 2), np.uint16), "uint16"),
        (np.full((2, 2), np.nan), "NaN"),
    ],
)
def test_incompatible_images_are_rejected(metric, infrared, message):
    with pytest.raises(UsageError, match=message):
        metric(HALVES, infrared, HALVES)
