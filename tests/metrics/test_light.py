"""Metrics by light region, on an image of three stripes: dark, normal and glare."""

import math

import numpy as np
import pytest

from lowlight_tf.checks import UsageError
from lowlight_tf.metrics import light

STREET = np.repeat(np.uint8([20, 20, 20, 128, 250]), 30)[None].repeat(60, 0)  # (60, 150)
LUMAS = (light.dark_luma, light.normal_luma, light.glare_luma)
DETAILS = (light.dark_detail, light.normal_detail, light.glare_detail)
STRIPES = [slice(0, 90), slice(90, 120), slice(120, 150)]


def checkerboard(low, high):
    rows, columns = np.indices(STREET.shape) // 2
    return np.where((rows + columns) % 2, low, high).astype(np.uint8)


def test_regions_follow_the_blurred_luma():
    masks = light.light_regions(STREET)
    for mask, stripe in zip(masks, STRIPES, strict=True):
        expected = np.zeros_like(STREET, bool)
        expected[:, stripe] = True
        assert np.array_equal(mask, expected)


def test_a_small_light_is_no_glare_region():
    street = STREET.repeat(8, 0).repeat(8, 1)  # 480 pixels high: a sigma of 4.8
    street[238:242, 78:82] = 255
    assert light.light_regions(street).dark[240, 80]


def test_every_pixel_is_in_one_region(rng):
    visible = rng.integers(0, 256, (40, 40, 3), dtype=np.uint8)
    assert (np.sum(light.light_regions(visible), 0) == 1).all()


@pytest.mark.parametrize(("metric", "level"), [*zip(LUMAS, (20, 128, 250), strict=True)])
def test_the_luma_of_a_region_is_its_mean(metric, level):
    assert metric(STREET, STREET) == pytest.approx(level / 255)
    assert metric(STREET, np.full_like(STREET, 102)) == pytest.approx(0.4)


@pytest.mark.parametrize(
    ("metric", "level"),
    [
        (light.dark_luma, 128),
        (light.dark_crushed, 128),
        (light.normal_luma, 20),
        (light.glare_luma, 128),
        (light.glare_saturated, 128),
    ],
)
def test_a_metric_of_an_absent_region_is_nan(metric, level):
    assert math.isnan(metric(np.full_like(STREET, level), STREET))


@pytest.mark.parametrize(("side", "too_small"), [(3, True), (6, False)])
def test_less_than_a_thousandth_of_the_image_is_no_region(side, too_small):
    visible = np.full((100, 100), 128, np.uint8)
    visible[50 : 50 + side, 50 : 50 + side] = 255
    glare = np.count_nonzero(light.light_regions(visible).glare)
    assert 0 < glare < 10 if too_small else glare >= 10
    assert math.isnan(light.glare_luma(visible, visible)) == too_small


@pytest.mark.parametrize("metric", DETAILS)
def test_detail_is_the_preserved_fraction_of_the_larger_gradient(metric):
    visible, infrared = STREET, checkerboard(0, 80)
    assert metric(visible, infrared, visible * 0) == 0
    preserved = metric(visible, infrared, infrared)
    assert 0.9 < preserved <= 1
    half = metric(visible, infrared, infrared // 2)
    assert half == pytest.approx(preserved / 2, abs=0.06)


def test_the_detail_of_either_source_counts():
    flat, detailed = np.full_like(STREET, 20), checkerboard(0, 40)
    assert light.dark_detail(flat, detailed, detailed) == 1
    assert light.dark_detail(detailed, flat, detailed) == 1
    assert light.dark_detail(detailed, flat, detailed // 2) == 0.5


def test_amplified_and_added_edges_do_not_count():
    flat, detailed = np.full_like(STREET, 20), checkerboard(0, 40)
    assert light.dark_detail(flat, detailed, 4 * detailed) == 1
    visible = np.full_like(STREET, 20)
    visible[:, :30] = detailed[:, :30]
    before = light.dark_detail(visible, flat, visible * 0)
    assert before == 0
    only_elsewhere = np.where(np.arange(150) > 35, checkerboard(0, 40), 20).astype(np.uint8)
    assert light.dark_detail(visible, flat, only_elsewhere) < 0.01


def test_detail_of_flat_sources_is_nan():
    flat = np.full_like(STREET, 20)
    assert math.isnan(light.dark_detail(flat, flat, STREET))


def test_crushed_and_saturated_pixels_are_percentages_of_their_regions():
    fused = np.full_like(STREET, 128)
    fused[:, :9] = 5  # a tenth of the dark stripe; 5.1 is 0.02 of white
    fused[:, 9:15] = 6
    fused[:, 120:126] = 250  # a fifth of the glare; 249.9 is 0.98 of white
    fused[:, 126:140] = 249
    fused[:, 90:100] = 255  # not in the glare region
    assert light.dark_crushed(STREET, fused) == pytest.approx(10)
    assert light.glare_saturated(STREET, fused) == pytest.approx(20)


def test_the_sky_is_what_is_bright_in_the_upper_half_of_a_day():
    day = np.full((100, 100), 140, np.uint8)
    day[:30] = 220
    day[60:80] = 220  # a white car is no sky
    fused = np.full_like(day, 110)
    assert light.sky_luma_ratio(day, day) == 1
    assert light.sky_luma_ratio(day, fused) == pytest.approx(0.5, abs=0.01)  # of 220, blurred
    for changed in (slice(7, 30), slice(30, 100)):  # too little sky; and a night below the sky
        other = day.copy()
        other[changed] = 50
        assert math.isnan(light.sky_luma_ratio(other, fused))


def test_color_is_converted_to_luma():
    color = np.dstack([STREET] * 3)
    assert light.glare_luma(color, color) == light.glare_luma(STREET, STREET)


def test_images_of_different_sizes_are_rejected():
    for metric in (*LUMAS, light.dark_crushed, light.glare_saturated, light.sky_luma_ratio):
        with pytest.raises(UsageError, match="visible 60x150, fused 60x80"):
            metric(STREET, STREET[:, :80])
    with pytest.raises(UsageError, match="fused 60x80"):
        light.dark_detail(STREET, STREET, STREET[:, :80])
