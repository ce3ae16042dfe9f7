"""Setting the brightness control of a model."""

import numpy as np
import pytest

from lowlight_tf.checks import UsageError
from lowlight_tf.contract import ENHANCE, ENHANCE_WITH_BRIGHTNESS
from lowlight_tf.runtime.brightness import check_brightness, with_brightness


def test_half_of_the_port_is_for_each_direction():
    for ev, expected in ((2, [1, 0]), (-1, [0, 0.5]), (0.5, [0.25, 0])):
        port = with_brightness(ENHANCE_WITH_BRIGHTNESS, {}, ev)["brightness"]
        assert port.shape == (1, 1, 1, 2)
        np.testing.assert_allclose(port.ravel(), expected)


def test_automatic_changes_nothing_for_any_model():
    inputs = {"thumbnail": np.zeros(1)}
    assert with_brightness(ENHANCE, inputs, 0.0) == inputs


def test_a_model_without_a_control_and_too_much_are_refused():
    for call in (check_brightness, lambda contract, ev: with_brightness(contract, {}, ev)):
        with pytest.raises(UsageError, match="brightness control"):
            call(ENHANCE, 1.0)
        for ev in (2.5, float("nan")):
            with pytest.raises(UsageError, match="from -2 to 2"):
                call(ENHANCE_WITH_BRIGHTNESS, ev)
