"""Losses by the light of each region have the values computed by hand."""

import numpy as np
import pytest

from lowlight_tf.constants import NIGHT_BELOW
from lowlight_tf.losses import illumination
from lowlight_tf.losses.fusion import max_gradient
from tests.losses.test_fusion import flat, ramp, value

NIGHT, DAY = flat(0.2), flat(1.0)  # full frames, of weights 0.001 and 0.9999


def test_the_target_intensity_of_a_night_depends_on_the_region():
    dark, normal, glare = flat(0.01), flat(0.5), flat(0.99)
    infrared = flat(0.3)
    # 0.01 ** 0.6 = 0.063 is below the infrared level; in glare black is 0.4.
    targets = {0.01: 0.3, 0.5: 0.5, 0.99: 0.4 + 0.6 * 0.3}
    for visible in (dark, normal, glare):
        level = targets[round(float(visible.max()), 2)]
        loss = illumination.regional_intensity(visible, infrared, flat(level), NIGHT)
        assert value(loss) == pytest.approx(0, abs=0.01)  # each mask is at least 1 %
        loss = illumination.regional_intensity(visible, infrared, flat(level + 0.2), NIGHT)
        assert value(loss) > 0.19


def test_the_edge_of_a_lamp_is_glare_too():
    visible, infrared, target = flat(0.0, 64), flat(0.5, 64), flat(0.5, 64)
    visible[:, 20:44, 20:44] = 1
    target[:, 20:44, 20:44] = 0.4 + 0.6 * 0.5
    rim = target.copy()
    rim[:, 20:44, 20:44] = 1
    rim[:, 22:42, 22:42] = 0.4 + 0.6 * 0.5
    smooth, rimmed = (
        value(illumination.regional_intensity(visible, infrared, fused, NIGHT))
        for fused in (target, rim)
    )
    added = 0.3 * (24**2 - 20**2) / 64**2
    assert rimmed - smooth > 0.8 * added


def test_regions_that_are_dark_in_both_are_brightened():
    loss = illumination.regional_intensity(flat(0.05), flat(0), flat(0.05**0.6), NIGHT)
    assert value(loss) == pytest.approx(0, abs=0.005)


def test_by_day_the_sky_and_the_road_are_those_of_the_visible_image():
    for level in (0.1, 0.5, 0.95):
        visible = flat(level, side=64)
        for infrared in (flat(0.0, side=64), flat(0.8, side=64)):
            loss = illumination.regional_intensity(visible, infrared, visible, DAY)
            assert value(loss) == pytest.approx(0, abs=1e-3)


def test_by_day_what_is_warmer_than_its_surroundings_is_brighter():
    visible, infrared = flat(0.4, side=64), flat(0.2, side=64)
    infrared[:, 28:36, 30:34] = 0.7
    warmer = 0.5 * (1 - 8 * 4 / 41**2)
    target = visible.copy()
    target[:, 28:36, 30:34] += warmer
    loss = illumination.regional_intensity(visible, infrared, target, DAY)
    assert value(loss) == pytest.approx(0, abs=1e-3)


def test_by_day_what_is_colder_than_its_surroundings_has_weaker_edges_in_the_target():
    cloud, sky = flat(0.5, side=64), flat(0.8, side=64)
    cloud[:, 8:56, 8:56] = 0.2
    by_day, by_night = (
        value(illumination.regional_gradient(sky, cloud, sky, frame)) for frame in (DAY, NIGHT)
    )
    assert by_day < 0.8 * by_night  # what is left: beside a cloud the sky is warmer than both


def test_in_twilight_both_targets_are_mixed():
    visible, infrared, twilight = flat(0.5), flat(0.9), flat(0.54)
    loss = illumination.regional_intensity(visible, infrared, flat(0.7), twilight)
    assert value(loss) == pytest.approx(0, abs=0.01)


def test_gradients_of_glare_are_not_part_of_the_target():
    lamp = np.clip(ramp(0.02) + 0.86, 0, 1)  # glare with a gradient
    dim = ramp(0.02) + 0.4
    none = flat(0.5, side=8)
    assert value(illumination.regional_gradient(lamp, none, none, NIGHT)) < 0.002
    for image, frame in ((dim, NIGHT), (lamp, DAY)):
        expected = value(max_gradient(image, none, none))
        loss = illumination.regional_gradient(image, none, none, frame)
        assert value(loss) == pytest.approx(expected, rel=0.1)


def test_the_illumination_loss_applies_to_dark_and_glare_regions_by_night_only():
    dark, normal = flat(0.0, side=32), flat(0.5, side=32)
    mask = 1 / (1 + np.exp(-20 * 0.25))
    loss = illumination.illumination(dark, flat(0.2, 32), NIGHT)
    assert value(loss) == pytest.approx(0.3 * mask, rel=2e-3)
    for visible, level, frame in ((dark, 0.5, NIGHT), (normal, 0.2, NIGHT), (dark, 0.2, DAY)):
        loss = illumination.illumination(visible, flat(level, 32), frame)
        assert value(loss) == pytest.approx(0, abs=0.005)


def test_by_day_no_block_may_be_darker_than_the_visible_image_by_more_than_a_tenth():
    sky = flat(0.8, 32)
    for level, expected in ((0.9, 0), (0.72, 0), (0.5, 0.22)):
        loss = illumination.daylight(sky, flat(level, 32), DAY)
        assert value(loss) == pytest.approx(expected, abs=0.005)
    for frame, weight in ((NIGHT, 0.008), (flat(NIGHT_BELOW), 0.5)):
        loss = illumination.daylight(sky, flat(0.0, 32), frame)
        assert value(loss) == pytest.approx(0.72 * weight, abs=1e-3)


def test_structure_of_the_infrared_image_is_dark_on_a_lamp_and_people_stay_bright():
    lamp, infrared = flat(1.0, 40), flat(0.3, 40)
    infrared[:, 12:28, 12:28] = 0.4  # a person, warmer than the street
    target = flat(0.7, 40)
    target[:, 12:28, 12:28] = 1
    loss, saturated = (
        value(illumination.structure_in_glare(lamp, infrared, fused, NIGHT))
        for fused in (target, lamp)
    )
    assert loss == pytest.approx(0, abs=1e-3)
    assert saturated > 0.2
    coldest = flat(0.4, 40)
    coldest[:, 16:24, 16:24] = 0
    target = flat(1.0, 40)
    target[:, 16:24, 16:24] = 0.5  # not black: the lamp remains one
    loss = value(illumination.structure_in_glare(lamp, coldest, target, NIGHT))
    assert loss == pytest.approx(0, abs=1e-3)


def test_without_glare_or_by_day_the_loss_of_structure_in_glare_is_zero():
    for visible, frame in ((flat(0.3, 64), NIGHT), (flat(1.0, 64), DAY)):
        loss = illumination.structure_in_glare(visible, flat(0.5, 64), flat(0.0, 64), frame)
        assert value(loss) == pytest.approx(0, abs=1e-3)
