"""Light of simulated scenes."""

import numpy as np
import pytest

from lowlight_tf.imaging.camera.illumination import Lamp, random_lamps, render_lamps, smooth_field


def test_a_field_goes_from_0_to_its_depth_and_is_smooth(rng):
    for _ in range(20):
        field = smooth_field((60, 90), 4.0, rng)
        assert field.min() == 0
        assert field.max() == pytest.approx(4)
        assert np.abs(np.diff(field, axis=1)).max() < 1.2


def test_a_lamp_is_saturated_inside_and_fades_outside():
    lamp = Lamp((0.5, 0.5), 0.1, 0.2, (1.0, 0.5, 0.25))
    light = render_lamps((101, 101), [lamp])
    assert light[50, 50].min() > 1
    edge, double = light[50, 50 + 12], light[50, 50 + 24]
    # A power law: twice as far is 2^-2.2 of the light (half a pixel off the center).
    assert double[0] / edge[0] == pytest.approx(2**-2.2, rel=0.05)
    assert edge[1] / edge[0] == pytest.approx(0.5, rel=1e-3)


def test_no_lamp_is_no_light():
    assert render_lamps((8, 8), []).max() == 0


def test_random_lamps_lie_in_the_image_and_shine(rng):
    for lamp in random_lamps(50, rng):
        assert 0 < min(lamp.center) <= max(lamp.center) < 1
        assert max(lamp.color) == 1
        assert 0.004 <= lamp.radius <= 0.04
