"""Every metric of the catalog is defined: function, inputs, unit, range, better direction."""

import inspect

import numpy as np
import pytest

from lowlight_tf.catalog import METRICS
from lowlight_tf.cli.main import main
from lowlight_tf.metrics import fidelity

IMAGES = {"target", "low", "enhanced", "visible", "infrared", "fused"}
WITHOUT_DIRECTION = {"brightness", "dark_luma", "normal_luma", "glare_luma", "sky_luma_ratio"}
LOWER_IS_BETTER = {
    "clipped_fraction",
    "cross_entropy",
    "dark_crushed",
    "glare_saturated",
    "highlight_growth",
    "loe",
    "lpips",
    "mae",
    "niqe",
    "qcv",
    "source_mse",
}


@pytest.mark.parametrize("name", list(METRICS))
def test_every_metric_has_a_direction_a_range_and_a_definition(name):
    metric = METRICS.find(name)
    assert metric.higher_is_better is (
        None if name in WITHOUT_DIRECTION else name not in LOWER_IS_BETTER
    )
    assert metric.direction in ("higher", "lower", "")
    low, high = metric.value_range
    assert low < high
    assert any(word in metric.definition for word in ("luma", "RGB", "source"))
    assert metric.unit in ("", "dB", "%") or metric.unit in metric.definition


@pytest.mark.parametrize("name", list(METRICS))
def test_the_direction_is_a_field_and_not_part_of_the_definition(name):
    metric = METRICS.find(name)
    assert "is better" not in metric.definition
    assert ("is better" in metric.describe()) is (metric.higher_is_better is not None)


def test_ranges_are_written_for_tables():
    ranges = {name: METRICS.find(name).range_text for name in METRICS}
    assert ranges["entropy"] == "0 to 8"
    assert ranges["psnr"] == "from 0"
    assert ranges["qabf"] == "0 to 0.975"
    assert ranges["cross_entropy"] == ""


@pytest.mark.parametrize("name", list(METRICS))
def test_values_of_random_images_are_in_the_range(name):
    metric, rng = METRICS.find(name), np.random.default_rng(4)
    images = {image: rng.integers(0, 256, (200, 200, 3), dtype=np.uint8) for image in IMAGES}
    images["visible"][:, :60], images["visible"][:, 130:], images["low"][90:99] = 5, 250, 255
    value = metric.load()(**{image: images[image] for image in metric.inputs})
    low, high = metric.value_range
    assert low <= value <= high


@pytest.mark.parametrize("name", list(METRICS))
def test_equal_images_have_the_better_value(name):
    metric, rng = METRICS.find(name), np.random.default_rng(4)
    if "target" not in metric.inputs:
        return
    target, other = rng.integers(0, 256, (2, 64, 64, 3), dtype=np.uint8)
    equal, different = metric.load()(target, target), metric.load()(target, other)
    assert (equal > different) is metric.higher_is_better


@pytest.mark.parametrize("name", list(METRICS))
def test_every_metric_takes_the_inputs_of_its_entry(name):
    metric = METRICS.find(name)
    parameters = inspect.signature(metric.load()).parameters.values()
    names = [each.name for each in parameters if each.kind is not each.KEYWORD_ONLY]
    assert tuple(names) == metric.inputs
    assert set(names) <= IMAGES


@pytest.mark.parametrize("name", list(METRICS))
def test_every_metric_with_its_own_protocols_takes_a_protocol(name):
    metric = METRICS.find(name)
    own = "protocol" in inspect.signature(metric.load()).parameters
    assert own == bool(metric.protocols)
    assert metric.has_protocol == (own or "target" in metric.inputs)


def test_the_protocols_of_metrics_are_known():
    known = {protocol for name in METRICS for protocol in METRICS.find(name).protocols}
    assert known == {"plain", "unit_range"}
    for protocol in known:
        fidelity.check_protocol(protocol)


def test_the_definitions_are_listed(capsys):
    assert main(["catalog", "metrics"]) == 0
    output = capsys.readouterr().out
    assert all(METRICS.find(name).definition in output for name in METRICS)
